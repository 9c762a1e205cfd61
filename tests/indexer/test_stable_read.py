"""A file that changes, grows or vanishes while it is read is indexed as it stood at one moment, or not at all."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import UnreadableDocument
from indexer.ingest import Store
from indexer.stable_read import read_stable
from indexer.walk import Walk, walk
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import counts, index, retrieved, stored_texts, write

LIMIT = 1 << 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path.resolve() / "notes.txt"
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


def test_a_link_that_took_the_place_of_a_file_after_the_walk_is_not_followed(
    store: Store, embedder: HashEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = write(tmp_path / "outside", key="A common secret.", sub="A common secret.") / "key.txt"
    root = write(tmp_path / "docs", a="The common a.", b="The common b.", c="The common c.", d="The common d.")
    (root / "sub").mkdir()
    write(root / "sub", key="The common e.")

    def walk_then_swap(*arguments: Any) -> Walk:
        found = walk(*arguments)
        for name in ("a.txt", "b.txt", "c.txt"):
            (root / name).unlink()
        (root / "a.txt").symlink_to(outside)
        (root / "b.txt").symlink_to(root / "d.txt")
        os.mkfifo(root / "c.txt")
        shutil.rmtree(root / "sub")
        (root / "sub").symlink_to(outside.parent)
        return found

    monkeypatch.setattr("indexer.ingest.walk", walk_then_swap)
    report = index(store, embedder, root)
    reasons = {failure.path: failure.reason for failure in report.failed}
    assert reasons.keys() == {"a.txt", "c.txt", "sub/key.txt"}
    assert "not below" in reasons["a.txt"]
    assert "not below" in reasons["sub/key.txt"]
    assert reasons["c.txt"] == "it is no file any more"
    assert stored_texts(store) == ["The common d."]


def test_a_link_that_comes_and_goes_while_the_file_is_opened_is_not_followed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = file.parent / "outside" / "key.txt"
    other.parent.mkdir()
    other.write_text("secret")
    opening = os.open

    def swapped(path: Any, *flags: int) -> int:
        return opening(other, *flags)

    monkeypatch.setattr("indexer.stable_read.os.open", swapped)
    with pytest.raises(UnreadableDocument, match="it changed while"):
        read_stable(file, LIMIT, file.parent)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_file_that_changed_once_is_read_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    interfere(monkeypatch, lambda: change(file), 1)
    assert set(read_stable(file, LIMIT, file.parent)[0].split()) == {b"new"}


def test_one_with_its_old_time_put_back_is_noticed_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.stat()

    def change_in_secret() -> None:
        rewrite(file, b"new " * 1000)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    interfere(monkeypatch, change_in_secret, 1)
    assert set(read_stable(file, LIMIT, file.parent)[0].split()) == {b"new"}


def test_a_file_that_never_holds_still_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interfere(monkeypatch, lambda: rewrite(file, os.urandom(4000)), 100)
    with pytest.raises(UnreadableDocument, match="it changed while it was being read"):
        read_stable(file, LIMIT, file.parent)


def test_a_file_that_is_replaced_or_deleted_is_read_as_it_was_when_it_was_opened(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacement = tmp_path / "new"
    replacement.write_bytes(b"new")
    interfere(monkeypatch, lambda: replacement.rename(file) if replacement.exists() else file.unlink(), 1)
    assert read_stable(file, LIMIT, file.parent)[0] in (b"old " * 1000, b"new"), "never a mixture"
    assert file.read_bytes() == b"new"


def test_one_that_has_vanished_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match="cannot be opened: No such file"):
        read_stable(tmp_path / "gone.txt", LIMIT, tmp_path)


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
