"""Every family finds what exact search finds, with tombstones and limits; growth changes the family."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.dense import FaissSegments, Ids, Segment, ids_file, vectors_file
from indexer.errors import IndexDamaged
from indexer.families import FamilySettings, lists
from tests.indexer.segments import NONE, SMALL, clustered, write

COUNT, DIMENSIONS = 1500, 32
VECTORS = clustered(COUNT, DIMENSIONS, seed=1)
IDS = np.random.default_rng(2).permutation(1 << 20)[:COUNT].astype(np.int64) << 40
QUERIES = clustered(COUNT, DIMENSIONS, seed=1)[:20] + np.float32(0.02)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One segment with inverted lists."""
    return write(tmp_path_factory.mktemp("large"), IDS, VECTORS)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("flat"), IDS, VECTORS, FamilySettings(flat_most=COUNT))


def recall(index: FaissSegments, k: int, allowed: Ids | None, deleted: Ids) -> float:
    """Share of the true nearest neighbours that are found, over all queries; what may not be found never is."""
    may = ~np.isin(IDS, deleted) if allowed is None else np.isin(IDS, allowed) & ~np.isin(IDS, deleted)
    ids, scores = IDS[may], QUERIES @ VECTORS[may].T
    hit = wanted = 0
    for query, row in zip(QUERIES, scores, strict=True):
        true = ids[np.argsort(-row)[:k]].tolist()
        found = [h.chunk_id for h in index.search(query, k, allowed)]
        assert len(found) == len(set(found)) <= k
        assert set(found).isdisjoint(deleted.tolist())
        if allowed is not None:
            assert set(found) <= set(allowed.tolist())
        hit += len(set(true) & set(found))
        wanted += len(true)
    return hit / wanted if wanted else 1.0


def some(share: float, seed: int) -> Ids:
    """Ids of about that share of all vectors."""
    return np.sort(IDS[np.random.default_rng(seed).random(COUNT) < share])


def test_size_decides_the_family(large: Path, flat: Path) -> None:
    assert Segment(flat, NONE).family == "Flat"
    assert Segment(large, NONE).family == "IVF-RaBitQ"
    assert FamilySettings().flat_most == 30_000
    assert (lists(30_001), lists(1_000_000)) == (346, 2000)


def test_flat_is_exact(flat: Path) -> None:
    assert recall(FaissSegments([flat], NONE), 10, None, NONE) == 1.0


@pytest.mark.parametrize("k", [1, 10, 200])
def test_a_large_segment_finds_what_exact_search_finds(large: Path, k: int) -> None:
    assert recall(FaissSegments([large], NONE), k, None, NONE) >= 0.95


def test_its_scores_are_inner_products(large: Path) -> None:
    vector_of = dict(zip(IDS.tolist(), VECTORS, strict=True))
    for hit in FaissSegments([large], NONE).search(QUERIES[0], 20):
        assert hit.score == pytest.approx(float(vector_of[hit.chunk_id] @ QUERIES[0]), abs=2e-3)


