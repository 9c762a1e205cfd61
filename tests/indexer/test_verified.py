"""What was found whole is not hashed again, unless its stat, the time or the wish to be sure say otherwise."""

import errno
import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer import identity
from indexer.errors import FilesDamaged
from indexer.lock import LOCK_FILE
from indexer.verified import RECORD, Verified
from tests.indexer.generations import Line, ids_in_dense

HOUR = 3_600_000_000_000


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """A generation of two segments, of which one is linked to the generation before."""
    line = Line(tmp_path / "index")
    line.root.mkdir()
    (line.root / LOCK_FILE).touch()
    line.step(added=range(12))
    line.step(added=[12], deleted=[0])
    return line


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are hashed to compare them, as they are."""
    names: list[str] = []

    def hash_and_note(file: Path) -> str:
        names.append(file.name)
        return identity.file_sha256(file)

    monkeypatch.setattr("indexer.verified.file_sha256", hash_and_note)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a minute had passed since the last change of any file."""
    monkeypatch.setattr("indexer.stamps.SETTLED_NS", 0)


def spoil_in_silence(file: Path) -> None:
    """As a disk does: no time changes, and no length."""
    before, data = file.stat(), bytearray(file.read_bytes())
    data[-8] ^= 4
    with file.open("r+b") as out:
        out.write(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.usefixtures("settled")
def test_the_second_command_hashes_nothing(line: Line, hashed: list[str]) -> None:
    (line.root / RECORD).unlink(missing_ok=True)
    line.open(every_byte=False)
    assert len(hashed) == len(line.open().manifest.files)
    hashed.clear()
    assert ids_in_dense(line.open(every_byte=False)) == list(range(1, 13))
    assert hashed == []


@pytest.mark.usefixtures("settled")
def test_what_a_new_generation_shares_with_the_last_is_not_hashed_to_build_or_to_open_it(
    line: Line, hashed: list[str]
) -> None:
    line.open(every_byte=False)
    hashed.clear()
    line.step(added=[13])
    assert hashed == [], "the generation that is built on had been found whole"
    line.open(every_byte=False)
    linked = {file.name for file in line.folder.rglob("*") if file.is_file() and file.stat().st_nlink > 1}
    assert linked, "something must be shared"
    assert not linked.intersection(hashed)


def test_a_file_that_was_written_a_moment_ago_is_hashed_by_the_next_command_too(line: Line, hashed: list[str]) -> None:
    for _ in range(2):
        line.open(every_byte=False)
    assert len(hashed) == 2 * len(line.open().manifest.files)
    assert not (line.root / RECORD).exists()


@pytest.mark.usefixtures("settled")
def test_what_shows_in_no_stat_is_found_by_who_reads_every_byte_and_by_all_within_a_day(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.open(every_byte=False)
    spoil_in_silence(line.folder / "deleted.npy")
    line.open(every_byte=False)  # the price
    with pytest.raises(FilesDamaged, match=r"deleted\.npy"):
        line.open()
    wall = time.time_ns
    monkeypatch.setattr("indexer.verified.time.time_ns", lambda: wall() + 25 * HOUR)
    with pytest.raises(FilesDamaged, match=r"deleted\.npy"):
        line.open(every_byte=False)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("jump", [-HOUR, 25 * HOUR], ids=["set back", "set forward"])
def test_a_clock_that_jumps_costs_a_hash(
    line: Line, hashed: list[str], monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    line.open(every_byte=False)
    hashed.clear()
    wall = time.time_ns
    monkeypatch.setattr("indexer.verified.time.time_ns", lambda: wall() + jump)
    line.open(every_byte=False)
    assert len(hashed) == len(line.open().manifest.files)


@pytest.mark.usefixtures("settled")
def test_a_copy_is_not_what_was_found_whole(line: Line, hashed: list[str], tmp_path: Path) -> None:
    line.open(every_byte=False)
    shutil.copytree(line.root, tmp_path / "copy")  # with the record, and with the times of all files
    line.root = tmp_path / "copy"
    hashed.clear()
    line.open(every_byte=False)
    assert len(hashed) == len(line.open().manifest.files)


@pytest.mark.usefixtures("settled")
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [b"null", b"[]", b"{}", b'{"a": 1}', b'{"a": []}', b'{"a": ["b", null]}', b'{"a": [1, Infinity]}']
        ),
    )
)
def test_a_record_that_is_none_proves_nothing(line: Line, data: bytes) -> None:
    (line.root / RECORD).write_bytes(data)
    line.open(every_byte=False)
    with (line.folder / "deleted.npy").open("ab") as out:
        out.write(b"x")
    with pytest.raises(FilesDamaged):
        line.open(every_byte=False)
    os.truncate(line.folder / "deleted.npy", (line.folder / "deleted.npy").stat().st_size - 1)


@pytest.mark.usefixtures("settled")
def test_a_record_that_cannot_be_written_is_done_without(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (line.root / RECORD).unlink(missing_ok=True)
    with monkeypatch.context() as failing:
        failing.setattr("indexer.verified.Path.replace", full)
        line.open(every_byte=False)
    assert not list(line.root.glob(f"{RECORD}*"))


def test_what_a_killed_process_was_writing_goes_with_the_next_run(line: Line) -> None:
    (line.root / f"{RECORD}-123").write_text("{")
    line.step(added=[20])
    assert not list(line.root.glob(f"{RECORD}-*"))


@pytest.mark.usefixtures("settled")
def test_a_hash_that_differs_is_not_recorded(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    (tmp_path / LOCK_FILE).touch()
    verified = Verified(tmp_path)
    assert not verified.is_whole(file, "another")
    verified.keep()
    assert not (tmp_path / RECORD).exists()
