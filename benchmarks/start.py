"""What a command pays for a large index before it answers: `python -m benchmarks.start [--chunks 1000000]`.

Builds an index of random vectors and made-up texts, and opens it with every byte read, and by the record of what was
found whole; then publishes one chunk more. No model and no SQL.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_processor
from indexer import stamps
from indexer.embedder import Vectors
from indexer.generation import Changes, open_generation, publish
from indexer.lock import LOCK_FILE

_DIMENSIONS = 384
_EMBEDDER = "random"


def rows(first: int, count: int) -> Iterator[tuple[int, str, Vectors | None]]:
    """Chunks with the ids from `first` on."""
    generator = np.random.default_rng(first)
    for at in range(first, first + count, 10_000):
        vectors = generator.standard_normal((min(10_000, first + count - at), _DIMENSIONS), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for i, vector in enumerate(vectors, start=at):
            yield i, f"Depot {i % 9973} in lane {i % 97} opens at {i % 24} o'clock and closes at {i % 7}.", vector


def seconds_of(work: object) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    assert callable(work)
    work()
    return time.perf_counter() - started


def main() -> None:
    """Prints a line for each way to open."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    count = parser.parse_args().chunks
    stamps.SETTLED_NS = 0  # as if the index had been built a minute ago
    print(describe_processor())
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "data" / "index" / "collection"
        root.mkdir(parents=True)
        (root / LOCK_FILE).touch()
        all_rows = lambda: rows(0, count)  # noqa: E731
        built = publish(root, 0, _EMBEDDER, Changes(all_rows, set(), all_rows, count))
        size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
        print(f"{count:,} chunks, {size / 1e6:,.0f} MB")
        for name, every_byte in (("every byte", True), ("first, by the record", False), ("then", False)) * 3:
            opened = seconds_of(
                lambda e=every_byte: open_generation(root, 1, built.manifest_sha256, _EMBEDDER, every_byte=e)
            )
            print(f"open, {name:22} {opened:6.2f} s")
        one = lambda: rows(count, 1)  # noqa: E731
        changes = Changes(one, set(), all_rows, count + 1)
        print(f"publish one chunk more      {seconds_of(lambda: publish(root, 1, _EMBEDDER, changes)):6.2f} s")
        (root / ".verified.json").unlink()
        print(f"the same without a record   {seconds_of(lambda: publish(root, 1, _EMBEDDER, changes)):6.2f} s")


if __name__ == "__main__":
    main()
