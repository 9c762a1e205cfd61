"""What counts as a question. Pure checks on text."""

import unicodedata

from generator.errors import InvalidQuestion

MAX_CHARS = 4000


def check_question(text: str) -> str:
    """The question without surrounding white space. Raises InvalidQuestion for anything that cannot be asked."""
    if len(text) > MAX_CHARS:
        raise InvalidQuestion(f"The question has {len(text):,} characters; the limit is {MAX_CHARS:,}. Shorten it.")
    for char in text:
        category = unicodedata.category(char)
        if category == "Cs":
            raise InvalidQuestion("The question holds a lone surrogate (broken UTF-16). Send valid Unicode text.")
        if category == "Cc" and char not in "\n\r\t":
            raise InvalidQuestion(f"The question holds the control character U+{ord(char):04X}. Remove it.")
    question = text.strip()
    if not question:
        raise InvalidQuestion("The question is empty. Write what you want to know.")
    if not any(char.isalnum() for char in question):
        raise InvalidQuestion("The question holds no word or number, only punctuation. Write what you want to know.")
    return question