@settings(max_examples=20)
@given(
    deleted=st.floats(0, 0.9), allowed=st.none() | st.floats(0, 1), k=st.sampled_from([1, 10, 50]), seed=st.integers(0)
)
def test_tombstones_and_limits_hold_in_every_family(
    large: Path, flat: Path, deleted: float, allowed: float | None, k: int, seed: int
) -> None:
    gone = some(deleted, seed)
    among = None if allowed is None else some(allowed, seed + 1)
    assert recall(FaissSegments([flat], gone), k, among, gone) == 1.0
    assert recall(FaissSegments([large], gone), k, among, gone) >= 0.9


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_limit_too_wide_to_score_whole_is_searched_in_the_lists(
    large: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.dense._SCORED_WHOLE", 0)
    gone, among = some(0.3, 3), some(share, 4)
    assert recall(FaissSegments([large], gone), 10, among, gone) >= 0.95


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_fewer_that_may_be_found_means_more_lists_to_visit(
    large: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With lists enough, not all are visited."""
    monkeypatch.setattr("indexer.dense.probes", lambda lists: 16)
    monkeypatch.setattr("indexer.dense.candidates", lambda k: 5 * k)
    monkeypatch.setattr("indexer.dense._SCORED_WHOLE", 0)
    assert recall(FaissSegments([large], NONE), 10, some(share, 8), NONE) >= 0.9


def test_hits_of_families_are_merged_by_score(tmp_path: Path) -> None:
    files = [write(tmp_path, IDS[:1000], VECTORS[:1000]), write(tmp_path, IDS[1000:1200], VECTORS[1000:1200])]
    index = FaissSegments(files, NONE)
    assert [segment.family for segment in index.segments] == ["IVF-RaBitQ", "Flat"]
    for query in QUERIES:
        hits = index.search(query, 30)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert index.search(VECTORS[1100], 1)[0].chunk_id == IDS[1100]


def test_rows_give_back_what_was_written_without_what_was_deleted(large: Path, flat: Path) -> None:
    gone = some(0.5, 5)
    for file, precision in ((flat, 0.0), (large, 1e-3)):
        blocks = list(Segment(file, gone).rows())
        ids, vectors = np.concatenate([b[0] for b in blocks]), np.concatenate([b[1] for b in blocks])
        kept = ~np.isin(IDS, gone)
        order = np.argsort(IDS[kept])
        np.testing.assert_array_equal(ids, IDS[kept][order])
        np.testing.assert_allclose(vectors, VECTORS[kept][order], atol=precision)


def test_the_name_of_a_segment_depends_on_its_content_only(tmp_path: Path) -> None:
    names = []
    for at, order in enumerate((np.arange(50), np.arange(50)[::-1])):
        (tmp_path / str(at)).mkdir()
        names.append(write(tmp_path / str(at), IDS[order], VECTORS[order]).name)
    assert names[0] == names[1] != write(tmp_path, IDS[:49], VECTORS[:49]).name


def test_a_segment_of_an_early_version_can_be_searched(tmp_path: Path) -> None:
    """They were written in the order of reading, by FAISS's IndexIDMap2 as now."""
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(DIMENSIONS))
    index.add_with_ids(VECTORS, IDS)
    faiss.write_index(index, str(tmp_path / "dense-old.faiss"))
    gone, among = some(0.3, 6), some(0.5, 7)
    segments = FaissSegments([tmp_path / "dense-old.faiss"], gone)
    assert recall(segments, 10, among, gone) == recall(segments, 10, None, gone) == 1.0
    assert segments.segments[0].family == "Flat"


def copy(file: Path, folder: Path) -> Path:
    for part in (file, ids_file(file), vectors_file(file)):
        (folder / part.name).write_bytes(part.read_bytes())
    return folder / file.name


@pytest.mark.parametrize("part", [Path, ids_file, vectors_file])
@pytest.mark.parametrize("keep", [0, 1, 60, 200])
def test_a_part_that_is_cut_short_is_damage(large: Path, tmp_path: Path, part: type[Path], keep: int) -> None:
    damaged = part(copy(large, tmp_path))
    damaged.write_bytes(damaged.read_bytes()[:keep])
    with pytest.raises(IndexDamaged, match="dense-"):
        FaissSegments([tmp_path / large.name], NONE)


@pytest.mark.parametrize("part", [ids_file, vectors_file])
def test_parts_of_different_segments_are_damage(large: Path, tmp_path: Path, part: type[Path]) -> None:
    other = write(tmp_path, IDS[:900], VECTORS[:900])
    part(copy(large, tmp_path)).write_bytes(part(other).read_bytes())
    with pytest.raises(IndexDamaged, match="do not belong together"):
        FaissSegments([tmp_path / large.name], NONE)


def test_another_kind_of_faiss_index_is_refused(tmp_path: Path) -> None:
    faiss.write_index(faiss.IndexHNSWFlat(8, 4), str(tmp_path / "dense-x.faiss"))
    with pytest.raises(IndexDamaged, match=r"dense-x\.faiss holds a IndexHNSWFlat"):
        FaissSegments([tmp_path / "dense-x.faiss"], NONE)


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may pass 100 kB, as if the disk were full: FAISS's own writer would say nothing."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)  # before pytest writes on, perhaps to a longer file


@pytest.mark.parametrize("families", [SMALL, FamilySettings(flat_most=COUNT)], ids=["large", "flat"])
def test_a_full_disk_is_an_error(tmp_path: Path, families: FamilySettings) -> None:
    with pytest.raises(OSError, match="too large"), small_disk():
        write(tmp_path, IDS, VECTORS, families)


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:1"])
def test_a_gpu_that_fails_leaves_the_work_to_the_processor(
    tmp_path: Path, device: str, large: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_resources: object, number: int, _index: object) -> None:
        raise RuntimeError(f"Failed to cudaMalloc 1610612736 bytes on device {number}")

    monkeypatch.setattr("faiss.get_num_gpus", lambda: 1)
    monkeypatch.setattr("faiss.StandardGpuResources", object, raising=False)
    monkeypatch.setattr("faiss.index_cpu_to_gpu", full, raising=False)
    file = write(tmp_path, IDS, VECTORS, FamilySettings(flat_most=300, device=device))
    assert file.read_bytes() == large.read_bytes()
    assert f"Failed to cudaMalloc 1610612736 bytes on device {int(device == 'cuda:1')}" in caplog.text


@pytest.mark.gpu
def test_what_a_gpu_has_clustered_is_served_by_the_processor(tmp_path: Path) -> None:
    if not getattr(faiss, "get_num_gpus", int)():
        pytest.skip("FAISS sees no GPU")
    file = write(tmp_path, IDS, VECTORS, FamilySettings(flat_most=300, device="cuda"))
    assert recall(FaissSegments([file], NONE), 10, None, NONE) >= 0.95
