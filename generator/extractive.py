"""The offline answerer: the best one to three sentences of the sources, word for word, or none.

Needs no language model. It cannot invent: what it shows is a span of a stored text.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from generator.answer import Answer, Citation, Claim, Reason, Status, abstain
from generator.evidence import FEATURES, Features, Sentence, features, sentences_of
from generator.scoring import Linear, answer_features, evidence_models
from indexer.analysis import is_meaningful
from indexer.embedder import Embedder
from retriever.search import Retrieval

_CONTEXT_COVERAGE = FEATURES.index("context_coverage")


@dataclass(frozen=True, slots=True)
class ExtractiveSettings:
    """`min_confidence`: below this probability of being right it abstains. Chosen on held-out training questions.

    A further sentence is shown if its probability reaches `min_further` and that share of the best one's.
    """

    min_confidence: float = 0.5
    min_further: float = 0.3
    further_share: float = 0.7
    max_sentences: int = 3
    min_coverage: float = 0.6


@dataclass(frozen=True, slots=True)
class Extractive:
    """Answers a question from what was retrieved for it."""

    embedder: Embedder
    settings: ExtractiveSettings = field(default_factory=ExtractiveSettings)

    def answer(self, question: str, retrieval: Retrieval) -> Answer:
        """A verbatim answer, or an abstention with its reason and the nearest passages."""
        started = time.perf_counter()
        if not is_meaningful(question):
            return abstain(question, Reason.QUESTION_NOT_UNDERSTOOD, (), retrieval.timings_ms)
        sentences = sentences_of(retrieval.passages)
        if not sentences:
            return abstain(question, Reason.NOTHING_FOUND, retrieval.passages, retrieval.timings_ms)
        matrix, sentence_model, confidence, logits = self._score(question, retrieval, sentences)
        timings = {**retrieval.timings_ms, "answer": (time.perf_counter() - started) * 1000}
        if confidence < self.settings.min_confidence:
            near = matrix[:, _CONTEXT_COVERAGE].max() > 0
            reason = Reason.FOUND_BUT_NOT_SUPPORTING if near else Reason.NOTHING_FOUND
            return abstain(question, reason, retrieval.passages, timings)
        chosen = [sentences[i] for i in self._choose(sentence_model.probability(matrix), logits)]
        citations = tuple(
            Citation(n, s.passage, s.start, s.end, s.text) for n, s in enumerate(_in_reading_order(chosen), start=1)
        )
        claims = tuple(Claim(c.quote, 1.0, (c.n,), "verbatim") for c in citations)
        return Answer(
            Status.ANSWERED,
            None,
            question,
            claims,
            citations,
            retrieval.passages,
            None,
            round(confidence, 3),
            timings,
        )

    def _score(
        self, question: str, retrieval: Retrieval, sentences: list[Sentence]
    ) -> tuple[Features, Linear, float, Features]:
        readable = retrieval.coverage > self.settings.min_coverage
        query = self.embedder.embed_query(question) if readable else None
        dense, lexical = evidence_models()
        model = dense if readable else lexical
        matrix = features(question, retrieval, sentences, query, self.embedder.embed_documents)
        logits = model.sentence.logit(matrix)
        confidence = float(model.answer.probability(answer_features(matrix, logits)))
        return matrix, model.sentence, confidence, logits

    def _choose(self, probabilities: Features, logits: Features) -> Iterator[int]:
        """Indexes of the best sentence and of those that are nearly as good."""
        order = np.argsort(-logits, kind="stable")
        best = probabilities[order[0]]
        yield int(order[0])
        for i in order[1 : self.settings.max_sentences]:
            if probabilities[i] < max(self.settings.min_further, self.settings.further_share * best):
                return
            yield int(i)


def _in_reading_order(chosen: list[Sentence]) -> list[Sentence]:
    """The best sentence's passage first; inside a passage as written."""
    first = {s.passage.chunk_id: n for n, s in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda s: (first[s.passage.chunk_id], s.start))
