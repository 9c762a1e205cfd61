"""Products in int8 give nearly the vectors of fp32, also where a few channels are far larger than the others."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import quantize as module
from indexer.calibration import CALIBRATION, JUDGED, calibration_texts
from indexer.quantize import dynamic_int8, static_int8
from indexer.runtime import openvino

CHANNELS = 32
Array = npt.NDArray[Any]


def graph(weights: Array, *, transpose_b: bool = True, heads: int = 1) -> Any:
    """`heads` products of one input of shape (texts, tokens, CHANNELS), side by side."""
    ov = openvino()
    opset = ov.opset13
    entry = opset.parameter([-1, -1, CHANNELS], np.float32, name="input")
    constant = opset.constant(weights.astype(np.float32))
    products = [opset.matmul(entry, constant, False, transpose_b) for _ in range(heads)]
    return ov.Model([opset.concat(products, -1)], [entry])


def run(model: Any, values: Array) -> Array:
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    out: Array = openvino().Core().compile_model(model, "CPU", settings)({"input": values})[0]
    return out


def samples(outlier: float = 1.0) -> list[dict[str, Array]]:
    values = np.random.default_rng(3).standard_normal((6, 3, 7, CHANNELS)).astype(np.float32)
    values[..., 5] *= outlier
    return [{"input": part} for part in values]


def error(got: Array, wanted: Array) -> float:
    return float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))


WEIGHTS = np.random.default_rng(4).standard_normal((16, CHANNELS))


@pytest.mark.parametrize("transpose_b", [True, False])
@pytest.mark.parametrize("outlier", [1.0, 12.0])
def test_static_products_are_near_those_of_fp32(transpose_b: bool, outlier: float) -> None:
    model = graph(WEIGHTS if transpose_b else WEIGHTS.T, transpose_b=transpose_b, heads=2)
    seen = samples(outlier)
    quantized = static_int8(model, seen)
    kinds = [node.get_type_name() for node in quantized.get_ordered_ops()]
    assert kinds.count("FakeQuantize") == 1, "products of one input share what it was quantised to"
    assert kinds.count("MatMul") == 2
    values = seen[0]["input"]
    values[..., 5] = 0  # what the outlier carries would hide what it does to the others
    assert error(run(quantized, values), run(model, values)) < 0.03


def test_without_a_ceiling_one_channel_spoils_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = graph(WEIGHTS), samples(12.0)
    values = seen[0]["input"].copy()
    values[..., 5] = 0
    wanted = run(model, values)
    with_ceiling = error(run(static_int8(model, seen), values), wanted)
    monkeypatch.setattr(module, "_CEILING_PERCENTILE", 100)
    assert error(run(static_int8(model, seen), values), wanted) > 2 * with_ceiling


def test_an_input_that_was_never_seen_alive_divides_by_nothing() -> None:
    model = graph(WEIGHTS)
    dead: list[dict[str, Array]] = [{"input": np.zeros((1, 2, CHANNELS), np.float32)}]
    assert np.isfinite(run(static_int8(model, dead), samples()[0]["input"])).all()


def test_weights_alone() -> None:
    model, values = graph(WEIGHTS), samples()[0]["input"]
    assert error(run(dynamic_int8(model), values), run(model, values)) < 0.01


def test_products_of_two_inputs_stay() -> None:
    ov = openvino()
    a, b = (ov.opset13.parameter([-1, CHANNELS], np.float32, name=name) for name in "ab")
    model = ov.Model([ov.opset13.matmul(a, b, False, True)], [a, b])
    quantized = static_int8(model, [{name: np.ones((2, CHANNELS), np.float32) for name in "ab"}])
    assert "FakeQuantize" not in [node.get_type_name() for node in quantized.get_ordered_ops()]


@given(st.floats(-1e4, 1e4, width=32), st.floats(-1e4, 1e4, width=32))
def test_zero_is_a_level(a: float, b: float) -> None:
    low, high = module._bounds(min(a, b), max(a, b))
    assert low <= 0 <= high
    step = (float(high) - float(low)) / 255
    assert -float(low) / step == pytest.approx(round(-float(low) / step), abs=1e-3)
    assert float(low) <= min(a, b, 0) * 1.1 + step
    assert float(high) >= max(a, b, 0) * 1.1 - step


def test_a_copy_is_not_judged_by_what_it_was_calibrated_on() -> None:
    assert not set(CALIBRATION) & set(JUDGED)
    assert all(text in "\n".join(calibration_texts()) for text in CALIBRATION)
