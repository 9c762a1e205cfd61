"""`tenkyo serve` with a language model in its own process: a small random decoder on disk, as any model is."""

import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.app.serving import START_SECONDS, TENKYO, Server, index_folder, serving
from tests.app.spoken import DOCUMENTS, LEAVE, shown
from tests.generator.backends import tiny_model

pytestmark = pytest.mark.slow

HOTEL = "What is the limit for a hotel in London?"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return index_folder(tmp_path_factory.mktemp("server-local"), DOCUMENTS)


@pytest.fixture(scope="module")
def talkative(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A model that cites a lot and ends by itself."""
    folder = tiny_model.build(tmp_path_factory.mktemp("talkative"), favoured={"[": 7.0, '"': 1.5, "<|end|>": 1.0})
    with serving(environment, llm=str(folder), llm_answer_tokens="120") as running:
        yield running


@pytest.fixture(scope="module")
def endless(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A model that ends no sentence, with one slot for it."""
    never = dict.fromkeys(("<|end|>", "[", "]", ".", "!", "?", "。", "\n", "Ċ", "ãĢ"), -60.0)
    folder = tiny_model.build(tmp_path_factory.mktemp("endless"), favoured=never)
    settings = {"llm_slots": "1", "llm_queue": "1", "llm_queue_seconds": "0.3", "llm_answer_tokens": "1000"}
    with serving(environment, llm=str(folder), **settings) as running:
        yield running


def test_nothing_that_it_makes_up_is_shown(talkative: Server) -> None:
    for question in (LEAVE, HOTEL):
        answer = talkative.ask(question)
        assert all(claim["text"] in "".join(DOCUMENTS.values()) for claim in answer["claims"])
        _, _, body = talkative.request("GET", f"/answers/{answer['id']}")
        record = json.loads(body)["record"]
        assert len(record["trace"]["draft"]) > 20, "it did write"
        assert record["llm"] == record["trace"]["model"] != "extractive"


def test_a_recorded_answer_is_made_again_bit_for_bit(talkative: Server) -> None:
    for question in (LEAVE, HOTEL):
        identifier = talkative.ask(question)["id"]
        done = subprocess.run(
            [str(TENKYO), "replay", identifier],
            env=talkative.environment, cwd=Path(talkative.environment["TENKYO_HOME"]).parent,
            capture_output=True, text=True, check=False, timeout=START_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The same answer" in done.stdout


def test_another_model_makes_another_answer_and_replay_says_so(talkative: Server, endless: Server) -> None:
    identifier = talkative.ask(LEAVE)["id"]
    done = subprocess.run(
        [str(TENKYO), "replay", identifier],
        env=endless.environment, cwd=Path(endless.environment["TENKYO_HOME"]).parent,
        capture_output=True, text=True, check=False, timeout=START_SECONDS,
    )  # fmt: skip
    assert done.returncode == 1
    assert "llm" in done.stdout
    assert "draft" in done.stdout


def test_thirty_two_streams_at_once_all_complete(talkative: Server) -> None:
    questions = [LEAVE, HOTEL] * 16
    with ThreadPoolExecutor(32) as pool:
        streams = list(pool.map(talkative.stream, questions))
    for events in streams:
        assert events[-1].name == "answer"
        assert all(text in "".join(DOCUMENTS.values()) for text in shown(events))
    assert len({events[-1].data["id"] for events in streams}) == 32


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
def test_a_client_that_leaves_frees_the_slot_within_two_seconds(endless: Server, accept: str) -> None:
    """The next client waits at most .3 s for the only slot, and gets it, though a whole draft takes longer."""
    connection = http.client.HTTPConnection("127.0.0.1", endless.port)
    headers = {"Content-Type": "application/json", "Accept": accept}
    connection.request("POST", "/ask", json.dumps({"question": LEAVE}), headers)
    time.sleep(0.2)
    connection.close()
    started = time.monotonic()
    answer = endless.ask(HOTEL)
    assert time.monotonic() - started > 0.6, "a draft of this model must outlast the deadline of the queue"
    assert answer["status"] == "abstained"


def test_a_model_that_cannot_be_loaded_is_said_without_a_traceback(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [str(TENKYO), "serve", "--port", "0"],
        env={**environment, "TENKYO_LLM": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=START_SECONDS,
    )  # fmt: skip
    assert done.returncode == 5
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
