"""`tenkyo index` and `tenkyo serve` as real processes, with the real model, over real sockets."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.app.events import SentEvent, parse_events

pytestmark = pytest.mark.slow

QUESTION = "How many working days of paid parental leave does each parent get?"
TENKYO = Path(sys.executable).with_name("tenkyo")
START_SECONDS = 120.0
STOP_SECONDS = 20.0  # it takes 2; gunicorn kills a worker that hangs after 30
DOCUMENTS = {
    "leave.md": "# Leave policy\n\n## Parental leave\n\n"
    "Each parent gets 45 working days of paid parental leave per child. Apply eight weeks before it starts.\n\n"
    "## Sick leave\n\nSick leave is paid for 20 days a year.\n",
    "expenses.txt": "The limit for a hotel in London is 165 pounds a night.\n",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running `tenkyo serve`."""

    process: subprocess.Popen[str]
    port: int
    environment: dict[str, str]

    def request(self, method: str, path: str, body: object = None, accept: str = "*/*") -> tuple[int, str, str]:
        """Status, media type and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json", "Accept": accept}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.headers["Content-Type"], response.read().decode()
        finally:
            connection.close()

    def ask(self, question: str) -> dict[str, Any]:
        status, kind, body = self.request("POST", "/ask", {"question": question, "collection": "team"})
        assert (status, kind) == (200, "application/json")
        answer: dict[str, Any] = json.loads(body)
        return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(environment: dict[str, str], port: int, folder: Path) -> subprocess.Popen[str]:
    """A server in a process group of its own, so that `end` leaves no worker behind."""
    log = (folder / f"serve-{port}.log").open("w")
    return subprocess.Popen(
        [str(TENKYO), "serve", "--port", str(port)],
        env=environment, cwd=folder, stdout=log, stderr=log, text=True, start_new_session=True,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until_alive(process: subprocess.Popen[str], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended: {log.read_text()}"
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            return
        except ConnectionError:
            time.sleep(0.2)
    pytest.fail(f"no answer after {START_SECONDS} s: {log.read_text()}")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An indexed data folder, as the environment of the commands."""
    root = tmp_path_factory.mktemp("server")
    (root / "documents").mkdir()
    for name, content in DOCUMENTS.items():
        (root / "documents" / name).write_text(content, encoding="utf-8")
    found = {name: value for name, value in os.environ.items() if not name.startswith("TENKYO_")}
    found |= {"TENKYO_HOME": str(root / "home"), "TENKYO_DEVICE": "cpu"}
    command = [str(TENKYO), "index", "documents", "--collection", "team", "--json"]
    done = subprocess.run(command, env=found, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["indexed"] == len(DOCUMENTS)
    return found


@pytest.fixture(scope="module")
def server(environment: dict[str, str]) -> Iterator[Server]:
    port, folder = free_port(), Path(environment["TENKYO_HOME"]).parent
    process = start(environment, port, folder)
    try:
        wait_until_alive(process, port, folder / f"serve-{port}.log")
        yield Server(process, port, environment)
    finally:
        end(process)


def test_it_is_alive_and_ready(server: Server) -> None:
    for path in ("/healthz", "/readyz"):
        status, _, body = server.request("GET", path)
        assert (status, json.loads(body)) == (200, {"status": "ok"})
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


def read_events(server: Server, question: str) -> list[SentEvent]:
    status, kind, body = server.request("POST", "/ask", {"question": question}, "text/event-stream")
    assert (status, kind) == (200, "text/event-stream; charset=utf-8")
    return parse_events(body)


def test_it_streams_over_a_socket(server: Server) -> None:
    events = read_events(server, QUESTION)
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
