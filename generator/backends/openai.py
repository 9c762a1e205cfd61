"""The backend for any OpenAI-compatible server: vLLM, SGLang, llama.cpp, Ollama, or a hosted one.

httpx rather than the openai SDK: the SDK's types, tools and retries would not be used, while the deadlines for silence
and the whole answer, the bounded queue and the cancellation would still have to be written. Each server has one event
loop in a thread of its own, because there a read that waits for a silent server can be given up at once, which closing
a socket under a blocked thread does not do (https://github.com/urllib3/urllib3/issues/2868); and because the text is
read on while what came before it is checked.

The key goes into one header and nowhere else.
"""

import asyncio
import json
import logging
import os
import random
import ssl
import threading
import time
from collections.abc import Coroutine, Generator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeVar

import httpx

from generator.backends.openai_call import Call, Session
from generator.backends.openai_events import BadStream, EventParser, ServerError, detail_of, read_delta
from generator.backends.openai_refusals import Refused, by_status, by_transport, not_the_protocol, without_key
from generator.backends.openai_request import Dialect, address_of, estimate_tokens, payload, retry_after_seconds
from generator.llm import LLMError, LLMUnavailable, Request

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_CONTEXT_TOKENS = 8192
_MAX_BODY_BYTES = 4 << 20  # the longest list of models seen, OpenRouter's, has half a megabyte
_BODY_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 30.0
_LOOPBACK = ("localhost", "127.", "[::1]")


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """Where the server is and how patient to be with it.

    `base_url` with or without /v1. `model` may be left out where the server has exactly one. `structured`: "auto" asks
    for JSON by schema and remembers if the server cannot, "always" insists, "never" asks for plain text.
    `context_tokens`: what the server says, if it does, else 8192; a smaller number set here wins.
    `slots` requests run at a time and `queue` more wait; vLLM's own default batch is 256, a llama.cpp server has 4.
    `silence_seconds` may pass between two events. Refused connections and 500, 502, 504 are tried again for
    `retry_seconds`, so that a server that is down is soon known to be; 429 and 503 until the deadline of the queue.
    """

    base_url: str
    model: str = ""
    key: str = field(default="", repr=False)
    structured: Literal["auto", "always", "never"] = "auto"
    context_tokens: int | None = None
    slots: int = 32
    queue: int = 64
    connect_seconds: float = 10.0
    silence_seconds: float = 30.0
    retry_seconds: float = 10.0
    backoff_seconds: float = 0.25
    longest_backoff_seconds: float = 8.0


@dataclass(frozen=True, slots=True)
class _Served:
    """What the server says of the model; it is asked again after `until`."""

    model: str
    context_tokens: int | None
    until: float


