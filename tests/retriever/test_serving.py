"""A damaged generation is set aside and the one before it answers, with a warning, until the index is repaired."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.dense import FaissSegments, Hit
from indexer.errors import FilesDamaged, IndexDamaged
from indexer.families import FamilySettings
from indexer.generation import Generation, open_generation
from indexer.ingest import IngestSettings, Store
from indexer.repair import repair
from retriever.search import Retriever, RetrieverSettings
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import COLLECTION, index, retrieved, write

pytestmark = pytest.mark.usefixtures("quick_reader")

OLD, NEW, BOTH = "Leave is 45 days.", "Leave is 50 days.", "Travel leave is by rail."


@pytest.fixture
def two_generations(store: Store, embedder: HashEmbedder, tmp_path: Path) -> Store:
    """The second has changed one file of two."""
    root = write(tmp_path / "docs", a=OLD, b=BOTH)
    index(store, embedder, root)
    index(store, embedder, write(root, a=NEW))
    return store


def folder(store: Store, number: int) -> Path:
    return store.index_root(COLLECTION) / f"gen-{number:08d}"


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def own_file(store: Store, number: int) -> Path:
    """A file that this generation shares with no other."""
    return folder(store, number) / "deleted.npy"


def test_vectors_that_are_lost_while_they_are_open_do_not_answer(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    """They are read row by row: a file that has become shorter is noticed by the question that wants them."""
    large = IngestSettings(families=FamilySettings(flat_most=0))
    root = write(tmp_path / "docs", a=OLD, b=BOTH)
    index(store, embedder, root, settings=large)
    index(store, embedder, write(root, a=NEW), settings=large)
    retriever = Retriever(store, embedder)
    assert NEW in [passage.text for passage in retriever.retrieve("leave days", COLLECTION).passages]
    for file in folder(store, 2).glob("*.vectors.npy"):
        if file.stat().st_nlink == 1:
            os.truncate(file, 130)
    found = retriever.retrieve("leave days", COLLECTION)
    assert (found.generation, "damaged" in (found.warning or "")) == (1, True)
    assert repair(store, COLLECTION) == 3
    assert retriever.retrieve("leave days", COLLECTION).warning is None


def spoil_in_silence(file: Path, at: int) -> None:
    """As a disk does: no time changes, and no length."""
    before, data = file.stat(), bytearray(file.read_bytes())
    data[at] ^= 4
    with file.open("r+b") as out:
        out.write(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_damage_that_shows_in_no_stat_is_set_aside_once_something_stumbles_over_it(
    two_generations: Store, embedder: HashEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command takes what was found whole at its word, until it cannot be read or a question fails."""
    monkeypatch.setattr("indexer.stamps.SETTLED_NS", 0)
    once = RetrieverSettings(every_byte=False)
    Retriever(two_generations, embedder, once).retrieve("leave", COLLECTION)
    (vectors,) = (file for file in folder(two_generations, 2).glob("*.faiss") if file.stat().st_nlink == 1)
    spoil_in_silence(vectors, vectors.stat().st_size // 2)
    retriever = Retriever(two_generations, embedder, once)
    assert retriever.retrieve("leave", COLLECTION).generation == 2
    searching = FaissSegments.search

    def stumble(self: FaissSegments, *arguments: Any) -> list[Hit]:
        if any("gen-00000002" in str(segment.file) for segment in self.segments):
            raise FilesDamaged("a block cannot be read")
        return searching(self, *arguments)

    monkeypatch.setattr(FaissSegments, "search", stumble)
    found = retriever.retrieve("leave", COLLECTION)
    assert (found.generation, "damaged" in (found.warning or "")) == (1, True)
    assert not folder(two_generations, 2).exists()


@pytest.mark.parametrize("at", [0, 12, 40])
def test_damage_that_shows_in_no_stat_but_keeps_the_index_from_opening_is_set_aside(
    two_generations: Store, embedder: HashEmbedder, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr("indexer.stamps.SETTLED_NS", 0)
    once = RetrieverSettings(every_byte=False)
    Retriever(two_generations, embedder, once).retrieve("leave", COLLECTION)
    spoil_in_silence(own_file(two_generations, 2), at)
    found = Retriever(two_generations, embedder, once).retrieve("leave", COLLECTION)
    assert found.generation == 1, "the header cannot be read"


DAMAGE: dict[str, Callable[[Path], object]] = {
    "bit flip": flip_a_bit,
    "truncation": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "loss": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("name", ["deleted.npy", "manifest.json", "lexical/meta.json"])
def test_the_generation_before_answers_for_a_damaged_one(
    two_generations: Store, embedder: HashEmbedder, damage: Callable[[Path], object], name: str
) -> None:
    damage(folder(two_generations, 2) / name)
    retriever = Retriever(two_generations, embedder)
    found = retriever.retrieve("leave", COLLECTION)
    assert found.generation == 1
    assert [p.text for p in found.passages] == [BOTH], "what SQL no longer has is not shown, whatever the index says"
    assert found.warning is not None
    assert "generation 2 of collection 'handbook' is damaged" in found.warning
    assert "run `tenkyo repair --collection handbook`" in found.warning
    assert not folder(two_generations, 2).exists()
    assert (two_generations.index_root(COLLECTION) / "damaged-00000002").is_dir()


def test_every_process_finds_the_same_after_the_first_has_set_it_aside(
    two_generations: Store, embedder: HashEmbedder
) -> None:
    flip_a_bit(own_file(two_generations, 2))
    for _ in range(3):
        assert Retriever(two_generations, embedder).retrieve("leave", COLLECTION).generation == 1


def test_a_repair_is_served_without_a_restart(two_generations: Store, embedder: HashEmbedder) -> None:
    flip_a_bit(own_file(two_generations, 2))
    retriever = Retriever(two_generations, embedder)
    assert retriever.warning(COLLECTION)
    assert repair(two_generations, COLLECTION) == 3
    assert retriever.warning(COLLECTION) is None
    found = retriever.retrieve("leave", COLLECTION)
    assert (found.generation, {p.text for p in found.passages}) == (3, {NEW, BOTH})
    folders = sorted(p.name for p in two_generations.index_root(COLLECTION).iterdir() if p.is_dir())
    assert folders == ["gen-00000003"], "what was set aside and what must not serve are gone"


def test_the_next_run_mends_it_too(two_generations: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    flip_a_bit(own_file(two_generations, 2))
    retriever = Retriever(two_generations, embedder)
    assert retriever.warning(COLLECTION)
    index(two_generations, embedder, write(tmp_path / "docs", c="More leave in summer."))
    assert retriever.warning(COLLECTION) is None
    assert {p.text for p in retriever.retrieve("leave", COLLECTION).passages} == {NEW, BOTH, "More leave in summer."}


def test_nothing_is_served_if_neither_is_sound(two_generations: Store, embedder: HashEmbedder) -> None:
    flip_a_bit(own_file(two_generations, 1))
    flip_a_bit(own_file(two_generations, 2))
    retriever = Retriever(two_generations, embedder)
    for _ in range(2):
        with pytest.raises(IndexDamaged, match=r"gen-00000002.*run `tenkyo repair --collection handbook`"):
            retriever.retrieve("leave", COLLECTION)
    names = sorted(p.name for p in two_generations.index_root(COLLECTION).iterdir() if p.is_dir())
    assert names == ["damaged-00000001", "damaged-00000002"]


def test_damage_in_a_file_that_both_share_is_damage_to_both(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    """Unchanged segments are hard links: one bad block, two bad generations. SQL has what it takes to mend them."""
    root = write(tmp_path / "docs", a=OLD)
    index(any_store, embedder, root)
    index(any_store, embedder, write(root, b=BOTH))
    shared = next(
        file for file in sorted(folder(any_store, 2).rglob("*")) if file.is_file() and file.stat().st_nlink > 1
    )
    assert (folder(any_store, 1) / shared.relative_to(folder(any_store, 2))).samefile(shared)
    flip_a_bit(shared)
    with pytest.raises(IndexDamaged):
        retrieved(any_store, embedder, "leave")
    repair(any_store, COLLECTION)
    assert set(retrieved(any_store, embedder, "leave")) == {OLD, BOTH}


def test_after_a_rebuild_with_another_model_the_old_vectors_never_answer(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a=OLD)
    index(any_store, embedder, root)
    other = HashEmbedder("other@1")
    index(any_store, other, root, rebuild=True)
    flip_a_bit(own_file(any_store, 2))
    with pytest.raises(IndexDamaged, match="tenkyo repair"):
        retrieved(any_store, other, "leave")


def test_a_generation_that_another_process_replaced_while_it_was_opened_is_no_damage(
    two_generations: Store, embedder: HashEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader reads the number in SQL, and by the time it opens the folder two runs have come and gone."""
    calls = []

    def open_late(root: Path, number: int, manifest: str, fingerprint: str, **how: bool) -> Generation:
        calls.append(number)
        if len(calls) == 1:
            for name in ("c", "d"):
                index(two_generations, embedder, write(tmp_path / "docs", **{name: f"Leave {name}."}))
            assert not folder(two_generations, 2).exists()
        return open_generation(root, number, manifest, fingerprint, **how)

    monkeypatch.setattr("retriever.serving.open_generation", open_late)
    found = Retriever(two_generations, embedder).retrieve("leave", COLLECTION)
    assert (calls, found.generation, found.warning) == ([2, 4], 4, None)


def test_a_folder_that_cannot_be_set_aside_is_not_served_either(
    two_generations: Store, embedder: HashEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", read_only)
    flip_a_bit(own_file(two_generations, 2))
    retriever = Retriever(two_generations, embedder)
    assert [retriever.retrieve("leave", COLLECTION).generation for _ in range(2)] == [1, 1]
    assert folder(two_generations, 2).exists()


def test_other_collections_do_not_wait_while_one_is_opened(
    two_generations: Store, embedder: HashEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(two_generations, embedder, write(tmp_path / "other", a="Other leave."), collection="other")
    retriever = Retriever(two_generations, embedder)
    retriever.open("other")
    opening, go_on = threading.Event(), threading.Event()

    def open_slowly(root: Path, number: int, manifest: str, fingerprint: str, **how: bool) -> Generation:
        opening.set()
        assert go_on.wait(30)
        return open_generation(root, number, manifest, fingerprint, **how)

    monkeypatch.setattr("retriever.serving.open_generation", open_slowly)
    thread = threading.Thread(target=retriever.open, args=[COLLECTION])
    thread.start()
    assert opening.wait(30)
    assert [p.text for p in retriever.retrieve("leave", "other").passages] == ["Other leave."]
    go_on.set()
    thread.join()


def test_an_index_folder_that_comes_back_is_served_again(two_generations: Store, embedder: HashEmbedder) -> None:
    """A drive that was not mounted is a failure of now: it must not be remembered."""
    root = two_generations.index_root(COLLECTION)
    away = root.with_name("away")
    root.rename(away)
    retriever = Retriever(two_generations, embedder)
    with pytest.raises(IndexDamaged):
        retriever.retrieve("leave", COLLECTION)
    shutil.move(away, root)
    assert retriever.retrieve("leave", COLLECTION).generation == 2
