"""Which kind of FAISS index holds how many vectors, and how each is built and written.

Sizes and parameters are chosen here, by measurement (docs/decisions.md); what searching needs of them is read back from
the files. Building uses every core, and the GPU for clustering where there is one; what is written serves anywhere.
"""

import hashlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import faiss
import numpy as np
import numpy.typing as npt

from indexer.dense import Ids, ids_file, vectors_file
from indexer.embedder import Vectors

_log = logging.getLogger(__name__)
_AT_ONCE = 32_768
_TRAINING_ROUNDS = 6
_TRAINING_POINTS = 30  # per list
_SEED = 20261122
# Bits of a question's numbers in the first pass. 0, FAISS's default, has no vector instructions: 97 ms, not 2.6.
_QUERY_BITS = 4


@dataclass(frozen=True, slots=True)
class FamilySettings:
    """Above `flat_most` vectors a segment gets inverted lists. `device`: auto, cpu or cuda; for building only."""

    flat_most: int = 30_000
    device: str = "auto"


AUTOMATIC = FamilySettings()
_THREADS = faiss.omp_get_max_threads()  # searching leaves one to the thread that it runs in


class Spool:
    """Vectors on their way into a segment. They wait in an unnamed file, so that memory does not grow with them."""

    def __init__(self, folder: Path) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  # closed, and with that gone, by __exit__
        self._ids = [np.empty(0, dtype=np.int64)]
        self._dimensions = 0
        self.count = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Appends vectors of shape (len(ids), dimensions)."""
        self._ids.append(ids)
        self._dimensions = vectors.shape[1]
        self._file.write(np.ascontiguousarray(vectors, dtype=np.float32).data)
        self.count += len(ids)

    def sorted(self) -> tuple[Ids, "SortedVectors"]:
        """All ids in ascending order, and their vectors."""
        self._file.flush()
        ids = np.concatenate(self._ids)
        order = np.argsort(ids)
        vectors = np.memmap(self._file, dtype=np.float32, mode="r", shape=(self.count, self._dimensions))
        return ids[order], SortedVectors(vectors, order)


@dataclass(frozen=True, slots=True)
class SortedVectors:
    """Vectors as they were spooled, and the order in which they are read."""

    spooled: Vectors
    order: npt.NDArray[np.intp]

    def blocks(self) -> Iterator[tuple[int, Vectors]]:
        """All of them, with the position of each block's first."""
        for at in range(0, len(self.order), _AT_ONCE):
            yield at, self.spooled[self.order[at : at + _AT_ONCE]]

    def sample(self, count: int) -> Vectors:
        """At most `count` of them, at random, but the same ones every time."""
        drawn = np.random.default_rng(_SEED).permutation(len(self.order))[:count]
        return self.spooled[np.sort(self.order[drawn])]


def write_segment(folder: Path, spool: Spool, settings: FamilySettings) -> str:
    """Writes the segment of all that was spooled and returns the name of its file, a function of ids and vectors."""
    faiss.omp_set_num_threads(_THREADS)
    ids, vectors = spool.sorted()
    digest = hashlib.sha256(ids.tobytes())
    for _, block in vectors.blocks():
        digest.update(block.data)
    file = folder / f"dense-{digest.hexdigest()[:16]}.faiss"
    if spool.count <= settings.flat_most:
        _write_flat(file, ids, vectors)
    else:
        _write_large(file, ids, vectors, settings)
    return file.name


def lists(count: int) -> int:
    """How many inverted lists hold `count` vectors."""
    return max(1, round(2 * math.sqrt(count)))


def _write_flat(file: Path, ids: Ids, vectors: SortedVectors) -> None:
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.spooled.shape[1]))
    for at, block in vectors.blocks():
        index.add_with_ids(block, ids[at : at + len(block)])
    _write_index(file, index)


def _write_large(file: Path, ids: Ids, vectors: SortedVectors, settings: FamilySettings) -> None:
    _write_index(file, _build(vectors, lists(len(ids)), settings))
    with ids_file(file).open("wb") as out:
        np.save(out, ids)
    with vectors_file(file).open("wb") as out:  # not by a memory map: a full disk would kill the process
        header = {"descr": "<f2", "fortran_order": False, "shape": vectors.spooled.shape}
        np.lib.format.write_array_header_1_0(out, header)
        for _, block in vectors.blocks():
            out.write(block.astype("<f2").data)


def _build(vectors: SortedVectors, count: int, settings: FamilySettings) -> "faiss.IndexIVF":
    """Clusters, assigns, encodes. The first two are nearly all of the work, and run on the GPU if there is one."""
    flat = faiss.IndexFlatIP(vectors.spooled.shape[1])
    if settings.device != "cpu" and faiss.get_num_gpus():
        number = int(settings.device.partition(":")[2] or 0)
        try:
            return _build_by(faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), number, flat), vectors, count)
        except RuntimeError as error:  # of FAISS: no memory left beside the models, no such GPU
            _log.warning("the dense index is clustered on the processor, as the GPU failed: %s", error)
    return _build_by(flat, vectors, count)


def _build_by(nearest: "faiss.Index", vectors: SortedVectors, count: int) -> "faiss.IndexIVF":
    """`nearest` is an empty index that finds the centroid of a vector."""
    dimensions = vectors.spooled.shape[1]
    sample = vectors.sample(_TRAINING_POINTS * count)
    clustering = faiss.Clustering(dimensions, min(count, len(sample)))
    clustering.spherical = True
    clustering.niter = _TRAINING_ROUNDS
    clustering.seed = _SEED
    clustering.min_points_per_centroid = 1
    clustering.max_points_per_centroid = _TRAINING_POINTS
    clustering.train(sample, nearest)
    centroids = faiss.vector_to_array(clustering.centroids).reshape(-1, dimensions)
    coarse = faiss.IndexFlatIP(dimensions)
    coarse.add(centroids)
    index = faiss.IndexIVFRaBitQ(coarse, dimensions, coarse.ntotal, faiss.METRIC_INNER_PRODUCT)
    index.qb = _QUERY_BITS
    index.train(sample)
    for at, block in vectors.blocks():
        positions = np.arange(at, at + len(block), dtype=np.int64)
        if isinstance(nearest, faiss.IndexFlat):
            list_numbers = (block @ centroids.T).argmax(axis=1)  # faster than FAISS's own search for one neighbour
        else:
            list_numbers = nearest.search(block, 1)[1][:, 0]
        arrays = (block, positions, np.ascontiguousarray(list_numbers, dtype=np.int64))
        index.add_core(len(block), *(faiss.swig_ptr(array) for array in arrays))
    return index


def _write_index(file: Path, index: "faiss.Index") -> None:
    # FAISS's own file writer ignores an error at closing, and its callbacks turn an OSError into another.
    file.write_bytes(faiss.serialize_index(index).data)
