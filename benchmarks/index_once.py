"""One timed indexing run of Tenkyo, in a process of its own. Started by benchmarks/index.py."""

import json
import os
import resource
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from app.config import load_settings
from app.service import open_store
from indexer.embedder import EmbedderSettings, SentenceTransformerEmbedder
from indexer.ingest import ingest


class _Children:
    """Watches the memory of child processes; getrusage would count a child's copy of this one before it began."""

    def __init__(self) -> None:
        self._peaks: dict[str, int] = {}
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        while True:
            for child in own.read_text().split():
                try:
                    status = Path(f"/proc/{child}/status").read_text()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                fields = dict(line.split(":", 1) for line in status.splitlines())
                if "VmHWM" in fields:
                    self._peaks[child] = int(fields["VmHWM"].split()[0])
            time.sleep(0.1)

    def peak_mib(self) -> float:
        """Of the largest child."""
        return max(self._peaks.values(), default=0) / 1024


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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + children.peak_mib()
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "chunks": report.embedded_chunks}))


if __name__ == "__main__":
    main()
