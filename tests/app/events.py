"""Reads server-sent events back, by the rules of the standard and not by those of app/sse.py."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event: its name and its data."""

    name: str
    data: dict[str, Any]


def parse_events(body: str) -> list[SentEvent]:
    """All complete events of a stream."""
    events: list[SentEvent] = []
    for block in body.split("\n\n")[:-1]:
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        if "data" in fields:  # a comment, such as a heartbeat, has none
            events.append(SentEvent(fields.get("event", ["message"])[-1], json.loads("\n".join(fields["data"]))))
    return events
