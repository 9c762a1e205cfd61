"""When a watched folder gives reason for a run, and when it does not."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.errors import SourceProblem
from indexer.watch import WatchSettings, rounds
from tests.indexer.ingesting import write

QUICK = WatchSettings(quiet_ms=50, longest_ms=500, look_ms=50)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "docs" / "sub", b="words")
    return write(tmp_path / "docs", a="words")


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Ends a test that would wait for ever; then it fails."""
    event = threading.Event()
    timer = threading.Timer(20, event.set)
    timer.start()
    yield event
    timer.cancel()


def test_a_run_is_due_at_once_and_with_every_relevant_change(root: Path, stop: threading.Event) -> None:
    due = rounds([root], [], QUICK, stop)
    assert next(due) == []
    write(root, new="words")
    assert next(due) == []
    write(root / "sub", b="other words")
    assert next(due) == []
    (root / "a.txt").rename(root / "sub" / "c.txt")
    assert next(due) == []
    (root / "sub" / "c.txt").unlink()
    assert next(due) == []
    (root / "sub" / ".tenkyoignore").write_text("*.md")
    assert next(due) == []
    shutil.move(root / "sub", root.parent / "away")
    assert next(due) == []
    shutil.move(root.parent / "away", root / "back")
    assert next(due) == []
    write(root / "back", b="a folder that came later is watched too")
    assert next(due) == []


def test_a_change_during_a_run_is_not_missed(root: Path, stop: threading.Event) -> None:
    due = rounds([root], [], QUICK, stop)
    for number in range(3):
        assert next(due) == []
        write(root, **{f"during{number}": "words"})
    assert next(due) == []


def test_many_changes_at_once_are_one_reason(root: Path, stop: threading.Event) -> None:
    settings = WatchSettings(quiet_ms=300, longest_ms=5_000, look_ms=100)
    due = rounds([root], [], settings, stop)
    assert next(due) == []
    write(root, **{f"file{i}": "words" for i in range(200)})
    assert next(due) == []
    threading.Timer(1, stop.set).start()
    assert list(due) == []


def test_what_is_not_indexed_gives_no_reason(root: Path, stop: threading.Event) -> None:
    home = root / "tenkyo-data"
    write(home, log="words")
    write(root / ".git", x="words")
    due = rounds([root], [home, root / "x.db"], QUICK, stop)
    assert next(due) == []
    write(home, log="other words", more="words")
    write(root / ".git", x="other words")
    (root / "photo.jpg").write_bytes(b"\xff")
    (root / ".hidden.txt").write_text("words")
    (root / "x.db").write_text("words")
    (root / "x.db").unlink()
    (root / "a.txt").read_text()
    threading.Timer(1, stop.set).start()
    assert list(due) == []


def test_a_folder_that_disappears_is_reported_once_and_waited_for(root: Path, stop: threading.Event) -> None:
    due = rounds([root], [], QUICK, stop)
    assert next(due) == []
    shutil.rmtree(root)
    later = next(due)
    while later == []:  # the files went first
        later = next(due)
    assert later == [root]
    threading.Timer(0.5, lambda: write(root, a="words")).start()
    assert next(due) == []
    write(root, b="words")
    assert next(due) == [], "the new folder is watched"


def test_a_folder_that_another_one_replaces_is_watched_again(root: Path, stop: threading.Event) -> None:
    """As when a drive is mounted there."""
    due = rounds([root], [], QUICK, stop)
    assert next(due) == []
    root.rename(root.parent / "old")
    write(root, a="words")
    assert next(due) in ([], [root])
    threading.Timer(0.5, lambda: write(root, later="words")).start()
    while not (root / "later.txt").exists():
        next(due)
    assert not stop.is_set()


def test_a_file_that_an_editor_replaces_is_watched_on(root: Path, stop: threading.Event) -> None:
    file = root / "a.txt"
    due = rounds([file], [], QUICK, stop)
    assert next(due) == []
    for number in range(3):
        (root / "a.txt~").write_text(f"version {number}")
        (root / "a.txt~").replace(file)
        assert next(due) == []


def test_a_root_that_was_never_there_is_reported(root: Path, stop: threading.Event) -> None:
    assert next(rounds([root, root / "absent"], [], QUICK, stop)) == [root / "absent"]


def test_a_machine_that_cannot_watch_says_what_to_do(
    root: Path, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> Iterator[set[object]]:
        raise OSError(28, "No space left on device (os error 28)")
        yield set()

    monkeypatch.setattr("indexer.watch.watch", full)
    with pytest.raises(SourceProblem, match=r"cannot watch .*max_user_watches"):
        next(rounds([root], [], QUICK, stop))
