"""From a question to ranked evidence: each of its parts is searched by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from generator.answer import total_timings
from generator.conversation import Turn, stand_alone_by_rule
from generator.evidence import Sentence
from generator.parts import split_parts
from generator.ranking import Ranked, rank
from indexer.embedder import Embedder
from retriever.passages import Passage
from retriever.search import Retrieval, Retriever


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question, or for one part of it."""

    question: str
    retrieval: Retrieval
    ranked: Ranked


@dataclass(frozen=True, slots=True)
class Finder:
    """Retrieves and ranks. Thread-safe."""

    retriever: Retriever
    embedder: Embedder

    def find(self, question: str, collection: str, path_glob: str | None) -> Found:
        """Evidence for the whole question. Raises as `Retriever.retrieve`."""
        retrieval = self.retriever.retrieve(question, collection, path_glob)
        return Found(question, retrieval, rank(question, retrieval, self.embedder))

    def find_parts(self, question: str, collection: str, path_glob: str | None) -> list[Found]:
        """Evidence for each part of the question; a part that refers back is searched with the first one's words."""
        first, *others = split_parts(question)
        searched = [first, *(stand_alone_by_rule(part, [Turn(first)]) for part in others)]
        found = [self.find(part, collection, path_glob) for part in searched]
        return [replace(f, question=part) for f, part in zip(found, (first, *others), strict=True)]


def confidence_of(found: Sequence[Found]) -> float:
    """The best part's probability that there is an answer."""
    return max(f.ranked.confidence for f in found)


def join_found(question: str, found: Sequence[Found]) -> Found:
    """All parts' evidence as one, for an answerer that reads the whole question."""
    if len(found) == 1:
        return replace(found[0], question=question)
    passages: dict[int, Passage] = {}
    sentences: dict[tuple[int, int, int], tuple[float, float, Sentence]] = {}
    for f in found:
        for passage in f.retrieval.passages:
            passages.setdefault(passage.chunk_id, passage)
    order = {chunk_id: number for number, chunk_id in enumerate(passages)}
    for f in found:
        scores = zip(f.ranked.logits.tolist(), f.ranked.probabilities.tolist(), f.ranked.sentences, strict=True)
        for logit, probability, sentence in scores:
            key = (sentence.passage.source.content_id, sentence.start, sentence.end)
            placed = replace(sentence, rank=order[sentence.passage.chunk_id])
            if key not in sentences or logit > sentences[key][0]:
                sentences[key] = (logit, probability, placed)
    best = found[0].retrieval
    retrieval = replace(
        best,
        passages=tuple(passages.values()),
        coverage=max(f.retrieval.coverage for f in found),
        rarity={term: value for f in found for term, value in f.retrieval.rarity.items()},
        timings_ms=total_timings(f.retrieval.timings_ms for f in found),
    )
    scored = sorted(sentences.values(), key=lambda row: (row[2].rank, row[2].start))
    ranked = Ranked(
        [sentence for *_, sentence in scored],
        np.array([logit for logit, *_ in scored]),
        np.array([probability for _, probability, _ in scored]),
        confidence_of(found),
        any(f.ranked.related for f in found),
    )
    return Found(question, retrieval, ranked)
