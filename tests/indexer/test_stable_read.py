"""A file that changes, grows or vanishes while it is read is indexed as it stood at one moment, or not at all."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.errors import UnreadableDocument
from indexer.ingest import Store
from indexer.stable_read import read_stable
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import counts, index, retrieved, write

LIMIT = 1 << 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"old " * 1000)
    return path


def interfere(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object], times: int) -> None:
    """Does something after each of the first reads has returned its bytes, before they are trusted."""
    left = [times]
    state = os.fstat

    def fstat_late(descriptor: int) -> os.stat_result:
        if left[0] and os.lseek(descriptor, 0, os.SEEK_CUR):
            left[0] -= 1
            action()
        return state(descriptor)

    monkeypatch.setattr("indexer.stable_read.os.fstat", fstat_late)


def rewrite(file: Path, data: bytes) -> None:
    with file.open("r+b") as out:
        out.write(data)
        out.truncate()


CHANGES: dict[str, Callable[[Path], None]] = {
    "other bytes of the same length": lambda file: rewrite(file, b"new " * 1000),
    "more": lambda file: rewrite(file, b"new " * 2000),
    "less": lambda file: rewrite(file, b"new " * 10),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_file_that_changed_once_is_read_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    interfere(monkeypatch, lambda: change(file), 1)
    assert set(read_stable(file, LIMIT).split()) == {b"new"}


def test_one_with_its_old_time_put_back_is_noticed_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.stat()

    def change_in_secret() -> None:
        rewrite(file, b"new " * 1000)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    interfere(monkeypatch, change_in_secret, 1)
    assert set(read_stable(file, LIMIT).split()) == {b"new"}


def test_a_file_that_never_holds_still_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interfere(monkeypatch, lambda: rewrite(file, os.urandom(4000)), 100)
    with pytest.raises(UnreadableDocument, match="it changed while it was being read"):
        read_stable(file, LIMIT)


def test_a_file_that_is_replaced_or_deleted_is_read_as_it_was_when_it_was_opened(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacement = tmp_path / "new"
    replacement.write_bytes(b"new")
    interfere(monkeypatch, lambda: replacement.rename(file) if replacement.exists() else file.unlink(), 1)
    assert read_stable(file, LIMIT) in (b"old " * 1000, b"new"), "never a mixture"
    assert file.read_bytes() == b"new"


def test_one_that_has_vanished_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="cannot be opened: No such file"):
        read_stable(tmp_path / "gone.txt", LIMIT)


@pytest.mark.usefixtures("in_process_reader")
def test_a_file_that_is_always_being_written_fails_alone_and_keeps_its_last_version(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", busy="The common text of yesterday.", calm="The common calm text.")
    index(store, embedder, root)
    write(root, calm="The common calm text of today.")
    stop, busy = threading.Event(), root / "busy.txt"

    def keep_writing() -> None:
        number = 0
        with busy.open("r+b", buffering=0) as out:
            while not stop.is_set():
                number += 1
                os.pwrite(out.fileno(), b"%09d" % number, 0)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        report = index(store, embedder, root)
    finally:
        stop.set()
        writer.join()
    assert report.failed == [] or "changed while" in report.failed[0].reason
    assert "The common calm text of today." in retrieved(store, embedder, "common calm text today")
    assert counts(index(store, embedder, root))[3] == 0
