"""A run that was interrupted goes on: what was finished is neither extracted nor embedded again."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from indexer.document import ExtractedDocument
from indexer.embedder import Vectors
from indexer.ingest import Store
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import ONE_AT_A_TIME, InProcessReader, check_consistent, counts, index, write

FILES = {f"file{i}": f"The common text number{i}." for i in range(6)}


class Interrupted(HashEmbedder):
    """Ctrl-C while the batch after `batches` is embedded."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self._left = batches

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        return super().embed_documents(texts)


@pytest.fixture
def extracted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths in the order in which they were extracted."""
    paths: list[str] = []

    class Reader(InProcessReader):
        def read(self, path: str, data: bytes) -> ExtractedDocument:
            paths.append(path)
            return super().read(path, data)

    monkeypatch.setattr("indexer.ingest.ReaderProcess", Reader)
    return paths


def test_finished_files_are_not_repeated(any_store: Store, tmp_path: Path, extracted: list[str]) -> None:
    root = write(tmp_path / "docs", **FILES)
    for finished in (2, 1):
        with pytest.raises(KeyboardInterrupt):
            index(any_store, Interrupted(finished), root, settings=ONE_AT_A_TIME)
    extracted.clear()
    embedder = HashEmbedder()
    report = index(any_store, embedder, root, settings=ONE_AT_A_TIME)
    assert (counts(report), report.embedded_chunks) == ((6, 0, 0, 0), 3)
    assert extracted == ["file3.txt", "file4.txt", "file5.txt"]
    check_consistent(any_store, embedder, "common")
    extracted.clear()
    (root / "file0.txt").rename(root / "moved.txt")
    write(root, copy=FILES["file1"])
    report = index(any_store, embedder, root, settings=ONE_AT_A_TIME)
    assert (report.embedded_chunks, len(report.renamed)) == (0, 1)
    assert extracted == [], "a moved or copied file is known by its content"
