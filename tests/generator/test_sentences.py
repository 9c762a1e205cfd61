"""Sentences are spans of the text: nothing is lost, nothing is invented, abbreviations and quotations stay whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.sentences import is_unspaced, split_sentences


def sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith met Mr. Jones on Monday.",
        "Bring a tool, e.g. a hammer, to the site.",
        "Short breaks, i.e. ten minutes, are paid.",
        "The U.S. government pays for it.",
        "See No. 5 of the list for details.",
        "Version v1.2.3 is out.",
        "The limit is £165.50 a night.",
        "Fig. 3 shows the mast.",
        "Larkbeck Ltd. is in Leeds.",
    ],
)
def test_an_abbreviation_or_number_does_not_end_a_sentence(text: str) -> None:
    assert sentences(text) == [text]
    assert sentences(f"{text} They left.") == [text, "They left."]


def test_english_sentences_end_at_full_stop_question_and_exclamation_mark() -> None:
    assert sentences("It rains. Does it? Yes!  So be it.") == ["It rains.", "Does it?", "Yes!", "So be it."]


def test_japanese_sentences_end_without_a_space_between_them() -> None:
    text = "在宅勤務は週に3日までとする。申請は前日までに行う。本当？はい！"
    assert sentences(text) == ["在宅勤務は週に3日までとする。", "申請は前日までに行う。", "本当？", "はい！"]


@pytest.mark.parametrize(
    "text",
    [
        "「行こう。」と言った。",
        "彼は「行こう。帰ろう。」と言った。",
        "『規程。』は総務部が管理する。",
        "【注意。】と書かれた箱を使う。",
        "〈必須。〉とある欄に記入する。",
        "（例外もある。）とされている。",
        "これは「本当？」という意味です。",
    ],
)
def test_a_japanese_quotation_stays_inside_its_sentence(text: str) -> None:
    assert sentences(text) == [text]
    assert sentences(f"{text}次の文。") == [text, "次の文。"]


def test_a_quotation_that_is_a_sentence_of_its_own_ends_where_it_closes() -> None:
    assert sentences("「そうです。」彼は答えた。") == ["「そうです。」", "彼は答えた。"]


def test_a_newline_always_ends_a_sentence() -> None:
    assert sentences("No full stop here\nnor here\n\n在宅勤務\n規程") == [
        "No full stop here",
        "nor here",
        "在宅勤務",
        "規程",
    ]


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u3000\t \n"])
def test_nothing_but_white_space_has_no_sentence(text: str) -> None:
    assert split_sentences(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("在宅勤務規程", True),
        ("TENKYOの設定を変更する。", True),
        ("ประเทศไทย", True),
        ("Only English words", False),
        ("The word 典拠 means a source", False),
        ("12345", False),
        ("", False),
    ],
)
def test_scripts_without_spaces_are_told_from_the_others(text: str, expected: bool) -> None:
    assert is_unspaced(text) is expected


FRAGMENTS = st.sampled_from(
    "Dr. |e.g. |U.S. |No. 5|v1.2.3|a|A b|. |? |! |\n|\n\n| |\u3000|\u2028|\r|'|\"|é|\u0301|👩\u200d💻|\U00020bb7".split(
        "|"
    )
)
JAPANESE = st.sampled_from("行|\U00020bb7|「|」|。|！|？|と言った|『|』|（|）|、".split("|"))
TEXTS = st.lists(FRAGMENTS | JAPANESE | st.characters(exclude_categories=["Cs"]), max_size=40).map("".join)


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_sentences_are_ordered_spans_that_cover_all_but_white_space(text: str) -> None:
    spans = split_sentences(text)
    covered_until = 0
    for span in spans:
        assert covered_until <= span.start < span.end <= len(text)
        assert not text[covered_until : span.start].strip(), "text between two sentences was lost"
        sentence = text[span.start : span.end]
        assert "\n" not in sentence
        assert sentence == sentence.strip()
        covered_until = span.end
    assert not text[covered_until:].strip(), "text after the last sentence was lost"
