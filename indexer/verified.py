"""Which files of an index were found whole not long ago, so that each command need not hash them all again.

The record lies beside the generations and belongs to none: it says what hash a file had, then, that was as long and as
old and had that inode. Files that generations share by hard links are in it once. Whoever loses it hashes once more.
"""

import contextlib
import json
import os
import time
from functools import cached_property
from pathlib import Path

from indexer.identity import file_sha256
from indexer.lock import LOCK_FILE
from indexer.stamps import FileClock, is_settled

RECORD = ".verified.json"
# What a disk spoils beneath the file system shows in no stat, and is found within a day all the same.
_TRUSTED_NS = 24 * 3600 * 1_000_000_000


class Verified:
    """The record of one index folder. `keep` writes down what `is_whole` has found."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known = _read(root / RECORD)
        self._found: dict[str, tuple[str, int]] = {}

    def is_whole(self, file: Path, sha256: str) -> bool:
        """Whether the file has that hash, by the record or by reading it. Raises OSError."""
        status = file.stat()
        # Without ctime: every generation links the files of the one before, which changes it.
        stamp = f"{status.st_size} {status.st_mtime_ns} {status.st_ino} {status.st_dev}"
        known, at = self._known.get(stamp, ("", 0))
        if known == sha256 and 0 <= time.time_ns() - at < _TRUSTED_NS:
            self._found[stamp] = known, at
            return True
        now = self._clock.now()
        if file_sha256(file) != sha256:
            return False
        if is_settled(status.st_mtime_ns, now):
            self._found[stamp] = sha256, now
        return True

    def keep(self) -> None:
        """Replaces the record, where anything was hashed. One that cannot be written is done without."""
        if not self._found.items() - self._known.items():
            return
        new = self._root / f"{RECORD}-{os.getpid()}"
        try:
            new.write_text(json.dumps(self._found))
            new.replace(self._root / RECORD)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()

    @cached_property
    def _clock(self) -> FileClock:
        return FileClock(self._root / LOCK_FILE)


def forget_leftovers(root: Path) -> None:
    """Deletes records that were being written when their process died."""
    for file in root.glob(f"{RECORD}-*"):
        with contextlib.suppress(OSError):
            file.unlink()


def _read(file: Path) -> dict[str, tuple[str, int]]:
    try:
        entries = json.loads(file.read_bytes())
        return {stamp: (sha256, at) for stamp, (sha256, at) in entries.items() if isinstance(at, int)}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # whatever it is, it proves nothing
