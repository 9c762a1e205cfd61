"""`tenkyo index` and `tenkyo serve` as real processes, with the real model, over real sockets."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.app.serving import (
    START_SECONDS,
    TENKYO,
    Server,
    end,
    free_port,
    index_folder,
    serving,
    start,
    wait_until_alive,
)

pytestmark = pytest.mark.slow

QUESTION = "How many working days of paid parental leave does each parent get?"
STOP_SECONDS = 20.0  # it takes 2; gunicorn kills a worker that hangs after 30
DOCUMENTS = {
    "leave.md": "# Leave policy\n\n## Parental leave\n\n"
    "Each parent gets 45 working days of paid parental leave per child. Apply eight weeks before it starts.\n\n"
    "## Sick leave\n\nSick leave is paid for 20 days a year.\n",
    "expenses.txt": "The limit for a hotel in London is 165 pounds a night.\n",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An indexed data folder, as the environment of the commands."""
    return index_folder(tmp_path_factory.mktemp("server"), DOCUMENTS)


@pytest.fixture(scope="module")
def server(environment: dict[str, str]) -> Iterator[Server]:
    with serving(environment) as running:
        yield running


def test_it_is_alive_and_ready(server: Server) -> None:
    for path, expected in (("/healthz", {"status": "ok"}), ("/readyz", {"status": "ok", "warnings": []})):
        status, _, body = server.request("GET", path)
        assert (status, json.loads(body)) == (200, expected)
    status, kind, page = server.request("GET", "/", accept="text/html")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "team" in page


def test_it_answers_over_a_socket(server: Server) -> None:
    answer = server.ask(QUESTION)
    assert answer["status"] == "answered"
    (citation, *_) = answer["citations"]
    assert citation["quote"] == "Each parent gets 45 working days of paid parental leave per child."
    _, _, body = server.request("GET", f"/documents/{citation['document_id']}")
    assert json.loads(body)["text"][citation["start"] : citation["end"]] == citation["quote"]


def test_it_streams_over_a_socket(server: Server) -> None:
    events = server.stream(QUESTION)
    names = [event.name for event in events]
    assert names[:3] == ["status", "passages", "status"]
    assert names[-1] == "answer"
    streamed = [event.data["text"] for event in events if event.name == "claim"]
    assert streamed == [claim["text"] for claim in events[-1].data["claims"]]


def test_it_answers_many_at_once(server: Server) -> None:
    questions = [QUESTION, "What is the limit for a hotel in London?"] * 12
    alone = [server.ask(question)["answer"] for question in questions[:2]]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(server.ask, questions))
    assert [answer["answer"] for answer in together] == alone * 12
    assert len({answer["id"] for answer in together}) == len(questions)


def test_a_client_that_leaves_in_the_middle_does_no_harm(server: Server) -> None:
    body = json.dumps({"question": QUESTION}).encode()
    head = (
        "POST /ask HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head.encode() + body)
            assert connection.recv(1)
    assert server.ask(QUESTION)["status"] == "answered"


def test_a_port_that_is_taken_is_said_without_a_traceback(server: Server) -> None:
    done = subprocess.run(
        [str(TENKYO), "serve", "--port", str(server.port)],
        env=server.environment, cwd=Path(server.environment["TENKYO_HOME"]).parent,
        capture_output=True, text=True, check=False, timeout=START_SECONDS,
    )  # fmt: skip
    assert done.returncode != 0
    assert str(server.port) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_within_seconds(environment: dict[str, str], number: signal.Signals) -> None:
    port, folder = free_port(), Path(environment["TENKYO_HOME"]).parent
    process = start(environment, port, folder)
    log = folder / f"serve-{port}.log"
    try:
        wait_until_alive(process, port, log)
        process.send_signal(number)
        assert process.wait(timeout=STOP_SECONDS) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
        assert "Traceback" not in log.read_text()
    finally:
        end(process)
