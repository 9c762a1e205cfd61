"""What becomes of dense segments from one generation to the next."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.dense import FaissSegments, Ids, Segment, ids_file, vectors_file
from indexer.embedder import Vectors
from indexer.families import FamilySettings
from indexer.segments import Segments, next_segments
from tests.indexer.segments import NONE, clustered

VECTORS = clustered(2000, 16, seed=3)
FAMILIES = FamilySettings(flat_most=100, device="cpu")


def rows(ids: Iterable[int], unread: Iterable[int] = ()) -> Iterator[tuple[int, str, Vectors | None]]:
    without = set(unread)
    return ((i, "", None if i in without else VECTORS[i]) for i in ids)


class Line:
    """Generations one after the other, each in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.base = root, None
        self.state = Segments([], set())
        self.live: set[int] = set()

    base: Path | None

    def step(self, added: Iterable[int] = (), deleted: Iterable[int] = ()) -> None:
        new, gone = set(added), set(deleted)
        folder = self.root / str(len(list(self.root.iterdir())))
        folder.mkdir()
        before = Segments(self.state.names, self.state.deleted | gone)
        self.state = next_segments(folder, self.base, before, rows(sorted(new)), FAMILIES)
        self.base = folder
        self.live = (self.live - gone) | new

    def open(self) -> FaissSegments:
        assert self.base is not None
        return FaissSegments([self.base / name for name in self.state.names], _array(self.state.deleted))

    def shape(self) -> list[tuple[str, int, int]]:
        return [(segment.family, segment.count, segment.deleted) for segment in self.open().segments]

    def check(self) -> None:
        """Every live chunk is there once, with its vector, and no other; no tombstone outlives its vector."""
        held = [(int(i), v) for s in self.open().segments for block in s.rows() for i, v in zip(*block, strict=True)]
        assert sorted(i for i, _ in held) == sorted(self.live)
        for i, vector in held:
            np.testing.assert_allclose(vector, VECTORS[i], atol=1e-3)
        assert self.base is not None
        everywhere = [i for name in self.state.names for i in _all_ids(self.base / name)]
        assert self.state.deleted == set(everywhere) - self.live
        assert len(everywhere) == len(set(everywhere))
        expected = {n for name in self.state.names for n in _parts(self.base / name)}
        assert {file.name for file in self.base.iterdir()} == expected


def _array(ids: Iterable[int]) -> Ids:
    return np.array(sorted(ids), dtype=np.int64)


def _all_ids(file: Path) -> list[int]:
    return [int(i) for ids, _ in Segment(file, NONE).rows() for i in ids]


def _parts(file: Path) -> set[str]:
    return {part.name for part in (file, ids_file(file), vectors_file(file)) if part.exists()}


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def test_growth_changes_the_family(line: Line) -> None:
    line.step(range(100))
    assert line.shape() == [("Flat", 100, 0)]
    line.step(range(100, 130))
    assert line.shape() == [("IVF-RaBitQ", 130, 0)]
    line.check()


def test_shrinking_changes_it_back(line: Line) -> None:
    line.step(range(130))
    line.step(deleted=range(60))
    assert line.shape() == [("Flat", 70, 0)]
    line.check()


def test_a_small_addition_to_a_large_index_is_a_flat_segment_beside_it(line: Line) -> None:
    line.step(range(500))
    assert line.base is not None
    large = line.base / line.state.names[0]
    line.step(range(500, 520))
    assert line.shape() == [("IVF-RaBitQ", 500, 0), ("Flat", 20, 0)]
    assert (line.base / large.name).samefile(large), "taken over, not copied"
    line.step(range(520, 540), deleted=range(3))
    assert line.shape() == [("IVF-RaBitQ", 500, 3), ("Flat", 40, 0)]
    line.check()


def test_an_addition_of_a_quarter_is_merged(line: Line) -> None:
    line.step(range(400))
    line.step(range(400, 500))
    assert line.shape() == [("IVF-RaBitQ", 500, 0)]
    line.check()


def test_a_fifth_of_tombstones_is_kept_and_more_are_cleared(line: Line) -> None:
    line.step(range(400))
    line.step(deleted=range(80))
    assert line.shape() == [("IVF-RaBitQ", 400, 80)]
    line.step(deleted=[80])
    assert line.shape() == [("IVF-RaBitQ", 319, 0)]
    line.check()


def test_a_segment_of_tombstones_alone_goes(line: Line) -> None:
    line.step(range(50))
    line.step(deleted=range(50))
    assert (line.state.names, line.state.deleted) == ([], set())
    line.check()


def test_a_chunk_that_comes_back_is_not_written_again(line: Line) -> None:
    line.step(range(200))
    line.step(deleted=[5, 6])
    line.step(added=[5])
    assert line.shape() == [("IVF-RaBitQ", 200, 1)]
    line.check()


def test_chunks_without_a_vector_leave_no_tombstone(line: Line, tmp_path: Path) -> None:
    line.step(range(10))
    folder = tmp_path / "next"
    folder.mkdir()
    after = next_segments(folder, line.base, Segments(line.state.names, {77}), rows([88], unread=[88]), FAMILIES)
    assert after == Segments(line.state.names, set())


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 150), st.sets(st.integers(0, 1999), max_size=150), st.floats(0, 1)), max_size=8)
)
def test_whatever_is_added_and_deleted_the_index_holds_what_it_should(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, set[int], float]]
) -> None:
    line = Line(tmp_path_factory.mktemp("line"))
    rng = np.random.default_rng(len(steps))
    for count, gone, share in steps:
        free = sorted(set(range(2000)) - line.live)
        added = set(rng.permutation(free)[:count].tolist())
        line.step(added, {i for i in line.live if i in gone or rng.random() < share**4})
        assert len(line.state.names) <= 8
    if steps:
        line.check()
        hits = line.open().search(VECTORS[0], 2000)
        assert {hit.chunk_id for hit in hits} <= line.live
