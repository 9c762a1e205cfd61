"""Whether a file is still the one whose bytes were hashed, by what the file system says of it. Reads no bytes.

The times of a file are coarse (2 s on FAT, a tick of the kernel on others), so that a change right after the hash may
leave them as they were; and a mapped page that is being written shows no new time until it has been flushed. Git calls
such an entry racily clean (Documentation/technical/racy-git.txt). So a stat is trusted only if the file had been left
alone for a minute when it was hashed.
"""

import os
import time
from pathlib import Path

# Linux flushes a mapped page within 35 s; network file systems may answer from a cache for as long.
SETTLED_NS = 60_000_000_000


def stamp_of(status: os.stat_result) -> str:
    """Size, times of modification and of change, inode and device. Only ever compared as a whole.

    As text: inodes and devices may use all 64 bits, which an SQL integer cannot hold.
    """
    times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
    return f"{status.st_size} {times} {status.st_ino} {status.st_dev}"


class FileClock:
    """What time it is for a file system, rather too early than too late, whatever the clock of the machine does.

    Its time is that which it gives `probe`, a file of ours that is touched once, and goes on by the monotonic clock: a
    clock set forward makes no file older than it is. While the wall clock is behind that, as it was set back or the
    probe lies on another machine, the wall clock counts.
    """

    def __init__(self, probe: Path) -> None:
        try:
            os.utime(probe)
            there = probe.stat().st_ctime_ns
        except OSError:
            there = 0  # then no file is settled, and each is read again
        self._start = min(there, time.time_ns())
        self._since = time.monotonic_ns()

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return min(self._start + time.monotonic_ns() - self._since, time.time_ns())


def is_settled(changed: int, hashed_from: int) -> bool:
    """Whether a file that last changed at `changed` must show every change since it was hashed in its times."""
    return changed + SETTLED_NS <= hashed_from
