"""Runs that die, run at the same time, or find the index gone."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from indexer.embedder import Vectors
from indexer.errors import IndexBusy, IndexDamaged, SourceProblem, StorageProblem
from indexer.ingest import Store
from indexer.repair import repair
from indexer.tables import Chunk
from retriever.search import Retriever
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import (
    COLLECTION,
    ONE_AT_A_TIME,
    CrashingEmbedder,
    check_consistent,
    counts,
    index,
    indexed_paths,
    open_current,
    retrieved,
    row_of,
    stored_texts,
    write,
)

pytestmark = pytest.mark.usefixtures("in_process_reader")
FILES = {f"file{i}": f"The common text number{i}." for i in range(5)}


def fail(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_what_was_stored_before_a_crash_is_not_embedded_again(any_store: Store, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", **FILES)
    crashing = CrashingEmbedder(calls=3)
    with pytest.raises(RuntimeError, match="out of memory"):
        index(any_store, crashing, root, settings=ONE_AT_A_TIME)
    assert (crashing.embedded_texts, len(stored_texts(any_store))) == (3, 3)
    embedder = HashEmbedder()
    report = index(any_store, embedder, root, settings=ONE_AT_A_TIME)
    assert counts(report) == (5, 0, 0, 0)
    assert report.embedded_chunks == embedder.embedded_texts == 2
    check_consistent(any_store, embedder, "common")


def test_a_batch_is_stored_whole_or_not_at_all(any_store: Store, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", **FILES)
    with pytest.raises(RuntimeError):
        index(any_store, CrashingEmbedder(calls=0), root)
    assert stored_texts(any_store) == []


def test_what_a_crashed_run_stored_is_not_served(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.")
    index(store, embedder, root)
    write(root, a="The common limit is 180 pounds.", **FILES)
    with pytest.raises(RuntimeError):
        index(store, CrashingEmbedder(calls=4), root, settings=ONE_AT_A_TIME)
    assert retrieved(store, embedder, "common limit") == ["The common limit is 165 pounds."]
    assert indexed_paths(store) == ["a.txt"]


def test_what_a_crashed_run_stored_goes_if_its_file_goes(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", **FILES)
    with pytest.raises(RuntimeError):
        index(store, CrashingEmbedder(calls=2), root, settings=ONE_AT_A_TIME)
    (root / "file0.txt").unlink()
    index(store, embedder, root)
    assert stored_texts(store) == sorted(list(FILES.values())[1:])
    check_consistent(store, embedder, "common")


@pytest.mark.parametrize(
    "crash_in", ["indexer.generation._write_manifest", "indexer.generation._fsync_tree", "indexer.ingest.publish"]
)
def test_a_crash_while_publishing_leaves_the_old_generation_served(
    store: Store, embedder: HashEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_in: str
) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.")
    index(store, embedder, root)
    write(root, a="The common limit is 180 pounds.")
    with monkeypatch.context() as patch:
        patch.setattr(crash_in, fail)
        with pytest.raises((OSError, StorageProblem), match="No space left"):
            index(store, embedder, root)
    assert retrieved(store, embedder, "limit") == ["The common limit is 165 pounds."]
    report = index(store, embedder, root)
    assert (counts(report), report.embedded_chunks) == ((1, 0, 0, 0), 0)
    assert retrieved(store, embedder, "limit") == ["The common limit is 180 pounds."]


def test_a_crash_between_the_files_and_sql_leaves_the_old_generation_served(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.")
    index(any_store, embedder, root)
    write(root, a="The common limit is 180 pounds.", b="The common leave.")
    with monkeypatch.context() as patch:
        patch.setattr("indexer.catalog.retire_unreferenced", fail)
        with pytest.raises(OSError, match="No space left"):
            index(any_store, embedder, root)
    assert row_of(any_store).generation == 1
    assert indexed_paths(any_store) == ["a.txt"]
    assert retrieved(any_store, embedder, "limit") == ["The common limit is 165 pounds."]
    (root / "b.txt").unlink()
    index(any_store, embedder, root)
    assert retrieved(any_store, embedder, "limit") == ["The common limit is 180 pounds."]
    check_consistent(any_store, embedder, "common")


def test_a_killed_process_leaves_nothing_that_stops_the_next_one(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    """Locks, a half-written generation and an open transaction, all at once."""
    root = write(tmp_path / "docs", **FILES)
    program = (
        "import os, sys; from pathlib import Path; from app.database import *; from indexer import generation\n"
        "from tests.indexer.ingesting import *; import indexer.ingest; indexer.ingest.ReaderProcess = InProcessReader\n"
        "generation._write_manifest = lambda *_: os._exit(9)\n"
        "home = Path(sys.argv[1]); store = Store(open_database(database_url(None, home)), home)\n"
        "index(store, HashEmbedder(), Path(sys.argv[2]), settings=ONE_AT_A_TIME)"
    )
    command = [sys.executable, "-c", program, str(store.home), str(root)]
    assert subprocess.run(command, check=False, cwd=Path(__file__).parents[2]).returncode == 9
    assert list(store.index_root(COLLECTION).glob(".staging-*"))
    assert counts(index(store, embedder, root)) == (5, 0, 0, 0)
    assert embedder.embedded_texts == 0
    assert not list(store.index_root(COLLECTION).glob(".staging-*"))
    check_consistent(store, embedder, "common")


class Interfering(HashEmbedder):
    """Does something else, in another thread, while the run that it serves is under way."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self.outcome: object = None
        self._action = action

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        def run() -> None:
            try:
                self.outcome = self._action()
            except IndexBusy as error:
                self.outcome = error

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return super().embed_documents(texts)


