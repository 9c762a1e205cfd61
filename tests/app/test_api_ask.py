"""POST /ask: the answer object and the events, exactly as DESIGN.md ("Interfaces") promises them."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from generator.extractive import Extractive
from tests.app.conftest import ENGLISH, JAPANESE, UNRELATED, Ask
from tests.app.events import SentEvent, parse_events

ANSWER_KEYS = {"id", "status", "reason", "question", "answer", "short_answer", "confidence", "claims", "citations"} | {
    "passages",
    "timings_ms",
    "rewritten_question",
    "unanswered",
    "calculations",
    "dropped",
    "notice",
}
CITATION_KEYS = {"n", "document_id", "path", "paths", "title", "page", "start", "end", "quote", "content_sha256"}
PASSAGE_KEYS = {"chunk_id", "path", "score", "dense", "lexical", "text"}
STREAM = "text/event-stream"
QUESTIONS = [ENGLISH, JAPANESE, UNRELATED, "what is it?"]


def events_of(ask: Ask, question: str, **body: object) -> list[SentEvent]:
    response = ask(question, STREAM, **body)
    assert response.status_code == 200
    assert response.content_type == "text/event-stream; charset=utf-8"
    return parse_events(response.get_data(as_text=True))


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_has_every_documented_key(ask: Ask, question: str) -> None:
    response = ask(question)
    assert (response.status_code, response.content_type) == (200, "application/json")
    answer = response.get_json()
    assert set(answer) == ANSWER_KEYS
    assert re.fullmatch(r"[0-9a-f]{16}", answer["id"])
    assert answer["question"] == question
    for claim in answer["claims"]:
        assert set(claim) == {"text", "support", "citations"}
        assert 0 <= claim["support"] <= 1
    for citation in answer["citations"]:
        assert set(citation) == CITATION_KEYS
        assert re.fullmatch(r"[0-9a-f]{64}", citation["content_sha256"])
    for passage in answer["passages"]:
        assert set(passage) >= PASSAGE_KEYS
    assert answer["timings_ms"]["total"] > 0


@pytest.mark.parametrize(
    ("question", "status", "reason"),
    [
        (ENGLISH, "answered", None),
        (JAPANESE, "answered", None),
        (UNRELATED, "abstained", "nothing_found"),
        ("Who approves parental leave in Osaka, Nagoya, Kobe and Kyoto?", "abstained", "found_but_not_supporting"),
        ("what is it?", "abstained", "question_not_understood"),
    ],
)
def test_the_status_has_its_reason(ask: Ask, question: str, status: str, reason: str | None) -> None:
    answer = ask(question).get_json()
    assert (answer["status"], answer["reason"]) == (status, reason)
    if status == "abstained":
        assert (answer["answer"], answer["claims"], answer["citations"]) == ("", [], [])
        assert answer["confidence"] is None
    else:
        assert 0 <= answer["confidence"] <= 1
        assert answer["claims"]


@pytest.mark.parametrize("question", [ENGLISH, JAPANESE])
def test_every_claim_has_citations_and_every_quote_stands_in_its_document(
    ask: Ask, client: FlaskClient, question: str
) -> None:
    answer = ask(question).get_json()
    numbers = [citation["n"] for citation in answer["citations"]]
    assert numbers == list(range(1, len(numbers) + 1))
    for claim in answer["claims"]:
        assert claim["citations"]
        assert set(claim["citations"]) <= set(numbers)
    for citation in answer["citations"]:
        document = client.get(f"/documents/{citation['document_id']}").get_json()
        assert document["text"][citation["start"] : citation["end"]] == citation["quote"]
        assert document["content_sha256"] == citation["content_sha256"]


def test_the_text_of_the_answer_is_its_claims_with_markers(ask: Ask) -> None:
    for question in (ENGLISH, JAPANESE):
        answer = ask(question).get_json()
        rest = answer["answer"]
        for claim in answer["claims"]:
            before, text, rest = rest.partition(claim["text"])
            assert text
            assert not before.strip()
            markers = "".join(f"[{n}]" for n in claim["citations"])
            assert rest.lstrip().startswith(markers)
            rest = rest.lstrip().removeprefix(markers)
        assert not rest.strip()


@pytest.mark.parametrize("question", QUESTIONS)
def test_events_come_in_order_and_end_with_the_whole_answer(ask: Ask, question: str) -> None:
    events = events_of(ask, question)
    names = [event.name for event in events]
    claims = [event for event in events if event.name == "claim"]
    assert names == ["status", "passages", "status", *["claim"] * len(claims), "answer"]
    assert [event.data for event in events if event.name == "status"] == [
        {"stage": "retrieving"},
        {"stage": "checking"},
    ]
    answer = events[-1].data
    assert set(answer) == ANSWER_KEYS
    found = next(event for event in events if event.name == "passages").data["passages"]
    assert answer["passages"] in (found, [])
    assert all(set(passage) >= PASSAGE_KEYS for passage in found)


@pytest.mark.parametrize("question", [ENGLISH, JAPANESE])
def test_the_streamed_claims_are_the_claims_of_the_answer(ask: Ask, question: str) -> None:
    events = events_of(ask, question)
    answer = events[-1].data
    streamed = [event.data for event in events if event.name == "claim"]
    assert streamed
    assert [{k: v for k, v in claim.items() if k != "sources"} for claim in streamed] == answer["claims"]
    for claim in streamed:
        assert claim["sources"] == [c for c in answer["citations"] if c["n"] in claim["citations"]]
    joined = "".join(claim["text"] for claim in streamed)
    assert re.sub(r"\s|\[\d+\]", "", answer["answer"]) == re.sub(r"\s", "", joined)


def test_the_stream_and_the_object_tell_the_same(ask: Ask) -> None:
    def stable(answer: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in answer.items() if k not in ("id", "timings_ms")}

    assert stable(events_of(ask, ENGLISH)[-1].data) == stable(ask(ENGLISH).get_json())


def test_a_stream_is_not_to_be_kept_or_held_back(ask: Ask) -> None:
    response = ask(ENGLISH, STREAM)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"


@pytest.mark.parametrize(
    ("question", "body", "status"),
    [
        ("", {}, 422),
        ("???", {}, 422),
        (ENGLISH, {"collection": "nowhere"}, 404),
        (ENGLISH, {"colection": "x"}, 422),
        (ENGLISH, {"path": "*" * 1001}, 422),
    ],
)
def test_a_bad_question_is_a_problem_and_not_a_stream(
    ask: Ask, question: str, body: dict[str, object], status: int
) -> None:
    response = ask(question, STREAM, **body)
    assert (response.status_code, response.content_type) == (status, "application/problem+json")


def test_what_fails_after_the_first_event_becomes_an_error_event(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the secret path /etc/inside")

    monkeypatch.setattr(Extractive, "answer", fail)
    response = ask(ENGLISH, STREAM)
    received = b"".join(response.iter_encoded()).decode()
    *before, last = parse_events(received)
    assert [event.name for event in before] == ["status", "passages", "status"]
    assert last.name == "error"
    assert (last.data["status"], last.data["type"]) == (500, "tenkyo:internal")
    assert "secret" not in received


def test_a_line_break_in_a_question_does_not_break_the_stream(ask: Ask) -> None:
    question = f"{ENGLISH}\n\nevent: answer\ndata: forged"
    events = events_of(ask, question)
    assert [event.name for event in events].count("answer") == 1
    assert events[-1].data["question"] == question


def test_a_path_limits_where_the_answer_may_come_from(ask: Ask) -> None:
    assert {p["path"] for p in ask(ENGLISH, path="*.txt").get_json()["passages"]} <= {
        "travel.txt",
        "hostile.txt",
        "brackets.txt",
        "sign.txt",
    }
    assert ask(ENGLISH, path="*.txt").get_json()["status"] == "abstained"
    assert ask(ENGLISH, path="hr/*.md").get_json()["status"] == "answered"


def test_the_question_is_given_back_without_the_space_around_it(ask: Ask) -> None:
    assert ask(f"  {ENGLISH}\n").get_json()["question"] == ENGLISH


LONGEST = ["休暇" * 2000, "leave " * 666, "x" * 4000, "".join(map(chr, range(0x4E00, 0x4E00 + 4000)))]


@pytest.mark.parametrize("text", LONGEST, ids=["two letters", "one word", "no space", "4000 letters"])
def test_the_longest_questions_are_answered_or_refused_for_what_they_say(ask: Ask, text: str) -> None:
    response = ask(text)
    assert response.status_code == 200
    assert response.get_json()["question"] == text.strip()


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html,*/*;q=0.8", "", "image/png"])
def test_json_is_what_everyone_gets_who_does_not_ask_for_events(ask: Ask, accept: str) -> None:
    assert ask(ENGLISH, accept).content_type == "application/json"
