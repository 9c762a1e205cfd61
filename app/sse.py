"""Server-sent events: the wire format, and nothing else. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import json
import logging
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from app.problems import problem_of
from app.service import Event

MEDIA_TYPE = "text/event-stream"

_log = logging.getLogger(__name__)


def encode(event: Event) -> str:
    """One event. JSON holds no line break, so one data line is enough."""
    data = event.data.model_dump() if isinstance(event.data, BaseModel) else event.data
    return f"event: {event.name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(first: Event, rest: Iterable[Event]) -> Iterator[str]:
    """The events as text; what goes wrong after the first byte becomes an `error` event."""
    yield encode(first)
    try:
        for event in rest:
            yield encode(event)
    except Exception as error:  # the response has begun: there is no other way left to tell the client
        _log.exception("the answer broke off")
        yield encode(Event("error", problem_of(error)))
