"""Refusals, broken connections, garbage and what is tried again, over real sockets. The key shows up nowhere."""

import logging
import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from generator.llm import Deadlines, LLMBusy, LLMError, LLMTimeout, LLMUnavailable
from tests.generator.backends.openai_fixtures import KEY, ask, backend
from tests.generator.backends.scripted_server import (
    Exchange,
    ScriptedServer,
    Step,
    answer,
    event,
    no_answer,
    send_raw,
    silence,
    speak,
    status,
    stream,
)

ECHO = f"Incorrect key provided: {KEY}.\nBearer {KEY}"
ERROR_EVENT = b'data: {"error": {"message": "out of memory near %s", "code": 500}}\n\n' % KEY.encode()


def not_http(exchange: Exchange) -> None:
    exchange.raw(f"{KEY} this is no HTTP\r\n\r\n".encode())
    exchange.hang_up()


def bad_chunks(exchange: Exchange) -> None:
    exchange.head()
    exchange.event("The limit ")
    exchange.raw(f"not a size {KEY}\r\n".encode())
    exchange.hang_up()


# What the server does, the error, a part of its message, and how often it is asked (None: more than once).
FAILURES: dict[str, tuple[Step, type[LLMError], str, int | None]] = {
    "400": (status(400, ECHO), LLMUnavailable, "refuses the request (400: Incorrect key provided: [key].", 1),
    "401": (status(401, ECHO), LLMUnavailable, "refuses the key (401): check TENKYO_LLM_KEY", 1),
    "403": (status(403, ECHO), LLMUnavailable, "check TENKYO_LLM_KEY, and that it may use TENKYO_LLM_MODEL", 1),
    "404": (status(404, ECHO), LLMUnavailable, "check TENKYO_LLM_MODEL and TENKYO_LLM", 1),
    "404 page": (answer(404, "text/html", ECHO.encode()), LLMUnavailable, "(404)", 1),
    "422": (status(422, ECHO), LLMUnavailable, "refuses the request (422", 1),
    "422 as FastAPI says it": (
        answer(422, "application/json", b'{"detail": [{"loc": ["body", "n"], "msg": "no such field"}]}'),
        LLMUnavailable,
        "no such field",
        1,
    ),
    "418": (status(418, ECHO), LLMUnavailable, "(418", 1),
    "redirect": (status(301, ECHO, Location=f"http://x/{KEY}"), LLMUnavailable, "set TENKYO_LLM to that address", 1),
    "429": (status(429, ECHO), LLMBusy, "too busy (429", None),
    "500": (status(500, ECHO), LLMUnavailable, "fails (500", None),
    "502 page": (answer(502, "text/html", ECHO.encode()), LLMUnavailable, "fails (502)", None),
    "503": (status(503, ECHO), LLMBusy, "too busy (503", None),
    "504": (status(504, ECHO), LLMUnavailable, "fails (504", None),
    "HTML": (answer(200, "text/html", ECHO.encode()), LLMUnavailable, "sent text/html in place of a stream", 1),
    "JSON": (answer(200, "application/json", b'{"choices": []}'), LLMUnavailable, "sent application/json", 1),
    "error as JSON": (
        answer(200, "application/json", b'{"error": "model %s is loading"}' % KEY.encode()),
        LLMUnavailable,
        "(model [key] is loading)",
        1,
    ),
    "odd type": (answer(200, f"text/{KEY}", b""), LLMUnavailable, "sent text/[key]", 1),
    "garbage": (send_raw(b"data: {%s\n\n" % KEY.encode()), LLMUnavailable, "an event that is not JSON", 1),
    "binary": (send_raw(bytes(range(256)) * 40), LLMUnavailable, "broke off", 1),
    "endless line": (send_raw(*[b"data: " + b"x" * 65536] * 20), LLMUnavailable, "an event without an end", 1),
    "empty body": (send_raw(), LLMUnavailable, "broke off", 1),
    "error object": (send_raw(ERROR_EVENT), LLMUnavailable, "fails (500: out of memory near [key])", None),
    "error object without a code": (
        send_raw(b'data: {"error": "%s"}\n\n' % KEY.encode()),
        LLMUnavailable,
        "reports an error: [key]",
        1,
    ),
    "error object 429": (send_raw(ERROR_EVENT.replace(b"500", b"429")), LLMBusy, "too busy (429", None),
    "error object in the middle": (
        send_raw(event("The limit "), ERROR_EVENT),
        LLMUnavailable,
        "reports an error: out of memory near [key]",
        1,
    ),
    "error object 401 in the middle": (
        send_raw(event("The limit "), ERROR_EVENT.replace(b"500", b"401")),
        LLMUnavailable,
        "reports an error: 401",
        1,
    ),
    "garbage in the middle": (send_raw(event("The limit "), b"data: [1]\n\n"), LLMUnavailable, "not an object", 1),
    "end in the middle": (send_raw(event("The limit ")), LLMUnavailable, "broke off in the middle", 1),
    "disconnect in the middle": (
        send_raw(event("The limit "), hang_up=True),
        LLMUnavailable,
        "broke off in the middle",
        1,
    ),
    "disconnect before the first": (send_raw(hang_up=True), LLMUnavailable, "broke off in the middle", 1),
    "disconnect inside an event": (
        send_raw(event("The limit "), event("is")[:20], hang_up=True),
        LLMUnavailable,
        "broke off in the middle",
        1,
    ),
    "bad chunks": (bad_chunks, LLMUnavailable, "broke off in the middle", 1),
    "no HTTP": (not_http, LLMUnavailable, "does not speak HTTP", None),
    "no answer": (no_answer, LLMUnavailable, "closed the connection without an answer", None),
    "silence": (silence(head=False), LLMTimeout, "(first_token)", 1),
    "silence in the middle": (silence("The limit "), LLMTimeout, "(silence)", 1),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_every_failure_has_its_error_shows_no_key_and_harms_no_other(
    failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    step, kind, message, asked = FAILURES[failure]
    caplog.set_level(logging.INFO)
    broken = True

    def script(exchange: Exchange) -> None:
        (step if broken else speak("Yes."))(exchange)

    with ScriptedServer(script) as server, backend(server, retry_seconds=0.3, slots=1) as llm:
        started = time.monotonic()
        with pytest.raises(LLMError) as raised:
            list(llm.generate(ask(deadlines=Deadlines(0.3, 0.5, 2))))
        assert time.monotonic() - started < 2
        assert len(server.exchanges) == asked if asked else len(server.exchanges) > 1
        broken = False
        assert list(llm.generate(ask())) == ["Yes."]
    assert type(raised.value) is kind
    assert message in str(raised.value)
    seen = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(llm) + caplog.text
    assert KEY not in seen
    assert KEY[:8] not in seen
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_not_even_debug_logs_show_the_key_that_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer([status(500), speak("Yes.")]) as server, backend(server) as llm:
        assert list(llm.generate(ask())) == ["Yes."]
        assert server.exchanges[0].headers["Authorization"].endswith(KEY)
    assert "send_request_headers" in caplog.text
    assert KEY not in caplog.text


class TestRetries:
    @pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
    def test_what_passes_is_tried_again(self, code: int) -> None:
        with ScriptedServer([status(code), status(code), speak("Yes.")]) as server, backend(server) as llm:
            assert list(llm.generate(ask())) == ["Yes."]
        assert len(server.exchanges) == 3
        assert server.bodies[0] == server.bodies[2]

    def test_a_connection_closed_without_an_answer_is_tried_again(self) -> None:
        with ScriptedServer([no_answer, speak("Yes.")]) as server, backend(server) as llm:
            assert list(llm.generate(ask())) == ["Yes."]

    def test_a_refused_connection_is_tried_again_until_the_server_is_up(self) -> None:
        reply = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + stream(["Yes."])

        def serve() -> None:
            time.sleep(0.4)
            held.listen()
            connection, _ = held.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)

        with socket.socket() as held:  # bound and not yet listening: it refuses, and nobody else gets the port
            held.bind(("127.0.0.1", 0))
            with backend(f"http://127.0.0.1:{held.getsockname()[1]}") as llm, ThreadPoolExecutor(1) as pool:
                serving = pool.submit(serve)
                assert list(llm.generate(ask())) == ["Yes."]
                serving.result()

    def test_a_server_that_stays_down_is_soon_known_to_be(self) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            host = f"127.0.0.1:{held.getsockname()[1]}"
            with backend(f"http://{host}", retry_seconds=0.2) as llm:
                started = time.monotonic()
                with pytest.raises(LLMUnavailable, match=f"{host} cannot be reached: start it, or check TENKYO_LLM"):
                    list(llm.generate(ask()))
                assert time.monotonic() - started < 1

    def test_the_waits_grow_and_differ(self) -> None:
        with (
            ScriptedServer(status(500)) as server,
            backend(server, retry_seconds=1.0, backoff_seconds=0.05, longest_backoff_seconds=9.0) as llm,
            pytest.raises(LLMUnavailable),
        ):
            list(llm.generate(ask()))
        times = [exchange.arrived_at for exchange in server.exchanges]
        waits = [b - a for a, b in pairwise(times)]
        assert 4 <= len(waits) <= 6
        for n, wait in enumerate(waits):  # half to the whole of 0.05 s, doubled each time; and a busy machine's delay
            assert 0.05 * 2**n * 0.5 <= wait <= 0.05 * 2**n + 0.15

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_retry_after_is_waited_for(self, form: str) -> None:
        later = format_datetime(datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2), usegmt=True)
        header = "1" if form == "seconds" else later
        script = [status(429, Retry_After=header), speak("Yes.")]
        with ScriptedServer(script) as server, backend(server) as llm:
            assert list(llm.generate(ask(deadlines=Deadlines(5, 5, 5)))) == ["Yes."]
        first, second = server.exchanges
        assert 0.8 < second.arrived_at - first.arrived_at < 2.5

    @pytest.mark.parametrize("code", [429, 503])
    def test_a_wait_beyond_the_queue_is_told_at_once(self, code: int) -> None:
        with ScriptedServer(status(code, Retry_After="120")) as server, backend(server) as llm:
            started = time.monotonic()
            with pytest.raises(LLMBusy) as raised:
                list(llm.generate(ask()))
            assert time.monotonic() - started < 0.5
        assert raised.value.retry_after == 120
        assert len(server.exchanges) == 1

    def test_busy_without_a_time_has_one(self) -> None:
        with ScriptedServer(status(429)) as server, backend(server) as llm, pytest.raises(LLMBusy) as raised:
            list(llm.generate(ask(deadlines=Deadlines(0.2, 1, 1))))
        assert raised.value.retry_after == 5

    def test_nothing_is_tried_again_once_a_piece_is_out(self) -> None:
        with ScriptedServer([send_raw(event("The limit "), hang_up=True), speak("Yes.")]) as server:
            pieces: list[str] = []
            with backend(server) as llm, pytest.raises(LLMUnavailable):
                pieces.extend(llm.generate(ask()))
        assert len(server.exchanges) == 1

    def test_a_busy_server_is_waited_for_while_it_lists_its_models(self) -> None:
        turns = iter([status(503), status(500)])
        fine = answer(200, "application/json", b'{"data": [{"id": "scripted"}]}')

        def models(exchange: Exchange) -> None:
            next(turns, fine)(exchange)

        with ScriptedServer(speak("Yes."), models) as server, backend(server, model="") as llm:
            assert list(llm.generate(ask())) == ["Yes."]
        assert len(server.model_requests) == 3
