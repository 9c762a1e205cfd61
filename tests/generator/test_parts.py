"""Questions of several parts: where they are cut, and how their answers come together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.answer import Answer, Citation, Claim, Reason, Status, abstain
from generator.parts import join_answers, split_parts
from tests.generator.builders import make_passage


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("How many days do I get and who approves it?", ["How many days do I get", "who approves it?"]),
        ("What is the limit? And when must I file?", ["What is the limit?", "And when must I file?"]),
        ("育児休暇は何日ですか。また、誰が承認しますか。", ["育児休暇は何日ですか", "誰が承認しますか。"]),
        ("在宅勤務は週に何日？申請先はどこですか？", ["在宅勤務は週に何日？", "申請先はどこですか？"]),
    ],
)
def test_each_question_is_a_part(question: str, parts: list[str]) -> None:
    assert [part.rstrip("。") for part in split_parts(question)] == [part.rstrip("。") for part in parts]


@pytest.mark.parametrize(
    "question",
    [
        "How do I report sick and annual leave?",
        "What is the difference between a trial and a licence?",
        "I lost my laptop. What should I do?",
        "How long is the trial and the notice period?",
        "Where? When? Why? How? Who?",
        "有給休暇は何日で、いつ付与されますか。",
    ],
)
def test_one_question_stays_whole(question: str) -> None:
    assert split_parts(question) == [question]


@given(st.text(alphabet="how what is and か。？? ,また leave休暇", min_size=1, max_size=80))
def test_no_word_of_a_question_is_lost(question: str) -> None:
    parts = split_parts(question)
    assert parts
    position = 0
    for part in parts:
        position = question.index(part, position) + len(part)


def _answered(text: str, content_id: int, confidence: float = 0.9) -> Answer:
    passage = make_passage(text, content_id=content_id)
    citation = Citation(1, passage, passage.start, passage.start + len(text), text)
    claim = Claim(text, 1.0, (1,), "verbatim")
    return Answer(Status.ANSWERED, None, "", (claim,), (citation,), (passage,), None, confidence, {"answer": 1.0})


def test_the_parts_answers_come_together_under_new_numbers() -> None:
    parts = [("a", _answered("Leave is 45 days.", 1)), ("b", _answered("Mara approves it.", 2, 0.6))]
    joined = join_answers("a and b", parts)
    assert (joined.status, joined.text, joined.confidence) == (
        Status.ANSWERED,
        "Leave is 45 days. [1] Mara approves it. [2]",
        0.6,
    )
    assert [citation.n for citation in joined.citations] == [1, 2]
    assert joined.timings_ms == {"answer": 2.0}


def test_a_sentence_that_answers_two_parts_is_shown_once() -> None:
    parts = [("a", _answered("Leave is 45 days.", 1)), ("b", _answered("Leave is 45 days.", 1))]
    assert join_answers("a and b", parts).text == "Leave is 45 days. [1]"


def test_a_part_without_a_source_is_named() -> None:
    parts = [("a", _answered("Leave is 45 days.", 1)), ("b", abstain("b", Reason.NOTHING_FOUND, (), {}))]
    joined = join_answers("a and b", parts)
    assert (joined.status, joined.unanswered, len(joined.claims)) == (Status.PARTIAL, ("b",), 1)


def test_without_any_source_it_abstains_and_names_all() -> None:
    parts = [(name, abstain(name, Reason.NOTHING_FOUND, (), {})) for name in "ab"]
    joined = join_answers("a and b", parts)
    assert (joined.status, joined.reason, joined.unanswered) == (Status.ABSTAINED, Reason.NOTHING_FOUND, ("a", "b"))
