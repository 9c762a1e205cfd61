"""Server-sent events: the wire format, and nothing else. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import json
import logging
import queue
import threading
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from app.problems import problem_of
from app.service import Event

MEDIA_TYPE = "text/event-stream"
_log = logging.getLogger(__name__)
_HEARTBEAT_SECONDS = 1.0
_AHEAD = 64


def encode(event: Event) -> str:
    """One event. JSON holds no line break, so one data line is enough."""
    data = event.data.model_dump() if isinstance(event.data, BaseModel) else event.data
    return f"event: {event.name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(first: Iterable[Event], rest: Iterator[Event], cancelled: threading.Event) -> Iterator[str]:
    """The events as text; what goes wrong after the first byte becomes an `error` event.

    While no event comes a comment is sent every second: writing to a client that has gone fails and sets `cancelled`.
    """
    try:
        for event in first:
            yield encode(event)
        for item in _in_a_thread(rest, cancelled):
            if item is None:
                yield ": heartbeat\n\n"
            elif isinstance(item, Exception):
                _log.error("the answer broke off", exc_info=item)
                yield encode(Event("error", problem_of(item)))
            else:
                yield encode(item)
    finally:
        cancelled.set()


def _in_a_thread(events: Iterator[Event], cancelled: threading.Event) -> Iterator[Event | Exception | None]:
    """The events, made by a thread of their own; None for every second without one; at the end what went wrong."""
    made: queue.Queue[Event | Exception | None] = queue.Queue(_AHEAD)

    def put(item: Event | Exception | None) -> None:
        while not cancelled.is_set():
            try:
                made.put(item, timeout=_HEARTBEAT_SECONDS)
            except queue.Full:
                continue
            return

    def make() -> None:
        try:
            for event in events:
                put(event)
            put(None)
        except Exception as error:  # handed to whoever reads the queue
            put(error)

    threading.Thread(target=make, name="answer", daemon=True).start()
    while True:
        try:
            item = made.get(timeout=_HEARTBEAT_SECONDS)
        except queue.Empty:
            yield None
            continue
        if item is None:
            return
        yield item
        if isinstance(item, Exception):
            return
