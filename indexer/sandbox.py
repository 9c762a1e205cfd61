"""Reads documents in a child process with a memory and a time limit, so that no file can take the run down.

The child gets bytes and answers JSON; it never gets a path, and nothing it sends is unpickled. It has no network and
can write no file (indexer/confinement.py). One child serves many files; after a crash or a timeout the next file gets a
new one. `python -m indexer.sandbox` is the child.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from indexer.catalog import pack_layout, unpack_layout
from indexer.confinement import confine
from indexer.document import ExtractedDocument, Heading
from indexer.errors import UnreadableDocument
from indexer.readers import ocr, read_document

_LENGTH_BYTES = 8
_LONGEST_ANSWER = 1 << 30
_SECONDS_TO_END = 5.0
# OCR takes seconds a page: each page may take as long as a file, all together not longer than this many times as long.
_MOST_EXTENSIONS = 10


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Limits for one file: seconds of wall clock, and bytes of address space of the whole child."""

    seconds: float = 60.0
    memory_bytes: int = 2 << 30


class ReaderProcess:
    """A context manager around the child."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read(self, path: str, data: bytes) -> ExtractedDocument:
        """Text of one file; only the suffix of `path` counts. Raises UnreadableDocument with the reason."""
        child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            _send(child.stdin, json.dumps({"path": path, "size": len(data)}).encode())
            child.stdin.write(data)
            child.stdin.flush()
            answer = json.loads(_receive(child.stdout, self._settings.seconds))
        except TimeoutError as error:
            self._stop()
            raise UnreadableDocument(f"reading it took more than {error} s") from None
        except (EOFError, BrokenPipeError):
            code = self._stop(patience=_SECONDS_TO_END)
            raise UnreadableDocument(
                f"its reader crashed (exit {code}): the file is damaged or needs too much memory"
            ) from None
        if "unreadable" in answer:
            raise UnreadableDocument(answer["unreadable"])
        return _decode(answer)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parent.parent), "LANG": "C.UTF-8"}
        self._child = subprocess.Popen(
            # -P: else a json.py among the documents of the working folder would be run.
            [sys.executable, "-P", "-m", "indexer.sandbox", str(self._settings.memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C is the parent's business; and what it has started can be stopped with it
        )
        return self._child

    def _stop(self, patience: float = 0.0) -> int:
        """Ends the child and what it has started, after waiting so many seconds for its own end; its exit code."""
        child, self._child = self._child, None
        if child is None:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        return child.returncode


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
    stream.write(data)


def _receive(stream: IO[bytes], seconds: float) -> bytes:
    """The next message. An empty one says that the child is still at work. Raises TimeoutError(seconds) or EOFError."""
    descriptor = stream.fileno()
    last = time.monotonic() + _MOST_EXTENSIONS * seconds
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)

        def take(count: int) -> bytes:
            parts = bytearray()
            while len(parts) < count:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"{seconds * (_MOST_EXTENSIONS if deadline == last else 1):g}")
                part = os.read(descriptor, min(count - len(parts), 1 << 20))
                if not part:
                    raise EOFError
                parts += part
            return bytes(parts)

        while not (length := int.from_bytes(take(_LENGTH_BYTES), "big")):
            deadline = min(time.monotonic() + seconds, last)
        if length > _LONGEST_ANSWER:
            raise EOFError  # no reader says so much: whoever speaks there is no longer one
        return take(length)


def _encode(document: ExtractedDocument) -> dict[str, object]:
    return {
        "text": document.text,
        "title": document.title,
        "media_type": document.media_type,
        "headings": [[h.start, h.end, h.level, h.title] for h in document.headings],
        "layout": pack_layout(document.layout),
        "notes": list(document.notes),
    }


def _decode(answer: dict[str, object]) -> ExtractedDocument:
    fields = dict(answer)
    headings = tuple(Heading(*row) for row in fields.pop("headings"))  # type: ignore[attr-defined]
    layout = unpack_layout(fields.pop("layout"))  # type: ignore[arg-type]
    notes = tuple(fields.pop("notes"))  # type: ignore[arg-type, var-annotated]
    return ExtractedDocument(headings=headings, layout=layout, notes=notes, **fields)  # type: ignore[arg-type]


def main() -> None:
    """The child: requests on standard input, answers on standard output, until the parent goes."""
    confine(memory_bytes=int(sys.argv[1]), programs=[program] if (program := ocr.program()) else [])
    # Trees of a million elements hold no cycles, but looking for some in them takes most of the time.
    gc.disable()
    gc.freeze()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer

    def answer_with(data: bytes) -> None:
        _send(answers, data)
        answers.flush()

    ocr.before_each_page = lambda: answer_with(b"")
    while length := requests.read(_LENGTH_BYTES):
        request = json.loads(requests.read(int.from_bytes(length, "big")))
        data = requests.read(request["size"])
        try:
            answer = _encode(read_document(request["path"], data))
        except UnreadableDocument as error:
            answer = {"unreadable": str(error)}
        except MemoryError:
            answer = {"unreadable": "reading it needs too much memory"}
        answer_with(json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        gc.collect()


if __name__ == "__main__":
    main()
