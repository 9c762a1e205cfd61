"""Fixtures of the write path."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.indexer.ingesting")

from tests.indexer.ingesting import InProcessReader  # noqa: E402


@pytest.fixture
def in_process_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads files without a child process; tests/indexer/test_sandbox.py covers the real one."""
    monkeypatch.setattr("indexer.ingest.ReaderProcess", InProcessReader)


CORPORA = Path(__file__).parents[3] / "shared" / "data" / "corpora"


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Documents from other projects that lie beside the checkout, not in it."""
    if not CORPORA.is_dir():
        pytest.skip("../shared/data/corpora is not there: these files are not part of the repository")
    return CORPORA
