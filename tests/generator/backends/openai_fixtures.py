"""What the tests of the OpenAI backend share: impatient settings, and a request."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from generator.backends.openai import OpenAIServer, OpenAISettings
from generator.llm import Deadlines, Message, Request
from tests.generator.backends.scripted_server import ScriptedServer

KEY = "sk-test-3f9a27c1"
IMPATIENT = OpenAISettings(
    base_url="http://127.0.0.1:9",
    model="scripted",
    key=KEY,
    connect_seconds=1.0,
    silence_seconds=0.4,
    retry_seconds=1.0,
    backoff_seconds=0.02,
    longest_backoff_seconds=0.1,
)
DEADLINES = Deadlines(queue=2.0, first_token=2.0, answer=4.0)
MESSAGES = (Message("system", "Cite sources."), Message("user", "上限は？"))


def ask(
    sources: Mapping[int, str] | None = None,
    max_tokens: int = 200,
    deadlines: Deadlines = DEADLINES,
    cancelled: threading.Event | None = None,
) -> Request:
    """A request with short deadlines."""
    event = threading.Event() if cancelled is None else cancelled
    return Request(MESSAGES, max_tokens, sources or {}, deadlines=deadlines, cancelled=event)


@contextmanager
def backend(server: ScriptedServer | str, **changes: Any) -> Iterator[OpenAIServer]:
    """The backend for a server or URL, with changes to the impatient settings."""
    url = server if isinstance(server, str) else server.url
    llm = OpenAIServer(replace(IMPATIENT, **{"base_url": url, **changes}))
    try:
        yield llm
    finally:
        llm.close()
