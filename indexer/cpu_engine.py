"""The embedding model on a CPU: OpenVINO runs a converted copy that is kept on disk.

The copy is made once from the torch model, on this machine, in the fastest precision whose vectors are those of torch.
Loading it needs no torch. A model that cannot be converted stays with torch; the reason is kept and logged each time.
"""

import json
import logging
import shutil
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from indexer.batching import batches_by_length
from indexer.identity import file_sha256

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]

_log = logging.getLogger(__name__)
COPIES = "models"  # below the data folder
_VERSION = 1
_ABOUT, _MODEL, _WEIGHTS, _TOKENIZER = "about.json", "model.xml", "model.bin", "tokenizer.json"
# 512 to 1,024 tokens stay in a core's cache: 10 % faster than 4,096.
_BATCH_TOKENS = 1024
_GROUP = 64
_SHAPES_KEPT = 512  # kernels are kept per shape; OpenVINO's own limit is 5,000
# Least cosine of any probe to its fp32 vector. What it does to recall: docs/decisions.md.
_LEAST_COSINE = {"fp32": 0.9999, "bf16": 0.999, "int8": 0.995}
_SETTINGS: dict[str, dict[str, str]] = {
    "fp32": {"INFERENCE_PRECISION_HINT": "f32"},
    "bf16": {"INFERENCE_PRECISION_HINT": "bf16"},
    "int8": {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(_GROUP)},
}
_PROBES = (
    "How many days of paid parental leave do I get?",
    "Configure the server > Timeouts\nPath parameters are declared with the same syntax as Python format strings.",
    "The limit for a hotel in London is 165 pounds a night. " * 40,
    "在宅勤務は週に3日までとする。申請は前日の17時までに行う。",
    "Rechnungen werden quartalsweise per E-Mail verschickt; Zahlungsziel: 30 Tage.",
    "def read_item(item_id: int, q: str | None = None) -> dict[str, object]: ...",
    "  Leading spaces, UPPER CASE & a number: 3.14159  ",
    "x",
)
_ABANDONED_SECONDS = 3600
_TIMED_SHAPE = (4, 128)


class NotConverted(Exception):
    """The model cannot run in OpenVINO with torch's vectors. Caught here: torch then runs it."""


@dataclass(frozen=True, slots=True)
class About:
    """What is kept beside the copy. `made_for` names all that the choice depended on; `problem` says why torch runs."""

    made_for: list[str]
    problem: str | None = None
    precision: str = ""
    max_tokens: int = 0
    query_prompt: str = ""
    document_prompt: str = ""
    tokens_per_second: dict[str, int] | None = None
    least_cosine: dict[str, float] | None = None
    sha256: dict[str, str] | None = None


