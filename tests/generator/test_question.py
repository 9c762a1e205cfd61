"""What counts as a question, and what each refusal says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import InvalidQuestion
from generator.question import MAX_CHARS, check_question


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u3000\u3000"])
def test_an_empty_question_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuestion, match="empty"):
        check_question(text)


def test_a_question_of_exactly_the_limit_is_accepted() -> None:
    assert check_question("あ" * MAX_CHARS) == "あ" * MAX_CHARS


def test_a_question_above_the_limit_is_refused_with_both_numbers() -> None:
    with pytest.raises(InvalidQuestion, match=r"4,001 characters; the limit is 4,000"):
        check_question("x" * (MAX_CHARS + 1))


def test_the_limit_counts_characters_and_not_bytes() -> None:
    assert len(check_question("𠮷" * MAX_CHARS).encode()) == 4 * MAX_CHARS


@pytest.mark.parametrize("text", ["?", "?!...", "---", "「」。", "？！…", "～・", "\u200b", "()[]{}"])
def test_punctuation_alone_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuestion, match="punctuation"):
        check_question(text)


@pytest.mark.parametrize("text", ["🙂", "🎉🎉 👩‍💻", "❤️"])
def test_emoji_alone_are_refused(text: str) -> None:
    with pytest.raises(InvalidQuestion, match="no word or number"):
        check_question(text)


@pytest.mark.parametrize("char", ["\x00", "\x07", "\x1b", "\x7f", "\x85"])
def test_a_control_character_is_refused_and_named(char: str) -> None:
    with pytest.raises(InvalidQuestion, match=rf"U\+{ord(char):04X}"):
        check_question(f"How{char} many?")


@pytest.mark.parametrize("code", [0xD800, 0xDC00, 0xDFFF])
def test_a_lone_surrogate_is_refused(code: int) -> None:
    with pytest.raises(InvalidQuestion, match="surrogate"):
        check_question(f"How {chr(code)} many?")


def test_newlines_and_tabs_are_kept_inside_a_question() -> None:
    assert check_question("  First line\r\n\tsecond line？ \n") == "First line\r\n\tsecond line？"


@pytest.mark.parametrize("text", ["7", "é", "休暇", "שלום", "🙂 ok", "ما هي؟", "E-3310", "①"])
def test_one_word_or_number_of_any_script_is_enough(text: str) -> None:
    assert check_question(text) == text


@settings(deadline=None)
@given(st.text(st.characters(), max_size=60) | st.text("\x00 \n?？a休\ud800", max_size=12))
def test_what_is_accepted_can_be_stored_and_sent(text: str) -> None:
    try:
        question = check_question(text)
    except InvalidQuestion as error:
        str(error).encode()  # the refusal itself must not carry what cannot be encoded
        return
    assert question == text.strip()
    assert question.encode().decode() == question
    assert "\x00" not in question
    assert any(char.isalnum() for char in question)
