"""One timed indexing run of Tenkyo, in a process of its own. Started by benchmarks/index.py."""

import json
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from app.config import load_settings
from app.service import open_store
from indexer.embedder import EmbedderSettings, SentenceTransformerEmbedder
from indexer.ingest import ingest


class _Children:
    """Watches the memory of child processes."""

    def __init__(self) -> None:
        self._peaks: dict[str, int] = {}
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        while True:
            for child in own.read_text().split():
                with suppress(FileNotFoundError, ProcessLookupError):
                    self._peaks[child] = _peak_kib(Path(f"/proc/{child}/status"))
            time.sleep(0.1)

    def peak_mib(self) -> float:
        """Of the largest child."""
        return max(self._peaks.values(), default=0) / 1024


def _peak_kib(status: Path) -> int:
    """Not getrusage: its peak counts the process that this one was forked from."""
    return next((int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")), 0)


def main() -> None:
    """Prints one JSON object."""
    source, engine = Path(sys.argv[1]), sys.argv[2]
    settings = EmbedderSettings(device="cpu", converted=source / "models")
    embedder = SentenceTransformerEmbedder(settings if engine == "converted" else replace(settings, converted=None))
    embedder.embed_query("load")
    with tempfile.TemporaryDirectory() as home:
        own = load_settings(home=Path(home))
        store = open_store(own)
        started = time.perf_counter()
        children = _Children()
        report = ingest(store, embedder, "bench", [source / "files"], own.ingest_settings())
        seconds = time.perf_counter() - started
    peak = _peak_kib(Path("/proc/self/status")) / 1024 + children.peak_mib()
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "chunks": report.embedded_chunks}))


if __name__ == "__main__":
    main()
