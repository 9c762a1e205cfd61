"""What is sent to an OpenAI-compatible server: its address and the payload. Knows no connection."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from generator.draft import draft_schema
from generator.llm import LLMUnavailable, Request

_VERSION = re.compile(r"/v[0-9][^/]*(/|$)")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]*)?")
_CHAT = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is; `host` is what messages and records may show."""

    root: str
    host: str

    @property
    def chat(self) -> str:
        """The address that answers."""
        return self.root + _CHAT

    @property
    def models(self) -> str:
        """The address that lists the models."""
        return self.root + "/models"


def address_of(base_url: str) -> Address:
    """The address behind a base URL. A path without a version gets /v1, unless it ends in /chat/completions.

    Raises LLMUnavailable, without repeating the URL where that could show a password.
    """
    url = base_url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise LLMUnavailable("TENKYO_LLM is not a valid URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LLMUnavailable("TENKYO_LLM must look like http://host:8000/v1 to name a server")
    if parts.username is not None or parts.query or parts.fragment:
        raise LLMUnavailable("TENKYO_LLM must have no password and no ?query: a key belongs into TENKYO_LLM_KEY")
    if parts.path.endswith(_CHAT):
        root = url.removesuffix(_CHAT)
    else:
        root = url if _VERSION.search(parts.path) else f"{url}/v1"
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(root, name if port is None else f"{name}:{port}")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server takes of the protocol, as its refusals have taught.

    Hosted reasoning models want `max_completion_tokens` and refuse a temperature; small servers know no schema.
    """

    structured: bool
    limit: str = "max_tokens"
    without: frozenset[str] = frozenset()

    def after_refusal(self, detail: str, *, may_drop_schema: bool) -> "Dialect | None":
        """The next thing to try after a 400 or 422, or None. Each step gives up one thing, so that this ends."""
        if self.limit == "max_tokens" and "max_completion_tokens" in detail:
            return replace(self, limit="max_completion_tokens")
        for name in ("temperature", "top_p", "seed"):
            if name not in self.without and re.search(rf"\b{name}\b", detail):
                return replace(self, without=self.without | {name})
        # The wording for "no response_format here" differs by server: what counts is whether it works without.
        return replace(self, structured=False) if self.structured and may_drop_schema else None

    def given_up(self, start: "Dialect") -> list[str]:
        """Names of what `start` asked for and this does not, for the log."""
        names = sorted(self.without - start.without)
        if start.structured and not self.structured:
            names.append("response_format")
        return names


def payload(request: Request, model: str, dialect: Dialect) -> dict[str, Any]:
    """The body of the request. `guidance` has no counterpart in this protocol and is not sent."""
    sampling = request.sampling
    options = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
    by_schema = bool(request.sources) and dialect.structured
    messages = (request.schema_messages if by_schema else ()) or request.messages
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "stream": True,
        dialect.limit: request.max_tokens,
        **{name: value for name, value in options.items() if name not in dialect.without},
    }
    if by_schema:
        schema = {"name": "draft", "strict": True, "schema": draft_schema(request.sources)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds in a Retry-After header, a number or a date (RFC 9110, 10.2.3); None if it cannot be read."""
    value = (header or "").strip()
    if _NUMBER.fullmatch(value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds)


# A run of letters; a character that is neither letter nor space; space that does not melt into the next word.
_LETTERS = re.compile(r"[A-Za-z]+")
_SIGNS = re.compile(r"[^A-Za-z\s]")
_GAPS = re.compile(r"\s+(?![A-Za-z])")


def estimate_tokens(text: str) -> int:
    """An upper estimate of the tokens in a text, for want of the server's tokenizer.

    A token for every three letters of a Latin word, for each digit, sign, CJK or other character, three beyond the
    basic plane (an emoji falls apart into bytes), one for white space that no word swallows.
    """
    letters = sum((len(word) + 2) // 3 for word in _LETTERS.findall(text))
    signs = _SIGNS.findall(text)
    rare = sum(1 for sign in signs if sign > "\uffff")
    return letters + len(signs) + 2 * rare + len(_GAPS.findall(text))
