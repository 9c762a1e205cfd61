"""Says when a run is due: something below the roots has changed, and has been quiet for a moment. Knows no index.

What the operating system tells is only a reason to look again: a run compares contents, so that an event too many costs
a look, and one that was missed is made good by the next.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from watchfiles import Change, watch

from indexer.errors import SourceProblem
from indexer.readers import reader_for
from indexer.selection import IGNORE_FILE


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """In milliseconds: a run is due after `quiet_ms` without a change, under constant changes every `longest_ms`.

    `look_ms` is how often to look whether the roots are still there, which no event tells of a drive.
    """

    quiet_ms: int = 500
    longest_ms: int = 5_000
    look_ms: int = 1_000


def rounds(
    roots: Sequence[Path], ignored: Sequence[Path], settings: WatchSettings, stop: threading.Event | None = None
) -> Iterator[list[Path]]:
    """Yields at once, and then whenever a run is due: an empty list, or the roots that are gone, which it waits for.

    Changes made during a run are not missed. What is `ignored` or below it, what is hidden, and files that no reader
    knows are no reason for a run. Ends when `stop` is set. Raises SourceProblem if watching is not possible.
    """
    stop = stop or threading.Event()
    places = [root.resolve() for root in roots]
    relevant = _filter(places, [path.resolve() for path in ignored])
    while not stop.is_set():
        there = _identities(places)
        if gone := [root for root, identity in zip(roots, there, strict=True) if identity is None]:
            yield gone
            while not stop.is_set() and None in _identities(places):
                time.sleep(settings.look_ms / 1000)
            continue
        events = watch(
            *places,
            watch_filter=relevant,
            debounce=settings.longest_ms,
            step=settings.quiet_ms,
            rust_timeout=settings.look_ms,
            yield_on_timeout=True,
            ignore_permission_denied=True,
            stop_event=stop,
        )
        yield from _until_replaced(events, places, there)


def _until_replaced(
    events: Iterator[set[tuple[Change, str]]], places: Sequence[Path], there: list[tuple[int, int] | None]
) -> Iterator[list[Path]]:
    """Yields at once and with every change; ends when a root is gone or another one stands in its place."""
    due = True
    while _identities(places) == there:
        try:
            changed = next(events, None)
        except FileNotFoundError:
            return  # gone in this very moment
        except (OSError, RuntimeError) as error:
            raise SourceProblem(
                f"cannot watch {', '.join(map(str, places))}: {error}. On Linux the number of folders is limited: "
                "raise fs.inotify.max_user_watches, or run `tenkyo index` from a timer instead."
            ) from error
        if changed is None:
            return
        if due or changed:
            due = False
            yield []


def _identities(places: Sequence[Path]) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for place in places:
        try:
            status = os.stat(place)  # noqa: PTH116  (Path.exists raises where a parent may not be entered)
            found.append((status.st_dev, status.st_ino))
        except OSError:
            found.append(None)
    return found


def _filter(places: Sequence[Path], ignored: Sequence[Path]) -> Callable[[Change, str], bool]:
    def relevant(_: Change, name: str) -> bool:
        path = Path(name)
        if any(path.is_relative_to(other) for other in ignored):
            return False
        for place in places:
            if path.is_relative_to(place):
                *folders, last = path.relative_to(place).parts or (place.name,)
                hidden = any(part.startswith(".") for part in folders)
                hidden = hidden or (last.startswith(".") and last != IGNORE_FILE and path != place)
                # A folder, or what has gone and may have been one, matters as a whole.
                return not hidden and (last == IGNORE_FILE or reader_for(last) is not None or not path.is_file())
        return False

    return relevant
