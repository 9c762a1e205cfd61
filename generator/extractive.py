"""The offline answerer: the best one to three sentences of the sources, word for word, or none.

Needs no language model. It cannot invent: what it shows is a span of a stored text.
"""

import time
from dataclasses import dataclass, field

import numpy as np

from generator.answer import Answer, Citation, Claim, Reason, Status, abstain
from generator.evidence import Sentence
from generator.ranking import Ranked
from indexer.analysis import is_meaningful
from retriever.search import Retrieval


@dataclass(frozen=True, slots=True)
class ExtractiveSettings:
    """From `min_confidence` on the answer counts as answered; down to `min_shown` it is shown as partial.

    Confidence is the probability that the best sentence answers. Both are measured in docs/decisions.md. Beside the
    best sentence come, while there is room: those nearly as good (`min_further`, and `further_share` of its
    probability); below `sure_confidence` the best one of another document; one next to it (`near_share`).
    """

    min_confidence: float = 0.5
    min_shown: float = 0.15
    sure_confidence: float = 0.8
    min_further: float = 0.3
    further_share: float = 0.7
    near_share: float = 0.25
    max_sentences: int = 3


@dataclass(frozen=True, slots=True)
class Extractive:
    """Answers a question from what was retrieved for it."""

    settings: ExtractiveSettings = field(default_factory=ExtractiveSettings)

    @property
    def name(self) -> str:
        """For the record of the answer."""
        return "extractive"

    def answer(self, question: str, retrieval: Retrieval, ranked: Ranked) -> Answer:
        """A verbatim answer, or an abstention with its reason and the nearest passages."""
        started = time.perf_counter()
        if not is_meaningful(question):
            return abstain(question, Reason.QUESTION_NOT_UNDERSTOOD, (), retrieval.timings_ms)
        if not ranked.sentences:
            return abstain(question, Reason.NOTHING_FOUND, retrieval.passages, retrieval.timings_ms)
        if ranked.confidence < self.settings.min_shown:
            reason = Reason.FOUND_BUT_NOT_SUPPORTING if ranked.related else Reason.NOTHING_FOUND
            return abstain(question, reason, retrieval.passages, retrieval.timings_ms)
        chosen = _in_reading_order([ranked.sentences[i] for i in self._choose(ranked)])
        citations = tuple(Citation(n, s.passage, s.start, s.end, s.text) for n, s in enumerate(chosen, start=1))
        claims = tuple(Claim(c.quote, 1.0, (c.n,), "verbatim") for c in citations)
        timings = {**retrieval.timings_ms, "answer": (time.perf_counter() - started) * 1000}
        return Answer(
            Status.ANSWERED if ranked.confidence >= self.settings.min_confidence else Status.PARTIAL,
            None,
            question,
            claims,
            citations,
            retrieval.passages,
            None,
            round(ranked.confidence, 3),
            timings,
        )

    def _choose(self, ranked: Ranked) -> list[int]:
        """Indexes of the sentences to show, the best first."""
        order = [int(i) for i in np.argsort(-ranked.logits, kind="stable")]
        best = order[0]
        chosen = [best]
        if ranked.sentences[best].text.rstrip().endswith((":", "：")):  # it announces what follows
            chosen += [i for i in (best + 1, best + 2) if _same_passage(ranked, best, i)]
        floor = max(self.settings.min_further, self.settings.further_share * ranked.probabilities[best])
        chosen += [i for i in order[1 : self.settings.max_sentences] if ranked.probabilities[i] >= floor]
        near = self.settings.near_share * ranked.probabilities[best]
        uncertain = ranked.confidence < self.settings.sure_confidence
        document = ranked.sentences[best].passage.source.content_id
        elsewhere = [i for i in order if ranked.sentences[i].passage.source.content_id != document][:1]
        chosen += [i for i in elsewhere if uncertain or ranked.probabilities[i] >= near]
        beside = [i for i in (best - 1, best + 1) if _same_passage(ranked, best, i) and ranked.probabilities[i] >= near]
        chosen += sorted(beside, key=lambda i: -ranked.logits[i])[:1]
        return list(dict.fromkeys(chosen))[: self.settings.max_sentences]


def _same_passage(ranked: Ranked, a: int, b: int) -> bool:
    """Whether the sentence b exists and stands in the passage of a."""
    sentences = ranked.sentences
    return 0 <= b < len(sentences) and sentences[a].passage.chunk_id == sentences[b].passage.chunk_id


def _in_reading_order(chosen: list[Sentence]) -> list[Sentence]:
    """The best sentence's passage first; inside a passage as written."""
    first = {s.passage.chunk_id: n for n, s in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda s: (first[s.passage.chunk_id], s.start))
