"""The sentences of the retrieved passages, and how each of them relates to the question.

Turns text into features; what the features are worth is learnt (generator/scoring.py). Used alike by the answerer and
by training/, so that both see the same numbers.
"""

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generator.sentences import is_unspaced, split_sentences
from indexer.analysis import question_terms, terms
from indexer.embedder import Vectors
from retriever.passages import Passage
from retriever.search import Retrieval

Features = npt.NDArray[np.float64]
EmbedSentences = Callable[[Sequence[str]], Vectors]

_MAX_EMBEDDED = 16
_MAX_SENTENCE_CHARS = 700

_NUMBER = re.compile(r"\d|[一二三四五六七八九十百千万]+(?:日|人|回|円|年|月|時|分|個|台|件|割|度|歳|社|枚)")
_NUMBER_WORD = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand|"
    r"million|billion|half|double|twice|once|daily|weekly|monthly|yearly|annual(?:ly)?|every)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:1[0-9]|20)\d\d\b|\d{1,2}:\d\d|\d\s*(?:am|pm)\b|\d{1,2}月|\d{1,2}日|\d{1,2}時|\d+年|世紀|"
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b|"
    r"\b(?:days?|weeks?|months?|years?|century|before|after|within|by)\b|[月火水木金土日]曜|以内|まで|前|後",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"\b[A-Z][a-z]+ [A-Z][a-z]+|\b(?:team|manager|officer|lead|director|head|people|staff)\b|[氏者部課長]|さん|担当"
)
_PLACE = re.compile(
    r"\b(?:in|at|on|from|to|near) (?:the )?[A-Z]|[都道府県市区町村室階館州国]|にある|\b(?:room|floor|page|folder)\b"
)
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|in order to|therefore|to avoid|to ensure)\b|ため|ので|から|理由|よって"
)
_NAME = re.compile(r"(?<!^)\b[A-Z][a-z]+|[ァ-ヶー]{2,}|\"[^\"]+\"|「[^」]+」")

_DURATION = re.compile(
    r"\b(?:\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|half an?)[- ](?:\w+ )?"
    r"(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?|nights?)\b|\d\s*(?:秒|分|時間|日|週間|か月|カ月|ヶ月|年)|即日|直ちに",
    re.IGNORECASE,
)
_FREQUENCY = re.compile(
    r"\b(?:every|each|once|twice|times|daily|weekly|monthly|quarterly|yearly|annual(?:ly)?|"
    r"per (?:day|week|month|year))\b|"
    r"\d\s*回|毎[年月週日朝]|ごと",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"[£$€¥￥]\s?\d|\d\s*(?:円|pounds?|dollars?|euros?|yen|pence|cents?)\b|\d円|無料|\bfree of charge\b", re.IGNORECASE
)
_PERCENT = re.compile(r"\d\s*(?:%|％|percent|per cent|パーセント|割)", re.IGNORECASE)

