"""Questions that ask several things at once: cut into their parts by rule, and the parts' answers put together."""

import re
from collections.abc import Sequence
from dataclasses import replace

from generator.answer import Answer, Citation, Claim, Status, cite, total_timings
from indexer.analysis import question_terms

MAX_PARTS = 3
_ASKS = (
    "how|what|who|whom|whose|when|where|why|which|is|are|was|were|do|does|did|can|could|may|must|should|will|would|"
    "has|have"
)
_CUT = re.compile(
    rf"(?<=[?？])\s+(?=\S)|(?<=[?？])(?=[^\s)\]」』\"'])|(?:,|;)?\s+and\s+(?=(?:{_ASKS})\b)|(?<=か)[。、]\s*(?:また、?)?",
    re.IGNORECASE,
)
_QUESTION_EN = re.compile(
    rf"^(?:and\s+|also,?\s+|(?:in|at|on|by|for|from|to|with|until|since)\s+)?(?:{_ASKS})\b", re.IGNORECASE
)
_QUESTION_JA = re.compile(r"か[。？?]?$|[？?]$")


def split_parts(question: str) -> list[str]:
    """The questions within a question, at most MAX_PARTS, in order; the question itself if it is one.

    Cut only where each part asks by itself: "sick and annual leave" stays whole. A later part keeps its pronouns, so
    the caller puts the first one in front of it where it refers back.
    """
    parts = [part.strip() for part in _CUT.split(question) if part.strip()]
    if not 1 < len(parts) <= MAX_PARTS or not all(_asks(part) and question_terms(part) for part in parts):
        return [question]
    return parts


def join_answers(question: str, parts: Sequence[tuple[str, Answer]]) -> Answer:
    """One answer out of those of its parts: what has a source is answered, the other parts are named."""
    shown = [(part, answer) for part, answer in parts if answer.claims]
    unanswered = tuple(part for part, answer in parts if not answer.claims)
    if not shown:
        return replace(parts[0][1], question=question, unanswered=unanswered)
    citations: list[Citation] = []
    claims: list[Claim] = []
    for _, answer in shown:
        numbers = {c.n: cite(citations, c.passage, c.start, c.end, c.quote).n for c in answer.citations}
        claims += [replace(claim, citations=tuple(numbers[n] for n in claim.citations)) for claim in answer.claims]
    whole = not unanswered and all(answer.status == Status.ANSWERED for _, answer in shown)
    confidences = [answer.confidence for _, answer in shown if answer.confidence is not None]
    passages = {passage.chunk_id: passage for _, answer in parts for passage in answer.passages}
    return replace(
        shown[0][1],
        status=Status.ANSWERED if whole else Status.PARTIAL,
        question=question,
        claims=tuple(dict.fromkeys(claims)),
        citations=tuple(citations),
        passages=tuple(passages.values()),
        confidence=min(confidences, default=None),
        timings_ms=total_timings(answer.timings_ms for _, answer in parts),
        unanswered=unanswered,
    )


def _asks(part: str) -> bool:
    return bool(_QUESTION_EN.match(part) or _QUESTION_JA.search(part))
