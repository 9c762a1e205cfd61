"""The seam for language models: a request in, text out, piece by piece. Nothing here knows any backend.

A model is asked for claims in a small grammar, one a line:

    The limit in London is 165 pounds a night. [4 "limit for a hotel in London is 165 pounds a night"]

A bracket holds the id of a source sentence and, if the model gives one, a verbatim run of that sentence in straight
double quotes. Backends with structured output send the same as JSON (see generator/draft.py). Neither is trusted.
"""

import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class LLMError(Exception):
    """A draft could not be had. The message says what to do."""


class LLMUnavailable(LLMError):
    """The backend is down, refuses, or answers garbage."""


class LLMBusy(LLMError):
    """The queue is full, or the server says so; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class LLMTimeout(LLMError):
    """A deadline has passed; `phase` is "queue", "connect", "first_token", "silence" or "answer"."""

    def __init__(self, phase: str, seconds: float) -> None:
        super().__init__(f"the language model took more than {seconds:g} s ({phase})")
        self.phase = phase


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds from the call of `generate`: until a slot is free, until the first piece, until the end."""

    queue: float = 30.0
    first_token: float = 60.0
    answer: float = 180.0


@dataclass(frozen=True, slots=True)
class Sampling:
    """Temperature 0 is greedy. `guidance` 1 is off; above it, decoding is pushed away from the bare question."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    guidance: float = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked.

    `sources` maps the ids that may be cited to the sentences they stand for; empty means free text (a rewritten
    question, say), and then nothing constrains the output. `bare_question` is the negative prompt of context-aware
    decoding. `schema_messages` are the messages for a server that holds its model to the JSON schema of a draft.
    Setting `cancelled` stops the generation within 2 s, as does closing the iterator.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    sources: Mapping[int, str] = field(default_factory=dict)
    bare_question: str = ""
    schema_messages: tuple[Message, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    deadlines: Deadlines = field(default_factory=Deadlines)
    cancelled: threading.Event = field(default_factory=threading.Event)


class LLM(Protocol):
    """A language model. It is never trusted: what it writes is a draft for the checks. Thread-safe."""

    @property
    def name(self) -> str:
        """Model and revision, for the record of the answer."""

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and answer may have together."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a text; an upper estimate where the tokenizer is not at hand."""

    def generate(self, request: Request) -> Generator[str, None, None]:
        """Pieces of text as they are made; `close` stops it, and after `cancelled` it ends without an error.

        Raises LLMUnavailable, LLMBusy or LLMTimeout, from the call itself or between pieces.
        """
