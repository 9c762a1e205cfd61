"""Reading in a child process: no file can take the run down, and one bad file harms no other."""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.errors import UnreadableDocument
from indexer.readers import read_document
from indexer.sandbox import ReaderProcess, SandboxSettings, _receive
from tests.conftest import EXAMPLES

MIB = 1 << 20


@pytest.fixture(scope="module")
def reader() -> Iterator[ReaderProcess]:
    """One child for the tests that leave it alive."""
    with ReaderProcess(SandboxSettings()) as process:
        yield process


def pid_of(reader: ReaderProcess) -> int:
    assert reader._child is not None
    return reader._child.pid


@pytest.mark.parametrize("path", sorted((EXAMPLES / "handbook").iterdir()), ids=lambda path: path.name)
def test_a_document_comes_through_unchanged(reader: ReaderProcess, path: Path) -> None:
    here, there = read_document(path.name, path.read_bytes()), reader.read(path.name, path.read_bytes())
    assert (there.text, there.title, there.headings) == (here.text, here.title, here.headings)
    assert (there.media_type, there.layout.code) == (here.media_type, here.layout.code)
    for mine, its in zip(here.layout.lines, there.layout.lines, strict=True):
        assert (its.start, its.end, its.page) == (mine.start, mine.end, mine.page)
        assert (its.left, its.top) == pytest.approx((mine.left, mine.top), abs=0.06)


def test_text_of_any_script_comes_through(reader: ReaderProcess) -> None:
    text = "在宅 👩\u200d👩 \U00020000 é \u2028 end"
    assert reader.read("a.txt", text.encode()).text == text


def test_an_unreadable_file_gives_its_reason_and_the_child_lives_on(reader: ReaderProcess) -> None:
    reader.read("a.txt", b"words")
    child = pid_of(reader)
    with pytest.raises(UnreadableDocument, match="binary data"):
        reader.read("a.txt", b"\0")
    with pytest.raises(UnreadableDocument, match="not a PDF"):
        reader.read("a.pdf", b"words")
    assert reader.read("a.txt", b"more words").text == "more words"
    assert pid_of(reader) == child


def test_a_large_file_comes_through(reader: ReaderProcess) -> None:
    data = b"many words " * MIB
    assert len(reader.read("a.txt", data).text) == len(data)


def test_the_child_sees_no_secret_of_its_parent(reader: ReaderProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENKYO_LLM_KEY", "secret")
    with ReaderProcess(SandboxSettings()) as fresh:
        fresh.read("a.txt", b"words")
        environment = Path(f"/proc/{pid_of(fresh)}/environ").read_bytes()
    assert b"secret" not in environment
    assert b"TENKYO" not in environment


def test_the_child_runs_no_code_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json.py", "numpy.py", "encodings.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    with ReaderProcess(SandboxSettings()) as fresh:
        assert fresh.read("a.txt", b"words").text == "words"
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
def test_the_child_has_no_network_and_writes_no_file(reader: ReaderProcess) -> None:
    reader.read("a.txt", b"words")
    status = Path(f"/proc/{pid_of(reader)}/status").read_text(encoding="utf-8")
    assert "Seccomp:\t2" in status
    limits = Path(f"/proc/{pid_of(reader)}/limits").read_text(encoding="utf-8")
    assert re.search(r"Max file size +0 +0 ", limits)


def test_a_child_that_is_still_at_work_gets_more_time_but_not_for_ever() -> None:
    """OCR says so before each page: here by the hand of a pipe."""
    out, into = os.pipe()
    with os.fdopen(out, "rb", buffering=0) as stream, os.fdopen(into, "wb", buffering=0) as child:
        child.write(b"\0" * 8 * 3 + (2).to_bytes(8, "big") + b"{}")
        assert _receive(stream, 5.0) == b"{}"
        stop = threading.Event()
        beat = threading.Thread(target=lambda: [child.write(b"\0" * 8) for _ in iter(lambda: stop.wait(0.01), True)])
        beat.start()
        with pytest.raises(TimeoutError, match=r"0\.5"):
            _receive(stream, 0.05)
        stop.set()
        beat.join()


def test_an_answer_without_end_is_a_crash() -> None:
    out, into = os.pipe()
    with os.fdopen(out, "rb", buffering=0) as stream, os.fdopen(into, "wb", buffering=0) as child:
        child.write((1 << 62).to_bytes(8, "big"))
        with pytest.raises(EOFError):
            _receive(stream, 5.0)


def test_what_the_child_has_started_can_be_ended_with_it() -> None:
    """A reader may be in the middle of OCR when its time is up."""
    with ReaderProcess(SandboxSettings()) as reader:
        reader.read("a.txt", b"words")
        assert os.getpgid(pid_of(reader)) == pid_of(reader)


def test_no_child_is_started_before_a_file_is_read() -> None:
    with ReaderProcess(SandboxSettings()) as reader:
        assert reader._child is None


def test_a_child_that_was_killed_costs_one_file() -> None:
    with ReaderProcess(SandboxSettings()) as reader:
        reader.read("a.txt", b"words")
        os.kill(pid_of(reader), signal.SIGKILL)
        with pytest.raises(UnreadableDocument, match=r"its reader crashed \(exit -9\)"):
            reader.read("a.txt", b"words " * MIB)
        assert reader.read("a.txt", b"more words").text == "more words"


def test_a_file_that_takes_too_long_is_given_up() -> None:
    with ReaderProcess(SandboxSettings(seconds=0.001)) as reader:
        for _ in range(2):
            with pytest.raises(UnreadableDocument, match=r"took more than 0\.001 s"):
                reader.read("a.txt", b"words")
            assert reader._child is None


def test_a_file_that_never_ends_is_stopped_and_the_next_one_read() -> None:
    """Block elements cost the HTML parser quadratic time: this page would take hours."""
    with ReaderProcess(SandboxSettings()) as reader:
        assert reader.read("a.txt", b"words").text == "words"
        child = pid_of(reader)
        reader._settings = SandboxSettings(seconds=0.5)  # only now: a child on a busy machine needs longer to start
        with pytest.raises(UnreadableDocument, match=r"took more than 0\.5 s"):
            reader.read("a.html", b"<div>" * 1_000_000 + b"words")
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        reader._settings = SandboxSettings()
        assert reader.read("a.txt", b"words").text == "words"


@pytest.mark.parametrize("mebibytes", [10, 300], ids=["while reading", "while receiving"])
def test_a_file_that_needs_too_much_memory_is_given_up(mebibytes: int) -> None:
    with ReaderProcess(SandboxSettings(memory_bytes=256 * MIB)) as reader:
        with pytest.raises(UnreadableDocument, match="memory"):
            reader.read("a.txt", "é\n".encode() * (mebibytes * MIB // 3))
        assert reader.read("a.txt", b"words").text == "words"


def test_leaving_stops_the_child() -> None:
    with ReaderProcess(SandboxSettings()) as reader:
        reader.read("a.txt", b"words")
        child = pid_of(reader)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
