"""What the backend sends, and what it makes of answers, over real sockets."""

import os
import random
import threading
import time

import pytest

from generator.backends.openai import OpenAIServer
from generator.llm import LLM, Deadlines, LLMTimeout, LLMUnavailable, Request, Sampling
from tests.generator.backends.openai_fixtures import IMPATIENT, KEY, MESSAGES, ask, backend
from tests.generator.backends.scripted_server import (
    Exchange,
    ScriptedServer,
    endless,
    event,
    send_raw,
    silence,
    speak,
    stream,
)

SOURCES = {4: "The limit is 165 pounds.", 2: "It is paid in cash."}


def test_pieces_arrive_as_they_were_sent_and_the_request_says_what_was_asked() -> None:
    with ScriptedServer(speak("上限は", " 165", "ポンド。", "[", "4", "]")) as server, backend(server) as llm:
        request = Request(MESSAGES, 77, sampling=Sampling(temperature=0.5, top_p=0.9, seed=11))
        assert list(llm.generate(request)) == ["上限は", " 165", "ポンド。", "[", "4", "]"]
    assert server.bodies[0] == {
        "model": "scripted",
        "messages": [{"role": "system", "content": "Cite sources."}, {"role": "user", "content": "上限は？"}],
        "stream": True,
        "max_tokens": 77,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 11,
    }
    assert server.exchanges[0].headers["Authorization"] == f"Bearer {KEY}"
    assert server.exchanges[0].path == "/v1/chat/completions"


def test_it_is_an_llm_by_its_protocol() -> None:
    llm: LLM = OpenAIServer(IMPATIENT)
    assert llm.name == "scripted@127.0.0.1:9"


def test_without_a_key_none_is_sent() -> None:
    with ScriptedServer(speak("Yes.")) as server, backend(server, key="") as llm:
        assert "".join(llm.generate(ask())) == "Yes."
    assert "Authorization" not in server.exchanges[0].headers


def test_pieces_are_given_on_before_the_answer_is_complete() -> None:
    release = threading.Event()

    def step(exchange: Exchange) -> None:
        exchange.head()
        exchange.event("first")
        assert release.wait(5)
        exchange.event("second", "stop")
        exchange.done()

    with ScriptedServer(step) as server, backend(server, silence_seconds=5.0) as llm:
        pieces = llm.generate(ask(deadlines=Deadlines(5, 5, 10)))
        assert next(pieces) == "first"
        release.set()
        assert list(pieces) == ["second"]


def test_a_stream_in_segments_of_one_byte_is_the_same_stream() -> None:
    body = stream(["上限は [", '4 "165', '"]😀']).replace(b"\n", b"\r\n")
    with ScriptedServer(send_raw(*(body[i : i + 1] for i in range(len(body))))) as server, backend(server) as llm:
        assert list(llm.generate(ask())) == ["上限は [", '4 "165', '"]😀']


def test_a_stream_in_random_segments_is_the_same_stream() -> None:
    dice = random.Random(7)
    body = b": ping\n\n" + stream(["The ", "limit ", "is 165. ", "[4]"])

    def step(exchange: Exchange) -> None:
        cuts = sorted(dice.sample(range(len(body)), 5))
        send_raw(*(body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)))(exchange)

    with ScriptedServer(step) as server, backend(server) as llm:
        for _ in range(40):
            assert "".join(llm.generate(ask())) == "The limit is 165. [4]"


def test_the_connection_is_used_again() -> None:
    ports = []

    def step(exchange: Exchange) -> None:
        ports.append(exchange._handler.client_address[1])
        speak("Yes.")(exchange)

    with ScriptedServer(step) as server, backend(server) as llm:
        for _ in range(5):
            assert "".join(llm.generate(ask())) == "Yes."
            time.sleep(0.02)
    assert len(set(ports)) == 1


@pytest.mark.parametrize(
    "body",
    [
        event("Yes.", "stop"),  # no [DONE]
        event("Yes.") + b"data: [DONE]\n\n",  # no reason
        event("Yes.") + b"data: [DONE]",  # no last line
        event("Yes.", "length") + b'data: {"choices": [], "usage": {"total_tokens": 9}}\n\ndata: [DONE]\n\n',
        event("Yes.", "stop") + b"data: this is no JSON\n\n",  # nobody cares after the end
    ],
)
def test_every_kind_of_end_is_an_end(body: bytes) -> None:
    with ScriptedServer(send_raw(body)) as server, backend(server) as llm:
        assert list(llm.generate(ask())) == ["Yes."]


