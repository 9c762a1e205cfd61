"""The example handbook, the real model, a running server and `tenkyo forget` in processes of their own."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.serving import free_port
from tests.conftest import EXAMPLES

pytestmark = pytest.mark.slow
FILE = "leave-policy.md"
QUESTION = "How many days of parental leave do I get?"


@pytest.fixture
def tenkyo(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts commands in an empty working folder; what still runs at the end is stopped."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TENKYO_")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-c",
            "from evaluation.cli import main; main()",
            "--home",
            tmp_path / "home",
            *arguments,
        ]
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finished(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


def get(url: str, body: dict[str, str] | None = None) -> tuple[int, dict[str, object]]:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_running_server_forgets_too(tenkyo: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    shutil.copytree(EXAMPLES / "handbook", folder)
    finished(tenkyo("index", folder, "--json"))
    database = tmp_path / "home" / "tenkyo.sqlite3"
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "SELECT chunks.text, embedding FROM chunks JOIN documents USING (content_id) WHERE path = ?", (FILE,)
        ).fetchall()
    texts, vectors = [text.encode() for text, _ in rows], [vector for _, vector in rows]
    assert len(rows) >= 3
    assert {len(vector) for vector in vectors} == {4 * 384}

    def holders() -> set[str]:
        files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
        return {path.name for path in files for needle in (*texts, *vectors) if needle in path.read_bytes()}

    assert any(name.endswith(".faiss") for name in holders())
    server = tenkyo("serve", "--port", str(free_port()))
    assert server.stdout is not None
    address = server.stdout.readline().split()[-1]
    assert address.startswith("http://"), address
    status, answer = get(f"{address}/ask", {"question": QUESTION})
    assert (status, answer["status"]) == (200, "answered")
    document = answer["citations"][0]["document_id"]  # type: ignore[index]
    assert get(f"{address}/documents/{document}")[0] == 200
    report = json.loads(finished(tenkyo("forget", folder / FILE, "--json")))
    assert (report["paths"], report["texts"], report["answers"]) == (1, 1, 1)
    assert holders() == set(), "while the server runs"
    assert get(f"{address}/documents/{document}")[0] == 410
    status, again = get(f"{address}/ask", {"question": QUESTION})
    assert status == 200
    assert FILE not in json.dumps(again)
    assert holders() == set()
