"""A language model that says what a test wrote for it."""

import re
import threading
from collections.abc import Callable, Generator, Sequence

from generator.llm import LLMError, Request

Reply = str | Sequence[str] | LLMError


class ScriptedLLM:
    """Gives the replies in turn, the last one for ever, or what a function of the request returns. Thread-safe.

    A text is given in pieces of a word or a sign each, so that marks fall apart as they do with real tokens; a list of
    texts in exactly those pieces; an LLMError is raised. `requests` are the requests so far, `closed` counts the
    generations that were not read to their end.
    """

    def __init__(
        self,
        replies: Sequence[Reply] | Callable[[Request], Reply],
        name: str = "scripted@1",
        context_tokens: int = 8192,
    ) -> None:
        self.requests: list[Request] = []
        self.closed = 0
        self._replies = replies
        self._name = name
        self._context_tokens = context_tokens
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._name

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    def count_tokens(self, text: str) -> int:
        return len(_pieces(text))

    def generate(self, request: Request) -> Generator[str, None, None]:
        with self._lock:
            turn = len(self.requests)
            self.requests.append(request)
        replies = self._replies
        reply = replies(request) if callable(replies) else replies[min(turn, len(replies) - 1)]
        return self._say(reply, request)

    def _say(self, reply: Reply, request: Request) -> Generator[str, None, None]:
        if isinstance(reply, LLMError):
            raise reply
        pieces = _pieces(reply) if isinstance(reply, str) else list(reply)
        complete = False
        try:
            for piece in pieces[: request.max_tokens]:
                if request.cancelled.is_set():
                    return
                yield piece
            complete = True
        finally:
            if not complete:
                with self._lock:
                    self.closed += 1


def _pieces(text: str) -> list[str]:
    return re.findall(r"\s*(?:[A-Za-z]+|\S)|\s+", text)
