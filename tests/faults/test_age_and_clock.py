"""An index and a database of an older version, and a clock that jumps."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from sqlalchemy import update

from app.database import database_url, head_revision, open_database, schema_revision, upgrade
from indexer.errors import IndexDamaged
from indexer.generation import FORMAT
from indexer.ingest import Store
from indexer.repair import repair
from indexer.tables import Collection
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import COLLECTION, check_consistent, counts, index, retrieved, row_of, write

pytestmark = pytest.mark.usefixtures("quick_reader")


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    return write(tmp_path / "docs", a="The common text.", b="More of the common text.")


def change_format(store: Store, number: int) -> None:
    """The published generation, as another version would have written it."""
    manifest = store.index_root(COLLECTION) / f"gen-{row_of(store).generation:08d}" / "manifest.json"
    data = json.dumps({**json.loads(manifest.read_bytes()), "format": number}).encode()
    manifest.write_bytes(data)
    with store.sessions.begin() as session:
        session.execute(update(Collection).values(manifest_sha256=hashlib.sha256(data).hexdigest()))


MENDED: dict[str, Callable[[Store, HashEmbedder, Path], object]] = {
    "by a repair": lambda store, embedder, documents: repair(store, COLLECTION),
    "by the next run": lambda store, embedder, documents: index(store, embedder, write(documents, c="A common page.")),
}


@pytest.mark.parametrize("number", [0, FORMAT + 1], ids=["older than any that can be read", "newer"])
@pytest.mark.parametrize("mend", MENDED.values(), ids=MENDED.keys())
def test_an_index_of_another_format_is_refused_kept_and_built_anew(
    any_store: Store,
    embedder: HashEmbedder,
    documents: Path,
    number: int,
    mend: Callable[[Store, HashEmbedder, Path], object],
) -> None:
    index(any_store, embedder, documents)
    embedded = embedder.embedded_texts
    change_format(any_store, number)
    with pytest.raises(IndexDamaged, match=rf"index format {number}, .* run `tenkyo repair --collection handbook`"):
        retrieved(any_store, embedder, "common")
    assert (any_store.index_root(COLLECTION) / "gen-00000001").is_dir(), "it is not damaged: that version can read it"
    mend(any_store, embedder, documents)
    assert embedder.embedded_texts <= embedded + 1
    check_consistent(any_store, embedder, "common")


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_a_data_folder_of_an_older_version_goes_on_serving(
    tmp_path: Path, embedder: HashEmbedder, documents: Path, revision: str
) -> None:
    home = tmp_path / "home"
    url = database_url(None, home)
    store = Store(open_database(url), home)
    index(store, embedder, documents)
    upgrade(url, revision)  # down
    assert schema_revision(store.sessions.kw["bind"]) == revision
    store = Store(open_database(url), home)
    assert schema_revision(store.sessions.kw["bind"]) == head_revision()
    assert len(retrieved(store, embedder, "common")) == 2
    assert counts(index(store, embedder, write(documents, c="A common page."))) == (1, 2, 0, 0)
    check_consistent(store, embedder, "common")


class JumpingClock:
    """Stands in for `datetime`: every look at it finds it years away from the last."""

    def __init__(self) -> None:
        self._looks = 0

    def now(self, zone: tzinfo | None = None) -> datetime:
        self._looks += 1
        return datetime.now(zone or UTC) + timedelta(days=3650 * (-1) ** self._looks)


def test_a_clock_that_jumps_costs_nothing(
    any_store: Store, embedder: HashEmbedder, documents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = JumpingClock()
    for room in ("ingest", "lock"):
        monkeypatch.setattr(f"indexer.{room}.datetime", clock)
    wall = time.time
    monkeypatch.setattr("time.time", lambda: wall() + 3e8 * (-1) ** int(wall() * 100))
    for number in range(4):
        os.utime(write(documents, a=f"The common text number{number}.") / "a.txt", (0, 0))
        assert counts(index(any_store, embedder, documents)) == ((1, 1, 0, 0) if number else (2, 0, 0, 0))
        check_consistent(any_store, embedder, "common")
        assert row_of(any_store).generation == number + 1


@pytest.mark.parametrize("moment", [0, 4_000_000_000], ids=["1970", "2096"])
def test_a_change_that_keeps_size_and_time_is_seen(
    store: Store, embedder: HashEmbedder, documents: Path, moment: int
) -> None:
    for text in ("The common text: 1.", "The common text: 2."):
        write(documents, a=text)
        os.utime(documents / "a.txt", (moment, moment))
        index(store, embedder, documents)
        assert text in retrieved(store, embedder, "common text")
