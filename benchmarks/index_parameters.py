"""The sweep that chose the index families and their search parameters, on vectors and questions of its own.

    python -m benchmarks.index_parameters --data DATA_FOLDER [--size 1000000] [--codes RaBitQ SQ8 PQ48x8 HNSW32_SQ8]

All codes but HNSW's share one clustering, the product's; they are what FAISS's factory makes of their names. `visited`
is how many lists a question visits, or efSearch of HNSW. `depth` candidates by code are scored again with the vectors
in half precision; "-" means that the codes decide alone. Each code is built in its own process, on all cores, and kept
in the cache; another one, which holds nothing but it, asks one question at a time on one thread.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.index_families import apart, build, id_of, memory
from benchmarks.machine import describe_processor
from benchmarks.vectors import describe_noise, real_vectors, truth
from indexer.dense import Ids, Rows, ids_file, vectors_file
from indexer.embedder import Vectors
from indexer.families import FamilySettings

_SEED = 1
_QUESTIONS = 400
_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of searching; `query_bits` counts for RaBitQ only."""

    visited: int
    depth: int
    query_bits: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Times in milliseconds, memory in bytes."""

    recall: float
    p50: float
    p99: float
    processor: float
    resident: int
    anonymous: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--codes", nargs="+", default=["RaBitQ", "SQ8", "PQ48x8", "HNSW32_SQ8"])
    parser.add_argument("--visited", nargs="+", type=int, default=[100, 200, 400])
    parser.add_argument("--depths", nargs="+", type=int, default=[0, 200, 650])
    parser.add_argument("--query-bits", nargs="+", type=int, default=[4])
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tenkyo-vectors")
    arguments = parser.parse_args()
    real, questions, _ = real_vectors(arguments.data, arguments.cache)
    questions = questions[:_QUESTIONS]
    print(f"{describe_processor()}; {arguments.size:,} copies of {len(real)} real vectors, {describe_noise(real)}")
    copies, nearest = truth(real, questions, arguments.size, _SEED, arguments.cache)
    folder = arguments.cache / f"codes-{arguments.size}"
    if not folder.exists():
        folder.mkdir()
        seconds = apart(build, folder, copies, FamilySettings(flat_most=0))
        print(f"the product's segment, with its clustering, built in {seconds:.0f} s", flush=True)
    print(
        "| code | bytes a vector | encoded s | visited | query bits | k | depth | recall@k | p50 ms | p99 ms | CPU ms "
        "| RSS MB (of it anonymous) |\n" + "|---" * 12 + "|"
    )
    settings = [
        Setting(visited, depth, bits)
        for bits in arguments.query_bits
        for visited in arguments.visited
        for depth in arguments.depths
        if not depth or depth >= arguments.k
    ]
    for code in arguments.codes:
        file = folder / f"{code}.index"
        if not file.exists():
            apart(encode, folder, code)
        seconds, size = json.loads(file.with_suffix(".json").read_text()), file.stat().st_size / arguments.size
        for setting, m in apart(measure, folder, code, settings, questions, nearest, arguments.k):
            print(
                f"| {code} | {size:.0f} | {seconds:.0f} | {setting.visited} | {setting.query_bits} | {arguments.k} "
                f"| {setting.depth or '-'} | {m.recall:.3f} | {m.p50:.2f} | {m.p99:.2f} | {m.processor:.2f} "
                f"| {m.resident / 1e6:.0f} ({m.anonymous / 1e6:.0f}) |",
                flush=True,
            )


def _ours(folder: Path) -> Path:
    (file,) = folder.glob("dense-*.faiss")
    return file


def encode(folder: Path, code: str) -> None:
    """Writes the index of the product's vectors and lists with other codes, and the seconds that took."""
    ours: Any = faiss.read_index(str(_ours(folder)))
    exact = np.load(vectors_file(_ours(folder)), mmap_mode="r")
    lists_of = _lists_of(ours)
    sample = exact[np.sort(np.random.default_rng(0).permutation(ours.ntotal)[:_AT_ONCE])].astype(np.float32)
    started = time.perf_counter()
    graph = code.startswith("HNSW")
    index: Any = faiss.index_factory(ours.d, code if graph else f"IVF{ours.nlist},{code}", faiss.METRIC_INNER_PRODUCT)
    if not graph:
        index.quantizer, index.own_fields = ours.quantizer, False
    index.train(sample)
    for at in range(0, ours.ntotal, _AT_ONCE):
        block = exact[at : at + _AT_ONCE].astype(np.float32)
        if graph or code.endswith("fs"):  # fast-scan packs its codes as it assigns them
            index.add(block)
        else:
            positions = np.arange(at, at + len(block))
            arrays = (block, positions, np.ascontiguousarray(lists_of[at : at + len(block)]))
            index.add_core(len(block), *(faiss.swig_ptr(array) for array in arrays))
    seconds = time.perf_counter() - started
    faiss.write_index(index, str(folder / f"{code}.index"))
    (folder / f"{code}.json").write_text(json.dumps(seconds))


