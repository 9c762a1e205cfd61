"""Fixtures shared by all rooms: a store on SQLite, one on a real PostgreSQL, and a small folder of documents."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import URL, create_engine, make_url, text

from app.database import database_url, open_database, upgrade
from indexer.ingest import Store
from tests.fakes import HashEmbedder, ReaderInProcess, handmade_evidence

EXAMPLES = Path(__file__).parents[1] / "examples"

# A test machine that is busy is no failure.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


def pytest_configure() -> None:
    """A test run in the background of a shell ignores interrupts, and so would the processes that tests interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def handmade_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers by `handmade_evidence` instead of the trained weights, so that a training run changes no test."""
    monkeypatch.setattr("generator.ranking.evidence_models", handmade_evidence)


@pytest.fixture
def quick_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexing without the reader's child process, for tests of what comes after it."""
    monkeypatch.setattr("indexer.ingest.ReaderProcess", ReaderInProcess)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store on the embedded database."""
    home = tmp_path / "home"
    return Store(open_database(database_url(None, home)), home)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three documents: two English, one Japanese."""
    root = tmp_path / "documents"
    root.mkdir()
    (root / "leave.md").write_text(
        "# Leave policy\n\nThis page is about leave.\n\n## Parental leave\n\n"
        "Each parent gets 45 working days of paid parental leave. Apply eight weeks before it starts.\n\n"
        "## Sick leave\n\nSick leave is paid for 20 days a year.\n",
        encoding="utf-8",
    )
    (root / "expenses.txt").write_text(
        "Travel expenses\n\nThe limit for a hotel in London is 165 pounds a night. "
        "Receipts must be handed in within 30 days.\n",
        encoding="utf-8",
    )
    (root / "zaitaku.md").write_text(
        "# 在宅勤務規程\n\n在宅勤務は週に3日までとする。申請は前日の17時までに行う。\n\n"
        "通信費として月額2000円を支給する。\n",
        encoding="utf-8",
    )
    return root


class PostgresServer:
    """A real PostgreSQL on a Unix socket in `folder`, which can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        found = _postgres_binaries()
        if found is None:
            pytest.skip("PostgreSQL (initdb, pg_ctl) is not installed")
        self._binaries = found
        self._folder = folder
        folder.mkdir()
        self._as_user: list[str] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._as_user = ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, "postgres")
        self._run("initdb", "-U", "tenkyo", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        self.url = make_url(f"postgresql+psycopg://tenkyo@/postgres?host={folder}")

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c fsync=off"
        self._run("pg_ctl", "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-m", mode, "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._binaries / program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/")


@contextmanager
def running_postgres(name: str) -> Iterator[PostgresServer]:
    """A server that is gone afterwards, its data too."""
    folder = Path("/tmp") / f"tenkyo-{name}-{os.getpid()}"  # a socket path may not pass 107 bytes
    server = PostgresServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A server for all tests. Skips where PostgreSQL is not installed."""
    with running_postgres("pg") as server:
        yield server.url


def _postgres_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@pytest.fixture
def postgres_url(postgres_server: URL, request: pytest.FixtureRequest) -> Iterator[URL]:
    """An empty database of its own."""
    name = f"test_{abs(hash(request.node.nodeid)):x}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres_server.set(database=name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store on each of the two databases in turn."""
    home = tmp_path / "home"
    if request.param == "sqlite":
        return Store(open_database(database_url(None, home)), home)
    url: URL = request.getfixturevalue("postgres_url")
    upgrade(url)
    home.mkdir()
    return Store(open_database(url), home)


Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file below `documents/` and returns its path."""

    def _write(name: str, content: str) -> Path:
        path = tmp_path / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    return _write
