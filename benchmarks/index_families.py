"""Build time, size, memory, latency and recall of the dense index by family and size, against exact search.

    python -m benchmarks.index_families --data DATA_FOLDER [--sizes 10000 100000 1000000] [--families Flat IVF-RaBitQ]

Vectors are perturbed copies of real embeddings, queries real questions of the development set (benchmarks/vectors.py).
The search parameters were chosen by benchmarks.index_parameters on other copies and other questions, and the size to
which a segment is Flat by this benchmark with `--choose`, which takes those. Each index is built in its own process
and served from a fresh one, which holds nothing but Python, numpy, FAISS and the index. Of several rounds, which take
turns with the families, the median of each figure counts.
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
from typing import Any, ParamSpec, TypeVar

import numpy as np

from benchmarks.machine import describe_processor
from benchmarks.vectors import describe_noise, real_vectors, truth
from indexer.dense import FaissSegments, Ids
from indexer.embedder import Vectors
from indexer.families import FamilySettings, Spool, write_segment

P = ParamSpec("P")
T = TypeVar("T")
FAMILIES = {"Flat": FamilySettings(flat_most=1 << 62), "IVF-RaBitQ": FamilySettings(flat_most=0)}
_SEED, _SEED_CHOOSE = 2, 1  # benchmarks.index_parameters uses the second
_K = 10
_PRODUCT_K = 200  # candidates that the retriever asks for
_SINGLE, _ROUNDS, _TOGETHER = 1000, 20, 64
_CHOOSING = 400  # questions, as benchmarks.index_parameters takes
_SECONDS = 15.0  # for each measurement; it stops then, though not before a tenth is done
_THREADS = 32  # of `tenkyo serve`


@dataclass(frozen=True, slots=True)
class Served:
    """What a process of its own measured, after another had built; times in ms, memory and files in bytes."""

    build: float
    bytes: int
    recall: float
    recall_200: float
    p50: float
    p99: float
    processor: float
    p50_200: float
    processor_200: float
    together_p50: float
    together_p99: float
    after: int
    anonymous: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tenkyo-vectors")
    parser.add_argument("--json", type=Path, help="Append one object per line, for benchmarks.index_plot.")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--choose", action="store_true", help="The copies and questions by which parameters are chosen."
    )
    arguments = parser.parse_args()
    real, training, development = real_vectors(arguments.data, arguments.cache)
    questions = training[:_CHOOSING] if arguments.choose else development
    seed = _SEED_CHOOSE if arguments.choose else _SEED
    print(
        f"{describe_processor()}; {len(real)} real vectors, {describe_noise(real)}; {len(questions)} questions",
        flush=True,
    )
    print(
        "| vectors | family | build s | files MB | RSS MB (of it anonymous) | recall@10 | p50 ms | p99 ms | CPU ms "
        "| recall@200 | p50 ms, k = 200 | CPU ms, k = 200 | 64 at once: p50, p99 ms |\n|" + "---|" * 13
    )
    for size in arguments.sizes:
        vectors, nearest = truth(real, questions, size, seed, arguments.cache)
        rounds = [
            {family: _measured(family, vectors, questions, nearest, arguments.cache) for family in arguments.families}
            for _ in range(arguments.rounds)
        ]
        for family in arguments.families:
            row = {"vectors": size, "family": family, **_median([asdict(each[family]) for each in rounds])}
            if arguments.json:
                with arguments.json.open("a") as out:
                    out.write(json.dumps(row) + "\n")
            _print(row)


def _measured(family: str, vectors: Path, questions: Vectors, nearest: Ids, cache: Path) -> Served:
    folder = Path(tempfile.mkdtemp(dir=cache))
    try:
        seconds = apart(build, folder, vectors, FAMILIES[family])
        return apart(serve, folder, questions, nearest, seconds)
    finally:
        shutil.rmtree(folder)


def _median(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}


def build(folder: Path, vectors: Path, settings: FamilySettings) -> float:
    """Seconds for writing one segment, as an indexing run does."""
    matrix = np.load(vectors, mmap_mode="r")
    started = time.perf_counter()
    with Spool(folder) as spool:
        for ids, block in _rows(matrix):
            spool.add(ids, block)
        write_segment(folder, spool, settings)
    return time.perf_counter() - started


def serve(folder: Path, questions: Vectors, nearest: Ids, seconds: float) -> Served:
    """Opens the index, which took so many seconds to build, and searches."""
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
    started = time.thread_time()
    for question in _in_time(singles[:200]):
        at = time.perf_counter()
        recall_200.append({hit.chunk_id for hit in index.search(question, _PRODUCT_K)})
        times_200.append((time.perf_counter() - at) * 1000)
    processor_200 = (time.thread_time() - started) * 1000 / len(times_200)
    together = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in _in_time(range(_ROUNDS)):
            at = time.perf_counter()
            list(pool.map(lambda question: index.search(question, _K), singles[:_TOGETHER]))
            together.append((time.perf_counter() - at) * 1000)
    return Served(
        seconds,
        sum(file.stat().st_size for file in folder.iterdir()),
        recall,
        _recall(recall_200, nearest, _PRODUCT_K),
        *_quantiles(times),
        processor,
        _quantiles(times_200)[0],
        processor_200,
        *_quantiles(together),
        memory("VmRSS"),
        memory("RssAnon"),
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


def memory(line: str) -> int:
    """A figure of /proc/self/status, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(next(row.split()[1] for row in status.splitlines() if row.startswith(line))) * 1024


def apart(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Runs a function of this module in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments, **named).result()


def _print(row: dict[str, Any]) -> None:
    print(
        f"| {row['vectors']:,} | {row['family']} | {row['build']:.1f} | {row['bytes'] / 1e6:,.0f} "
        f"| {row['after'] / 1e6:.0f} ({row['anonymous'] / 1e6:.0f}) | {row['recall']:.3f} | {row['p50']:.2f} "
        f"| {row['p99']:.2f} | {row['processor']:.2f} | {row['recall_200']:.3f} | {row['p50_200']:.2f} "
        f"| {row['processor_200']:.2f} | {row['together_p50']:.0f}, {row['together_p99']:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
