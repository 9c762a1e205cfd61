"""What an OpenAI-compatible server streams: bytes to server-sent events to pieces of text. Knows no connection.

Server-sent events as in https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream. One
leniency: an event that the end of the stream cuts off is still given on, as servers forget the last empty line.
"""

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DONE = "[DONE]"
# A piece of text takes a few hundred bytes, a usage record a few thousand: a longer event is no answer.
_MAX_EVENT_CHARACTERS = 1 << 20
_SURROGATE = re.compile("[\ud800-\udfff]")


class BadStream(Exception):
    """The stream holds something that is not of the protocol."""


class ServerError(Exception):
    """An error object; `status` is the HTTP status that goes with it, if it names one."""

    def __init__(self, status: int | None, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Delta:
    """One event's share of the answer; `finished` if the server says that this is its end."""

    text: str
    finished: bool


class EventParser:
    """Bytes, cut anywhere, to the data of whole events."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._line = ""
        self._data: list[str] = []
        self._characters = 0
        self._after_return = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The data of every event that is complete now. Raises BadStream if one grows beyond all measure."""
        yield from self._read(self._decoder.decode(chunk))

    def end(self) -> Iterator[str]:
        """The data of the event that the end of the stream cut off, if any."""
        yield from self._read(self._decoder.decode(b"", final=True) + "\n\n")

    def _read(self, text: str) -> Iterator[str]:
        if self._after_return and text:  # the \n of a \r\n may come with the next chunk
            text = text.removeprefix("\n")
            self._after_return = False
        self._after_return = text.endswith("\r") or (self._after_return and not text)
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        lines[0] = self._line + lines[0]
        self._line = lines.pop()
        for line in lines:
            self._take(line)
            if not line and self._data:
                yield "\n".join(self._data)
                self._data, self._characters = [], 0
        if self._characters + len(self._line) > _MAX_EVENT_CHARACTERS:
            raise BadStream("an event without an end")

    def _take(self, line: str) -> None:
        """Keeps a line of data; comments and other fields are dropped."""
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
            self._characters += len(value) + 1


def read_delta(data: str) -> Delta:
    """The text in one event. Raises BadStream or, for an error object, ServerError."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        raise BadStream("an event that is not JSON") from None
    if not isinstance(event, dict):
        raise BadStream("an event that is not an object")
    error = error_of(event)
    if error is not None:
        raise error
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return Delta("", False)
    delta = choice.get("delta")
    text = delta.get("content") if isinstance(delta, dict) else None
    # half of an escaped surrogate pair cannot be stored, hashed or sent
    clean = _SURROGATE.sub("\ufffd", text) if isinstance(text, str) else ""
    return Delta(clean, choice.get("finish_reason") is not None)


def error_of(body: Mapping[str, Any]) -> ServerError | None:
    """The error in a body, if any.

    It may be {"error": {"message", "code"}} (OpenAI), {"error": "…"} (Ollama), or {"object": "error", "message"} (older
    vLLM).
    """
    error = body.get("error")
    if error is None and body.get("object") == "error":
        error = body
    if not error:
        return None
    if not isinstance(error, dict):
        return ServerError(None, str(error))
    code = error.get("code", error.get("status"))
    status = int(code) if isinstance(code, int | str) and re.fullmatch("[1-5][0-9][0-9]", str(code)) else None
    return ServerError(status, str(error.get("message") or error.get("type") or "no reason given"))


def detail_of(body: bytes) -> str:
    """The reason in the body of a refusal; empty if it is no JSON, as a proxy's HTML page."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(parsed, dict):
        return ""
    error = error_of(parsed)
    if error is not None:
        return error.detail
    return str(parsed.get("detail") or parsed.get("message") or "")  # FastAPI's own checks, and gateways
