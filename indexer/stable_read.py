"""Reads a file that others may be writing: a text is indexed as it stood at one moment, or not at all."""

import os
import time
from pathlib import Path

from indexer.errors import UnreadableDocument

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.05


def read_stable(location: Path, limit: int) -> bytes:
    """The file's bytes, at most `limit`. Raises UnreadableDocument; also if the file changes under every attempt.

    Size, times and inode are compared before and after: a clock that jumps may at worst cost one more attempt.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        try:
            with location.open("rb") as file:
                before = _state(file.fileno())
                data = file.read(limit + 1)
                if len(data) > limit:
                    raise UnreadableDocument(f"larger than {limit >> 20} MiB")
                if _state(file.fileno()) == before and len(data) == before[0]:
                    return data
        except OSError as error:
            raise UnreadableDocument(f"cannot be opened: {error.strerror}") from error
    raise UnreadableDocument("it changed while it was being read: run again when nothing writes to it any more")


def _state(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
