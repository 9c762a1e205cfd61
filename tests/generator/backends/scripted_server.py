"""A real HTTP server on a free port that speaks the OpenAI protocol, and misbehaves as its script says.

    with ScriptedServer([status(500), speak("The limit is 165 pounds. [1]")]) as server:
        ...OpenAIServer(OpenAISettings(server.url))...
        assert server.bodies[1]["stream"]

A script is a list of steps, one for each request to /chat/completions (the last one is repeated), or one step for all.
A step is a function of the `Exchange`. Every exchange is recorded, with the moment at which the client was gone.
"""

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Step = Callable[["Exchange"], None]
Script = Step | Sequence[Step]


class ClientGone(Exception):
    """The client has closed the connection."""


class Exchange:
    """One request and the way to answer it."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: bytes, stopping: threading.Event) -> None:
        self.path = handler.path
        self.headers = dict(handler.headers.items())
        self.raw_body = body
        self.gone = threading.Event()
        self.gone_at = 0.0
        self.arrived_at = time.monotonic()
        self.sent_events = 0
        self._handler = handler
        self._stopping = stopping
        self._chunked = False

    @property
    def body(self) -> dict[str, Any]:
        """The payload of the request."""
        parsed: dict[str, Any] = json.loads(self.raw_body)
        return parsed

    def head(self, status: int = 200, content_type: str = "text/event-stream", **headers: str) -> None:
        """Status line and headers; what `send` then gets is sent in chunks."""
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()
        self._handler.wfile.flush()
        self._chunked = True

    def send(self, data: bytes) -> None:
        """Bytes of the body, on their way before this returns. Raises ClientGone."""
        if not data:
            return  # an empty chunk would be the end
        try:
            self.raw(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        except OSError:
            self.mark_gone()
            raise ClientGone from None

    def raw(self, data: bytes) -> None:
        """Bytes as they are, past HTTP."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def event(self, text: str | None = None, finish: str | None = None) -> None:
        """One chunk of a chat completion."""
        self.send(event(text, finish))
        self.sent_events += 1

    def done(self) -> None:
        """The end of the stream, as it should be."""
        self.send(b"data: [DONE]\n\n")
        self.end()

    def end(self) -> None:
        """The end of the body; the connection stays open."""
        if self._chunked:
            self._chunked = False
            self.send(b"0\r\n\r\n")

    def hang_up(self) -> None:
        """Closes the connection without any end of the body."""
        self._chunked = False
        self._handler.close_connection = True
        self._handler.connection.shutdown(socket.SHUT_RDWR)

    def wait(self, seconds: float) -> None:
        """Sends nothing for so long. Raises ClientGone as soon as the client closes, and when the server is stopped."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            readable, _, _ = select.select([self._handler.connection], [], [], min(left, 0.02))
            if self._stopping.is_set():
                raise ClientGone
            if readable:
                try:
                    closed = not self._handler.connection.recv(1, socket.MSG_PEEK)
                except OSError:
                    closed = True
                if closed:
                    self.mark_gone()
                    raise ClientGone
                time.sleep(min(left, 0.02))

    def mark_gone(self) -> None:
        """Notes when the client left."""
        if not self.gone.is_set():
            self.gone_at = time.monotonic()
            self.gone.set()
        self._handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # with the default of 5, a burst of connections waits for TCP to try again, 1 s

    def handle_error(self, *_: object) -> None:
        """Clients that leave are what this is for."""


class ScriptedServer:
    """Serves a script; `models` is the list at /models, or a step that answers there."""

    def __init__(self, script: Script, models: Sequence[dict[str, Any]] | Step = ({"id": "scripted"},)) -> None:
        self.exchanges: list[Exchange] = []
        self.model_requests: list[Exchange] = []
        self._script = script
        self._models = models
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler_class())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL, with /v1."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The payloads of all requests so far."""
        return [exchange.body for exchange in self.exchanges]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                scripted._serve(self, scripted.model_requests, scripted._models_step())

            def do_POST(self) -> None:
                if not self.path.endswith("/chat/completions"):
                    scripted._serve(self, [], status(404, "no such address"))
                    return
                scripted._serve(self, scripted.exchanges, None)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Not to the terminal."""

        return Handler

    def _serve(self, handler: BaseHTTPRequestHandler, record: list[Exchange], step: Step | None) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        exchange = Exchange(handler, body, self._stopping)
        with self._lock:
            turn = len(record)
            record.append(exchange)
        if step is None:
            step = self._script if callable(self._script) else self._script[min(turn, len(self._script) - 1)]
        try:
            step(exchange)
        except (ClientGone, OSError):
            handler.close_connection = True

    def _models_step(self) -> Step:
        if callable(self._models):
            return self._models
        return answer(200, "application/json", json.dumps({"object": "list", "data": list(self._models)}).encode())


def event(text: str | None = None, finish: str | None = None) -> bytes:
    """One server-sent event with a piece of text."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "model": "scripted", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def stream(pieces: Iterable[str], finish: str | None = "stop") -> bytes:
    """A whole stream in one go."""
    return b"".join([*(event(piece) for piece in pieces), event(None, finish), b"data: [DONE]\n\n"])


def speak(*pieces: str, finish: str = "stop", pause: float = 0.0) -> Step:
    """The pieces, one event each."""

    def step(exchange: Exchange) -> None:
        exchange.head()
        for piece in pieces:
            exchange.event(piece)
            if pause:
                exchange.wait(pause)
        exchange.event(None, finish)
        exchange.done()

    return step


def send_raw(*parts: bytes, content_type: str = "text/event-stream", hang_up: bool = False) -> Step:
    """The parts of a body as they are, each in a TCP segment of its own; then the end, or a broken connection."""

    def step(exchange: Exchange) -> None:
        exchange.head(200, content_type)
        for part in parts:
            exchange.send(part)
        if hang_up:
            exchange.hang_up()
        else:
            exchange.end()

    return step


def answer(code: int, content_type: str, body: bytes, **headers: str) -> Step:
    """A short answer that is no stream."""

    def step(exchange: Exchange) -> None:
        exchange.head(code, content_type, **headers)
        exchange.send(body)
        exchange.end()

    return step


def status(code: int, message: str = "scripted refusal", **headers: str) -> Step:
    """A refusal with an OpenAI error object; headers with _ for -."""
    error = {"error": {"message": message, "code": code}}
    return answer(code, "application/json", json.dumps(error).encode(), **headers)


def silence(*before: str, seconds: float = 60.0, head: bool = True) -> Step:
    """Some pieces, then nothing for so long; without `head` not even a status line."""

    def step(exchange: Exchange) -> None:
        if head:
            exchange.head()
        for piece in before:
            exchange.event(piece)
        exchange.wait(seconds)

    return step


def endless(piece: str = "and so on ", pause: float = 0.0) -> Step:
    """The same piece for ever."""

    def step(exchange: Exchange) -> None:
        exchange.head()
        while True:
            exchange.event(piece)
            exchange.wait(pause)

    return step


def no_answer(exchange: Exchange) -> None:
    """Takes the request and closes the connection."""
    exchange.hang_up()


def without_schema(then: Step, code: int = 400, message: str = "response_format is not supported") -> Step:
    """Refuses response_format, and does `then` without it."""
    refuse = status(code, message)

    def step(exchange: Exchange) -> None:
        (refuse if "response_format" in exchange.body else then)(exchange)

    return step
