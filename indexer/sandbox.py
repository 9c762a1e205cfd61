"""Reads documents in a child process with a memory and a time limit, so that no file can take the run down.

The child gets bytes and answers JSON; it never gets a path, and nothing it sends is unpickled. One child serves many
files; after a crash or a timeout the next file gets a new one. `python -m indexer.sandbox` is the child.
"""

import json
import os
import resource
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from indexer.catalog import pack_layout, unpack_layout
from indexer.document import ExtractedDocument, Heading
from indexer.errors import UnreadableDocument
from indexer.readers import read_document

_LENGTH_BYTES = 8


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
        deadline = time.monotonic() + self._settings.seconds
        try:
            _send(child.stdin, json.dumps({"path": path, "size": len(data)}).encode())
            child.stdin.write(data)
            child.stdin.flush()
            answer = json.loads(_receive_until(child.stdout, deadline))
        except TimeoutError:
            self._stop()
            raise UnreadableDocument(f"reading it took more than {self._settings.seconds:g} s") from None
        except (EOFError, BrokenPipeError):
            code = child.wait()
            self._stop()
            raise UnreadableDocument(
                f"its reader crashed (exit {code}): the file is damaged or needs too much memory"
            ) from None
        if "unreadable" in answer:
            raise UnreadableDocument(answer["unreadable"])
        return _decode(answer)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parent.parent), "LANG": "C.UTF-8"}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "indexer.sandbox", str(self._settings.memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C is the parent's business
        )
        return self._child

    def _stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
    stream.write(data)


def _receive_until(stream: IO[bytes], deadline: float) -> bytes:
    descriptor = stream.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)

        def take(count: int) -> bytes:
            parts = bytearray()
            while len(parts) < count:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                part = os.read(descriptor, min(count - len(parts), 1 << 20))
                if not part:
                    raise EOFError
                parts += part
            return bytes(parts)

        return take(int.from_bytes(take(_LENGTH_BYTES), "big"))


def _encode(document: ExtractedDocument) -> dict[str, object]:
    return {
        "text": document.text,
        "title": document.title,
        "media_type": document.media_type,
        "headings": [[h.start, h.end, h.level, h.title] for h in document.headings],
        "layout": pack_layout(document.layout),
    }


def _decode(answer: dict[str, object]) -> ExtractedDocument:
    fields = dict(answer)
    headings = tuple(Heading(*row) for row in fields.pop("headings"))  # type: ignore[attr-defined]
    layout = unpack_layout(fields.pop("layout"))  # type: ignore[arg-type]
    return ExtractedDocument(headings=headings, layout=layout, **fields)  # type: ignore[arg-type]


def main() -> None:
    """The child: requests on standard input, answers on standard output, until the parent goes."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while length := requests.read(_LENGTH_BYTES):
        request = json.loads(requests.read(int.from_bytes(length, "big")))
        data = requests.read(request["size"])
        try:
            answer = _encode(read_document(request["path"], data))
        except UnreadableDocument as error:
            answer = {"unreadable": str(error)}
        except MemoryError:
            answer = {"unreadable": "reading it needs too much memory"}
        except RecursionError:
            answer = {"unreadable": "it is nested too deeply"}
        _send(answers, json.dumps(answer).encode())
        answers.flush()


if __name__ == "__main__":
    main()
