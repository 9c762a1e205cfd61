"""Terms: what the lexical index holds of a text, and what it keeps of a question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.analysis import is_meaningful, question_terms, terms


def test_japanese_becomes_overlapping_character_pairs() -> None:
    assert terms("在宅勤務") == ["在宅", "宅勤", "勤務"]


def test_a_single_character_is_a_term_of_its_own() -> None:
    assert terms("税 5%") == ["税", "5"]


def test_mixed_scripts_are_cut_where_the_script_changes() -> None:
    assert terms("Curlew G40の保守") == ["curlew", "g40", "の保", "保守"]


@pytest.mark.parametrize("text", ["วันลา", "ລາວ", "ខ្មែរ"])
def test_other_scripts_without_spaces_become_pairs_too(text: str) -> None:
    assert all(len(term) <= 2 for term in terms(text))
    assert terms(text)


def test_words_are_case_folded_and_stemmed() -> None:
    assert terms("Running RUNS run") == ["run", "run", "run"]
    assert terms("STRASSE") == terms("straße")


def test_camel_case_gives_the_word_and_its_parts() -> None:
    assert terms("useState")[1:] == terms("use state")
    assert terms("useState")[0] == terms("usestate")[0]


def test_words_in_one_case_are_not_cut() -> None:
    assert len(terms("HTTP")) == len(terms("http")) == 1


def test_snake_case_is_cut_at_underscores() -> None:
    assert terms("max_file_mb") == terms("max file mb")


@pytest.mark.parametrize(
    ("written", "plain"),
    [("Ｇ４０", "G40"), ("ｶﾀｶﾅ", "カタカナ"), ("㍿", "株式会社"), ("ﬁle", "file"), ("①", "1")],
)
def test_compatibility_forms_mean_the_same(written: str, plain: str) -> None:
    assert terms(written) == terms(plain)


def test_documents_keep_function_words_and_questions_drop_them() -> None:
    assert "the" in terms("the limit")
    assert question_terms("What is the limit?") == ["limit"]


def test_a_question_of_function_words_alone_keeps_them_all() -> None:
    assert question_terms("Who is it?") == terms("Who is it?") != []
    assert not is_meaningful("Who is it?")


@pytest.mark.parametrize("text", ["", "?!", "  \n", "…", "\ud800"])
def test_a_text_without_letters_has_no_terms(text: str) -> None:
    assert terms(text) == question_terms(text) == []
    assert not is_meaningful(text)


@given(st.text())
def test_no_term_can_be_split_or_lost_by_the_index(text: str) -> None:
    """The index splits the terms of a chunk at white space; what it holds must be what a question asks for."""
    found = terms(text)
    assert " ".join(found).split() == found
    assert all(term.encode() for term in found)


@given(st.text(), st.text())
def test_terms_of_a_text_do_not_depend_on_its_neighbours(before: str, after: str) -> None:
    assert terms(f"{before}\n{after}") == terms(before) + terms(after)


def test_a_word_of_absurd_length_is_cut() -> None:
    assert max(map(len, terms("x" * 100_000))) <= 64
