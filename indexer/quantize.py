"""An OpenVINO model whose large matrix products run in int8.

Weights get one scale a row (symmetric, 127 steps). Inputs are quantised either as they come, by groups ("dynamic"), or
by ranges found beforehand on sample texts ("static"), which is a third faster: OpenVINO then keeps int8 between layers.

In static mode one scale for a whole input is spoilt by a few channels that are ten times as large as the others. What
such a channel has above the ceiling moves into its row of the weights, x·W = (x/s)·(s·W), the idea of SmoothQuant
(Xiao et al. 2022) for outliers alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.runtime import openvino

Floats = npt.NDArray[np.float32]

_CEILING_PERCENTILE = 95  # of the channels' largest values
_MARGIN = 1.1  # a text may have larger values than those seen
_LEVELS = 256
_LEAST = np.float32(1e-12)


@dataclass(frozen=True, slots=True)
class _Product:
    """One product of an input with constant weights, shape (outputs, inputs)."""

    node: Any
    weights: Floats

    @property
    def source(self) -> Any:
        return self.node.input(0).get_source_output()


def dynamic_int8(model: Any) -> Any:
    """A copy with int8 weights. The engine quantises inputs by groups if DYNAMIC_QUANTIZATION_GROUP_SIZE is set."""
    copy = model.clone()
    for product in _products(copy):
        _replace(product, product.source, product.weights)
    return copy


def static_int8(model: Any, samples: Iterable[Mapping[str, npt.NDArray[Any]]]) -> Any:
    """A copy with int8 weights and inputs, calibrated on `samples`, which are inputs of the model."""
    opset = openvino().opset13
    ranges = _ranges(model, samples)
    copy = model.clone()
    for shared in _by_source(_products(copy)):
        source = shared[0].source
        low, high = ranges[_key(source)]
        largest = np.maximum(np.abs(low), np.abs(high))
        scale = np.maximum(1, largest / max(np.percentile(largest, _CEILING_PERCENTILE), _LEAST)).astype(np.float32)
        bounds = [opset.constant(bound) for bound in _bounds((low / scale).min(), (high / scale).max())]
        scaled = opset.multiply(source, opset.constant(1 / scale))
        quantized = opset.fake_quantize(scaled, *bounds, *bounds, _LEVELS)
        for product in shared:
            _replace(product, quantized.output(0), product.weights * scale)
    copy.validate_nodes_and_infer_types()
    return copy


def _products(model: Any) -> list[_Product]:
    """Those with constant weights whose input has a known rank and is not transposed."""
    products = []
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul" or node.get_attributes()["transpose_a"]:
            continue
        constant = node.input(1).get_source_output().get_node()
        known = node.input(0).get_partial_shape().rank.is_static
        if known and constant.get_type_name() == "Constant" and len(constant.shape) == 2:
            weights = np.asarray(constant.data, dtype=np.float32)
            products.append(_Product(node, weights if node.get_attributes()["transpose_b"] else weights.T))
    return products


def _by_source(products: list[_Product]) -> list[list[_Product]]:
    """Together those that read the same input, so that it is quantised once."""
    found: defaultdict[tuple[str, int], list[_Product]] = defaultdict(list)
    for product in products:
        found[_key(product.source)].append(product)
    return list(found.values())


def _key(output: Any) -> tuple[str, int]:
    """Names an output of the model and of its copies."""
    return output.get_node().get_friendly_name(), output.get_index()


def _replace(product: _Product, source: Any, weights: Floats) -> None:
    """Makes the product read `source` and int8 weights."""
    opset = openvino().opset13
    step = np.maximum(np.abs(weights).max(axis=1, keepdims=True) / 127, _LEAST)
    small = opset.constant(np.rint(weights / step).astype(np.int8))
    restored = opset.multiply(opset.convert(small, "f32"), opset.constant(step))
    product.node.output(0).replace(opset.matmul(source, restored, False, True).output(0))


def _ranges(
    model: Any, samples: Iterable[Mapping[str, npt.NDArray[Any]]]
) -> dict[tuple[str, int], tuple[Floats, Floats]]:
    """The least and the largest value of each channel that a product reads, shape (channels,) each."""
    ov = openvino()
    observed = model.clone()
    sources = {_key(shared[0].source): shared[0].source for shared in _by_source(_products(observed))}
    outputs = len(observed.outputs)
    for reduce in (ov.opset13.reduce_min, ov.opset13.reduce_max):
        for source in sources.values():
            axes = np.arange(source.get_partial_shape().rank.get_length() - 1)
            observed.add_outputs([reduce(source, ov.opset13.constant(axes), keep_dims=False).output(0)])
    request = ov.Core().compile_model(observed, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    lows: list[list[Floats]] = [[] for _ in sources]
    highs: list[list[Floats]] = [[] for _ in sources]
    for sample in samples:
        values = [np.array(value) for value in list(request.infer(sample).values())[outputs:]]
        for seen, value in zip([*lows, *highs], values, strict=True):
            seen.append(value)
    return {key: (np.min(lows[i], axis=0), np.max(highs[i], axis=0)) for i, key in enumerate(sources)}


def _bounds(low: float, high: float) -> tuple[np.float32, np.float32]:
    """The range that is cut into levels: it holds zero, which is one of them."""
    low, high = min(float(low), 0.0) * _MARGIN, max(float(high), 0.0, float(_LEAST)) * _MARGIN
    step = (high - low) / (_LEVELS - 1)
    zero = round(-low / step)
    return np.float32(-zero * step), np.float32((_LEVELS - 1 - zero) * step)
