"""The embedding model on a CPU: OpenVINO runs a converted copy that is kept on disk.

The copy is made once from the torch model, on this machine, in the fastest precision whose vectors are those of torch.
Loading it needs no torch. A model that cannot be converted stays with torch; the reason is kept and logged each time.
"""

import json
import logging
import os
import shutil
import tempfile
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from indexer.batching import batches_by_length
from indexer.calibration import JUDGED, calibration_texts
from indexer.copies import ABOUT, copy_folder, hold
from indexer.identity import file_sha256
from indexer.quantize import dynamic_int8, static_int8
from indexer.runtime import openvino

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]

_log = logging.getLogger(__name__)
_VERSION = 2
_MODEL, _WEIGHTS, _TOKENIZER = "model.xml", "model.bin", "tokenizer.json"
# 512 to 1,024 tokens stay in a core's cache: 10 % faster than 4,096.
_BATCH_TOKENS = 1024
_LENGTH_STEP = 16  # a register's floats: a tenth faster than odd lengths, padding included
_GROUP = 64
_SHAPES_KEPT = 64  # kernels are kept per shape; 512 took 57 MB more and were no faster
# Least cosine of any text judged by to its fp32 vector. What it does to recall: docs/decisions.md.
_LEAST_COSINE = {"fp32": 0.9999, "bf16": 0.999, "dynamic int8": 0.995, "static int8": 0.99}
_SETTINGS: dict[str, dict[str, str]] = {
    "fp32": {"INFERENCE_PRECISION_HINT": "f32"},
    "bf16": {"INFERENCE_PRECISION_HINT": "bf16"},
    "dynamic int8": {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(_GROUP)},
    "static int8": {"INFERENCE_PRECISION_HINT": "f32"},
}
_ABANDONED_SECONDS = 3600
_TIMED_SHAPE = (8, 128)
_TIMED_ROUNDS = 5


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
        return About(**json.loads((folder / ABOUT).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def kept_engine(models: Path, fingerprint: str) -> str | None:
    """What runs this model on the CPU, for people; None if that has not been measured yet."""
    about = read_about(copy_folder(models, fingerprint))
    if about is None:
        return None
    return f"torch: {about.problem}" if about.problem else f"OpenVINO {about.precision}"


class CpuEngine:
    """A converted copy, ready to embed. Safe to use from several threads."""

    def __init__(self, folder: Path, about: About, held: int | None = None) -> None:
        """`held` is the descriptor that keeps the folder, closed when the engine goes."""
        from tokenizers import Tokenizer

        if held is not None:
            weakref.finalize(self, os.close, held)
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
        held = hold(folder)
        about = read_about(folder)
        if about is None or about.made_for != _made_for() or not _is_whole(folder, about):
            _let_go(held)
            model = load()
            try:
                about, held = _make(folder, model, prompts)
            except OSError as error:
                _log.warning(
                    "torch runs the embedding model, which is slower: no copy can be kept in %s: %s", folder, error
                )
                return None
        if about.problem is not None:
            _log.warning("torch runs the embedding model, which is slower: %s", about.problem)
            _let_go(held)
            return None
        return cls(folder, about, held)

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


def _compile(model: Any, precision: str, more: Mapping[str, str] = MappingProxyType({})) -> Any:
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "CPU_RUNTIME_CACHE_CAPACITY": _SHAPES_KEPT, **_SETTINGS[precision]}
    return openvino().Core().compile_model(model, "CPU", {**settings, **more})


def _made_for() -> list[str]:
    ov = openvino()
    core = ov.Core()
    able = sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return [str(_VERSION), ov.get_version(), core.get_property("CPU", "FULL_DEVICE_NAME").strip(), *able]


def _is_whole(folder: Path, about: About) -> bool:
    """Whether the files are those that were written; a flipped bit would give other vectors without a word."""
    try:
        return all(file_sha256(folder / name) == sha256 for name, sha256 in (about.sha256 or {}).items())
    except OSError:
        return False


def _let_go(held: int | None) -> None:
    if held is not None:
        os.close(held)


def _make(
    folder: Path, model: "SentenceTransformer", prompts: tuple[str | None, str | None]
) -> tuple[About, int | None]:
    """Converts into a folder beside `folder`, then renames: a run that dies leaves nothing half-written.

    The new folder is held before it has its name, so that nobody can remove it in between.
    """
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
        (made / ABOUT).write_text(json.dumps(asdict(about), indent=1))
        held = hold(made)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            made.rename(folder)
        except OSError:
            _let_go(held)
            held = hold(folder)
            if read_about(folder) != about:  # else another process has just done the same
                _let_go(held)
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return about, held


def _convert(folder: Path, model: "SentenceTransformer", prompts: tuple[str | None, str | None]) -> About:
    query, document = _prompts(model, prompts)
    tokenizer = _save_tokenizer(folder, model)
    max_tokens = model.max_seq_length or 512
    tokenizer.enable_truncation(max_tokens)

    def inputs(texts: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
        return _inputs([encoding.ids for encoding in tokenizer.encode_batch([document + text for text in texts])])

    models = variants(model, [inputs([text]) for text in calibration_texts()])
    wanted = model.encode(list(JUDGED), prompt=document, normalize_embeddings=True, show_progress_bar=False)
    requests = {name: _compile(graph, name).create_infer_request() for name, graph in models.items()}
    cosines = {name: _least_cosine(request, inputs(JUDGED), wanted) for name, request in requests.items()}
    good = {name: request for name, request in requests.items() if cosines[name] >= _LEAST_COSINE[name]}
    if not good:
        raise NotConverted(f"its converted copy gives other vectors (least cosine {max(cosines.values()):.4f})")
    speeds = _speeds(good)
    best = max(speeds, key=lambda name: speeds[name])
    openvino().save_model(models[best], str(folder / _MODEL), compress_to_fp16=False)
    sha256 = {name: file_sha256(folder / name) for name in (_MODEL, _WEIGHTS, _TOKENIZER)}
    return About(_made_for(), None, best, max_tokens, query, document, speeds, cosines, sha256)


def _save_tokenizer(folder: Path, model: "SentenceTransformer") -> Any:
    from tokenizers import Tokenizer

    # A copy: the model sets padding in its own at each call.
    tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / _TOKENIZER))
    return tokenizer


