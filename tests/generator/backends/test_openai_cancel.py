"""Cancellation, slots and the queue, over real sockets."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from generator.backends.openai import OpenAIServer
from generator.llm import Deadlines, LLMBusy, LLMTimeout, LLMUnavailable, Message, Request
from tests.generator.backends.openai_fixtures import ask, backend
from tests.generator.backends.scripted_server import Exchange, ScriptedServer, endless, silence, speak, status


class TestCancellation:
    """The server sees within 2 s that its client is gone. Measured here: about 0.1 s, the poll of the event."""

    @pytest.mark.parametrize("step", [silence(head=False), silence(), silence("first"), endless("a", pause=0.05)])
    def test_set_from_another_thread(self, step: object) -> None:
        cancelled = threading.Event()
        with ScriptedServer(step) as server, backend(server, silence_seconds=30.0) as llm:  # type: ignore[arg-type]
            timer = threading.Timer(0.3, cancelled.set)
            timer.start()
            started = time.monotonic()
            list(llm.generate(ask(cancelled=cancelled, deadlines=Deadlines(20, 20, 20))))  # ends without an error
            assert time.monotonic() - started < 2.3
            assert server.exchanges[0].gone.wait(2)
            assert server.exchanges[0].gone_at - started - 0.3 < 1.0

    def test_set_while_nobody_reads(self) -> None:
        cancelled = threading.Event()
        with ScriptedServer(silence("first")) as server, backend(server, silence_seconds=30.0) as llm:
            pieces = llm.generate(ask(cancelled=cancelled, deadlines=Deadlines(20, 20, 20)))
            assert next(pieces) == "first"
            cancelled.set()
            assert server.exchanges[0].gone.wait(2)
            assert list(pieces) == []

    def test_closed_after_the_first_piece(self) -> None:
        with ScriptedServer(silence("first")) as server, backend(server, silence_seconds=30.0) as llm:
            pieces = llm.generate(ask(deadlines=Deadlines(20, 20, 20)))
            next(pieces)
            pieces.close()
            assert server.exchanges[0].gone.wait(2)

    def test_dropped_without_being_closed(self) -> None:
        with ScriptedServer(silence("first")) as server, backend(server, silence_seconds=30.0) as llm:
            next(llm.generate(ask(deadlines=Deadlines(20, 20, 20))))
            assert server.exchanges[0].gone.wait(2)

    def test_before_the_call_nothing_is_sent(self) -> None:
        cancelled = threading.Event()
        cancelled.set()
        with ScriptedServer(silence()) as server, backend(server, slots=1) as llm:
            assert list(llm.generate(ask(cancelled=cancelled))) == []

    def test_the_slot_is_free_again(self) -> None:
        cancelled = threading.Event()
        script = [silence("first"), speak("Yes.")]
        with ScriptedServer(script) as server, backend(server, slots=1, silence_seconds=30.0) as llm:
            pieces = llm.generate(ask(cancelled=cancelled, deadlines=Deadlines(20, 20, 20)))
            next(pieces)
            cancelled.set()
            assert list(llm.generate(ask())) == ["Yes."]

    def test_while_waiting_for_another_try(self) -> None:
        cancelled = threading.Event()
        with ScriptedServer(status(429, Retry_After="10")) as server, backend(server) as llm:
            threading.Timer(0.2, cancelled.set).start()
            started = time.monotonic()
            assert list(llm.generate(ask(cancelled=cancelled, deadlines=Deadlines(20, 20, 20)))) == []
            assert time.monotonic() - started < 2

    def test_closing_the_backend_ends_what_runs(self) -> None:
        with ScriptedServer(silence("first")) as server, backend(server, silence_seconds=30.0) as llm:
            pieces = llm.generate(ask(deadlines=Deadlines(20, 20, 20)))
            next(pieces)
            llm.close()
            with pytest.raises(LLMUnavailable, match="closed here"):
                next(pieces)
            assert server.exchanges[0].gone.wait(2)
            with pytest.raises(LLMUnavailable, match="closed here"):
                list(llm.generate(ask()))
            llm.close()


class TestQueue:
    def test_no_more_run_at_a_time_than_there_are_slots(self) -> None:
        running, most, lock = 0, 0, threading.Lock()

        def step(exchange: Exchange) -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            exchange.head()
            exchange.event("Yes.")
            exchange.wait(0.05)
            with lock:
                running -= 1
            exchange.event(None, "stop")
            exchange.done()

        with ScriptedServer(step) as server, backend(server, slots=3) as llm, ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: "".join(llm.generate(ask())), range(12)))
        assert answers == ["Yes."] * 12
        assert most == 3

    def test_a_full_queue_is_busy_at_once(self) -> None:
        with ScriptedServer(silence("first")) as server, backend(server, slots=1, queue=1, silence_seconds=5.0) as llm:
            first = llm.generate(ask())
            next(first)
            waiting = threading.Thread(
                target=lambda: list(llm.generate(ask(deadlines=Deadlines(1, 1, 1)))), daemon=True
            )
            waiting = threading.Thread(target=_swallow, args=(llm, Deadlines(1, 1, 1)), daemon=True)
            waiting.start()
            time.sleep(0.2)
            with pytest.raises(LLMBusy) as raised:
                list(llm.generate(ask()))
            assert 1 <= raised.value.retry_after < 60
            first.close()
            waiting.join()

    def test_waiting_for_a_slot_has_a_deadline(self) -> None:
        with ScriptedServer(silence("first")) as server, backend(server, slots=1, silence_seconds=5.0) as llm:
            first = llm.generate(ask())
            next(first)
            started = time.monotonic()
            with pytest.raises(LLMTimeout) as raised:
                list(llm.generate(ask(deadlines=Deadlines(0.3, 2, 2))))
            assert raised.value.phase == "queue"
            assert time.monotonic() - started < 1
            first.close()
            assert len(server.exchanges) == 1

    def test_32_streams_at_a_time_keep_apart(self) -> None:
        def step(exchange: Exchange) -> None:
            name = exchange.body["messages"][0]["content"]
            speak(*[name] * 20, pause=0.005)(exchange)

        def one(i: int) -> str:
            return "".join(llm.generate(Request((Message("user", f"<{i}>"),), 500)))

        with (
            ScriptedServer(step) as server,
            backend(server, silence_seconds=10.0) as llm,
            ThreadPoolExecutor(32) as pool,
        ):
            assert list(pool.map(one, range(32))) == [f"<{i}>" * 20 for i in range(32)]


def _swallow(llm: OpenAIServer, deadlines: Deadlines) -> None:
    with suppress(LLMTimeout):
        list(llm.generate(ask(deadlines=deadlines)))
