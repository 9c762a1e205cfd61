"""Reads a file that others may be changing: a text is indexed as it stood at one moment, or not at all."""

import os
import stat
import time
from pathlib import Path
from typing import BinaryIO

from indexer.errors import UnreadableDocument
from indexer.stamps import stamp_of

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.05


def read_stable(location: Path, limit: int, root: Path) -> tuple[bytes, os.stat_result]:
    """The file's bytes, at most `limit`, and its stat before the first was read.

    Raises UnreadableDocument; also if the file changes under every attempt.

    What was a file below `root` when it was found may be a link or a pipe by now: only what lies there is read.

    Size, times and inode are compared before and after: a clock that jumps may at worst cost one more attempt.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        try:
            with _open(location) as file:
                if not _is_there(file.fileno(), location, root):
                    continue
                before = os.fstat(file.fileno())
                data = file.read(limit + 1)
                if len(data) > limit:
                    raise UnreadableDocument(f"larger than {limit >> 20} MiB")
                if stamp_of(os.fstat(file.fileno())) == stamp_of(before) and len(data) == before.st_size:
                    return data, before
        except OSError as error:
            raise UnreadableDocument(f"cannot be opened: {error.strerror}") from error
    raise UnreadableDocument("it changed while it was being read: run again when nothing writes to it any more")


def _open(location: Path) -> BinaryIO:
    return os.fdopen(os.open(location, os.O_RDONLY | os.O_NONBLOCK), "rb")  # else a pipe waits for a writer


def _is_there(descriptor: int, location: Path, root: Path) -> bool:
    """Whether what was opened is what lies there, so that a link that comes and goes at the right moment is no way."""
    opened, real = os.fstat(descriptor), Path(os.path.realpath(location))
    if not stat.S_ISREG(opened.st_mode):
        raise UnreadableDocument("it is no file any more")
    if not real.is_relative_to(root):
        raise UnreadableDocument(f"it has become a link to a place that is not below {root}")
    return os.path.samestat(opened, real.stat())
