"""The arithmetic that makes one ranking of two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.dense import Hit
from retriever.fusion import Candidate, FusionSettings, dense_weight, fuse

SETTINGS = FusionSettings(dense_weight=0.6, min_coverage=0.5)
SCORES = st.floats(-1, 1, allow_nan=False)
BM25 = st.floats(0.01, 50, allow_nan=False)


def hits(scores: st.SearchStrategy[float]) -> st.SearchStrategy[list[Hit]]:
    """As an index gives them: each chunk once, best first."""
    return st.dictionaries(st.integers(1, 20), scores, max_size=12).map(
        lambda found: sorted((Hit(i, score) for i, score in found.items()), key=lambda hit: -hit.score)
    )


def ranked(candidates: list[Candidate]) -> list[int]:
    return [candidate.chunk_id for candidate in candidates]


@pytest.mark.parametrize(
    ("coverage", "weight"), [(1.0, 0.6), (0.75, 0.3), (0.5, 0.0), (0.49, 0.0), (0.0, 0.0), (0.6, 0.12)]
)
def test_the_weight_of_the_model_grows_with_what_it_reads(coverage: float, weight: float) -> None:
    assert dense_weight(coverage, SETTINGS) == pytest.approx(weight)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_weight_never_falls_with_coverage(a: float, b: float) -> None:
    low, high = sorted((dense_weight(min(a, b), SETTINGS), dense_weight(max(a, b), SETTINGS)))
    assert dense_weight(max(a, b), SETTINGS) == high
    assert 0.0 <= low <= high <= SETTINGS.dense_weight


def test_scores_are_the_weighted_sum_of_cosine_and_relative_bm25() -> None:
    fused = fuse([Hit(1, 0.8), Hit(2, 0.5)], [Hit(2, 12.0), Hit(1, 3.0)], weight=0.6)
    assert [(c.chunk_id, c.dense, c.lexical) for c in fused] == [(2, 0.5, 12.0), (1, 0.8, 3.0)]
    assert [c.score for c in fused] == pytest.approx([0.6 * 0.5 + 0.4 * 1.0, 0.6 * 0.8 + 0.4 * 0.25])


def test_a_chunk_without_a_cosine_gets_the_lowest_of_those_found() -> None:
    fused = fuse([Hit(1, 0.8), Hit(2, 0.3)], [Hit(9, 10.0)], weight=0.5)
    assert (fused[0].chunk_id, fused[0].dense, fused[0].lexical) == (9, None, 10.0)
    assert fused[0].score == pytest.approx(0.5 * 0.3 + 0.5)


def test_a_chunk_without_a_term_of_the_question_gets_nothing_for_its_words() -> None:
    fused = fuse([Hit(1, 0.8)], [Hit(9, 10.0), Hit(8, 5.0)], weight=0.5)
    assert {c.chunk_id: c.score for c in fused}[1] == pytest.approx(0.4)
    assert {c.chunk_id: c.lexical for c in fused}[1] is None


def test_weight_nought_is_bm25_alone() -> None:
    lexical = [Hit(3, 9.0), Hit(1, 2.0), Hit(2, 1.0)]
    assert ranked(fuse([], lexical, weight=0.0)) == [3, 1, 2]
    assert ranked(fuse([Hit(7, 1.0)], lexical, weight=0.0)) == [3, 1, 2, 7]


def test_weight_one_is_the_model_alone() -> None:
    assert ranked(fuse([Hit(3, 0.9), Hit(1, 0.2)], [Hit(1, 50.0)], weight=1.0)) == [3, 1]


def test_nothing_found_is_nothing() -> None:
    assert fuse([], [], weight=0.5) == []


def test_equal_scores_come_in_the_order_of_ids() -> None:
    assert ranked(fuse([Hit(9, 0.5), Hit(3, 0.5)], [], weight=0.6)) == [3, 9]


@given(hits(SCORES), hits(BM25), st.floats(0, 1))
def test_every_chunk_found_is_ranked_once_with_its_own_scores(
    dense: list[Hit], lexical: list[Hit], weight: float
) -> None:
    fused = fuse(dense, lexical, weight)
    assert sorted(ranked(fused)) == sorted({hit.chunk_id for hit in (*dense, *lexical)})
    assert [c.score for c in fused] == sorted((c.score for c in fused), reverse=True)
    for candidate in fused:
        assert candidate.dense == {hit.chunk_id: hit.score for hit in dense}.get(candidate.chunk_id)
        assert candidate.lexical == {hit.chunk_id: hit.score for hit in lexical}.get(candidate.chunk_id)


@given(hits(SCORES), hits(BM25), st.floats(0, 1), st.floats(0.1, 100))
def test_the_scale_of_bm25_does_not_matter(dense: list[Hit], lexical: list[Hit], weight: float, scale: float) -> None:
    """BM25 grows with the number of terms of the question; its share in the result must not."""
    scaled = [Hit(hit.chunk_id, hit.score * scale) for hit in lexical]
    before = {c.chunk_id: c.score for c in fuse(dense, lexical, weight)}
    assert {c.chunk_id: c.score for c in fuse(dense, scaled, weight)} == pytest.approx(before)


@given(hits(SCORES), hits(BM25), st.floats(0, 1))
def test_a_chunk_that_both_rank_first_is_first(dense: list[Hit], lexical: list[Hit], weight: float) -> None:
    best = [Hit(99, 1.0), *dense], [Hit(99, 51.0), *lexical]
    assert fuse(*best, weight)[0].score == pytest.approx(1.0)
    assert 99 in [c.chunk_id for c in fuse(*best, weight) if c.score >= 1.0 - 1e-9]
