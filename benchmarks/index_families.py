"""Build time, size, memory, latency and recall of the dense index by family and size, against exact search.

    python -m benchmarks.index_families --data DATA_FOLDER [--sizes 10000 100000 1000000] [--families Flat IVF-RaBitQ]

Vectors are perturbed copies of real embeddings, queries real questions of the development set (benchmarks/vectors.py).
The search parameters were chosen by benchmarks.index_parameters on other copies and other questions. Each index is
built in a process of its own and served from a fresh one, which holds nothing but Python, numpy, FAISS and the index.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np

from benchmarks.machine import describe_processor
from benchmarks.vectors import describe_noise, real_vectors, truth
from indexer.dense import FaissSegments, Ids
from indexer.embedder import Vectors
from indexer.families import FamilySettings, Spool, write_segment

P = ParamSpec("P")
T = TypeVar("T")
FAMILIES = {"Flat": FamilySettings(flat_most=1 << 62), "IVF-RaBitQ": FamilySettings(flat_most=0)}
_SEED = 2  # benchmarks.index_parameters uses another
_K = 10
_PRODUCT_K = 200  # candidates that the retriever asks for
_SINGLE, _ROUNDS, _TOGETHER = 1000, 20, 64
_QUESTIONS = 400
_SECONDS = 15.0  # for each measurement; it stops then, though not before a tenth is done
_THREADS = 32  # of `tenkyo serve`


@dataclass(frozen=True, slots=True)
class Served:
    """What a fresh process measured; memory in bytes."""

    recall: float
    recall_200: float
    p50: float
    p99: float
    processor: float
    p50_200: float
    together_p50: float
    together_p99: float
    before: int
    after: int
    anonymous: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tenkyo-vectors")
    parser.add_argument("--json", type=Path, help="Append one object per line, for benchmarks.index_plot.")
    arguments = parser.parse_args()
    real, _, questions = real_vectors(arguments.data, arguments.cache)
    print(
        f"{describe_processor()}; {len(real)} real vectors, {describe_noise(real)}; {len(questions)} questions",
        flush=True,
    )
    print(
        "| vectors | family | build s | files MB | RSS MB (of it anonymous) | recall@10 | p50 ms | p99 ms | CPU ms "
        "| recall@200 | p50 ms, k = 200 | 64 at once: p50, p99 ms |\n|" + "---|" * 12
    )
    for size in arguments.sizes:
        vectors, nearest = truth(real, questions, size, _SEED, arguments.cache)
        for family in arguments.families:
            folder = Path(tempfile.mkdtemp(dir=arguments.cache))
            try:
                seconds = _apart(build, folder, vectors, FAMILIES[family])
                size_on_disk = sum(file.stat().st_size for file in folder.iterdir())
                served = _apart(serve, folder, questions, nearest)
            finally:
                shutil.rmtree(folder)
            row = {"vectors": size, "family": family, "build": seconds, "bytes": size_on_disk, **asdict(served)}
            if arguments.json:
                with arguments.json.open("a") as out:
                    out.write(json.dumps(row) + "\n")
            _print(row, served)


def build(folder: Path, vectors: Path, settings: FamilySettings) -> float:
    """Seconds for writing one segment, as an indexing run does."""
    matrix = np.load(vectors, mmap_mode="r")
    started = time.perf_counter()
    with Spool(folder) as spool:
        for ids, block in _rows(matrix):
            spool.add(ids, block)
        write_segment(folder, spool, settings)
    return time.perf_counter() - started


def serve(folder: Path, questions: Vectors, nearest: Ids) -> Served:
    """Opens the index and searches."""
    before = _memory("VmRSS")
    index = FaissSegments(sorted(folder.glob("*.faiss")), np.array([], dtype=np.int64))
    singles = [questions[i % len(questions)] for i in range(_SINGLE)]
    for question in singles[:50]:
        index.search(question, _K)
    times, found, started = [], [], time.thread_time()
    for question in _in_time(singles):
        at = time.perf_counter()
        found.append({hit.chunk_id for hit in index.search(question, _K)})
        times.append((time.perf_counter() - at) * 1000)
    processor = (time.thread_time() - started) * 1000 / len(times)
    recall, recall_200, times_200 = _recall(found, nearest, _K), [], []
    for question in _in_time(singles[:200]):
        at = time.perf_counter()
        recall_200.append({hit.chunk_id for hit in index.search(question, _PRODUCT_K)})
        times_200.append((time.perf_counter() - at) * 1000)
    together = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in _in_time(range(_ROUNDS)):
            at = time.perf_counter()
            list(pool.map(lambda question: index.search(question, _K), singles[:_TOGETHER]))
            together.append((time.perf_counter() - at) * 1000)
    return Served(
        recall,
        _recall(recall_200, nearest, _PRODUCT_K),
        *_quantiles(times),
        processor,
        _quantiles(times_200)[0],
        *_quantiles(together),
        before,
        _memory("VmRSS"),
        _memory("RssAnon"),
    )


def _in_time(items: Sequence[T]) -> Iterator[T]:
    started = time.perf_counter()
    for at, item in enumerate(items):
        if at > len(items) // 10 and time.perf_counter() - started > _SECONDS:
            return
        yield item


def _recall(found: list[set[int]], nearest: Ids, k: int) -> float:
    true = [set(id_of(nearest[i % len(nearest), :k]).tolist()) for i in range(len(found))]
    return float(np.mean([len(a & b) / k for a, b in zip(found, true, strict=True)]))


def _rows(matrix: Vectors) -> Iterator[tuple[Ids, Vectors]]:
    for at in range(0, len(matrix), 4096):
        block = np.asarray(matrix[at : at + 4096])
        yield id_of(np.arange(at, at + len(block))), block


def id_of(positions: Ids) -> Ids:
    """Ids as scattered as the hashes that chunks have."""
    return ((positions.astype(np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15) >> 2).astype(np.int64)


def _quantiles(times: list[float]) -> tuple[float, float]:
    return float(np.quantile(times, 0.5)), float(np.quantile(times, 0.99))


def _memory(line: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(next(row.split()[1] for row in status.splitlines() if row.startswith(line))) * 1024


def _apart(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Runs a function of this module in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments, **named).result()


def _print(row: dict[str, object], served: Served) -> None:
    print(
        f"| {row['vectors']:,} | {row['family']} | {row['build']:.1f} | {row['bytes'] / 1e6:,.0f} "  # type: ignore[operator]
        f"| {served.after / 1e6:.0f} ({served.anonymous / 1e6:.0f}) | {served.recall:.3f} | {served.p50:.2f} "
        f"| {served.p99:.2f} | {served.processor:.2f} | {served.recall_200:.3f} | {served.p50_200:.2f} "
        f"| {served.together_p50:.0f}, {served.together_p99:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
