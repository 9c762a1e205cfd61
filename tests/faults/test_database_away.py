"""A PostgreSQL that is gone for ten seconds, and an SQLite file that somebody else has locked."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

import indexer.ingest
from app.database import database_url, open_database, upgrade
from app.problems import message_of
from app.service import Service
from app.web import create_app
from indexer.embedder import Vectors
from indexer.generation import Published
from indexer.ingest import Store
from indexer.outage import PATIENCE_SECONDS
from tests.conftest import PostgresServer, running_postgres
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import ONE_AT_A_TIME, check_consistent, counts, index, retrieved, write

pytestmark = pytest.mark.usefixtures("quick_reader")
FILES = {f"file{i}": f"The common text number{i}." for i in range(5)}
OUTAGES = [pytest.param(1.0, id="for a second"), pytest.param(10.0, id="for ten seconds", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with running_postgres("away") as started:
        yield started


@pytest.fixture
def away_store(server: PostgresServer, tmp_path: Path) -> Iterator[Store]:
    upgrade(server.url)
    (tmp_path / "home").mkdir()
    yield Store(open_database(server.url), tmp_path / "home")
    upgrade(server.url, "base")


class Outage:
    """Stops the server once, and starts it again after a while, in the background."""

    def __init__(self, server: PostgresServer, seconds: float, mode: str = "immediate") -> None:
        self._server = server
        self._seconds = seconds
        self._mode = mode
        self._thread = threading.Thread(target=self._end)
        self.began = False

    def begin(self) -> None:
        if not self.began:
            self.began = True
            self._server.stop(self._mode)
            self._thread.start()

    def wait(self) -> None:
        self._thread.join()

    def _end(self) -> None:
        time.sleep(self._seconds)
        self._server.start()


class OutageWhileEmbedding(HashEmbedder):
    def __init__(self, outage: Outage) -> None:
        super().__init__()
        self._outage = outage

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if self.embedded_texts == 2:
            self._outage.begin()
        return super().embed_documents(texts)


@pytest.mark.parametrize("seconds", OUTAGES)
@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_run_goes_on_when_postgresql_is_back(
    server: PostgresServer, away_store: Store, tmp_path: Path, seconds: float, mode: str
) -> None:
    outage = Outage(server, seconds, mode)
    embedder = OutageWhileEmbedding(outage)
    root = write(tmp_path / "docs", **FILES)
    report = index(away_store, embedder, root, settings=ONE_AT_A_TIME)
    outage.wait()
    assert (counts(report), report.embedded_chunks, embedder.embedded_texts) == ((5, 0, 0, 0), 5, 5)
    check_consistent(away_store, embedder, "common")
    assert counts(index(away_store, embedder, root)) == (0, 5, 0, 0), "no lock was left behind"


def test_it_may_go_while_the_generation_is_written(
    server: PostgresServer, away_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = indexer.ingest.publish  # type: ignore[attr-defined]
    outage = Outage(server, 1.0)

    def publish_while_it_goes(*arguments: Any, **options: Any) -> Published:
        published: Published = publish(*arguments, **options)
        outage.begin()
        return published

    monkeypatch.setattr("indexer.ingest.publish", publish_while_it_goes)
    embedder = HashEmbedder()
    assert counts(index(away_store, embedder, write(tmp_path / "docs", **FILES))) == (5, 0, 0, 0)
    outage.wait()
    check_consistent(away_store, embedder, "common")


def test_patience_has_an_end_and_nothing_stored_is_lost(
    server: PostgresServer, away_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PATIENCE_SECONDS >= 30
    monkeypatch.setattr("indexer.outage.PATIENCE_SECONDS", 0.2)
    outage = Outage(server, 3.0)
    root = write(tmp_path / "docs", **FILES)
    with pytest.raises(DBAPIError) as raised:
        index(away_store, OutageWhileEmbedding(outage), root, settings=ONE_AT_A_TIME)
    assert "Check that it is running and reachable, then try again" in message_of(raised.value)
    outage.wait()
    embedder = HashEmbedder()
    assert counts(index(away_store, embedder, root, settings=ONE_AT_A_TIME)) == (5, 0, 0, 0)
    assert 3 <= embedder.embedded_texts <= 4, "what was stored before is not embedded again; a batch may be under way"
    check_consistent(away_store, embedder, "common")


@pytest.mark.parametrize("seconds", OUTAGES)
def test_the_server_says_so_and_goes_on_by_itself(
    server: PostgresServer, away_store: Store, tmp_path: Path, seconds: float
) -> None:
    embedder = HashEmbedder()
    index(away_store, embedder, write(tmp_path / "docs", **FILES), collection="team")
    client = create_app(Service(away_store, embedder)).test_client()
    ask: Callable[[], int] = lambda: client.post("/ask", json={"question": "common text number3?"}).status_code  # noqa: E731
    assert ask() == 200
    outage = Outage(server, seconds)
    outage.begin()
    ready = client.get("/readyz")
    assert (ask(), ready.status_code, ready.headers["Retry-After"]) == (503, 503, "5")
    assert client.get("/healthz").status_code == 200
    outage.wait()
    assert (ask(), client.get("/readyz").status_code) == (200, 200)


@contextmanager
def locked(home: Path, seconds: float) -> Iterator[None]:
    """Another program holds the write lock of the embedded database for a while."""
    holder = sqlite3.connect(home / "tenkyo.sqlite3", check_same_thread=False, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    def let_go() -> None:
        time.sleep(seconds)
        holder.rollback()
        holder.close()

    thread = threading.Thread(target=let_go)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.parametrize("seconds", [pytest.param(0.5), pytest.param(30.0, marks=pytest.mark.slow)])
def test_a_run_waits_for_a_locked_file(store: Store, embedder: HashEmbedder, tmp_path: Path, seconds: float) -> None:
    root = write(tmp_path / "docs", a="The common text.")
    index(store, embedder, root)
    write(root, **FILES)
    with locked(store.home, seconds):
        started = time.monotonic()
        assert retrieved(store, embedder, "common") == ["The common text."], "readers do not wait"
        assert time.monotonic() - started < seconds
        assert counts(index(store, embedder, root)) == (5, 1, 0, 0)
        assert time.monotonic() - started >= seconds - 0.1
    check_consistent(store, embedder, "common")


def test_it_waits_a_minute_at_most(store: Store) -> None:
    with store.sessions() as session:
        assert session.scalar(text("PRAGMA busy_timeout")) == 60_000
        assert session.scalar(text("PRAGMA synchronous")) == 2, "FULL: a commit that was answered survives a power cut"


def test_a_file_that_stays_locked_is_named_and_the_run_can_be_repeated(
    tmp_path: Path, embedder: HashEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database._SQLITE_BUSY_MS", 200)
    home = tmp_path / "home"
    store = Store(open_database(database_url(None, home)), home)
    root = write(tmp_path / "docs", **FILES)
    with locked(home, 1.5), pytest.raises(DBAPIError) as raised:
        index(store, embedder, root)
    assert "database is locked" in message_of(raised.value)
    assert "end what locks it" in message_of(raised.value)
    assert counts(index(store, embedder, root)) == (5, 0, 0, 0)
    check_consistent(store, embedder, "common")
