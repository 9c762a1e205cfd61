"""Which sentences of the passages may be cited, and the numbers that describe them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.evidence import FEATURES, Features, Sentence, features, sentences_of
from indexer.analysis import question_terms
from indexer.document import Span
from tests.fakes import HashEmbedder
from tests.generator.builders import make_passage, make_retrieval


def texts(sentences: list[Sentence]) -> list[str]:
    return [sentence.text for sentence in sentences]


def feature(matrix: Features, name: str) -> list[float]:
    return [float(value) for value in matrix[:, FEATURES.index(name)]]


def describe(question: str, content: str, *, read: bool = False) -> Features:
    retrieval = make_retrieval(make_passage(content))
    embedder = HashEmbedder()
    query = embedder.embed_query(question) if read else None
    return features(question, retrieval, sentences_of(retrieval.passages), query, embedder.embed_documents)


def test_offsets_of_sentences_count_in_the_whole_content() -> None:
    content = "A preface that is not part of it.\n\nHotels cost 165 pounds. Trains are free."
    (first, second) = sentences_of([make_passage(content, 35)])
    assert content[first.start : first.end] == first.text == "Hotels cost 165 pounds."
    assert content[second.start : second.end] == second.text == "Trains are free."
    assert (first.previous, second.previous) == ("", "Hotels cost 165 pounds.")


def test_code_is_not_evidence() -> None:
    content = "Run the command.\n\nrm -rf /tmp/cache\nsudo reboot\n\nThen wait."
    code = Span(content.index("rm"), content.index("\n\nThen"))
    assert texts(sentences_of([make_passage(content, code=[code])])) == ["Run the command.", "Then wait."]


def test_a_sentence_that_touches_code_is_not_evidence() -> None:
    content = "Type reboot now. Then wait."
    assert texts(sentences_of([make_passage(content, code=[Span(5, 11)])])) == ["Then wait."]


def test_headings_of_the_passage_are_not_evidence() -> None:
    content = "Leave policy\n\n1. Parental leave. Who?\n\nEach parent gets 45 days."
    passage = make_passage(content, headings=["Leave policy", "1. Parental leave. Who?"])
    assert texts(sentences_of([passage])) == ["Each parent gets 45 days."]


def test_a_sentence_that_two_passages_repeat_is_evidence_once() -> None:
    first, second = make_passage("Hotels cost 165 pounds."), make_passage("Hotels cost 165 pounds.", content_id=2)
    (sentence,) = sentences_of([first, second])
    assert sentence.passage is first


@pytest.mark.parametrize("noise", ["---", "12 345", "1.", "…"])
def test_what_holds_no_letter_is_not_evidence(noise: str) -> None:
    assert texts(sentences_of([make_passage(f"{noise}\nHotels cost 165 pounds.")])) == ["Hotels cost 165 pounds."]


def test_an_endless_sentence_is_not_evidence() -> None:
    assert texts(sentences_of([make_passage(f"{'word ' * 200}.\nShort one.")])) == ["Short one."]


def test_the_rank_of_a_sentence_is_that_of_its_passage() -> None:
    found = sentences_of([make_passage("First one. Second one."), make_passage("Third one.", content_id=2)])
    assert [sentence.rank for sentence in found] == [0, 0, 1]


def test_a_sentence_that_holds_every_word_of_the_question_is_covered_in_full() -> None:
    matrix = describe("What do hotels in London cost?", "Hotels in London cost 165 pounds. Trains are free.")
    assert feature(matrix, "sentence_coverage") == [pytest.approx(1.0), 0.0]
    assert feature(matrix, "rarest_missing_in_sentence")[0] == 0.0


def test_the_sentence_before_counts_as_context() -> None:
    matrix = describe("What do hotels in London cost?", "Hotels in London differ. They cost 165 pounds.")
    assert feature(matrix, "sentence_coverage")[1] < feature(matrix, "context_coverage")[1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("question", "answering", "other"),
    [
        ("How many days of leave are there?", "There are 45 days of leave.", "Leave is granted."),
        ("How many days of leave are there?", "There are twelve of them.", "Leave is granted."),
        ("When does the office open?", "It opens at 9:30 every day.", "The office is large."),
        ("Who approves a claim?", "A line manager approves it.", "A claim is approved."),
        ("Where is the printer?", "It stands in the Leeds office.", "The printer is grey."),
        ("Why is the door locked?", "It is locked because of the stock.", "The door is locked."),
        ("休暇は何日ありますか", "休暇は20日です。", "休暇があります。"),
        ("いつ申請しますか", "前日までに申請する。", "申請をする。"),
        ("なぜ必要ですか", "安全のために必要です。", "必要です。"),
    ],
)
def test_the_kind_of_question_is_matched_by_the_kind_of_sentence(question: str, answering: str, other: str) -> None:
    matrix = describe(question, f"{answering}\n{other}")
    assert feature(matrix, "kind_known") == [1.0, 1.0]
    assert feature(matrix, "kind_matches") == [1.0, 0.0]


def test_a_question_in_the_document_is_known_as_one() -> None:
    matrix = describe("leave", "How much leave is there? 45 days of leave.\n休暇は何日ですか？")
    assert feature(matrix, "is_question") == [1.0, 0.0, 1.0]


def test_without_a_query_vector_every_cosine_is_zero() -> None:
    matrix = describe("休暇は何日ですか", "休暇は20日です。申請は不要です。", read=False)
    for name in ("sentence_cosine", "context_cosine", "cosine_above_mean"):
        assert feature(matrix, name) == [0.0, 0.0]


def test_with_a_query_vector_the_nearer_sentence_has_the_higher_cosine() -> None:
    matrix = describe("hotel costs in London", "A hotel in London costs 165 pounds. Trains are free.", read=True)
    near, far = feature(matrix, "sentence_cosine")
    assert near > far
    assert -1.0 <= far <= near <= 1.0 + 1e-6


WORDS = st.sampled_from(
    ["leave", "45", "days", "Hotel", "?", ".", "。", "休暇", "「", "」", "\n", "How many", "いつ", "useState"]
)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(WORDS, min_size=1, max_size=40).map(" ".join), st.lists(WORDS, max_size=12).map(" ".join), st.booleans()
)
def test_features_are_finite_whatever_is_asked_and_read(content: str, question: str, read: bool) -> None:
    retrieval = make_retrieval(make_passage(content), rarity=dict.fromkeys(question_terms(question), 0.5))
    sentences = sentences_of(retrieval.passages)
    embedder = HashEmbedder()
    query = embedder.embed_query(question) if read else None
    matrix = features(question, retrieval, sentences, query, embedder.embed_documents)
    assert matrix.shape == (len(sentences), len(FEATURES))
    assert np.isfinite(matrix).all()
    shares = [FEATURES.index(name) for name in ("sentence_coverage", "context_coverage", "longest_run", "kind_matches")]
    assert ((matrix[:, shares] >= 0) & (matrix[:, shares] <= 1 + 1e-9)).all()
