"""The types of an answer. A claim is one sentence; nothing is shown that is not in a claim with citations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from generator.sentences import is_unspaced
from retriever.passages import Passage


class Status(StrEnum):
    """How an answer ended."""

    ANSWERED = "answered"
    PARTIAL = "partial"
    ABSTAINED = "abstained"


class Reason(StrEnum):
    """Why there is no answer."""

    NOTHING_FOUND = "nothing_found"
    FOUND_BUT_NOT_SUPPORTING = "found_but_not_supporting"
    SOURCES_CONFLICT = "sources_conflict"
    QUESTION_NOT_UNDERSTOOD = "question_not_understood"


@dataclass(frozen=True, slots=True)
class Citation:
    """`quote` is the extracted text of the content at [start, end), letter for letter; `n` counts from 1."""

    n: int
    passage: Passage
    start: int
    end: int
    quote: str

    @property
    def page(self) -> int | None:
        """Page on which the quote starts, for paged formats."""
        return self.passage.source.layout.page_at(self.start)


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of an answer. `support` in [0, 1]: how strongly its citations support it, as `checked` has found."""

    text: str
    support: float
    citations: tuple[int, ...]
    checked: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the user is shown. `confidence` is a calibrated probability that the answer is right, or absent.

    `unanswered` are the parts of the question without a source, `calculations` (expression, result, citations),
    `dropped` counts sentences that were withheld, `notice` says what the user should know about how it was made, and
    `trace` is for the record alone.
    """

    status: Status
    reason: Reason | None
    question: str
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]
    passages: tuple[Passage, ...]
    short_answer: str | None
    confidence: float | None
    timings_ms: Mapping[str, float]
    rewritten_question: str | None = None
    unanswered: tuple[str, ...] = ()
    calculations: tuple[tuple[str, str, tuple[int, ...]], ...] = ()
    dropped: int = 0
    notice: str | None = None
    trace: "Trace | None" = None

    @property
    def text(self) -> str:
        """The claims with their [n] markers. Sentences of scripts without spaces follow each other directly."""
        parts: list[str] = []
        for claim in self.claims:
            space = "" if is_unspaced(claim.text) else " "
            markers = "".join(f"[{n}]" for n in claim.citations)
            parts.append(f"{claim.text}{space}{markers}{space}")
        return "".join(parts).rstrip()


@dataclass(frozen=True, slots=True)
class Shown:
    """A claim that may be shown now, with the citations it names: what is streamed."""

    claim: Claim
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class TracedClaim:
    """A sentence as the model drafted it, what the gate did with it, what was shown, and every check (what, passed)."""

    draft: str
    action: str
    shown: str | None
    checks: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """How an answer was made, enough to make it again. `evidence` are (content, start, end) by id."""

    model: str
    prompt_sha256: str
    marker: str
    verifier: str
    sampling: Mapping[str, float]
    evidence: tuple[tuple[int, int, int], ...]
    draft: str
    claims: tuple[TracedClaim, ...]

    def as_dict(self) -> dict[str, object]:
        """For the record. Shallow: dataclasses.asdict copies every number of it, which took a tenth of an answer."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**own, "claims": [{f.name: getattr(claim, f.name) for f in fields(claim)} for claim in self.claims]}


def abstain(question: str, reason: Reason, passages: tuple[Passage, ...], timings_ms: Mapping[str, float]) -> Answer:
    """An answer that says only that there is none, and shows the nearest passages."""
    return Answer(Status.ABSTAINED, reason, question, (), (), passages, None, None, timings_ms)


def cite(citations: list[Citation], passage: Passage, start: int, end: int, quote: str) -> Citation:
    """The citation of these words among `citations`; a new one is appended. The same words have one number."""
    content_id = passage.source.content_id
    for known in citations:
        if (known.passage.source.content_id, known.start, known.end) == (content_id, start, end):
            return known
    citations.append(Citation(len(citations) + 1, passage, start, end, quote))
    return citations[-1]


def total_timings(each: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Milliseconds by name, added up."""
    total: dict[str, float] = {}
    for timings in each:
        for name, value in timings.items():
            total[name] = total.get(name, 0.0) + value
    return total
