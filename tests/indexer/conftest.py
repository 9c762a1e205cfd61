"""Fixtures of the write path."""

import pytest

pytest.register_assert_rewrite("tests.indexer.ingesting")

from tests.indexer.ingesting import InProcessReader  # noqa: E402


@pytest.fixture
def in_process_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads files without a child process; tests/indexer/test_sandbox.py covers the real one."""
    monkeypatch.setattr("indexer.ingest.ReaderProcess", InProcessReader)