# What a question asks for, and what an answer to it holds. The first kind that fits counts.
_QUESTION_KINDS: tuple[tuple[re.Pattern[str], tuple[re.Pattern[str], ...]], ...] = (
    (re.compile(r"\bpercent(?:age)?\b|\bper cent\b|何(?:パーセント|％|%|割)", re.IGNORECASE), (_PERCENT,)),
    (re.compile(r"\bhow often\b|\bhow frequently\b|何回|頻度", re.IGNORECASE), (_FREQUENCY,)),
    (
        re.compile(
            r"\bhow (?:long|soon|quickly|fast|late|early)\b"
            r"|何(?:日|時間|年間|か月|カ月|ヶ月|週間|分|秒)|どのくらいの期間",
            re.IGNORECASE,
        ),
        (_DURATION, _NUMBER, _DATE),
    ),
    (
        re.compile(
            r"\bhow much\b|\bwhat (?:is|are) the (?:price|cost|fee|rate)|\bthe most i can\b|いくら|何円", re.IGNORECASE
        ),
        (_MONEY, _PERCENT),
    ),
    (
        re.compile(
            r"\bhow (?:many|old|far|tall|big|large|high)\b|\b(?:number|amount)\b"
            r"|何|いくつ|どのくらい|どれくらい|どれだけ",
            re.IGNORECASE,
        ),
        (_NUMBER, _NUMBER_WORD),
    ),
    (re.compile(r"\bwhen\b|\bwhat (?:year|date|day|time|month)\b|いつ|期限", re.IGNORECASE), (_DATE, _DURATION)),
    (re.compile(r"\bwho(?:m|se)?\b|誰|だれ|どなた", re.IGNORECASE), (_PERSON,)),
    (re.compile(r"\bwhere\b|どこ", re.IGNORECASE), (_PLACE,)),
    (re.compile(r"\bwhy\b|なぜ|どうして|理由", re.IGNORECASE), (_REASON,)),
)
# What is counted: 何インチ wants a number before インチ, "how many probes" a number near "probes".
_COUNTED_JA = re.compile(
    r"何([ァ-ヴー]{2,}|か月|カ月|ヶ月|時間|週間|年間|[日人回円年月時分秒個台件割度歳社枚名部階週倍番点本冊通条章号])"
)
_COUNTED_EN = re.compile(r"\bhow many (?:\w+ )?([a-z]{3,})", re.IGNORECASE)
_GRAMMAR = re.compile(r"[\u3041-\u309f]+")
_IDENTIFIER = re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])[\w-]+|\b[A-Z]{2,}\b")

