"""Publishing generations and opening them."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import IndexDamaged, StorageProblem
from indexer.generation import Changes, open_generation, publish, remove_old_generations, set_aside
from tests.indexer.generations import EMBEDDER, Line, ids_in_dense, ids_in_lexical, nearest, rows


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path / "index")


def hashes(folder: Path) -> dict[str, str]:
    """Of all that is published; tantivy takes its locks inside the folder even to read."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    }


def test_what_was_published_can_be_searched(line: Line) -> None:
    published = line.step(added=[1, 2, 3])
    generation = line.open()
    assert published.number == generation.number == 1
    assert (generation.manifest.chunks, generation.manifest.embedder) == (3, EMBEDDER)
    assert ids_in_dense(generation) == ids_in_lexical(generation) == [1, 2, 3]
    assert nearest(generation, 2) == 2


def test_the_manifest_names_every_file_and_no_other(line: Line) -> None:
    line.step(added=[1])
    assert set(line.open().manifest.files) == set(hashes(line.folder)) - {"manifest.json"}


def test_chunks_without_a_vector_are_found_by_their_words_only(tmp_path: Path) -> None:
    some = rows(1, 2, unread=[2])
    published = publish(tmp_path, 0, EMBEDDER, Changes(some, set(), some, 2))
    generation = open_generation(tmp_path, 1, published.manifest_sha256, EMBEDDER)
    assert ids_in_dense(generation) == [1]
    assert ids_in_lexical(generation) == [1, 2]


def test_an_index_without_a_single_vector_can_be_opened(tmp_path: Path) -> None:
    some = rows(1, unread=[1])
    published = publish(tmp_path, 0, EMBEDDER, Changes(some, set(), some, 1))
    generation = open_generation(tmp_path, 1, published.manifest_sha256, EMBEDDER)
    assert generation.manifest.segments == []
    assert ids_in_dense(generation) == []


def test_an_empty_index_can_be_published_and_opened(line: Line) -> None:
    line.step()
    assert ids_in_dense(line.open()) == ids_in_lexical(line.open()) == []


def test_the_next_generation_adds_a_segment_and_leaves_the_old_one_alone(line: Line) -> None:
    line.step(added=range(9))
    old, before = line.folder, hashes(line.folder)
    line.step(added=[9])
    assert len(line.open().manifest.segments) == 2
    assert ids_in_dense(line.open()) == ids_in_lexical(line.open()) == list(range(10))
    assert hashes(old) == before


def test_an_old_generation_goes_on_serving_those_that_hold_it(line: Line) -> None:
    line.step(added=[1, 2])
    old = line.open()
    for number in range(3, 7):
        line.step(added=[number], deleted=[number - 2])
        remove_old_generations(line.root, line.published.number)
    assert not (line.root / "gen-00000001").exists()
    assert ids_in_dense(old) == ids_in_lexical(old) == [1, 2]


def test_deleted_chunks_are_in_neither_index(line: Line) -> None:
    line.step(added=range(20))
    line.step(deleted=[3, 5])
    generation = line.open()
    wanted = [i for i in range(20) if i not in (3, 5)]
    assert ids_in_dense(generation) == wanted
    assert ids_in_lexical(generation) == wanted


def test_tombstones_of_earlier_generations_stay(line: Line) -> None:
    line.step(added=range(50))
    line.step(deleted=[3])
    line.step(added=[60], deleted=[4])
    assert ids_in_dense(line.open()) == ids_in_lexical(line.open()) == [i for i in (*range(50), 60) if i not in (3, 4)]


def test_a_chunk_that_comes_back_is_found_again(line: Line) -> None:
    """Its id is a function of its content, so reverting a file brings the deleted id back."""
    line.step(added=range(20))
    line.step(deleted=[3])
    line.step(added=[3])
    generation = line.open()
    assert nearest(generation, 3) == 3
    assert ids_in_dense(generation) == list(range(20))
    assert ids_in_lexical(generation) == list(range(20))


