"""Ranks the sentences of what was retrieved, and says how probable it is that the best one answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from generator.evidence import FEATURES, Features, Sentence, features, sentences_of
from generator.scoring import answer_features, evidence_models
from indexer.embedder import Embedder
from retriever.search import Retrieval

_READABLE = 0.6
_CONTEXT_COVERAGE = FEATURES.index("context_coverage")


@dataclass(frozen=True, slots=True)
class Ranked:
    """Sentences with the logit and probability of each being the answering one, shape (len(sentences),).

    `confidence` is the calibrated probability that the best one answers; `related` says whether any shares a word with
    the question. Without sentences, the arrays are empty and the confidence is 0.
    """

    sentences: Sequence[Sentence]
    logits: Features
    probabilities: Features
    confidence: float
    related: bool


def rank(question: str, retrieval: Retrieval, embedder: Embedder) -> Ranked:
    """Scores every sentence of the passages; embeds some of them if the model can read the question."""
    sentences = sentences_of(retrieval.passages)
    readable = retrieval.coverage > _READABLE
    query = embedder.embed_query(question) if readable and sentences else None
    matrix = features(question, retrieval, sentences, query, embedder.embed_documents)
    dense, lexical = evidence_models()
    model = dense if readable else lexical
    logits = model.sentence.logit(matrix)
    probabilities = model.sentence.probability(matrix)
    if not sentences:
        return Ranked(sentences, logits, probabilities, 0.0, False)
    confidence = float(model.answer.probability(answer_features(matrix, logits)))
    return Ranked(sentences, logits, probabilities, confidence, bool(matrix[:, _CONTEXT_COVERAGE].max() > 0))
