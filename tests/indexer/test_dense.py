"""Exact search over segments, with tombstones and limits."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.dense import FaissSegments, Hit, Ids
from indexer.embedder import Vectors
from indexer.errors import IndexDamaged
from tests.indexer.segments import NONE, write

LARGEST_ID = (1 << 63) - 1


def unit(*values: float) -> Vectors:
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def ids(*values: int) -> Ids:
    return np.array(values, dtype=np.int64)


def found(hits: list[Hit]) -> list[int]:
    return [hit.chunk_id for hit in hits]


@pytest.fixture
def segments(tmp_path: Path) -> list[Path]:
    """Ids 1, 2 and the largest one in one file, 4 in another; further from (1, 0) in this order: 1, 4, 2, largest."""
    return [
        write(tmp_path, ids(2, LARGEST_ID, 1), np.stack([unit(1, 1), unit(0, 1), unit(1, 0)])),
        write(tmp_path, ids(4), np.stack([unit(2, 1)])),
    ]


def test_hits_of_all_segments_are_merged_best_first(segments: list[Path]) -> None:
    hits = FaissSegments(segments, NONE).search(unit(1, 0), 10)
    assert found(hits) == [1, 4, 2, LARGEST_ID]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 2 / 5**0.5, 1 / 2**0.5, 0.0], abs=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_no_more_than_k_hits_and_those_the_best(segments: list[Path], k: int) -> None:
    assert found(FaissSegments(segments, NONE).search(unit(1, 0), k)) == [1, 4, 2][:k]


def test_deleted_ids_are_not_found(segments: list[Path]) -> None:
    assert found(FaissSegments(segments, ids(1, LARGEST_ID)).search(unit(1, 0), 10)) == [4, 2]


def test_deleted_ids_take_no_place_from_others(segments: list[Path]) -> None:
    assert found(FaissSegments(segments, ids(1)).search(unit(1, 0), 1)) == [4]


def test_only_allowed_ids_are_found(segments: list[Path]) -> None:
    index = FaissSegments(segments, NONE)
    assert found(index.search(unit(1, 0), 10, ids(2, 4, 77))) == [4, 2]
    assert found(index.search(unit(1, 0), 1, ids(2))) == [2]
    assert index.search(unit(1, 0), 10, NONE) == []


def test_an_allowed_id_that_was_deleted_stays_deleted(segments: list[Path]) -> None:
    index = FaissSegments(segments, ids(1, 2))
    assert found(index.search(unit(1, 0), 10, ids(1, 2, 4))) == [4]
    assert index.search(unit(1, 0), 10, ids(1)) == []


def test_equal_scores_come_in_the_order_of_ids(tmp_path: Path) -> None:
    files = [write(tmp_path, some, np.stack([unit(1, 0)] * len(some))) for some in (ids(9, 3), ids(5))]
    assert found(FaissSegments(files, NONE).search(unit(1, 0), 3)) == [3, 5, 9]


def test_no_segments_means_no_hits() -> None:
    assert FaissSegments([], NONE).search(unit(1, 0), 3) == []


def test_a_query_of_other_dimensions_is_refused(segments: list[Path]) -> None:
    with pytest.raises(IndexDamaged, match="vectors of 2 dimensions, the model gives 3"):
        FaissSegments(segments, NONE).search(unit(1, 0, 0), 3)


def test_searching_changes_no_file(segments: list[Path]) -> None:
    before = [file.read_bytes() for file in segments]
    FaissSegments(segments, ids(1)).search(unit(1, 0), 3, ids(2))
    assert [file.read_bytes() for file in segments] == before


@pytest.mark.parametrize("data", [b"", b"IxM2", b"not an index at all"])
def test_a_file_that_faiss_cannot_read_is_damage(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.faiss").write_bytes(data)
    with pytest.raises(IndexDamaged, match=r"x\.faiss"):
        FaissSegments([tmp_path / "x.faiss"], NONE)


@given(st.data())
def test_search_equals_brute_force(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    vectors = rng.normal(size=(count, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    numbers = rng.permutation(count).astype(np.int64)
    cut = data.draw(st.integers(0, count))
    deleted = data.draw(st.sets(st.integers(0, count - 1)))
    allowed = data.draw(st.none() | st.sets(st.integers(0, count - 1)))
    k = data.draw(st.integers(1, 40))
    folder = tmp_path_factory.mktemp("dense")
    files = [write(folder, numbers[p], vectors[p]) for p in (slice(0, cut), slice(cut, count)) if len(numbers[p])]
    limit = None if allowed is None else np.array(sorted(allowed), dtype=np.int64)
    hits = FaissSegments(files, np.array(sorted(deleted), dtype=np.int64)).search(vectors[0], k, limit)
    scores = dict(zip(numbers.tolist(), (vectors @ vectors[0]).tolist(), strict=True))
    wanted = sorted((scores[i] for i in scores if i not in deleted and (allowed is None or i in allowed)), reverse=True)
    assert [hit.score for hit in hits] == pytest.approx(wanted[:k], abs=1e-5)
    assert all(hit.score == pytest.approx(scores[hit.chunk_id], abs=1e-5) for hit in hits)
