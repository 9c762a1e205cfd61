"""Server-sent events: the wire format, and nothing else. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from pydantic import BaseModel

from app.problems import problem_of
from app.service import Event

MEDIA_TYPE = "text/event-stream"
_log = logging.getLogger(__name__)
_HEARTBEAT_SECONDS = 1.0
_LOOK_SECONDS = 0.25
_AHEAD = 64


def encode(event: Event) -> str:
    """One event. JSON holds no line break, so one data line is enough."""
    data = event.data.model_dump() if isinstance(event.data, BaseModel) else event.data
    return f"event: {event.name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(
    first: Iterable[Event], rest: Iterator[Event], cancelled: threading.Event, gone: Callable[[], bool]
) -> Iterator[str]:
    """The events as text; what goes wrong after the first byte becomes an `error` event.

    While no event comes a comment is sent every second, so that no proxy takes the connection for dead.
    """
    try:
        for event in first:
            yield encode(event)
        heard = time.monotonic()
        for item in follow(rest, cancelled, gone):
            if isinstance(item, Exception):
                _log.error("the answer broke off", exc_info=item)
                yield encode(Event("error", problem_of(item)))
            elif item is not None:
                yield encode(item)
            elif time.monotonic() - heard < _HEARTBEAT_SECONDS:
                continue
            else:
                yield ": heartbeat\n\n"
            heard = time.monotonic()
    finally:
        cancelled.set()


def follow(
    events: Iterator[Event], cancelled: threading.Event, gone: Callable[[], bool]
) -> Iterator[Event | Exception | None]:
    """The events, made by a thread of their own; None while there is none yet; at the end what went wrong, if anything.

    Ends, and sets `cancelled`, within half a second of the client's leaving.
    """
    made: queue.Queue[Event | Exception | None] = queue.Queue(_AHEAD)
    threading.Thread(target=_make, args=(events, made, cancelled), name="answer", daemon=True).start()
    looked = 0.0
    while True:
        if time.monotonic() - looked > _LOOK_SECONDS:
            if gone():
                cancelled.set()
                return
            looked = time.monotonic()
        try:
            item = made.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            yield None
            continue
        if item is None:
            return
        yield item
        if isinstance(item, Exception):
            return


def _make(events: Iterator[Event], made: "queue.Queue[Event | Exception | None]", cancelled: threading.Event) -> None:
    def put(item: Event | Exception | None) -> None:
        while not cancelled.is_set():
            try:
                made.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return

    try:
        for event in events:
            put(event)
        put(None)
    except Exception as error:  # handed to whoever reads the queue
        put(error)
