"""Finds the sentences of a text, as spans. English and Japanese rules come from Wikimedia's sentencex.

A newline always ends a sentence: the readers write one block a line.
"""

import re
from collections.abc import Iterator

from sentencex import get_sentence_boundaries

from indexer.analysis import UNSPACED
from indexer.document import Span

_UNSPACED_CHAR = re.compile(f"[{UNSPACED}]")
# sentencex ends a sentence at a closing bracket; in 「行こう。」と言った the quotation goes on with a particle.
_CLOSING = "」』）】〉》"
_CONTINUES = re.compile(r"[ \u3000]*(?:と|って|という|を|が|は|に|の|も|で|や|へ|から|まで|など|、|，|・|」|』|）)")


def is_unspaced(text: str) -> bool:
    """Whether a text is mostly written without spaces between words (Japanese, Chinese, Thai, …)."""
    letters = sum(c.isalpha() for c in text)
    return letters > 0 and len(_UNSPACED_CHAR.findall(text)) > 0.3 * letters


def split_sentences(text: str) -> list[Span]:
    """Spans of the sentences in order, without the white space around them; together they cover all other text."""
    spans: list[Span] = []
    offset = 0
    for line in text.split("\n"):
        spans.extend(Span(offset + s.start, offset + s.end) for s in _split_line(line))
        offset += len(line) + 1
    return spans


def _split_line(line: str) -> Iterator[Span]:
    if not line.strip():
        return
    language = "ja" if is_unspaced(line) else "en"
    start = 0
    boundaries = get_sentence_boundaries(language, line)
    for i, boundary in enumerate(boundaries):
        end = boundary["end_index"]
        following = line[end:]
        if i + 1 < len(boundaries) and line[:end].rstrip()[-1:] in _CLOSING and _CONTINUES.match(following):
            continue
        sentence = line[start:end]
        stripped = sentence.strip()
        if stripped:
            at = start + sentence.index(stripped)
            yield Span(at, at + len(stripped))
        start = end
