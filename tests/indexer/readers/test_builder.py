"""Cleaning text and joining lines, and what the builder remembers of them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.readers.builder import TextBuilder, clean_text, join_lines

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
# What tends to meet at line breaks.
LINES = st.text(st.sampled_from(" \t\n\r\u00a0\u3000ab-.,12あいう、。「」ー한é\u200d\u00ad\U00020000"))


@given(ANY_TEXT)
def test_clean_text_holds_nothing_invisible(text: str) -> None:
    for char in clean_text(text):
        assert char in "\n\t\u200c\u200d" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")


@given(ANY_TEXT)
def test_clean_text_can_be_stored(text: str) -> None:
    assert "\0" not in clean_text(text)
    assert clean_text(text).encode("utf-8").decode("utf-8") == clean_text(text)


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


@given(ANY_TEXT)
def test_clean_text_keeps_every_letter(text: str) -> None:
    assert [c for c in clean_text(text) if c.isalnum()] == [c for c in text if c.isalnum()]


def test_line_ends_of_all_systems_become_newlines() -> None:
    assert clean_text("a\r\nb\rc\nd") == "a\nb\nc\nd"


def test_text_that_hides_its_direction_or_itself_is_uncovered() -> None:
    assert clean_text("pay \u202e001\u202c \u200bnow\U000e0041") == "pay 001 now"


def test_joiners_that_letters_need_stay() -> None:
    assert clean_text("👨\u200d👩 क्\u200dष") == "👨\u200d👩 क्\u200dष"


@pytest.mark.parametrize("separator", ["\f", "\v", "\x85", "\u2028", "\u2029"])
def test_control_characters_that_part_words_still_part_them(separator: str) -> None:
    """A form feed between two pages is white space; dropping it would glue the last word to the first."""
    assert join_lines(clean_text(f"one{separator}two")).split() == ["one", "two"]


@given(LINES | ANY_TEXT)
def test_a_joined_block_is_one_line_with_single_spaces(text: str) -> None:
    line = join_lines(clean_text(text))
    assert "\n" not in line
    assert "\t" not in line
    assert "  " not in line
    assert line == line.strip()


@given(LINES)
def test_joining_twice_changes_nothing(text: str) -> None:
    assert join_lines(join_lines(text)) == join_lines(text)


@given(LINES | ANY_TEXT)
def test_joining_changes_white_space_only(text: str) -> None:
    assert "".join(join_lines(text).split()) == "".join(text.split())


def test_a_break_between_words_is_a_space() -> None:
    assert join_lines("one\n  two \n three") == "one two three"


@pytest.mark.parametrize(
    ("broken", "joined"),
    [
        ("在宅\n勤務", "在宅勤務"),
        ("です。\n次に", "です。次に"),
        ("データ\n　ベース", "データ　ベース"),
        ("規程 \n 第1条", "規程第1条"),
        ("第1条\nLeave", "第1条 Leave"),
        ("Leave\n第1条", "Leave 第1条"),
        ("한국어\n문장", "한국어 문장"),
    ],
)
def test_a_break_between_characters_of_a_script_without_spaces_is_nothing(broken: str, joined: str) -> None:
    assert join_lines(broken) == joined


@given(st.lists(st.tuples(st.sampled_from(["heading", "block", "tight", "code", "table"]), ANY_TEXT | LINES)))
def test_headings_and_code_lie_where_the_builder_says(blocks: list[tuple[str, str]]) -> None:
    builder = TextBuilder()
    for kind, text in blocks:
        match kind:
            case "heading":
                builder.heading(2, text)
            case "code":
                builder.code(text)
            case "table":
                builder.table([text], [[text, text], [text]])
            case _:
                builder.block(text, tight=kind == "tight")
    document = builder.build(title=None, media_type="text/plain")
    assert [document.text[h.start : h.end] for h in document.headings] == [h.title for h in document.headings]
    code = [document.text[span.start : span.end] for span in document.layout.code]
    assert code == [body for kind, text in blocks if kind == "code" and (body := clean_text(text).rstrip().strip("\n"))]
    assert builder.is_empty == (document.text == "")


def test_a_table_row_can_be_understood_alone() -> None:
    builder = TextBuilder()
    builder.table(["City", "", "Limit"], [["London", "x", "165"], ["", "", ""], ["Leeds", "", "90", "extra"]])
    assert builder.build(title=None, media_type="").text == (
        "City: London | x | Limit: 165\nCity: Leeds | Limit: 90 | extra"
    )


def test_the_first_heading_is_the_title_of_a_document_without_one() -> None:
    builder = TextBuilder()
    builder.block("Before")
    builder.heading(2, "First")
    builder.heading(1, "Second")
    assert builder.build(title="", media_type="").title == "First"
    assert builder.build(title=" Its \n own ", media_type="").title == "Its own"
