"""Turns text into the terms that the lexical index holds. The same function serves documents and questions.

Words are case-folded and stemmed (Snowball English); scripts without spaces between words become character bigrams,
which need no dictionary and find 91 % of Japanese answers first (docs/decisions.md).
"""

import re
import unicodedata
from functools import lru_cache

import Stemmer

# Han, kana, Thai, Lao, Myanmar, Khmer: written without spaces.
UNSPACED = (
    "\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\U00020000-\U0003ffff"
)
_RUNS = re.compile(rf"([{UNSPACED}]+)|([^\W_{UNSPACED}]+)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STEMMER = Stemmer.Stemmer("english")
_LONGEST_WORD = 64
# The sentences of one answer are looked at from many sides, and those of popular documents with every question.
_CACHED_LENGTH = 1500


# Function words that say nothing of what a question is about, as stems. Dropping them lifts BM25's recall@1 on
# questions by up to 6 points (docs/decisions.md). Documents keep them.
_STOP_STEMS = frozenset(
    "a an and ani are as at be but by can could did do doe doesn don each for from had has have he her him his how i "
    "if in into is it let may me might must my no not of off on or our out over she should so some such than that the "
    "their them then there these they this those to under until up us was we were what when where whether which while "
    "who whom whose whi will with would you your am been s t re ve ll m d".split()
)


def question_terms(text: str) -> list[str]:
    """Terms of a question that carry meaning; all of them if none do."""
    every = terms(text)
    return [term for term in every if term not in _STOP_STEMS] or every


def is_meaningful(text: str) -> bool:
    """Whether a question holds a term that says what it is about."""
    return any(term not in _STOP_STEMS and (len(term) > 1 or not term.isascii()) for term in terms(text))


def terms(text: str) -> list[str]:
    """Terms of a text in order, with repetitions. "useState" gives the whole word and its parts."""
    return list(_cached_terms(text) if len(text) <= _CACHED_LENGTH else _terms(text))


def _terms(text: str) -> list[str]:
    out: list[str] = []
    for unspaced, word in _RUNS.findall(unicodedata.normalize("NFKC", text)):
        if unspaced:
            out.extend(unspaced[i : i + 2] for i in range(len(unspaced) - 1)) if len(unspaced) > 1 else out.append(
                unspaced
            )
        else:
            out.extend(_word_terms(word))
    return out


@lru_cache(maxsize=8192)
def _cached_terms(text: str) -> tuple[str, ...]:
    return tuple(_terms(text))


@lru_cache(maxsize=65536)
def _word_terms(word: str) -> tuple[str, ...]:
    parts = _CAMEL.split(word) if not word.islower() and not word.isupper() else [word]
    words = [word, *parts] if 1 < len(parts) <= 8 else [word]
    return tuple(_STEMMER.stemWord(w.casefold()[:_LONGEST_WORD]) for w in words)
