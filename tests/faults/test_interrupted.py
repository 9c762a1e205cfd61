"""Ctrl-C in a real process with a real reader: a clean message, nothing left running, and the rest next time."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.indexer.ingesting import write

PROJECT = Path(__file__).parents[2]
PROGRAM = """
import sys, time
import app.cli_index
from app.cli import cli
from app.config import Settings
from indexer.ingest import IngestSettings
from tests.fakes import HashEmbedder

class Slow(HashEmbedder):
    def embed_documents(self, texts):
        print("embedding", file=sys.stderr, flush=True)
        time.sleep(float(sys.argv[1]))
        return super().embed_documents(texts)

app.cli_index.SentenceTransformerEmbedder = lambda _: Slow()
Settings.ingest_settings = lambda self: IngestSettings(batch_chunks=1)
cli(sys.argv[2:], prog_name="tenkyo")
"""


def start(home: Path, documents: Path, pause: float) -> subprocess.Popen[str]:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "TENKYO_HOME": str(home)}
    command = [sys.executable, "-c", PROGRAM, str(pause), "index", str(documents), "--json"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        cwd=home.parent,
    )  # fmt: skip


def readers_of(session: int) -> list[str]:
    """Reader processes whose parent is, or was, the run; each leads a session of its own."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1] if b"indexer.sandbox" in command else ""
        except (OSError, IndexError):
            continue
        if parent == str(session):
            found.append(entry.name)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, number: signal.Signals) -> None:
    home, documents = tmp_path / "home", write(tmp_path / "docs", **{f"f{i}": f"Text {i}." for i in range(6)})
    process = start(home, documents, 0.5)
    assert process.stderr is not None
    seen = [process.stderr.readline() for _ in range(4)]
    assert seen == ["embedding\n"] * 4
    readers = readers_of(process.pid)
    assert readers
    os.killpg(process.pid, number)  # as a terminal does: to everything in the foreground
    _, stderr = process.communicate(timeout=30)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert stderr.removeprefix("embedding\n") == (
            "Interrupted. What was stored stays stored: run the same command again to go on.\n"
        )
    assert_gone(readers)
    again = start(home, documents, 0.0)
    stdout, stderr = again.communicate(timeout=60)
    assert again.returncode == 0, stderr
    report: dict[str, Any] = json.loads(stdout)
    assert report["indexed"] == 6
    assert report["embedded_chunks"] <= 5, "the first one had been stored: two batches may be under way"


def assert_gone(processes: list[str]) -> None:
    for process in processes:
        status = Path("/proc") / process / "stat"
        for _ in range(100):
            if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
                break
            signal.sigtimedwait([], 0.1)
        else:
            pytest.fail(f"reader {process} is still there")
