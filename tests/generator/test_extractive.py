"""The offline answerer: what it shows is a span of a stored text, or it says why it shows nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.answer import Answer, Reason, Status
from generator.extractive import Extractive, ExtractiveSettings
from generator.ranking import rank
from indexer.analysis import question_terms
from indexer.document import Page, Span
from retriever.passages import Passage
from retriever.search import Retrieval
from tests.fakes import HashEmbedder, handmade_evidence
from tests.generator.builders import make_passage, make_retrieval

LEAVE = (
    "Parental leave\n\nThis page is about leave. Each parent gets 45 days of parental leave. Apply eight weeks before."
)
HOTELS = "Hotels in London cost 165 pounds a night. Trains are free."

pytestmark = pytest.mark.usefixtures("handmade_weights")


def answer(question: str, *passages: Passage, coverage: float = 1.0, most: int = 3) -> Answer:
    rarity = dict.fromkeys(question_terms(question), 0.5)
    retrieval = make_retrieval(*passages, coverage=coverage, rarity=rarity)
    return Extractive(ExtractiveSettings(max_sentences=most)).answer(
        question, retrieval, rank(question, retrieval, HashEmbedder())
    )


def test_the_sentence_that_answers_is_quoted_word_for_word() -> None:
    found = answer(
        "Does each parent get days of parental leave?", make_passage(LEAVE, headings=["Parental leave"]), most=1
    )
    assert (found.status, found.reason) == (Status.ANSWERED, None)
    (citation,) = found.citations
    assert citation.quote == "Each parent gets 45 days of parental leave."
    assert LEAVE[citation.start : citation.end] == citation.quote
    (claim,) = found.claims
    assert (claim.text, claim.citations, claim.support, claim.checked) == (citation.quote, (1,), 1.0, "verbatim")
    assert found.text == "Each parent gets 45 days of parental leave. [1]"


def test_a_japanese_sentence_is_quoted_word_for_word() -> None:
    content = "在宅勤務規程\n\n在宅勤務は週に3日までとする。通信費を支給する。"
    found = answer("在宅勤務は週に3日まで？", make_passage(content, headings=["在宅勤務規程"]), coverage=0.0, most=1)
    (citation,) = found.citations
    assert citation.quote == content[citation.start : citation.end] == "在宅勤務は週に3日までとする。"


def test_offsets_hold_for_a_passage_in_the_middle_of_its_document() -> None:
    content = f"A preface.\n\n{HOTELS}\n\nAn appendix."
    found = answer("What do hotels in London cost a night?", make_passage(content, 12, 12 + len(HOTELS)))
    assert content[found.citations[0].start : found.citations[0].end] == "Hotels in London cost 165 pounds a night."


def test_a_citation_knows_the_page_it_starts_on() -> None:
    passage = make_passage(HOTELS)
    pages = (Page(1, 0, 10, 595.0, 842.0), Page(2, 10, len(HOTELS), 595.0, 842.0))
    object.__setattr__(passage.source.layout, "pages", pages)
    assert answer("Are trains free?", passage).citations[0].page == 2


def test_an_unrelated_question_finds_nothing_and_is_shown_the_nearest_passages() -> None:
    passage = make_passage(HOTELS)
    found = answer("Quantum chromodynamics lattice", passage)
    assert (found.status, found.reason) == (Status.ABSTAINED, Reason.NOTHING_FOUND)
    assert (found.claims, found.citations, found.text, found.confidence) == ((), (), "", None)
    assert found.passages == (passage,)


def test_a_question_on_the_subject_without_an_answer_says_so() -> None:
    found = answer("Which hotels in Osaka have swimming pools, saunas and parking?", make_passage(HOTELS))
    assert (found.status, found.reason) == (Status.ABSTAINED, Reason.FOUND_BUT_NOT_SUPPORTING)


@pytest.mark.parametrize("question", ["what is it?", "How is that?", "Where are we?", "is it"])
def test_a_question_without_a_subject_is_not_understood(question: str) -> None:
    found = answer(question, make_passage(HOTELS))
    assert (found.status, found.reason) == (Status.ABSTAINED, Reason.QUESTION_NOT_UNDERSTOOD)
    assert found.passages == ()


def test_without_passages_nothing_is_found() -> None:
    assert answer("What do hotels cost?").reason is Reason.NOTHING_FOUND


def test_a_passage_of_code_alone_finds_nothing() -> None:
    content = "hotels cost london night"
    found = answer("What do hotels in London cost a night?", make_passage(content, code=[Span(0, len(content))]))
    assert found.reason is Reason.NOTHING_FOUND


def test_at_most_three_sentences_are_shown() -> None:
    content = " ".join(f"Hotels in London cost {n} pounds a night." for n in range(100, 106))
    assert len(answer("What do hotels in London cost a night?", make_passage(content)).claims) == 3


def test_sentences_are_numbered_as_written_with_the_passage_of_the_best_one_first() -> None:
    later = make_passage(
        "Trains to London cost money at night. Hotels in London cost 165 pounds a night.", content_id=2
    )
    earlier = make_passage("In London hotels cost less a night in winter.", content_id=1)
    found = answer("What do hotels in London cost a night?", earlier, later)
    assert [citation.n for citation in found.citations] == list(range(1, len(found.citations) + 1))
    by_content: dict[int, list[int]] = {}
    for citation in found.citations:
        by_content.setdefault(citation.passage.source.content_id, []).append(citation.start)
    assert all(starts == sorted(starts) for starts in by_content.values())
    assert len(by_content) == 2
    order = [citation.passage.source.content_id for citation in found.citations]
    assert order == sorted(order, key=order.index), "sentences of one passage stand together"


def test_the_limit_of_sentences_and_the_threshold_are_settings() -> None:
    content = " ".join(f"Hotels in London cost {n} pounds a night." for n in range(100, 106))
    retrieval = make_retrieval(make_passage(content))
    question = "What do hotels in London cost a night?"
    ranked = rank(question, retrieval, HashEmbedder())
    one = Extractive(ExtractiveSettings(max_sentences=1)).answer(question, retrieval, ranked)
    assert len(one.claims) == 1
    none = Extractive(ExtractiveSettings(min_shown=1.1)).answer(question, retrieval, ranked)
    assert none.status is Status.ABSTAINED


def test_english_sentences_are_joined_by_a_space_and_japanese_ones_directly() -> None:
    english = answer(
        "What do hotels in London cost a night?",
        make_passage("Hotels in London cost 165 pounds a night. Hotels in London cost 99 pounds a night in May."),
    )
    assert english.text == (
        "Hotels in London cost 165 pounds a night. [1] Hotels in London cost 99 pounds a night in May. [2]"
    )
    japanese = answer("出張の宿泊費", make_passage("出張の宿泊費は1万円。出張の宿泊費は2万円。"), coverage=0.0)
    assert len(japanese.claims) == 2
    assert " " not in japanese.text


WORDS = [
    "hotels",
    "London",
    "cost",
    "165",
    "night",
    "休暇",
    "は",
    "20日",
    "。",
    ". ",
    "? ",
    "\n",
    "「",
    "」",
    "code",
    "X",
]
CONTENTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(" ".join)
QUESTIONS = st.lists(
    st.sampled_from(["hotels", "London", "cost", "休暇", "20日", "is", "what"]), min_size=1, max_size=5
)


@st.composite
def retrievals(draw: st.DrawFn) -> tuple[dict[int, str], Retrieval]:
    contents = {n: draw(CONTENTS) for n in range(1, draw(st.integers(1, 3)) + 1)}
    passages = []
    for number, content in contents.items():
        start = draw(st.integers(0, len(content) - 1))
        end = draw(st.integers(start + 1, len(content)))
        code_start = draw(st.integers(0, len(content)))
        code = [Span(code_start, draw(st.integers(code_start, len(content))))]
        passages.append(make_passage(content, start, end, content_id=number, code=code))
    return contents, make_retrieval(*passages, coverage=draw(st.sampled_from([0.0, 1.0])))


@settings(deadline=None, max_examples=150)
@given(retrievals(), QUESTIONS.map(" ".join))
def test_whatever_is_asked_and_found_every_claim_is_a_span_of_its_source(
    found: tuple[dict[int, str], Retrieval], question: str
) -> None:
    contents, retrieval = found
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("generator.ranking.evidence_models", handmade_evidence)
        given_answer = Extractive().answer(question, retrieval, rank(question, retrieval, HashEmbedder()))
    if given_answer.status is Status.ABSTAINED:
        assert given_answer.reason is not None
        assert (given_answer.claims, given_answer.citations, given_answer.confidence) == ((), (), None)
        return
    assert given_answer.status in (Status.ANSWERED, Status.PARTIAL)
    assert given_answer.confidence is not None
    assert 0.15 <= given_answer.confidence <= 1.0
    assert (given_answer.status is Status.ANSWERED) == (given_answer.confidence >= 0.5)
    assert 1 <= len(given_answer.claims) <= 3
    assert [citation.n for citation in given_answer.citations] == list(range(1, len(given_answer.citations) + 1))
    for claim, citation in zip(given_answer.claims, given_answer.citations, strict=True):
        content = contents[citation.passage.source.content_id]
        assert claim.text == citation.quote == content[citation.start : citation.end]
        assert claim.citations == (citation.n,)
        assert citation.passage.start <= citation.start < citation.end <= citation.passage.end
        (code,) = citation.passage.source.layout.code
        assert citation.end <= code.start or code.end <= citation.start or code.start == code.end
