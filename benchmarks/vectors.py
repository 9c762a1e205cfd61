"""Real embeddings for index benchmarks, and as many perturbed copies of them as are wanted.

There is no corpus of a million English chunks at hand. So each real chunk's vector is copied with noise that has the
covariance of the real vectors, of such strength that a copy is about as far from its original as a real chunk is from
its nearest neighbour. Queries are real questions: those of the training sets to choose parameters, those of the
development sets for what is reported.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.chunks import chunks_by_file
from indexer.dense import Ids
from indexer.embedder import Embedder, EmbedderSettings, SentenceTransformerEmbedder, Vectors

NOISE = 0.5
_CHUNKS = 8704
_QUESTIONS = 1024
_AT_ONCE = 512
_NEAREST = 200


def real_vectors(data: Path, cache: Path) -> tuple[Vectors, Vectors, Vectors]:
    """Vectors of chunks, of training questions and of development questions; embedded once, then read from `cache`."""
    files = [cache / f"{name}.npy" for name in ("chunks", "train-questions", "dev-questions")]
    if not all(file.exists() for file in files):
        cache.mkdir(parents=True, exist_ok=True)
        embedder = SentenceTransformerEmbedder(EmbedderSettings())
        train = _questions(data / "train" / "qa_en.jsonl.gz")
        spread = np.random.default_rng(0).permutation(len(train))[:_QUESTIONS]
        texts = (
            sorted(set(_chunks(data, embedder)))[:_CHUNKS],
            [train[i] for i in spread],
            _questions(data / "dev" / "qa_en.jsonl.gz")[:_QUESTIONS],
        )
        for file, some in zip(files, texts, strict=True):
            vectors = _embedded(embedder, some, file)
            np.save(file, vectors)
    chunks, training, development = (np.load(file) for file in files)
    return chunks, training, development


def perturbed(real: Vectors, count: int, seed: int) -> Iterator[Vectors]:
    """Yields blocks of unit vectors, `count` in all: every real vector equally often, in random order, with noise."""
    rng = np.random.default_rng(seed)
    covariance = np.cov(real, rowvar=False) + 1e-9 * np.eye(real.shape[1])
    root = np.linalg.cholesky(covariance).astype(np.float32)
    order = np.concatenate([rng.permutation(len(real)) for _ in range(-(-count // len(real)))])[:count]
    for at in range(0, count, 50_000):
        originals = real[order[at : at + 50_000]]
        block = originals + NOISE * (rng.standard_normal(originals.shape, dtype=np.float32) @ root.T)
        yield block / np.linalg.norm(block, axis=1, keepdims=True)


def describe_noise(real: Vectors) -> str:
    """How far a copy is from its original, beside how far a real vector is from its nearest neighbour."""
    rng = np.random.default_rng(0)
    sample = real[rng.permutation(len(real))[:1000]]
    neighbours = np.sort(sample @ real.T, axis=1)[:, -2]
    copies = next(perturbed(sample, len(sample), seed=0))
    originals = sample[np.random.default_rng(0).permutation(len(sample))]
    return (
        f"median cosine of a copy to its original {np.median((copies * originals).sum(axis=1)):.2f}, "
        f"of a real vector to its nearest neighbour {np.median(neighbours):.2f}"
    )


def truth(real: Vectors, questions: Vectors, count: int, seed: int, cache: Path) -> tuple[Path, Ids]:
    """A file of `count` perturbed copies, and for each question the positions of the 200 nearest, best first."""
    file = cache / f"copies-{seed}-{count}.npy"
    nearest_file = cache / f"nearest-{seed}-{count}.npy"
    if not (nearest_file.exists() and file.exists()):
        vectors = np.lib.format.open_memmap(file, "w+", np.float32, (count, real.shape[1]))
        scores = np.full((len(questions), _NEAREST), -np.inf, dtype=np.float32)
        nearest = np.zeros((len(questions), _NEAREST), dtype=np.int64)
        at = 0
        for block in perturbed(real, count, seed):
            vectors[at : at + len(block)] = block
            seen = np.concatenate([scores, questions @ block.T], axis=1)
            positions = np.concatenate(
                [nearest, np.broadcast_to(np.arange(at, at + len(block)), seen[:, _NEAREST:].shape)], axis=1
            )
            best = np.argpartition(-seen, _NEAREST, axis=1)[:, :_NEAREST]
            scores, nearest = np.take_along_axis(seen, best, axis=1), np.take_along_axis(positions, best, axis=1)
            at += len(block)
        vectors.flush()
        np.save(nearest_file, np.take_along_axis(nearest, np.argsort(-scores, axis=1), axis=1))
    return file, np.load(nearest_file)


def _chunks(data: Path, embedder: Embedder) -> Iterator[str]:
    """Every English chunk of the development data, and the passages that questions are about."""
    for _, chunks in chunks_by_file(data / "corpora", lambda text: embedder.count_tokens([text])[0]):
        for chunk in chunks:
            if embedder.coverage(chunk.text) >= 0.4:  # as the product does
                yield chunk.embedded_text
    for name in ("train/qa_en", "train/qa_en_unanswerable", "dev/qa_en"):
        yield from (record["passage"] for record in _records(data / f"{name}.jsonl.gz"))
    for name in ("cranfield", "zoomcamp"):
        for record in _records(data / "dev" / "retrieval" / f"corpus_{name}.jsonl.gz"):
            yield f"{record['title']}\n{record['text']}"


def _questions(file: Path) -> list[str]:
    return list(dict.fromkeys(record["question"] for record in _records(file)))


def _records(file: Path) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _embedded(embedder: Embedder, texts: list[str], file: Path) -> Vectors:
    """Embeds in pieces that are kept, so that an interrupted run goes on where it stopped."""
    pieces = []
    for at in range(0, len(texts), _AT_ONCE):
        piece = file.with_name(f"{file.stem}-{at:06d}.npy")
        if not piece.exists():
            with piece.with_suffix(".tmp").open("wb") as out:
                np.save(out, embedder.embed_documents(texts[at : at + _AT_ONCE]))
            piece.with_suffix(".tmp").rename(piece)
        pieces.append(np.load(piece))
    return np.concatenate(pieces)