class OpenAIServer:
    """A language model behind HTTP. Makes no connection before it is first asked; thread-safe; `close` when done."""

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._address = address_of(settings.base_url)
        self._key = settings.key.strip()
        if not (self._key.isascii() and self._key.isprintable()) or " " in self._key:
            raise LLMUnavailable("TENKYO_LLM_KEY has a character that no key can have: copy it again")
        self._dialect = Dialect(structured=settings.structured != "never")
        self._served: _Served | None = None
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def name(self) -> str:
        """Model and host. Raises LLMUnavailable if no model is set and the server does not tell."""
        return f"{self._settings.model or self._ask_server().model}@{self._address.host}"

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and answer may have together: what the server says, at most what is set."""
        known = [n for n in (self._settings.context_tokens, self._ask_server().context_tokens) if n]
        return min(known, default=_CONTEXT_TOKENS)

    def count_tokens(self, text: str) -> int:
        """An upper estimate: the protocol has no tokenizer."""
        return estimate_tokens(text)

    def generate(self, request: Request) -> Generator[str, None, None]:
        """Pieces of text as they come. `guidance` has no counterpart here. After `cancelled` it ends without an error.

        Deadlines count from this call. Besides the phases of the contract, LLMTimeout has "connect" and "silence".
        """
        return self._pieces(Call(request, self._settings.silence_seconds))

    def close(self) -> None:
        """Closes all connections; a generation under way ends with LLMUnavailable."""
        with self._lock:
            self._closed = True
            session, self._session = self._session, None
        if session is not None and session.process == os.getpid():
            session.close()

    def _pieces(self, call: Call) -> Generator[str, None, None]:
        session = self._open_session()
        work = self._submit(session, self._run(session, call))
        work.add_done_callback(lambda _: call.inbox.put(False))  # also if it is cancelled before it begins
        complete = False
        try:
            while isinstance(piece := call.inbox.get(), str):
                if call.request.cancelled.is_set():
                    return
                yield piece
            complete = piece
            if not complete:
                work.result()
        except CancelledError:
            if not call.request.cancelled.is_set():
                raise LLMUnavailable(f"the connection to {self._address.host} was closed here") from None
        finally:
            if not complete:
                work.cancel()

    def _ask_server(self) -> _Served:
        served = self._served
        if served is None or time.monotonic() > served.until:
            session = self._open_session()
            try:
                served = self._submit(session, self._ask_models(session)).result()
            except Refused as refused:
                raise refused.error from None
        return served

    def _open_session(self) -> Session:
        """The session of this process: a thread does not survive a fork."""
        with self._lock:
            if not self._closed and (self._session is None or self._session.process != os.getpid()):
                self._session = Session(self._client(), self._settings.slots, self._settings.queue)
            if self._session is None:
                raise LLMUnavailable(f"the connection to {self._address.host} was closed here")
            return self._session

    def _submit(self, session: Session, work: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        future = session.submit(work)
        if future is None:
            raise LLMUnavailable(f"the connection to {self._address.host} was closed here")
        return future

    def _client(self) -> httpx.AsyncClient:
        headers = {"Accept-Encoding": "identity"}  # compressed, pieces would wait for each other
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=self._settings.connect_seconds),
            # uvicorn, which vLLM and SGLang run on, closes idle connections after 5 s
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=4.0),
            verify=_trusted(),
            trust_env=not self._address.host.startswith(_LOOPBACK),  # no proxy to this very machine
        )

    async def _run(self, session: Session, call: Call) -> None:
        async with call.stops_when_cancelled(), session.slot(call), call.deadlines():
            await self._answer(session, call)

    async def _answer(self, session: Session, call: Call) -> None:
        """Asks until there is an answer or no hope. Once a piece has been given on, nothing is asked again."""
        dialect, tries = self._dialect, 0
        while True:
            try:
                await self._try(session, call, dialect)
                return
            except Refused as refused:
                has_schema = bool(call.request.sources) and self._settings.structured == "auto"
                simpler = dialect.after_refusal(refused.detail, may_drop_schema=has_schema)
                if refused.status in (400, 422) and simpler is not None:
                    dialect = simpler
                    continue
                pause = self._pause(refused, tries, call)
                if pause is None:
                    raise refused.error from None
            tries += 1
            await asyncio.sleep(pause)

    def _pause(self, refused: Refused, tries: int, call: Call) -> float | None:
        """Seconds to wait before the next try; None if there is to be none."""
        backoff = min(self._settings.longest_backoff_seconds, self._settings.backoff_seconds * 2**tries)
        pause = max(refused.wait or 0.0, backoff * random.uniform(0.5, 1.0))
        until = call.queue_at
        if refused.status not in (429, 503):
            until = min(until, call.started + self._settings.retry_seconds)
        return pause if refused.again and time.monotonic() + pause < until else None

    async def _try(self, session: Session, call: Call, dialect: Dialect) -> None:
        model = self._settings.model or (await self._ask_models(session)).model
        body = json.dumps(payload(call.request, model, dialect), ensure_ascii=False).encode("utf-8", "replace")
        answering = False
        try:
            async with session.client.stream(
                "POST", self._address.chat, content=body, headers={"Content-Type": "application/json"}
            ) as response:
                answering = True
                await self._check(response)
                await self._read(response, call, dialect)
        except httpx.RequestError as error:
            if not call.finished:
                raise self._broken(error, answering=answering) from None
        except BadStream as error:
            raise not_the_protocol(self._address.host, str(error)) from None

    async def _check(self, response: httpx.Response) -> None:
        """Raises Refused or LLMUnavailable if this is not the stream that was asked for."""
        status = response.status_code
        if status == 200 and _media_type(response) == "text/event-stream":
            return
        detail = without_key(detail_of(await _read_body(response)), self._key)
        if status == 404 and not self._settings.model:
            self._served = None  # the server may have been started anew with another model
        if status != 200:
            wait = retry_after_seconds(response.headers.get("Retry-After"))
            raise by_status(self._address.host, status, detail, wait)
        what = without_key(_media_type(response) or "no content type", self._key)
        raise not_the_protocol(self._address.host, f"{what} in place of a stream" + (f" ({detail})" if detail else ""))

    async def _read(self, response: httpx.Response, call: Call, dialect: Dialect) -> None:
        """Gives the pieces on until the stream ends."""
        parser = EventParser()
        async for chunk in response.aiter_bytes():
            for data in parser.feed(chunk):
                self._take(data, call, dialect)
            if call.full:
                return
        for data in parser.end():
            self._take(data, call, dialect)
        if not call.finished:
            raise LLMUnavailable(f"{self._address.host} broke off in the middle of an answer")

    def _take(self, data: str, call: Call, dialect: Dialect) -> None:
        if call.finished:
            return
        if data == "[DONE]":
            call.finish()
            return
        try:
            delta = read_delta(data)
        except ServerError as error:
            raise self._reported(error, call) from None
        self._learn(dialect)
        call.give(delta.text)
        call.heard()
        if delta.finished:
            call.finish()

    def _reported(self, error: ServerError, call: Call) -> Refused | LLMError:
        """What an error object in the stream means: as a refusal if nothing was given on yet, else the end."""
        detail = without_key(error.detail, self._key)
        if error.status is not None and not call.spoken:
            return by_status(self._address.host, error.status, detail, None)
        if error.status in (401, 403):
            detail = str(error.status)
        return LLMUnavailable(f"{self._address.host} reports an error: {detail}")

    def _learn(self, dialect: Dialect) -> None:
        """Remembers what the server has now answered to."""
        if dialect != self._dialect:
            given_up = ", ".join(dialect.given_up(self._dialect)) or "max_tokens"
            _log.warning("%s does not take %s: going on without", self._address.host, given_up)
            self._dialect = dialect

    def _broken(self, error: httpx.RequestError, *, answering: bool) -> Refused:
        return by_transport(self._address.host, error, self._settings.connect_seconds, answering=answering)

    async def _ask_models(self, session: Session) -> _Served:
        """Asks once which model is served, and how long its context is. Raises Refused or LLMUnavailable."""
        served = self._served
        if served is not None and time.monotonic() <= served.until:
            return served
        try:
            found = await self._list_models(session)
        except (Refused, LLMUnavailable):
            if not self._settings.model:
                raise
            # not every server has the list, and one that is down will say so when it is asked for an answer
            served = _Served(self._settings.model, None, time.monotonic() + _ASK_AGAIN_SECONDS)
        else:
            model = self._settings.model or self._only(list(found))
            served = _Served(model, found.get(model), float("inf"))
        self._served = served
        return served

    async def _list_models(self, session: Session) -> dict[str, int | None]:
        """Names of the models, with the context length where the server tells it (vLLM and SGLang do)."""
        host = self._address.host
        try:
            async with asyncio.timeout(_BODY_SECONDS), session.client.stream("GET", self._address.models) as response:
                body = await _read_body(response)
        except TimeoutError:
            raise LLMUnavailable(f"{host} does not say which model it has: set TENKYO_LLM_MODEL") from None
        except httpx.RequestError as error:
            raise self._broken(error, answering=False) from None
        if response.status_code != 200:
            detail = without_key(detail_of(body), self._key)
            wait = retry_after_seconds(response.headers.get("Retry-After"))
            raise by_status(host, response.status_code, detail, wait)
        try:
            entries = json.loads(body)["data"]
            return {str(entry["id"]): _positive(entry.get("max_model_len")) for entry in entries}
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            raise not_the_protocol(host, "no list of models") from None

    def _only(self, models: list[str]) -> str:
        if len(models) == 1:
            return models[0]
        listed = without_key(", ".join(sorted(models)[:5]), self._key) or "none"
        raise LLMUnavailable(f"{self._address.host} has not one model but {listed}: set TENKYO_LLM_MODEL to one")


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted here, SSL_CERT_FILE or certifi's. Reading them takes 80 ms."""
    return httpx.create_ssl_context()


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


async def _read_body(response: httpx.Response) -> bytes:
    """The body of a short answer, as far as it comes in time."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_BODY_BYTES:
                    break
    except TimeoutError:
        pass
    return bytes(body)