def test_segments_are_merged_before_they_become_too_many(line: Line) -> None:
    counts = []
    for number in range(11):
        line.step(added=[number])
        counts.append(len(line.open().manifest.segments))
    assert counts == [1, 1, 1, 1, 1, 2, 1, 2, 1, 2, 2]  # a segment that is five times as large is left alone
    assert ids_in_dense(line.open()) == ids_in_lexical(line.open()) == list(range(11))


def test_many_tombstones_lead_to_a_merge(line: Line) -> None:
    line.step(added=range(10))
    line.step(deleted=[1, 2, 3])
    generation = line.open()
    assert generation.manifest.files["deleted.npy"][0] == 128  # bytes of an empty array
    assert ids_in_dense(generation) == [0, *range(4, 10)]


def test_building_from_scratch_takes_nothing_from_the_old_generation(line: Line) -> None:
    line.step(added=[1, 2])
    for path in line.folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    line.step(added=[3], from_scratch=True)
    assert ids_in_dense(line.open()) == ids_in_lexical(line.open()) == [1, 2, 3]


def test_all_but_two_generations_are_removed(line: Line) -> None:
    for number in range(5):
        line.step(added=[number])
    (line.root / "gen-notes").mkdir()
    remove_old_generations(line.root, 5)
    assert sorted(p.name for p in line.root.iterdir()) == ["gen-00000004", "gen-00000005", "gen-notes"]


def test_what_was_set_aside_goes_with_the_next_sound_generation(line: Line) -> None:
    line.step(added=[1])
    line.step(added=[2])
    set_aside(line.root, 2)
    assert sorted(p.name for p in line.root.iterdir()) == ["damaged-00000002", "gen-00000001"]
    set_aside(line.root, 2)  # by another process, a moment later
    line.step(from_scratch=True)
    remove_old_generations(line.root, 3)
    assert [p.name for p in line.root.iterdir()] == ["gen-00000003"]


def test_what_a_crashed_run_left_is_removed(line: Line) -> None:
    line.step(added=[1])
    for leftover in (".staging-00000002", ".staging-00000009", "gen-00000002/lexical"):
        (line.root / leftover).mkdir(parents=True)
        (line.root / leftover / "half").write_bytes(b"x")
    line.step(added=[2])
    assert sorted(p.name for p in line.root.iterdir()) == ["gen-00000001", "gen-00000002"]
    assert ids_in_lexical(line.open()) == [1, 2]


def test_a_crash_while_publishing_leaves_the_old_generation(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.step(added=[1])
    old = line.published

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("indexer.generation._fsync_tree", full_disk)
        with pytest.raises(StorageProblem, match="No space"):
            line.step(added=[2])
    assert ids_in_dense(open_generation(line.root, 1, old.manifest_sha256, EMBEDDER)) == [1]
    line.step(added=[3])
    assert ids_in_dense(line.open()) == ids_in_lexical(line.open()) == [1, 3]
    assert not list(line.root.glob(".staging-*"))


def test_the_same_chunks_give_the_same_dense_files(tmp_path: Path) -> None:
    first, second = Line(tmp_path / "a"), Line(tmp_path / "b")
    first.step(added=[1, 2])
    second.step(added=[2, 1])
    assert first.open().manifest.segments == second.open().manifest.segments


def test_another_embedder_than_sql_says_is_refused(line: Line) -> None:
    published = line.step(added=[1])
    with pytest.raises(IndexDamaged, match="built with hash@1, SQL says other@2"):
        open_generation(line.root, 1, published.manifest_sha256, "other@2")


def test_a_file_system_without_hard_links_will_do(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    line.step(added=range(9))
    line.step(added=[9], deleted=[0])
    assert ids_in_dense(line.open()) == list(range(1, 10))


@given(st.lists(st.tuples(st.sets(st.integers(0, 15)), st.sets(st.integers(0, 15))), min_size=1, max_size=5))
@settings(max_examples=8)
def test_any_line_of_changes_leaves_exactly_the_current_chunks(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[set[int], set[int]]]
) -> None:
    line = Line(tmp_path_factory.mktemp("line"))
    for added, deleted in changes:
        line.step(added=added - line.current, deleted=(deleted & line.current) - added)
        generation = line.open()
        wanted = sorted(line.current)
        assert ids_in_lexical(generation) == wanted
        assert ids_in_dense(generation) == wanted