def read_about(folder: Path) -> About | None:
    """What the folder holds, None if it holds nothing that can be read."""
    try:
        return About(**json.loads((folder / _ABOUT).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def copy_folder(models: Path, fingerprint: str) -> Path:
    """Where the copy of the model with this fingerprint lies."""
    return models / fingerprint.rpartition("@")[2]


def kept_engine(models: Path, fingerprint: str) -> str | None:
    """What runs this model on the CPU, for people; None if that has not been measured yet."""
    about = read_about(copy_folder(models, fingerprint))
    if about is None:
        return None
    return f"torch: {about.problem}" if about.problem else f"OpenVINO {about.precision}"


class CpuEngine:
    """A converted copy, ready to embed. Safe to use from several threads."""

    def __init__(self, folder: Path, about: About) -> None:
        from tokenizers import Tokenizer

        self.precision = about.precision
        self._about = about
        self._tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        self._tokenizer.enable_truncation(about.max_tokens)
        compiled = _compile(str(folder / _MODEL), about.precision)
        self._requests: SimpleQueue[Any] = SimpleQueue()
        self._parallel = max(1, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        for _ in range(self._parallel):
            self._requests.put(compiled.create_infer_request())

    @classmethod
    def open(
        cls, folder: Path, load: Callable[[], "SentenceTransformer"], prompts: tuple[str | None, str | None]
    ) -> Self | None:
        """The kept copy, made first where there is none for this machine. None where torch has to run the model."""
        about = read_about(folder)
        if about is None or about.made_for != _made_for() or not _is_whole(folder, about):
            model = load()
            try:
                about = _make(folder, model, prompts)
            except OSError as error:
                _log.warning(
                    "torch runs the embedding model, which is slower: no copy can be kept in %s: %s", folder, error
                )
                return None
        if about.problem is not None:
            _log.warning("torch runs the embedding model, which is slower: %s", about.problem)
            return None
        return cls(folder, about)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), dimensions), of unit length."""
        return self._embed([self._about.document_prompt + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """Shape (dimensions,), of unit length."""
        vector: Vectors = self._embed([self._about.query_prompt + text])[0]
        return vector

    def _embed(self, texts: list[str]) -> Vectors:
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]
        out: list[Vectors | None] = [None] * len(texts)
        running: deque[tuple[list[int], Any]] = deque()

        def finish() -> None:
            batch, request = running.popleft()
            try:
                request.wait()
                for i, vector in zip(batch, _unit(request.get_output_tensor(0).data), strict=True):
                    out[i] = vector
            finally:
                self._requests.put(request)

        try:
            for batch in batches_by_length([len(i) for i in ids], _BATCH_TOKENS):
                # Never wait for a free request while holding one that others may wait for.
                if len(running) == self._parallel:
                    finish()
                request = self._free(finish if running else None)
                running.append((batch, request))
                request.start_async(_inputs([ids[i] for i in batch]))
        finally:
            while running:
                finish()
        return np.stack(out) if out else np.empty((0, 0), dtype=np.float32)  # type: ignore[arg-type]

    def _free(self, finish: Callable[[], None] | None) -> Any:
        try:
            return self._requests.get_nowait()
        except Empty:
            if finish is not None:
                finish()
            return self._requests.get()


def _openvino() -> Any:
    """The module, without its telemetry: importing it would send a request to its maker."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _compile(model: Any, precision: str) -> Any:
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "CPU_RUNTIME_CACHE_CAPACITY": _SHAPES_KEPT, **_SETTINGS[precision]}
    return _openvino().Core().compile_model(model, "CPU", settings)


def _made_for() -> list[str]:
    ov = _openvino()
    core = ov.Core()
    able = sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return [str(_VERSION), ov.get_version(), core.get_property("CPU", "FULL_DEVICE_NAME").strip(), *able]


def _is_whole(folder: Path, about: About) -> bool:
    """Whether the files are those that were written; a flipped bit would give other vectors without a word."""
    try:
        return all(file_sha256(folder / name) == sha256 for name, sha256 in (about.sha256 or {}).items())
    except OSError:
        return False


def _make(folder: Path, model: "SentenceTransformer", prompts: tuple[str | None, str | None]) -> About:
    """Converts into a folder beside `folder`, then renames: a run that dies leaves nothing half-written."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in folder.parent.glob(".converting-*"):  # of a run that was killed; one at work is younger
        if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        try:
            about = _convert(made, model, prompts)
        except NotConverted as problem:
            about = About(_made_for(), problem=str(problem))
        (made / _ABOUT).write_text(json.dumps(asdict(about), indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            made.rename(folder)
        except OSError:
            if read_about(folder) != about:  # else another process has just done the same
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return about


def _convert(folder: Path, model: "SentenceTransformer", prompts: tuple[str | None, str | None]) -> About:
    from tokenizers import Tokenizer

    query, document = _prompts(model, prompts)
    # A copy: the model sets padding in its own at each call.
    tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / _TOKENIZER))
    max_tokens = model.max_seq_length or 512
    converted = _trace(model)
    models = {"fp32": converted, "int8": _with_int8_weights(converted)}
    if "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        models["bf16"] = converted
    wanted = model.encode(list(_PROBES), prompt=document, normalize_embeddings=True, show_progress_bar=False)
    tokenizer.enable_truncation(max_tokens)
    probes = _inputs([encoding.ids for encoding in tokenizer.encode_batch([document + probe for probe in _PROBES])])
    requests = {name: _compile(graph, name).create_infer_request() for name, graph in models.items()}
    cosines = {name: _least_cosine(request, probes, wanted) for name, request in requests.items()}
    good = {name: request for name, request in requests.items() if cosines[name] >= _LEAST_COSINE[name]}
    if not good:
        raise NotConverted(f"its converted copy gives other vectors (least cosine {max(cosines.values()):.4f})")
    speeds = _speeds(good)
    best = max(speeds, key=lambda name: speeds[name])
    _openvino().save_model(models[best], str(folder / _MODEL), compress_to_fp16=False)
    sha256 = {name: file_sha256(folder / name) for name in (_MODEL, _WEIGHTS, _TOKENIZER)}
    return About(_made_for(), None, best, max_tokens, query, document, speeds, cosines, sha256)


def _prompts(model: "SentenceTransformer", given: tuple[str | None, str | None]) -> tuple[str, str]:
    """Those of the settings, else the model's own, by the rules of encode_query and encode_document."""
    own = model.prompts
    query = own.get("query") or ""
    document = next((own[name] or "" for name in ("document", "passage", "corpus") if name in own), "")
    return query if given[0] is None else given[0], document if given[1] is None else given[1]


