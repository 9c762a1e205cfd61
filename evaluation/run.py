"""Asks every question of a set and compares what is shown with what is known. Changes only the answer records."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from app.schemas import AnswerModel
from app.service import Service
from evaluation.questions import Question


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question. `right_document` and `right_sentence` look at the citations, the passages at all."""

    id: str
    question: str
    answerable: bool
    status: str
    retrieved: bool
    right_document: bool
    right_sentence: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """Shares, None where there is no such question.

    Of the answerable questions: `answered`, `partial` (shown in doubt), and what the citations hold. Of the others:
    `refused` (nothing shown) and `doubted` (refused or only shown in doubt).
    """

    answerable: int
    unanswerable: int
    retrieved: float | None
    answered: float | None
    partial: float | None
    right_document: float | None
    right_sentence: float | None
    refused: float | None
    doubted: float | None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def evaluate(
    service: Service, collection: str | None, questions: Sequence[Question], progress: Callable[[], None]
) -> list[Outcome]:
    """Outcomes in the order of the questions."""
    outcomes = []
    for question in questions:
        outcomes.append(_outcome(question, service.ask(question.text, collection)))
        progress()
    return outcomes


def summarize(outcomes: Sequence[Outcome]) -> Summary:
    """The shares."""
    answerable = [o for o in outcomes if o.answerable]
    others = [o for o in outcomes if not o.answerable]
    return Summary(
        len(answerable),
        len(others),
        _share([o.retrieved for o in answerable]),
        _share([o.status == "answered" for o in answerable]),
        _share([o.status == "partial" for o in answerable]),
        _share([o.right_document for o in answerable]),
        _share([o.right_sentence for o in answerable]),
        _share([o.status == "abstained" for o in others]),
        _share([o.status != "answered" for o in others]),
    )


def _outcome(question: Question, answer: AnswerModel) -> Outcome:
    wanted = question.document or ""
    cited = [c for c in answer.citations if _same_document(c.path, wanted)]
    return Outcome(
        id=question.id,
        question=question.text,
        answerable=question.document is not None,
        status=answer.status,
        retrieved=any(_same_document(p.path, wanted) for p in answer.passages),
        right_document=bool(cited),
        right_sentence=any(_same_words(c.quote, question.evidence or "") for c in cited),
    )


def _same_document(path: str, wanted: str) -> bool:
    """Whether a cited path is the wanted one, which may have been indexed from a folder further in."""
    return bool(wanted) and (path == wanted or wanted.endswith(f"/{path}"))


def _same_words(quote: str, evidence: str) -> bool:
    """Whether one holds the other, white space aside (PDF lines wrap)."""
    a, b = "".join(quote.split()), "".join(evidence.split())
    return bool(a and b) and (a in b or b in a)


def _share(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
