"""The sweep that chose the index families and their search parameters, on vectors and questions of its own.

    python -m benchmarks.index_parameters --data DATA_FOLDER [--size 1000000] [--codes RaBitQ SQ8 PQ96x4fs]

All codes share one clustering, the product's. `depth` candidates by code are scored again with the vectors in half
precision; "-" means that the codes decide alone. Latency is that of one thread, one question at a time.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.index_families import build, id_of
from benchmarks.machine import describe_processor
from benchmarks.vectors import describe_noise, real_vectors, truth
from indexer.dense import Ids, ids_file, vectors_file
from indexer.embedder import Vectors
from indexer.families import FamilySettings

_SEED = 1
_QUESTIONS = 400
_AT_ONCE = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--codes", nargs="+", default=["RaBitQ", "SQ8", "PQ96x4fs"])
    parser.add_argument("--probes", nargs="+", type=int, default=[32, 64, 128])
    parser.add_argument("--depths", nargs="+", type=int, default=[0, 100, 200, 400])
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tenkyo-vectors")
    arguments = parser.parse_args()
    real, questions, _ = real_vectors(arguments.data, arguments.cache)
    print(f"{describe_processor()}; {arguments.size:,} copies of {len(real)} real vectors, {describe_noise(real)}")
    copies, nearest = truth(real, questions[:_QUESTIONS], arguments.size, _SEED, arguments.cache)
    folder = arguments.cache / f"parameters-{arguments.size}"  # kept: building is most of the time
    if not folder.exists():
        folder.mkdir()
        print(f"built in {build(folder, copies, FamilySettings(flat_most=0)):.0f} s", flush=True)
    (file,) = folder.glob("*.faiss")
    ours: Any = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
    exact = np.load(vectors_file(file), mmap_mode="r")
    print("| code | bytes a vector | lists | probes | k | depth | recall@k | p50 ms | p99 ms |\n" + "|---" * 9 + "|")
    for code in arguments.codes:
        index = ours if code == "RaBitQ" else _with_code(ours, code, exact)
        size = faiss.serialize_index(index).nbytes / arguments.size
        for probes in arguments.probes:
            for depth in arguments.depths:
                if depth and depth < arguments.k:
                    continue
                found = list(_search(index, exact, questions[:_QUESTIONS], arguments.k, probes, depth))
                times = np.array([seconds for _, seconds in found[20:]]) * 1000
                recall = _recall([positions for positions, _ in found], file, nearest, arguments.k)
                print(
                    f"| {code} | {size:.0f} | {index.nlist} | {probes} | {arguments.k} | {depth or '-'} | {recall:.4f} "
                    f"| {np.quantile(times, 0.5):.2f} | {np.quantile(times, 0.99):.2f} |",
                    flush=True,
                )


def _with_code(ours: Any, code: str, exact: Vectors) -> Any:
    """An index with the same lists and other codes."""
    started = time.perf_counter()
    lists_of = np.empty(ours.ntotal, dtype=np.int64)
    for number in range(ours.nlist):
        size = ours.invlists.list_size(number)
        if size:
            lists_of[faiss.rev_swig_ptr(ours.invlists.get_ids(number), size)] = number
    index: Any = faiss.index_factory(ours.d, f"IVF{ours.nlist},{code}", faiss.METRIC_INNER_PRODUCT)
    index.quantizer, index.own_fields = ours.quantizer, False
    drawn = np.random.default_rng(0).permutation(ours.ntotal)[:_AT_ONCE]
    index.train(exact[np.sort(drawn)].astype(np.float32))
    for at in range(0, ours.ntotal, _AT_ONCE):
        block = exact[at : at + _AT_ONCE].astype(np.float32)
        positions = np.arange(at, at + len(block))
        arrays = (block, positions, np.ascontiguousarray(lists_of[at : at + len(block)]))
        index.add_core(len(block), *(faiss.swig_ptr(array) for array in arrays))
    print(f"{code} encoded in {time.perf_counter() - started:.0f} s", flush=True)
    return index


def _search(
    index: Any, exact: Vectors, questions: Vectors, k: int, probes: int, depth: int
) -> Iterator[tuple[Ids, float]]:
    index.nprobe = probes
    for question in questions:
        started = time.perf_counter()
        found = index.search(question[np.newaxis, :], depth or k)[1][0]
        if depth:
            found = np.sort(found[found >= 0])
            scores = exact[found].astype(np.float32) @ question
            found = found[np.argsort(-scores)[:k]]
        yield found, time.perf_counter() - started


def _recall(found: list[Ids], file: Path, nearest: Ids, k: int) -> float:
    """Positions in the segment are those of its ascending ids, which benchmarks.index_families made."""
    ids = np.load(ids_file(file))
    true = [set(id_of(row[:k]).tolist()) for row in nearest]
    return float(np.mean([len(set(ids[f[f >= 0]].tolist()) & t) / k for f, t in zip(found, true, strict=True)]))


if __name__ == "__main__":
    main()