def _trace(model: "SentenceTransformer") -> Any:
    import torch
    from transformers.utils import logging as hf_logging

    class Traced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            return self.model(features)["sentence_embedding"]  # type: ignore[no-any-return]

    ids = torch.ones(2, 9, dtype=torch.int64)
    ov = _openvino()
    hf_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    failures = (ov.frontend.OpConversionFailure, ov.frontend.GeneralFailure, RuntimeError, TypeError, ValueError)
    try:
        # Tracing warns of each branch that it fixes; the comparison with torch says whether that was right.
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ov.convert_model(Traced().eval(), example_input={"input_ids": ids, "attention_mask": ids.clone()})
    except (*failures, KeyError, AttributeError) as error:  # whatever a model's own code makes of being traced
        raise NotConverted(f"OpenVINO cannot convert it: {str(error).strip().splitlines()[0][:200]}") from error


def _with_int8_weights(model: Any) -> Any:
    """A copy whose matrices are int8 with one scale a row; activations are quantised as they come, by groups."""
    opset = _openvino().opset13
    copy = model.clone()
    for node in copy.get_ordered_ops():
        if node.get_type_name() != "MatMul":
            continue
        source = node.input(1).get_source_output().get_node()
        if source.get_type_name() != "Constant" or len(source.shape) != 2:
            continue
        weights = np.asarray(source.data, dtype=np.float32)
        inner = 1 if node.get_attributes()["transpose_b"] else 0
        scale = np.maximum(np.abs(weights).max(axis=inner, keepdims=True) / 127, np.float32(1e-12))
        small = opset.constant(np.rint(weights / scale).astype(np.int8))
        restored = opset.multiply(opset.convert(small, "f32"), opset.constant(scale))
        node.input(1).replace_source_output(restored.output(0))
    return copy


def _least_cosine(request: Any, probes: dict[str, npt.NDArray[np.int64]], wanted: Vectors) -> float:
    return float((wanted * _unit(request.infer(probes)[0])).sum(axis=1).min())


def _speeds(requests: dict[str, Any]) -> dict[str, int]:
    """Tokens per second of all, the best of interleaved rounds: another process may be busy at the time."""
    rows, tokens = _TIMED_SHAPE
    inputs = _inputs([[1] * tokens] * rows)
    seconds = dict.fromkeys(requests, float("inf"))
    for _ in range(3):
        for name, request in requests.items():
            started = time.perf_counter()
            request.infer(inputs)
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    return {name: round(rows * tokens / s) for name, s in seconds.items()}


def _inputs(ids: Sequence[Sequence[int]]) -> dict[str, npt.NDArray[np.int64]]:
    longest = max(map(len, ids))
    padded = np.zeros((len(ids), longest), dtype=np.int64)
    mask = np.zeros_like(padded)
    for row, text in enumerate(ids):
        padded[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return {"input_ids": padded, "attention_mask": mask}


def _unit(vectors: npt.NDArray[np.float32]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