FEATURES = (
    "sentence_coverage",
    "context_coverage",
    "passage_coverage",
    "rarest_missing_in_sentence",
    "rarest_missing_in_passage",
    "longest_run",
    "kind_matches",
    "kind_known",
    "has_new_number",
    "has_new_name",
    "log_length",
    "is_question",
    "passage_rank",
    "passage_score",
    "passage_cosine",
    "sentence_cosine",
    "context_cosine",
    "first_in_passage",
    "neighbour_coverage",
    "cosine_above_mean",
    "unit_matches",
    "identifier_missing",
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage; [start, end) are offsets in the content's text, `previous` the sentence before it."""

    passage: Passage
    rank: int
    start: int
    end: int
    text: str
    previous: str


def sentences_of(passages: Sequence[Passage]) -> list[Sentence]:
    """Sentences of prose, in the order of the passages; code, headings and repetitions are left out."""
    found: list[Sentence] = []
    seen: set[str] = set()
    for rank, passage in enumerate(passages):
        left_out = (*passage.source.layout.code, *passage.source.layout.headings)
        previous = ""
        for span in split_sentences(passage.text):
            start, end = passage.start + span.start, passage.start + span.end
            text = passage.text[span.start : span.end]
            if any(start < span.end and span.start < end for span in left_out):
                continue
            if text not in seen and len(text) <= _MAX_SENTENCE_CHARS and any(c.isalpha() for c in text):
                found.append(Sentence(passage, rank, start, end, text, previous))
                seen.add(text)
            previous = text
    return found


def features(
    question: str, retrieval: Retrieval, sentences: Sequence[Sentence], query: Vectors | None, embed: EmbedSentences
) -> Features:
    """Shape (len(sentences), len(FEATURES)). Without a query vector (a script the model cannot read) cosines are 0."""
    wanted = _content_terms(question)
    weights = {term: retrieval.rarity.get(term, 1.0) + 0.05 for term in wanted}
    total = sum(weights.values()) or 1.0
    kind = next((answers for asks, answers in _QUESTION_KINDS if asks.search(question)), ())
    counted = _counted(question)
    identifiers = {name.casefold() for name in _IDENTIFIER.findall(question)}
    question_numbers = set(re.findall(r"\d+", question))
    sentence_terms = [frozenset(terms(s.text)) for s in sentences]
    passage_terms: dict[int, frozenset[str]] = {}
    heading_terms: dict[int, frozenset[str]] = {}
    matrix = np.zeros((len(sentences), len(FEATURES)))
    for i, sentence in enumerate(sentences):
        passage = sentence.passage
        key = passage.chunk_id
        if key not in passage_terms:
            above = (passage.source.title or "", *passage.heading_path)
            heading_terms[key] = frozenset(terms("\n".join(above)))
            passage_terms[key] = heading_terms[key].union(terms(passage.text))
        own = sentence_terms[i]
        before = heading_terms[key].union(terms(sentence.previous))
        around = own | before
        matrix[i, :14] = (
            _coverage(own, weights, total),
            _coverage(around, weights, total),
            _coverage(passage_terms[key], weights, total),
            _rarest_missing(own, weights),
            _rarest_missing(passage_terms[key], weights),
            _longest_run(wanted, terms(sentence.text)),
            any(pattern.search(sentence.text) for pattern in kind),
            bool(kind),
            any(number not in question_numbers for number in re.findall(r"\d+", sentence.text)),
            any(name not in question for name in _NAME.findall(sentence.text)),
            math.log(1 + len(sentence.text) * (2.5 if is_unspaced(sentence.text) else 1.0)),
            sentence.text.rstrip("」』)）").endswith(("?", "？")),
            1.0 / (1 + sentence.rank),
            passage.score,
        )
        matrix[i, 14] = passage.dense or 0.0
        matrix[i, 17] = sentence.start == passage.start
        matrix[i, 18] = _coverage(before, weights, total)
        if counted is not None:
            matrix[i, 20] = 1.0 if counted.search(sentence.text) else -1.0
        said = f"{sentence.text} {' '.join(passage.heading_path)}".casefold()
        matrix[i, 21] = any(name not in said for name in identifiers)
    if query is not None and sentences:
        _add_cosines(matrix, sentences, query, embed)
    return matrix


def _content_terms(question: str) -> list[str]:
    """The question's terms without bigrams of hiragana alone, which are mostly grammar; all if there are no others."""
    every = question_terms(question)
    return [term for term in every if not _GRAMMAR.fullmatch(term)] or every


def _counted(question: str) -> re.Pattern[str] | None:
    """A pattern of a number with the unit that the question counts; None if it counts nothing."""
    if match := _COUNTED_JA.search(question):
        return re.compile(rf"[\d一二三四五六七八九十百千万]\s*{re.escape(match[1])}")
    if match := _COUNTED_EN.search(question):
        unit = re.escape(match[1].lower().removesuffix("s"))
        return re.compile(rf"(?:\d|{_NUMBER_WORD.pattern})[^.;]{{0,30}}\b{unit}", re.IGNORECASE)
    return None


def _add_cosines(matrix: Features, sentences: Sequence[Sentence], query: Vectors, embed: EmbedSentences) -> None:
    """Cosines of the most promising sentences, alone and in context; the rest get the lowest of these."""
    promise = matrix[:, 0] + 0.5 * matrix[:, 1] + 0.3 * matrix[:, 12] + 0.3 * matrix[:, 14]
    chosen = np.argsort(-promise, kind="stable")[:_MAX_EMBEDDED]
    contexts = [" > ".join(sentences[i].passage.heading_path[-2:]) or sentences[i].previous for i in chosen]
    alone = [sentences[i].text for i in chosen]
    cosines = embed([*alone, *(f"{context}\n{text}" for context, text in zip(contexts, alone, strict=True))]) @ query
    own, in_context = cosines[: len(chosen)], cosines[len(chosen) :]
    matrix[:, 15], matrix[:, 16] = own.min(), in_context.min()
    matrix[chosen, 15], matrix[chosen, 16] = own, in_context
    matrix[:, 19] = matrix[:, 15] - own.mean()


def _coverage(found: frozenset[str], weights: dict[str, float], total: float) -> float:
    return sum(weight for term, weight in weights.items() if term in found) / total


def _rarest_missing(found: frozenset[str], weights: dict[str, float]) -> float:
    return max((weight for term, weight in weights.items() if term not in found), default=0.0)


def _longest_run(wanted: Sequence[str], own: Sequence[str]) -> float:
    """Longest run of the question's terms that stands in the sentence in the same order, as a share of the question."""
    pairs = set(itertools.pairwise(own))
    best = run = 0
    for pair in itertools.pairwise(wanted):
        run = run + 1 if pair in pairs else 0
        best = max(best, run)
    return best / max(1, len(wanted) - 1)
