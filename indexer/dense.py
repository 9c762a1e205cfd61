"""The dense index: exact inner-product search in FAISS over immutable segments.

A segment is one file of (id, vector) pairs. Deleted ids are passed in at search time, because a published file never
changes. Knows no SQL, no text and no model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import faiss
import numpy as np
import numpy.typing as npt

from indexer.embedder import Vectors
from indexer.errors import IndexDamaged

Ids = npt.NDArray[np.int64]

# FAISS switches Flat search to BLAS above 20 queries by default; at d = 384 its own kernels win below 334 (DESIGN.md).
faiss.cvar.distance_compute_blas_threshold = 334


@dataclass(frozen=True, slots=True)
class Hit:
    """One chunk found by one index; a higher score is better, and scores of different indexes do not compare."""

    chunk_id: int
    score: float


class DenseIndex(Protocol):
    """Nearest neighbours by inner product."""

    def search(self, query: Vectors, k: int, allowed: Ids | None = None) -> list[Hit]:
        """At most k hits, best first; `query` has shape (dimensions,); `allowed` limits the ids that may be found."""


def write_segment(path: Path, ids: Ids, vectors: Vectors) -> None:
    """Writes one segment: ids of shape (n,), vectors of shape (n, dimensions)."""
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(np.ascontiguousarray(vectors), ids)
    # FAISS's own file writer ignores an error at closing; Python's does not.
    with path.open("wb") as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]


class FaissSegments:
    """A `DenseIndex` over the segments of one generation."""

    def __init__(self, files: Sequence[Path], deleted: Ids) -> None:
        self._segments = [_read(file) for file in files]
        self._deleted = deleted
        self._live: faiss.IDSelector | None = (
            faiss.IDSelectorNot(faiss.IDSelectorBatch(deleted)) if len(deleted) else None
        )

    def search(self, query: Vectors, k: int, allowed: Ids | None = None) -> list[Hit]:
        """Exact search; segments are merged by score."""
        selector = self._live
        if allowed is not None:
            among = faiss.IDSelectorBatch(allowed)
            selector = faiss.IDSelectorAnd(among, self._live) if self._live is not None else among
        parameters = None
        if selector is not None:
            parameters = faiss.SearchParameters()
            parameters.sel = selector
        hits: list[Hit] = []
        for segment in self._segments:
            if segment.d != query.shape[0]:
                raise IndexDamaged(
                    f"the index holds vectors of {segment.d} dimensions, the model gives {query.shape[0]}"
                )
            scores, ids = segment.search(query[np.newaxis, :], min(k, segment.ntotal), params=parameters)
            hits.extend(Hit(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0)
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))[:k]

    def rows(self) -> Iterator[tuple[Ids, Vectors]]:
        """The ids and vectors that are not deleted, a segment at a time."""
        for segment in self._segments:
            ids = faiss.vector_to_array(segment.id_map)  # type: ignore[attr-defined]
            live = ~np.isin(ids, self._deleted)
            yield ids[live], segment.index.reconstruct_n(0, segment.ntotal)[live]  # type: ignore[attr-defined]


def _read(file: Path) -> "faiss.Index":
    try:
        return faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise IndexDamaged(f"{file.name} cannot be read by FAISS: {error}") from error
