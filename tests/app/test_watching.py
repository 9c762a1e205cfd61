"""`tenkyo index --watch`: what it goes on after, what ends it, and how."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from app import watching
from app.watching import keep_indexing
from indexer.comparison import Failure, Report
from indexer.errors import EmbedderProblem, IndexBusy, SourceProblem, StorageProblem
from tests.app.conftest import Shell

Outcome = Report | Exception
UNCHANGED = Report(unchanged=3)


def watched(*outcomes: Outcome | BaseException, gone: tuple[int, ...] = ()) -> list[tuple[Report, bool]]:
    """What is shown of runs that end like this; before the rounds of the numbers in `gone`, the folder has gone."""
    shown: list[tuple[Report, bool]] = []
    left = list(outcomes)

    def rounds() -> Iterator[list[Path]]:
        number = 0
        while left:
            if number in gone:
                yield [Path("docs")]
            number += 1
            yield []

    def run() -> Report:
        outcome = left.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    keep_indexing(rounds(), run, lambda report, first: shown.append((report, first)))
    return shown


def test_the_first_run_is_always_shown_and_later_ones_if_something_changed() -> None:
    changed, removed = Report(indexed=1), Report(removed=1)
    broken = Report(unchanged=2, failed=[Failure("a.pdf", "damaged")])
    shown = watched(UNCHANGED, UNCHANGED, changed, UNCHANGED, broken, broken, removed)
    assert shown == [(UNCHANGED, True), (changed, False), (broken, False), (removed, False)]


@pytest.mark.parametrize("error", [SourceProblem("absent"), IndexBusy("busy"), EmbedderProblem("other")])
def test_the_first_run_raises_what_goes_wrong(error: Exception) -> None:
    with pytest.raises(type(error)):
        watched(error, UNCHANGED)


def test_what_people_or_time_put_right_is_reported_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "_RETRY_SECONDS", 0.0)
    gone = OperationalError("SELECT", {}, Exception("server closed the connection"))
    full, changed = StorageProblem("no space left on device"), Report(indexed=1)
    shown = watched(UNCHANGED, SourceProblem("line 2: '['"), IndexBusy("busy"), full, full, gone, changed)
    assert shown == [(UNCHANGED, True), (changed, False)]
    with pytest.raises(EmbedderProblem):
        watched(UNCHANGED, EmbedderProblem("the weights have changed"))


def test_a_folder_that_is_gone_is_reported_and_runs_go_on_later() -> None:
    changed = Report(indexed=1)
    assert watched(UNCHANGED, changed, gone=(1,)) == [(UNCHANGED, True), (changed, False)]


def test_an_interrupt_within_a_run_is_one_of_the_run() -> None:
    with pytest.raises(KeyboardInterrupt):
        watched(UNCHANGED, KeyboardInterrupt())


def test_an_interrupt_between_runs_ends_it() -> None:
    def rounds() -> Iterator[list[Path]]:
        yield []
        raise KeyboardInterrupt

    shown: list[Report] = []
    keep_indexing(rounds(), lambda: UNCHANGED, lambda report, _: shown.append(report))
    assert shown == [UNCHANGED]


def test_watching_and_a_dry_run_exclude_each_other(shell: Shell, folder: Path) -> None:
    result = shell.run("index", folder, "--watch", "--dry-run")
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_a_missing_folder_is_not_waited_for_at_the_start(shell: Shell, tmp_path: Path) -> None:
    result = shell.run("index", tmp_path / "absent", "--watch")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


PROGRAM = """
import app.cli_index, indexer.ingest
from app.cli import cli
from tests.fakes import HashEmbedder, ReaderInProcess
app.cli_index.SentenceTransformerEmbedder = lambda settings: HashEmbedder()
indexer.ingest.ReaderProcess = ReaderInProcess
cli(prog_name="tenkyo")
"""


class Watcher:
    """`tenkyo index --watch --json` in a process of its own."""

    def __init__(self, home: Path, folder: Path) -> None:
        command = [sys.executable, "-c", PROGRAM, "--home", str(home), "index", str(folder), "--watch", "--json"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2], bufsize=0
        )

    def report(self) -> dict[str, object]:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        assert ready, "no report came"
        found: dict[str, object] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors.decode()


@pytest.fixture
def watcher(tmp_path: Path, folder: Path) -> Iterator[Watcher]:
    started = Watcher(folder / "tenkyo-data", folder)
    yield started
    started.process.kill()
    started.process.communicate()


def test_changes_are_indexed_until_an_interrupt_ends_it_cleanly(watcher: Watcher, folder: Path) -> None:
    assert watcher.report()["indexed"] == 3
    (folder / "leave.md").rename(folder / "holidays.md")
    report = watcher.report()
    assert (report["renamed"], report["embedded_chunks"]) == ([{"path": "holidays.md", "was": "leave.md"}], 0)
    (folder / "new.txt").write_text("The limit for a dinner is 40 pounds.")
    assert watcher.report()["embedded_chunks"] == 1
    (folder / ".tenkyoignore").write_text("[\n")
    time.sleep(1.5)
    (folder / ".tenkyoignore").write_text("new.txt\n")
    assert watcher.report()["removed"] == 1
    code, errors = watcher.end()
    assert code == 0
    assert ".tenkyoignore, line 1" in errors
    assert errors.endswith("Stopped watching.\n")
    assert "Traceback" not in errors


@pytest.mark.slow
def test_the_data_folder_in_the_watched_folder_causes_no_endless_loop(watcher: Watcher, folder: Path) -> None:
    watcher.report()
    assert (folder / "tenkyo-data" / "tenkyo.sqlite3").exists()
    used = wait(lambda: cpu_seconds(watcher.process.pid), 2.0)
    assert used < 0.5
    assert watcher.end()[0] == 0


def wait(measure: Callable[[], float], seconds: float) -> float:
    before = measure()
    time.sleep(seconds)
    return measure() - before


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