def test_an_answer_ends_with_its_reason_though_the_server_keeps_the_connection() -> None:
    def step(exchange: Exchange) -> None:
        exchange.head()
        exchange.event("Yes.", "stop")
        exchange.wait(60)

    with ScriptedServer(step) as server, backend(server) as llm:
        started = time.monotonic()
        assert list(llm.generate(ask())) == ["Yes."]
        assert time.monotonic() - started < 0.5
        assert server.exchanges[0].gone.wait(2)


def test_an_empty_answer_is_an_answer() -> None:
    with ScriptedServer(speak()) as server, backend(server) as llm:
        assert list(llm.generate(ask())) == []


def test_endless_output_is_cut_and_its_connection_closed() -> None:
    with ScriptedServer(endless("and so on ")) as server, backend(server) as llm:
        text = "".join(llm.generate(ask(max_tokens=50)))
        assert len(text) == 50 * 8
        assert server.exchanges[0].gone.wait(2)


def test_a_slow_drip_is_waited_for_while_it_drips() -> None:
    with ScriptedServer(speak(*"slowly", pause=0.15)) as server, backend(server) as llm:
        assert "".join(llm.generate(ask())) == "slowly"


def test_a_drip_that_never_ends_is_ended_by_the_deadline_of_the_answer() -> None:
    with ScriptedServer(endless("a", pause=0.1)) as server, backend(server) as llm:
        pieces: list[str] = []
        with pytest.raises(LLMTimeout) as raised:
            pieces.extend(llm.generate(ask(deadlines=Deadlines(0.7, 0.7, 0.9))))
        assert raised.value.phase == "answer"
        assert server.exchanges[0].gone.wait(2)


@pytest.mark.parametrize("head", [True, False])
def test_silence_before_the_first_token(head: bool) -> None:
    with ScriptedServer(silence(head=head)) as server, backend(server) as llm:
        started = time.monotonic()
        with pytest.raises(LLMTimeout) as raised:
            list(llm.generate(ask(deadlines=Deadlines(2, 0.5, 4))))
        assert raised.value.phase == "first_token"
        assert 0.45 < time.monotonic() - started < 1.5
        assert server.exchanges[0].gone.wait(2)


def test_pings_are_no_tokens() -> None:
    def step(exchange: Exchange) -> None:
        exchange.head()
        while True:
            exchange.send(b": ping\n\n")
            exchange.wait(0.05)

    with ScriptedServer(step) as server, backend(server) as llm, pytest.raises(LLMTimeout) as raised:
        list(llm.generate(ask(deadlines=Deadlines(2, 0.5, 4))))
    assert raised.value.phase == "first_token"


def test_silence_in_the_middle() -> None:
    with ScriptedServer(silence("The limit ")) as server, backend(server) as llm:
        pieces = llm.generate(ask())
        assert next(pieces) == "The limit "
        started = time.monotonic()
        with pytest.raises(LLMTimeout) as raised:
            next(pieces)
        assert raised.value.phase == "silence"
        assert time.monotonic() - started < 1.5
        assert server.exchanges[0].gone.wait(2)


def test_deadlines_count_from_the_call() -> None:
    with ScriptedServer(silence()) as server, backend(server) as llm:
        pieces = llm.generate(ask(deadlines=Deadlines(2, 0.5, 4)))
        time.sleep(0.3)
        started = time.monotonic()
        with pytest.raises(LLMTimeout):
            next(pieces)
        assert time.monotonic() - started < 0.45


def test_connecting_has_a_deadline_of_its_own() -> None:
    # 192.0.2.0/24 answers nobody (RFC 5737); a machine without any route to it refuses at once, which is no timeout
    with backend("http://192.0.2.1:9", connect_seconds=0.3, retry_seconds=0.1) as llm:
        started = time.monotonic()
        with pytest.raises((LLMTimeout, LLMUnavailable)) as raised:
            list(llm.generate(ask()))
        assert time.monotonic() - started < 1.5
        if isinstance(raised.value, LLMTimeout):
            assert raised.value.phase == "connect"


def test_a_forked_process_gets_a_connection_of_its_own() -> None:
    with ScriptedServer(speak("Yes.")) as server, backend(server) as llm:
        assert list(llm.generate(ask())) == ["Yes."]
        child = os.fork()
        if child == 0:
            os._exit(0 if list(llm.generate(ask())) == ["Yes."] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert list(llm.generate(ask())) == ["Yes."]
