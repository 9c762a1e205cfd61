"""Finds the sentences of a text, as spans. English and Japanese rules come from Wikimedia's sentencex.

A newline always ends a sentence: the readers write one block a line.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from sentencex import get_sentence_boundaries

from indexer.analysis import UNSPACED
from indexer.document import Span

_UNSPACED_CHAR = re.compile(f"[{UNSPACED}]")
# sentencex ends a sentence at a closing bracket; in 「行こう。」と言った the quotation goes on with a particle.
_OPENING = "「『（【〈《"
_CLOSING = "」』）】〉》"
_STOP_BEFORE_DIGIT = re.compile(r"[。！？](?=\d)")
_CONTINUES = re.compile(r"[ \u3000]*(?:と|って|という|を|が|は|に|の|も|で|や|へ|から|まで|など|、|，|・|」|』|）)")


def is_unspaced(text: str) -> bool:
    """Whether a text is mostly written without spaces between words (Japanese, Chinese, Thai, …)."""
    letters = sum(c.isalpha() for c in text)
    return letters > 0 and len(_UNSPACED_CHAR.findall(text)) > 0.3 * letters


def split_sentences(text: str) -> list[Span]:
    """Spans of the sentences in order, without the white space around them; together they cover all other text."""
    return list(_cached_spans(text))


@lru_cache(maxsize=1024)
def _cached_spans(text: str) -> tuple[Span, ...]:
    """Cached, because the same passages are found again and again; it takes 25 us a sentence."""
    spans: list[Span] = []
    offset = 0
    for line in text.split("\n"):
        spans.extend(Span(offset + s.start, offset + s.end) for s in _split_line(line))
        offset += len(line) + 1
    return tuple(spans)


def _split_line(line: str) -> Iterator[Span]:
    if not line.strip():
        return
    start = 0
    for end in _ends(line):
        if line[:end].rstrip()[-1:] in _CLOSING and _CONTINUES.match(line[end:]):
            continue
        sentence = line[start:end]
        stripped = sentence.strip()
        if stripped:
            at = start + sentence.index(stripped)
            yield Span(at, at + len(stripped))
        start = end


def _ends(line: str) -> list[int]:
    """Where sentences may end. sentencex does not end one before a digit (3.5), not even at a full-width stop."""
    if not is_unspaced(line):
        return [boundary["end_index"] for boundary in get_sentence_boundaries("en", line)]
    ends = {boundary["end_index"] for boundary in get_sentence_boundaries("ja", line)}
    ends.update(match.end() for match in _STOP_BEFORE_DIGIT.finditer(line))
    quoted = list(_bracketed(line))
    return sorted(end for end in ends if not any(span.start < end < span.end for span in quoted))


def _bracketed(line: str) -> Iterator[Span]:
    """Spans of the outermost and inner brackets that are closed again."""
    opened: list[tuple[int, str]] = []
    for i, char in enumerate(line):
        if char in _OPENING:
            opened.append((i, _CLOSING[_OPENING.index(char)]))
        elif any(closing == char for _, closing in opened):
            while opened:
                start, closing = opened.pop()
                if closing == char:
                    yield Span(start, i + 1)
                    break
