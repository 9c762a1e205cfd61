"""Damage of any kind, in any file, is noticed when a generation is opened, not when it gives wrong answers."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.errors import FilesDamaged, IndexDamaged
from indexer.generation import FORMAT, damaged_files, open_generation, read_manifest
from indexer.lock import LOCK_FILE
from indexer.verified import Verified
from tests.indexer.generations import EMBEDDER, Line, ids_in_dense


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Line:
    """Two generations, so that there are tombstones, two segments and linked files."""
    line = Line(tmp_path_factory.mktemp("published"))
    line.step(added=range(12))
    line.step(added=[12], deleted=[0])
    return line


@pytest.fixture
def copy(published: Line, tmp_path: Path) -> Line:
    """The same, to be damaged."""
    shutil.copytree(published.root, tmp_path / "copy")
    line = Line(tmp_path / "copy")
    line.current, line.published = set(published.current), published.published
    return line


def files_of(line: Line) -> list[Path]:
    files = [line.folder / name for name in line.open().manifest.files] + [line.folder / "manifest.json"]
    assert len(files) > 8
    return files


def assert_damaged(line: Line, file: Path, *, every_byte: bool = True) -> None:
    with pytest.raises(IndexDamaged, match=r"gen-00000002"):
        line.open(every_byte=every_byte)
    assert file.parent.exists()


def find_whole(line: Line) -> None:
    """Puts every file on record. Opens none: who truncates a mapped one would kill this process."""
    (line.root / LOCK_FILE).touch()
    verified = Verified(line.root)
    assert list(damaged_files(line.folder, read_manifest(line.folder, None), verified.is_whole)) == []
    verified.keep()


def flip(at: Callable[[int], int], bit: int) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[at(len(data))] ^= 1 << bit
        file.write_bytes(data)

    return damage


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGE = {
    "first bit": flip(lambda size: 0, 7),
    "middle bit": flip(lambda size: size // 2, 3),
    "last bit": flip(lambda size: size - 1, 0),
    "truncated": truncate,
    "lengthened": lengthen,
    "empty": empty,
    "missing": Path.unlink,
}


@pytest.mark.parametrize("every_byte", [True, False], ids=["every byte is read", "all had been found whole"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_to_any_file_is_noticed(
    copy: Line, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, every_byte: bool
) -> None:
    monkeypatch.setattr("indexer.stamps.SETTLED_NS", 0)
    for file in files_of(copy):
        sound = file.read_bytes()
        if sound:
            if not every_byte:
                find_whole(copy)
            damage(file)
            assert_damaged(copy, file, every_byte=every_byte)
            file.write_bytes(sound)
    assert ids_in_dense(copy.open()) == list(range(1, 13))


def test_a_flipped_bit_in_any_byte_of_the_tombstones_is_noticed(copy: Line) -> None:
    """One of them would bring a deleted chunk back."""
    file = copy.folder / "deleted.npy"
    sound = file.read_bytes()
    for position in range(len(sound)):
        data = bytearray(sound)
        data[position] ^= 1 << position % 8
        file.write_bytes(data)
        assert_damaged(copy, file)


def test_a_file_that_became_a_folder_is_noticed(copy: Line) -> None:
    file = copy.folder / "deleted.npy"
    file.unlink()
    file.mkdir()
    assert_damaged(copy, file)


def test_a_generation_that_is_gone_is_noticed(copy: Line) -> None:
    shutil.rmtree(copy.folder)
    with pytest.raises(IndexDamaged, match="no readable manifest"):
        copy.open()


def test_the_manifest_of_another_generation_does_not_pass(copy: Line) -> None:
    shutil.copyfile(copy.root / "gen-00000001" / "manifest.json", copy.folder / "manifest.json")
    with pytest.raises(IndexDamaged, match="is not the one that was published"):
        copy.open()


def write_manifest(line: Line, data: bytes) -> str:
    (line.folder / "manifest.json").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def test_a_generation_of_another_format_says_which(copy: Line) -> None:
    fields = json.loads((copy.folder / "manifest.json").read_text())
    digest = write_manifest(copy, json.dumps({**fields, "format": FORMAT + 1}).encode())
    with pytest.raises(IndexDamaged, match=rf"index format {FORMAT + 1}, this version of Tenkyo reads format {FORMAT}"):
        open_generation(copy.root, 2, digest, EMBEDDER)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"null",
        b"3",
        b"[]",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "files": []}',
        b'{"format": 1, "files": {"a": 3}}',
        b'{"format": 1, "files": {}, "surplus": 1}',
    ],
)
def test_what_is_no_manifest_is_damage(copy: Line, data: bytes) -> None:
    digest = write_manifest(copy, data)
    with pytest.raises(IndexDamaged, match=r"manifest\.json"):
        read_manifest(copy.folder, digest)


def test_nothing_is_built_on_a_generation_without_a_manifest(copy: Line) -> None:
    (copy.folder / "manifest.json").unlink()
    with pytest.raises(IndexDamaged):
        copy.step(added=[20])
    assert not (copy.root / "gen-00000003").exists()


def test_nothing_is_built_on_a_damaged_generation(copy: Line) -> None:
    """Hard links would hand the damage on, and a checksum made anew would vouch for it."""
    for file in files_of(copy):
        sound = file.read_bytes()
        if sound and file.name != "manifest.json":
            truncate(file)
            with pytest.raises(FilesDamaged, match=file.name):
                copy.step(added=[20])
            file.write_bytes(sound)
    assert [p.name for p in sorted(copy.root.iterdir())] == ["gen-00000001", "gen-00000002"]
    copy.step(added=[20])
    assert ids_in_dense(copy.open()) == [*range(1, 13), 20]


def test_a_file_that_cannot_be_read_for_a_reason_of_our_own_is_no_damage(
    copy: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files, say: setting the generation aside would make a passing trouble a lasting one."""

    def fail_with(number: int) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("indexer.generation.file_sha256", fail)

    fail_with(errno.EMFILE)
    with pytest.raises(IndexDamaged, match="Too many open files") as raised:
        copy.open()
    assert not isinstance(raised.value, FilesDamaged)
    fail_with(errno.EIO)
    with pytest.raises(FilesDamaged):
        copy.open()
