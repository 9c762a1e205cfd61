"""One writer a collection, whatever a crash, a restart or a clock has left behind."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from indexer import catalog
from indexer.errors import IndexBusy, StorageProblem
from indexer.ingest import Store
from indexer.tables import Lease
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import COLLECTION, check_consistent, counts, index, retrieved, row_of, write

pytestmark = pytest.mark.usefixtures("in_process_reader")
KEY = catalog.collection_id(COLLECTION)


def leases(store: Store) -> list[str]:
    with store.sessions() as session:
        return list(session.scalars(select(Lease.holder)))


def leave_lease(store: Store, since: datetime) -> None:
    with store.sessions.begin() as session:
        session.merge(Lease(collection_id=KEY, token="stale", holder="process 1 on a host long gone", since=since))


def test_whoever_comes_second_learns_who_is_writing(any_store: Store) -> None:
    with any_store.lock(COLLECTION):
        (holder,) = leases(any_store)
        with pytest.raises(
            IndexBusy, match=r"another process is indexing collection 'handbook' \(process \d+ on "
        ) as e:
            any_store.lock(COLLECTION).__enter__()
        assert holder in str(e.value)
        assert f"{datetime.now(UTC):%Y-%m-%d}" in str(e.value)
    assert leases(any_store) == []
    with any_store.lock(COLLECTION), any_store.lock("another collection"):
        assert len(leases(any_store)) == 2


@pytest.mark.parametrize("days", [-4000, 0, 4000], ids=["an old lease", "a lease of now", "a lease of the future"])
def test_what_a_crash_left_never_blocks(any_store: Store, embedder: HashEmbedder, tmp_path: Path, days: int) -> None:
    """The clock may have jumped since, either way: nobody asks it."""
    leave_lease(any_store, datetime.now(UTC) + timedelta(days=days))
    assert counts(index(any_store, embedder, write(tmp_path / "docs", a="The common text."))) == (1, 0, 0, 0)
    assert leases(any_store) == []


class Overtaken(HashEmbedder):
    """Another run begins, and may end, while this one embeds: its lock has been lost, and it does not know."""

    def __init__(self, store: Store, *, ends: bool) -> None:
        super().__init__()
        self._store = store
        self._ends = ends

    def coverage(self, text: str) -> float:
        with self._store.sessions.begin() as session:
            session.merge(Lease(collection_id=KEY, token="another", holder="another", since=datetime.now(UTC)))
            session.flush()
            if self._ends:
                session.delete(session.get_one(Lease, KEY))
        return super().coverage(text)


@pytest.mark.parametrize("ends", [True, False], ids=["that has ended", "that is under way"])
def test_a_run_that_was_overtaken_by_another_publishes_nothing(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path, *, ends: bool
) -> None:
    root = write(tmp_path / "docs", a="The common text.")
    index(any_store, embedder, root)
    write(root, b="More of the common text.")
    with pytest.raises(IndexBusy, match="nothing was published, run this again"):
        index(any_store, Overtaken(any_store, ends=ends), root)
    assert row_of(any_store).generation == 1
    assert retrieved(any_store, embedder, "common") == ["The common text."]
    assert counts(index(any_store, embedder, root)) == (1, 1, 0, 0)
    check_consistent(any_store, embedder, "common")


def test_on_postgresql_hosts_that_share_no_file_lock_still_exclude_each_other(
    any_store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "sqlite" in request.node.callspec.id:
        pytest.skip("an embedded database lies in the data folder, beside the file lock")
    elsewhere = Store(any_store.sessions, tmp_path / "another-home")
    with any_store.lock(COLLECTION):
        with pytest.raises(IndexBusy):
            elsewhere.lock(COLLECTION).__enter__()
        with any_store.sessions() as session:
            held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            assert session.scalar(held) == 1
    with elsewhere.lock(COLLECTION):
        pass


def test_a_data_folder_that_cannot_be_written_is_named(store: Store) -> None:
    (store.home / "index").write_text("a file in the way")
    with pytest.raises(StorageProblem, match=r"cannot write to .*/index/"):
        store.lock(COLLECTION).__enter__()