def test_two_writers_do_not_mix(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", **FILES)
    first = Interfering(lambda: index(any_store, embedder, root))
    assert counts(index(any_store, first, root)) == (5, 0, 0, 0)
    assert isinstance(first.outcome, IndexBusy)
    assert "wait for it to finish" in str(first.outcome)
    check_consistent(any_store, embedder, "common")


def test_repairing_waits_for_no_writer_either(store: Store, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", **FILES)
    first = Interfering(lambda: repair(store, COLLECTION))
    index(store, first, root)
    assert isinstance(first.outcome, IndexBusy)


def test_writers_of_two_collections_do_not_hinder_each_other(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", **FILES)
    first = Interfering(lambda: counts(index(any_store, embedder, root, collection="other")))
    index(any_store, first, root)
    assert first.outcome == (5, 0, 0, 0)


def test_questions_are_answered_while_a_run_is_under_way(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.")
    index(store, embedder, root)
    write(root, a="The common limit is 180 pounds.")
    asking = Interfering(lambda: retrieved(store, embedder, "limit"))
    index(store, asking, root)
    assert asking.outcome == ["The common limit is 165 pounds."]


def test_a_deleted_index_folder_can_be_repaired_from_sql(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", **FILES)
    index(any_store, embedder, root)
    embedded = embedder.embedded_texts
    shutil.rmtree(any_store.index_root(COLLECTION))
    with pytest.raises(IndexDamaged, match=f"tenkyo repair --collection {COLLECTION}"):
        retrieved(any_store, embedder, "common")
    assert repair(any_store, COLLECTION) == 2
    assert retrieved(any_store, embedder, "number3")[0] == FILES["file3"]
    assert embedder.embedded_texts == embedded
    check_consistent(any_store, embedder, "common")


def test_a_repaired_index_equals_the_one_it_replaces(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    index(store, embedder, write(tmp_path / "docs", **FILES))
    before = open_current(store)
    repair(store, COLLECTION)
    after = open_current(store)
    assert after.manifest.segments == before.manifest.segments
    assert (after.manifest.chunks, after.manifest.embedder) == (before.manifest.chunks, before.manifest.embedder)


def test_a_run_on_a_damaged_index_builds_it_anew(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write(tmp_path / "docs", **FILES)
    index(any_store, embedder, root)
    for segment in any_store.index_root(COLLECTION).rglob("*.faiss"):
        segment.write_bytes(segment.read_bytes()[:-1])
    write(root, more="More of the common text.")
    assert counts(index(any_store, embedder, root)) == (1, 5, 0, 0)
    assert "built anew from the database" in caplog.text
    assert embedder.embedded_texts == 6
    assert row_of(any_store).previous_manifest_sha256 is None, "the damaged one must not serve again"
    check_consistent(any_store, embedder, "common")


def test_a_run_that_publishes_nothing_leaves_a_damaged_index_to_repair(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", **FILES)
    index(store, embedder, root)
    shutil.rmtree(store.index_root(COLLECTION))
    assert counts(index(store, embedder, root)) == (0, 5, 0, 0)
    with pytest.raises(IndexDamaged, match="tenkyo repair"):
        retrieved(store, embedder, "common")
    repair(store, COLLECTION)
    check_consistent(store, embedder, "common")


def test_repairing_an_unknown_collection_is_refused(store: Store) -> None:
    with pytest.raises(SourceProblem, match="there is no collection 'absent'"):
        repair(store, "absent")


def test_only_two_generations_stay_on_disk(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = tmp_path / "docs"
    for number in range(4):
        index(store, embedder, write(root, a=f"The common text number{number}."))
    folders = sorted(path.name for path in store.index_root(COLLECTION).glob("gen-*"))
    assert folders == ["gen-00000003", "gen-00000004"]


def test_a_retriever_that_holds_an_old_generation_is_not_disturbed(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="The common text number0.")
    index(store, embedder, root)
    held = Retriever(store, embedder).open(COLLECTION)
    for number in range(1, 4):
        index(store, embedder, write(root, a=f"The common text number{number}."))
    [hit] = held.lexical.search(["common"], 5)
    assert held.dense.search(embedder.embed_query("common"), 5)[0].chunk_id == hit.chunk_id


def test_runs_of_random_changes_stay_consistent(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    """Files that come, go, change, change back, swap names and repeat each other, from a small pool of texts."""
    root, pool = write(tmp_path / "docs"), [f"The common text number{i}." for i in range(6)]
    state = 1
    for _ in range(10):
        for _ in range(3):
            state = state * 48271 % (2**31 - 1)
            path = root / f"file{state % 5}.txt"
            if state % 7 < 2:
                path.unlink(missing_ok=True)
            else:
                path.write_text(pool[state % 6])
        index(store, embedder, root, allow_empty=True)
        assert indexed_paths(store) == sorted(path.name for path in root.iterdir())
        check_consistent(store, embedder, "common")
        with store.sessions() as session:
            chunks = session.scalar(select(func.count()).select_from(Chunk))
        assert chunks == len({path.read_text() for path in root.iterdir()})