def _lists_of(ours: Any) -> Ids:
    """For each vector the number of its list."""
    lists_of = np.empty(ours.ntotal, dtype=np.int64)
    for number in range(ours.nlist):
        size = ours.invlists.list_size(number)
        if size:
            lists_of[faiss.rev_swig_ptr(ours.invlists.get_ids(number), size)] = number
    return lists_of


def measure(
    folder: Path, code: str, settings: Sequence[Setting], questions: Vectors, nearest: Ids, k: int
) -> list[tuple[Setting, Measured]]:
    """Each setting in turn, in this process."""
    faiss.omp_set_num_threads(1)
    index: Any = faiss.read_index(str(folder / f"{code}.index"), faiss.IO_FLAG_MMAP_IFC)
    exact, ids = Rows(vectors_file(_ours(folder))), np.load(ids_file(_ours(folder)))
    return [(setting, _measure(index, exact, ids, setting, questions, nearest, k)) for setting in settings]


def _measure(index: Any, exact: Rows, ids: Ids, setting: Setting, questions: Vectors, nearest: Ids, k: int) -> Measured:
    if isinstance(index, faiss.IndexHNSW):
        index.hnsw.efSearch = max(setting.visited, setting.depth or k)
    else:
        index.nprobe = setting.visited
        if hasattr(index, "qb"):
            index.qb = setting.query_bits
    list(_search(index, exact, questions[:20], k, setting.depth))
    started = time.thread_time()
    found = list(_search(index, exact, questions, k, setting.depth))
    processor = (time.thread_time() - started) * 1000 / len(questions)
    times = np.array([seconds for _, seconds in found]) * 1000
    recall = _recall([positions for positions, _ in found], ids, nearest, k)
    p50, p99 = (float(np.quantile(times, share)) for share in (0.5, 0.99))
    return Measured(recall, p50, p99, processor, memory("VmRSS"), memory("RssAnon"))


def _search(index: Any, exact: Rows, questions: Vectors, k: int, depth: int) -> Iterator[tuple[Ids, float]]:
    for question in questions:
        started = time.perf_counter()
        found = index.search(question[np.newaxis, :], depth or k)[1][0]
        if depth:
            found = np.sort(found[found >= 0])
            scores = exact[found].astype(np.float32) @ question
            found = found[np.argsort(-scores)[:k]]
        yield found, time.perf_counter() - started


def _recall(found: list[Ids], ids: Ids, nearest: Ids, k: int) -> float:
    """Positions in the segment are those of its ascending ids, which benchmarks.index_families made."""
    true = [set(id_of(row[:k]).tolist()) for row in nearest]
    return float(np.mean([len(set(ids[f[f >= 0]].tolist()) & t) / k for f, t in zip(found, true, strict=True)]))


if __name__ == "__main__":
    main()
