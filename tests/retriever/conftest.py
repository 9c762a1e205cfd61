"""Fixtures of the read path."""

import pytest

from tests.indexer.ingesting import InProcessReader


@pytest.fixture
def in_process_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads files without a child process, which is the business of the write path's tests."""
    monkeypatch.setattr("indexer.ingest.ReaderProcess", InProcessReader)
