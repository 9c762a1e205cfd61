"""A real file system that fills up, and one that becomes read-only. Needs the right to mount one."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.problems import KNOWN_ERRORS, message_of
from indexer.check import check
from indexer.ingest import Store
from tests.fakes import HashEmbedder
from tests.faults.indexing import open_store
from tests.indexer.ingesting import COLLECTION, check_consistent, counts, index, retrieved, write

pytestmark = pytest.mark.usefixtures("quick_reader")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of its own in memory, 1 MiB large."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mounted], check=False).returncode:
        pytest.skip("this user may not mount a file system")
    yield mounted
    subprocess.run(["umount", "--lazy", mounted], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", "tmpfs", disk], check=True)


def close(store: Store) -> None:
    store.sessions.kw["bind"].dispose()


def test_a_disk_that_fills_up_while_indexing(disk: Path, embedder: HashEmbedder, tmp_path: Path) -> None:
    store = open_store(disk / "home")
    root = write(tmp_path / "docs", a="The common text.")
    index(store, embedder, root)
    write(root, **{f"big{i}": f"The common text number{i}. {'and more ' * 3000}" for i in range(12)})
    with pytest.raises(KNOWN_ERRORS) as raised:
        index(store, embedder, root)
    assert "full" in message_of(raised.value) or "No space left" in message_of(raised.value)
    assert retrieved(store, embedder, "common") == ["The common text."]
    remount(disk, "size=64m")
    assert counts(index(store, embedder, root)) == (12, 1, 0, 0)
    assert check(store, COLLECTION) == []
    close(store)


def test_a_disk_that_is_full_when_publishing(disk: Path, embedder: HashEmbedder, tmp_path: Path) -> None:
    store = open_store(disk / "home")
    root = write(tmp_path / "docs", a="The common text.")
    index(store, embedder, root)
    write(root, b="More of the common text.")
    free = os.statvfs(disk)
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(b"\0" * (free.f_bavail * free.f_frsize - 12_288))
    with pytest.raises(KNOWN_ERRORS) as raised:
        index(store, embedder, root)
    assert "full" in message_of(raised.value) or "No space left" in message_of(raised.value)
    assert retrieved(store, embedder, "common") == ["The common text."]
    (disk / "ballast").unlink()
    assert counts(index(store, embedder, root)) == (1, 1, 0, 0)
    check_consistent(store, embedder, "common")
    close(store)


def test_a_disk_that_became_read_only(disk: Path, embedder: HashEmbedder, tmp_path: Path) -> None:
    store = open_store(disk / "home")
    root = write(tmp_path / "docs", a="The common text.")
    index(store, embedder, root)
    close(store)
    remount(disk, "ro")
    with pytest.raises(KNOWN_ERRORS) as raised:
        index(open_store(disk / "home"), embedder, root)
    assert "read" in message_of(raised.value).lower()
    remount(disk, "rw")
    store = open_store(disk / "home")
    assert counts(index(store, embedder, root)) == (0, 1, 0, 0)
    close(store)
