"""Joins the ranks of the dense and the lexical index into one.

Pure arithmetic on hits: knows no index, no SQL, no text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from indexer.dense import Hit


@dataclass(frozen=True, slots=True)
class FusionSettings:
    """`dense_weight` for a question that the embedding model reads in full; none below `min_coverage`.

    Tuned on train data (docs/decisions.md), never on the dev sets that report the result.
    """

    dense_weight: float = 0.6
    min_coverage: float = 0.6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk with its component scores: cosine, BM25 (None where that index did not find it), and the fused one."""

    chunk_id: int
    score: float
    dense: float | None
    lexical: float | None


def dense_weight(coverage: float, settings: FusionSettings) -> float:
    """Weight in [0, 1] of the cosine, given the share of the question that the embedding model can read.

    A model that does not cover the question's script returns noise with confident scores; it must have no say.
    """
    if coverage <= settings.min_coverage:
        return 0.0
    return settings.dense_weight * (coverage - settings.min_coverage) / (1.0 - settings.min_coverage)


def fuse(dense: Sequence[Hit], lexical: Sequence[Hit], weight: float) -> list[Candidate]:
    """Candidates by `weight` * cosine + (1 - weight) * BM25 / best BM25, best first; ties by id.

    A chunk that one index did not return gets the score of the last one it returned, an upper bound of the truth.
    """
    cosines = {hit.chunk_id: hit.score for hit in dense}
    bm25 = {hit.chunk_id: hit.score for hit in lexical}
    best = max(bm25.values(), default=1.0)
    cosine_floor, bm25_floor = min(cosines.values(), default=0.0), 0.0
    candidates = [
        Candidate(
            chunk_id,
            weight * cosines.get(chunk_id, cosine_floor) + (1.0 - weight) * bm25.get(chunk_id, bm25_floor) / best,
            cosines.get(chunk_id),
            bm25.get(chunk_id),
        )
        for chunk_id in cosines.keys() | bm25.keys()
    ]
    return sorted(candidates, key=lambda c: (-c.score, c.chunk_id))
