"""A real server while other processes index, damage and repair what it serves: it is not restarted for any of that."""

import contextlib
import http.client
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.app.serving import TENKYO, Server, index_folder, serving

pytestmark = pytest.mark.slow
DOCUMENTS = {
    "hotels.txt": "The limit for a hotel in London is 165 pounds a night.\n",
    "leave.txt": "Each parent gets 45 working days of paid parental leave per child.\n",
}
QUESTION = "What is the limit for a hotel in London?"


def tenkyo(environment: dict[str, str], *arguments: str) -> None:
    folder = Path(environment["TENKYO_HOME"]).parent
    subprocess.run([str(TENKYO), *arguments], env=environment, cwd=folder, check=True, capture_output=True)


def quotes(server: Server) -> list[str]:
    return [citation["quote"] for citation in server.ask(QUESTION)["citations"]]


def ready(server: Server) -> tuple[int, dict[str, Any]]:
    status, _, body = server.request("GET", "/readyz")
    return status, json.loads(body)


def change(environment: dict[str, str], pounds: int) -> str:
    """Indexes another limit; gives the sentence."""
    sentence = f"The limit for a hotel in London is {pounds} pounds a night."
    (Path(environment["TENKYO_HOME"]).parent / "documents" / "hotels.txt").write_text(sentence)
    tenkyo(environment, "index", "documents", "--collection", "team", "--json")
    return sentence


def test_what_others_do_to_the_index_is_seen_without_a_restart(tmp_path: Path) -> None:
    environment = index_folder(tmp_path, DOCUMENTS)
    with serving(environment) as server:
        assert quotes(server) == ["The limit for a hotel in London is 165 pounds a night."]
        new = change(environment, 180)
        assert quotes(server) == [new], "a new generation"
        tenkyo(environment, "compact", "--collection", "team")
        assert quotes(server) == [new], "all of whose predecessors were deleted"
        newer = change(environment, 190)
    (newest,) = Path(environment["TENKYO_HOME"]).glob("index/*/gen-00000004")
    (newest / "deleted.npy").write_bytes(b"damaged")
    with serving(environment) as server:
        status, body = ready(server)
        assert (status, body["status"]) == (200, "degraded")
        assert "run `tenkyo repair --collection team`" in body["warnings"][0]
        degraded = server.ask("How many days of parental leave?")
        assert degraded["citations"][0]["path"] == "leave.txt"
        assert "an older one answered" in degraded["notice"]
        assert newer not in quotes(server)
        assert new not in quotes(server), "the database has this text no more"
        tenkyo(environment, "repair", "--collection", "team")
        assert ready(server) == (200, {"status": "ok", "warnings": []})
        assert quotes(server) == [newer]
        truncate_what_is_mapped(environment)
        assert wait_for_damage(server) == "tenkyo:index-damaged"
        assert server.request("GET", "/healthz")[0] == 200
        tenkyo(environment, "repair", "--collection", "team")
        assert quotes(server) == [newer]


def truncate_what_is_mapped(environment: dict[str, str]) -> None:
    """In place: reading a page that is no longer there ends the process that mapped it, and no code can catch that."""
    for file in Path(environment["TENKYO_HOME"]).glob("index/*/gen-*/**/*"):
        if file.is_file():
            os.truncate(file, 0)


def wait_for_damage(server: Server) -> object:
    """Asks until the worker has died and another one, started in its place, has seen what is wrong."""
    for _ in range(240):
        with contextlib.suppress(ConnectionError, http.client.HTTPException, TimeoutError):
            status, _, body = server.request("POST", "/ask", {"question": QUESTION, "collection": "team"})
            if status == 503:
                return json.loads(body)["type"]
        time.sleep(0.5)
    return None
