"""The dense index: nearest neighbours by inner product in FAISS, over immutable segments.

A segment is a set of (id, vector) pairs in files that never change; deleted ids are passed in at opening. A small one
is one FAISS file that is searched exactly (Flat). A large one is three: codes in inverted lists, the ids in ascending
order, and the vectors in half precision, against which the best candidates by code are scored again. Codes and ids are
mapped, vectors read one by one. indexer/families.py writes them. Knows no SQL, no text and no model.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
import numpy.typing as npt

from indexer.embedder import Vectors
from indexer.errors import FilesDamaged, IndexDamaged

Ids = npt.NDArray[np.int64]
Positions = npt.NDArray[np.intp]

# FAISS switches Flat search to BLAS above 20 queries by default; at d = 384 its own kernels win below 334 (DESIGN.md).
faiss.cvar.distance_compute_blas_threshold = 334
# A set of allowed ids up to this size is scored whole: exact, and not slower than walking the lists for it.
_SCORED_WHOLE = 10_000
_SEEN_FOR_EACH = 4  # vectors visited for each candidate wanted, at least
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class Hit:
    """One chunk found by one index; a higher score is better, and scores of different indexes do not compare."""

    chunk_id: int
    score: float


class DenseIndex(Protocol):
    """Nearest neighbours by inner product."""

    def search(self, query: Vectors, k: int, allowed: Ids | None = None) -> list[Hit]:
        """At most k hits, best first; `query` has shape (dimensions,); `allowed` limits the ids that may be found."""


class FaissSegments:
    """A `DenseIndex` over the segments of one generation. One query takes one thread; callers may be many."""

    def __init__(self, files: Sequence[Path], deleted: Ids) -> None:
        self.segments = [Segment(file, deleted) for file in files]

    def search(self, query: Vectors, k: int, allowed: Ids | None = None) -> list[Hit]:
        """Segments are merged by score. A Flat one is searched exactly, as is a short list of allowed ids."""
        # A team of threads for one question waits for itself: 48 ms instead of .6 on a busy machine. Holds per thread.
        faiss.omp_set_num_threads(1)
        hits = [hit for segment in self.segments for hit in segment.search(query, k, allowed)]
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))[:k]

    def rows(self) -> Iterator[tuple[Ids, Vectors]]:
        """The ids and vectors that are not deleted, a block at a time."""
        for segment in self.segments:
            yield from segment.rows()


def ids_file(segment: Path) -> Path:
    """Where a large segment has its ids: int64 of shape (n,), ascending."""
    return segment.with_suffix(".ids.npy")


def vectors_file(segment: Path) -> Path:
    """Where a large segment has its vectors: float16 of shape (n, dimensions), in the order of its ids."""
    return segment.with_suffix(".vectors.npy")


class Segment:
    """One opened segment. `deleted` ids are no longer found. Raises IndexDamaged."""

    def __init__(self, file: Path, deleted: Ids) -> None:
        index: Any = _read(file)
        self._index: Any
        self.file = file
        self.family = family_of(index)
        if isinstance(index, faiss.IndexIVF):
            self._index, self._owner = index, index
            ids = _mapped(ids_file(file))
            self._vectors: Rows | Vectors = Rows(vectors_file(file))
            self._order = None
        else:
            self._index, self._owner = faiss.downcast_index(index.index), index  # which frees it when it goes
            ids = faiss.vector_to_array(index.id_map)
            rows = faiss.rev_swig_ptr(self._index.get_xb(), index.ntotal * index.d)
            self._vectors = rows.reshape(index.ntotal, index.d)
            self._order = np.argsort(ids)  # early versions wrote them in another order than that of the ids
        if ids.shape != (index.ntotal,) or self._vectors.shape != (index.ntotal, index.d):
            raise IndexDamaged(f"{file.name} and its ids and vectors do not belong together")
        self._ids = ids
        self._ascending = ids if self._order is None else ids[self._order]
        gone = self._positions(deleted)
        self.count, self.deleted = index.ntotal, len(gone)
        self._live: npt.NDArray[np.bool_] | None = None
        if len(gone):
            self._live = np.ones(self.count, dtype=bool)
            self._live[gone] = False
        self._live_selector = None if self._live is None else _bitmap(self._live)

    def search(self, query: Vectors, k: int, allowed: Ids | None = None) -> Iterator[Hit]:
        """At most k hits in any order."""
        if self._index.d != query.shape[0]:
            raise IndexDamaged(
                f"the index holds vectors of {self._index.d} dimensions, the model gives {query.shape[0]}"
            )
        selector, among = self._live_selector, self.count - self.deleted
        if allowed is not None:
            positions = self._positions(allowed)
            if self._live is not None:
                positions = positions[self._live[positions]]
            if len(positions) <= _SCORED_WHOLE:
                return self._scored(query, positions, k)
            chosen = np.zeros(self.count, dtype=bool)
            chosen[positions] = True
            selector, among = _bitmap(chosen), len(positions)
        if isinstance(self._index, faiss.IndexIVF):
            return self._scored(query, self._candidates(query, k, selector, among), k)
        parameters = faiss.SearchParameters()
        parameters.sel = selector
        scores, found = self._index.search(query[np.newaxis, :], min(k, self.count), params=parameters)
        return (Hit(int(self._ids[i]), float(s)) for i, s in zip(found[0], scores[0], strict=True) if i >= 0)

    def rows(self) -> Iterator[tuple[Ids, Vectors]]:
        """The ids and vectors that are not deleted, a block at a time; those of a large segment in half precision."""
        for at in range(0, self.count, _ROWS_AT_ONCE):
            block = slice(at, min(at + _ROWS_AT_ONCE, self.count))
            kept = slice(None) if self._live is None else self._live[block]
            yield np.asarray(self._ids[block])[kept], self._vectors[block][kept].astype(np.float32)

    def holds(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """For each of the ids whether it is in this segment, deleted or not."""
        return np.asarray(np.isin(ids, self._ids))

    def _positions(self, ids: Ids) -> Positions:
        """Where those of the ids that are in this segment stand."""
        at = np.searchsorted(self._ascending, ids)
        at = at[self._ascending[np.minimum(at, self._ascending.size - 1)] == ids]
        return at if self._order is None else np.asarray(self._order[at])

    def _candidates(self, query: Vectors, k: int, selector: "faiss.IDSelector | None", among: int) -> Positions:
        """The best by code. Where few may be found, more lists are visited, so that as many are seen."""
        depth, lists = candidates(k), self._index.nlist
        visited = max(probes(lists) / lists * self.count, _SEEN_FOR_EACH * depth)
        parameters = faiss.SearchParametersIVF()
        parameters.nprobe = min(lists, math.ceil(lists * visited / max(among, 1)))
        parameters.sel = selector
        found = self._index.search(query[np.newaxis, :], min(depth, self.count), params=parameters)[1][0]
        return np.asarray(np.sort(found[found >= 0]))

    def _scored(self, query: Vectors, positions: Positions, k: int) -> Iterator[Hit]:
        scores = self._vectors[positions].astype(np.float32, copy=False) @ query
        best = np.argpartition(-scores, k - 1)[:k] if len(scores) > k else slice(None)
        ids = self._ids[positions[best]]
        return (Hit(int(i), float(s)) for i, s in zip(ids, scores[best], strict=True))


class Rows:
    """The rows of an array file, read where they are wanted: a map of it would be resident nearly whole before long."""

    def __init__(self, file: Path) -> None:
        self._name = file.name
        try:
            self._file = file.open("rb")
            np.lib.format.read_magic(self._file)
            self.shape, _, self._dtype = np.lib.format.read_array_header_1_0(self._file)
            self._start = self._file.tell()
            self._width = self.shape[1] * self._dtype.itemsize
            complete = file.stat().st_size == self._start + self.shape[0] * self._width
        except (OSError, ValueError, EOFError, IndexError) as error:
            raise IndexDamaged(f"{file.name} cannot be read: {error}") from error
        if not complete:
            raise IndexDamaged(f"{file.name} has not the length that its first bytes say")

    def __getitem__(self, rows: Positions | slice) -> npt.NDArray[np.float16]:
        number = self._file.fileno()
        try:
            if isinstance(rows, slice):
                count = rows.stop - rows.start
                data = os.pread(number, count * self._width, self._at(rows.start))
            else:
                count = len(rows)
                data = b"".join([os.pread(number, self._width, self._at(row)) for row in rows.tolist()])
        except OSError as error:
            raise FilesDamaged(f"{self._name} cannot be read: {error.strerror}") from error
        if len(data) != count * self._width:
            raise FilesDamaged(f"{self._name} has become shorter since it was opened")
        return np.frombuffer(data, dtype=self._dtype).reshape(-1, self.shape[1])

    def _at(self, row: int) -> int:
        return self._start + row * self._width


def family_of(index: "faiss.Index") -> str:
    """The name under which users see this kind of index."""
    if isinstance(index, faiss.IndexIVF):
        return "IVF-RaBitQ" if isinstance(index, faiss.IndexIVFRaBitQ) else "IVF-SQ8"
    return "Flat"


def _bitmap(chosen: npt.NDArray[np.bool_]) -> "faiss.IDSelector":
    return faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))  # type: ignore[call-arg, arg-type]


def _read(file: Path) -> "faiss.Index":
    try:
        index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise IndexDamaged(f"{file.name} cannot be read by FAISS: {error}") from error
    if not isinstance(index, (faiss.IndexIDMap, faiss.IndexIVF)):
        raise IndexDamaged(f"{file.name} holds a {type(index).__name__}, which this version of Tenkyo does not search")
    return index


def _mapped(file: Path) -> npt.NDArray:  # type: ignore[type-arg]
    try:
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise IndexDamaged(f"{file.name} cannot be read: {error}") from error


def probes(lists: int) -> int:
    """How many of the inverted lists a query visits: questions lie far from the texts that answer them."""
    return max(200, lists // 8)


def candidates(k: int) -> int:
    """How many candidates by code are scored again for k hits."""
    return 600 + 5 * k
