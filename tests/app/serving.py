"""`tenkyo` commands as real processes: a folder is indexed and served, questions come over real sockets."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.app.events import SentEvent, parse_events

TENKYO = Path(sys.executable).with_name("tenkyo")
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running `tenkyo serve`."""

    process: subprocess.Popen[str]
    port: int
    environment: dict[str, str]

    def request(self, method: str, path: str, body: object = None, accept: str = "*/*") -> tuple[int, str, str]:
        """Status, media type and body of one request on a connection of its own."""
        with self.open(method, path, body, accept) as response:
            return response.status, response.headers["Content-Type"], response.read().decode()

    @contextmanager
    def open(
        self, method: str, path: str, body: object = None, accept: str = "*/*"
    ) -> Iterator[http.client.HTTPResponse]:
        """One request on a connection of its own, to be read as it comes; the connection is closed at the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json", "Accept": accept}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()

    def stream(self, question: str) -> list[SentEvent]:
        """All events of one answer."""
        status, kind, body = self.request("POST", "/ask", {"question": question}, "text/event-stream")
        assert (status, kind) == (200, "text/event-stream; charset=utf-8")
        return parse_events(body)

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


def index_folder(root: Path, documents: Mapping[str, str], collection: str = "team") -> dict[str, str]:
    """Indexes the documents with the real commands; gives the environment under which they are served."""
    (root / "documents").mkdir()
    for name, content in documents.items():
        (root / "documents" / name).write_text(content, encoding="utf-8")
    found = {name: value for name, value in os.environ.items() if not name.startswith("TENKYO_")}
    found |= {"TENKYO_HOME": str(root / "home"), "TENKYO_DEVICE": "cpu"}
    command = [str(TENKYO), "index", "documents", "--collection", collection, "--json"]
    done = subprocess.run(command, env=found, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["indexed"] == len(documents)
    return found


@contextmanager
def serving(environment: Mapping[str, str], **settings: str) -> Iterator[Server]:
    """A server with these settings, until the end of the block."""
    variables = {**environment, **{f"TENKYO_{name.upper()}": value for name, value in settings.items()}}
    port, folder = free_port(), Path(variables["TENKYO_HOME"]).parent
    process = start(variables, port, folder)
    try:
        wait_until_alive(process, port, folder / f"serve-{port}.log")
        yield Server(process, port, variables)
    finally:
        end(process)


def read_event(response: http.client.HTTPResponse) -> SentEvent | None:
    """The next event of an open stream, as soon as it is complete; None at the end. Passes over heartbeats."""
    block = ""
    while line := response.readline().decode():
        block += line
        if block.endswith("\n\n"):
            if events := parse_events(block):
                return events[0]
            block = ""
    return None
