"""`tenkyo serve` with many clients and with clients that leave, in front of a real OpenAI-compatible server."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.app.serving import Server, index_folder, serving
from tests.app.spoken import DOCUMENTS, LEAVE, TRUE, Script, for_ever, say, shown
from tests.generator.backends.scripted_server import Exchange, ScriptedServer, Step, silence

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return index_folder(tmp_path_factory.mktemp("server-llm"), DOCUMENTS)


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def model(script: Script) -> Iterator[ScriptedServer]:
    with ScriptedServer(script) as running:
        yield running


@pytest.fixture(scope="module")
def patient(environment: dict[str, str], model: ScriptedServer) -> Iterator[Server]:
    """The usual deadlines."""
    with serving(environment, llm=model.url) as running:
        yield running


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
@pytest.mark.parametrize("speaking", [True, False], ids=["while it speaks", "while it is silent"])
def test_a_client_that_leaves_stops_the_model_within_two_seconds(
    patient: Server, model: ScriptedServer, script: Script, accept: str, speaking: bool
) -> None:
    script.step = say(TRUE + "\n", for_ever("so ", 0.05)) if speaking else silence(seconds=60)
    before = len(model.exchanges)
    connection = http.client.HTTPConnection("127.0.0.1", patient.port)
    headers = {"Content-Type": "application/json", "Accept": accept}
    connection.request("POST", "/ask", json.dumps({"question": LEAVE}), headers)
    until = time.monotonic() + 20
    while len(model.exchanges) == before and time.monotonic() < until:
        time.sleep(0.02)
    (exchange,) = model.exchanges[before:]
    assert not exchange.gone.wait(0.5)
    left = time.monotonic()
    connection.close()
    assert exchange.gone.wait(10), "the model was never told to stop"
    assert exchange.gone_at - left < 2.0


def ask_at_once(server: Server, count: int) -> list[tuple[int, dict[str, Any], str | None]]:
    """Status, body and Retry-After of as many questions at the same moment."""

    def ask(_: int) -> tuple[int, dict[str, Any], str | None]:
        with server.open("POST", "/ask", {"question": LEAVE}) as response:
            return response.status, json.loads(response.read()), response.headers["Retry-After"]

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def test_the_surplus_of_an_overload_is_refused_and_the_others_are_answered(
    environment: dict[str, str], model: ScriptedServer, script: Script
) -> None:
    together = Together()
    script.step = together.wrap(say(TRUE), seconds=2.0)
    with serving(environment, llm=model.url, llm_slots="2", llm_queue="3") as server:
        found = ask_at_once(server, 24)
        assert server.request("GET", "/healthz")[0] == 200
    answered = [body for code, body, _ in found if code == 200]
    refused = [(body, wait) for code, body, wait in found if code == 503]
    assert len(answered) == 5
    assert len(refused) == 19
    assert all(body["type"] == "tenkyo:llm-busy" for body, _ in refused)
    assert all(wait is not None and int(wait) == body["retry_after"] >= 1 for body, wait in refused)
    assert all(body["claims"][0]["text"] == "Each parent gets 45 days of leave." for body in answered)
    assert together.most == 2


def test_thirty_two_streams_at_once_all_complete(patient: Server, script: Script) -> None:
    together = Together()
    script.step = together.wrap(say(TRUE), until=32, seconds=30.0)
    with ThreadPoolExecutor(32) as pool:
        streams = list(pool.map(lambda _: patient.stream(LEAVE), range(32)))
    assert together.most == 32
    for events in streams:
        assert [event.name for event in events] == ["status", "passages", "status", "claim", "answer"]
        assert shown(events) == ["Each parent gets 45 days of leave."]
    assert len({events[-1].data["id"] for events in streams}) == 32


class Together:
    """Counts the generations that run at the same time, and can hold them until there are enough."""

    def __init__(self) -> None:
        self.most = 0
        self._running = 0
        self._change = threading.Condition()

    def wrap(self, step: Step, seconds: float, until: int | None = None) -> Callable[[Exchange], None]:
        """The step, after so many seconds, or as soon as `until` run at once."""

        def held(exchange: Exchange) -> None:
            with self._change:
                self._running += 1
                self.most = max(self.most, self._running)
                self._change.notify_all()
                self._change.wait_for(lambda: until is not None and self.most >= until, timeout=seconds)
            try:
                step(exchange)
            finally:
                with self._change:
                    self._running -= 1

        return held