def variants(model: "SentenceTransformer", samples: Sequence[Mapping[str, npt.NDArray[np.int64]]]) -> dict[str, Any]:
    """OpenVINO's model in each precision that may be worth its while here. `samples` are inputs to calibrate on."""
    converted = _trace(model)
    models = {
        "fp32": converted,
        "dynamic int8": dynamic_int8(converted),
        "static int8": static_int8(converted, samples),
    }
    if "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        models["bf16"] = converted
    return models


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
    ov = openvino()
    hf_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    failures = (ov.frontend.OpConversionFailure, ov.frontend.GeneralFailure, RuntimeError, TypeError, ValueError)
    try:
        # Tracing warns of each branch that it fixes; the comparison with torch says whether that was right.
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ov.convert_model(Traced().eval(), example_input={"input_ids": ids, "attention_mask": ids.clone()})
    except (*failures, KeyError, AttributeError) as error:  # whatever a model's own code makes of being traced
        raise NotConverted(f"OpenVINO cannot convert it: {str(error).strip().splitlines()[0][:200]}") from error


def _least_cosine(request: Any, probes: dict[str, npt.NDArray[np.int64]], wanted: Vectors) -> float:
    return float((wanted * _unit(request.infer(probes)[0])).sum(axis=1).min())


def _speeds(requests: dict[str, Any]) -> dict[str, int]:
    """Tokens per CPU second, the best of interleaved rounds: another process may be busy at the time."""
    rows, tokens = _TIMED_SHAPE
    inputs = _inputs([[1] * tokens] * rows)
    seconds = dict.fromkeys(requests, float("inf"))
    for _ in range(_TIMED_ROUNDS):
        for name, request in requests.items():
            started = time.process_time()
            request.infer(inputs)
            seconds[name] = min(seconds[name], time.process_time() - started)
    return {name: round(rows * tokens / s) for name, s in seconds.items()}


def _inputs(ids: Sequence[Sequence[int]]) -> dict[str, npt.NDArray[np.int64]]:
    longest = max(map(len, ids))
    if len(ids) > 1:
        longest = -(-longest // _LENGTH_STEP) * _LENGTH_STEP
    padded = np.zeros((len(ids), longest), dtype=np.int64)
    mask = np.zeros_like(padded)
    for row, text in enumerate(ids):
        padded[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return {"input_ids": padded, "attention_mask": mask}


def _unit(vectors: npt.NDArray[np.float32]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
