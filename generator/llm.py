"""The seam for language models: text in, text out, streamed. Backends implement it; nothing here knows any of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


class LLM(Protocol):
    """A language model. It is never trusted: what it writes is a draft for the checks."""

    @property
    def name(self) -> str:
        """Model and revision, for the record of the answer."""

    def generate(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """Pieces of text as they are made; closing the iterator stops the generation."""
