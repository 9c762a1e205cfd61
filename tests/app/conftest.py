"""A store that is indexed once a session, and the application around it."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient
from sqlalchemy import URL, create_engine, text
from werkzeug.test import TestResponse

import evaluation.cli  # noqa: F401  (adds `eval` to the commands)
from app.cli import cli
from app.database import database_url, open_database, upgrade
from app.service import Service
from app.web import create_app
from indexer.embedder import EmbedderSettings
from indexer.ingest import IngestSettings, Store, ingest
from tests.fakes import HashEmbedder

DOCUMENTS = {
    "hr/leave.md": "# Leave policy\n\n## Parental leave\n\n"
    "Each parent gets 45 working days of paid parental leave. Apply eight weeks before it starts.\n\n"
    "```\ncurl https://hr.example/leave\n```\n",
    "hr/zaitaku.md": "# 在宅勤務規程\n\n在宅勤務は週に3日までとする。申請は前日の17時までに行う。\n",
    "travel.txt": "The limit for a hotel in London is 165 pounds a night.\n",
    "hostile.txt": "The hostile file says <script>alert(1)</script> & \"quotes\" 'too'.\n",
    "sign.txt": "The sign :warning: stands on the yellow door.\n",
    "brackets.txt": "The wiki pattern [/end] closes a block quote of [bold] text.\n",
}
ENGLISH = "Does each parent get working days of paid parental leave?"
JAPANESE = "在宅勤務は週に3日まで？"
UNRELATED = "Quantum chromodynamics lattice"


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with `DOCUMENTS`."""
    root = tmp_path_factory.mktemp("documents")
    for name, content in DOCUMENTS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def _index(store: Store, documents: Path) -> Store:
    report = ingest(store, HashEmbedder(), "handbook", [documents], IngestSettings())
    assert report.failed == []
    return store


@pytest.fixture(scope="session")
def indexed_home(documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one indexed collection, "handbook". Not to be changed: copy it."""
    home = tmp_path_factory.mktemp("indexed") / "home"
    store = _index(Store(open_database(database_url(None, home)), home), documents)
    store.sessions.kw["bind"].dispose()
    return home


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def indexed_store(
    request: pytest.FixtureRequest, documents: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """The same collection on each of the two databases, for tests that only ask."""
    if request.param == "sqlite":
        home: Path = request.getfixturevalue("indexed_home")
        yield Store(open_database(database_url(None, home)), home)
        return
    server: URL = request.getfixturevalue("postgres_server")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE indexed"))
    url = server.set(database="indexed")
    upgrade(url)
    yield _index(Store(open_database(url), tmp_path_factory.mktemp("indexed-postgresql")), documents)
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE indexed WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def home(indexed_home: Path, tmp_path: Path) -> Path:
    """A copy of the indexed data folder, for tests that change or damage it."""
    return Path(shutil.copytree(indexed_home, tmp_path / "indexed-home"))


@pytest.fixture
def indexed_copy(home: Path) -> Store:
    """The store in the copied data folder."""
    return Store(open_database(database_url(None, home)), home)


@pytest.fixture
def service(indexed_copy: Store, handmade_weights: None) -> Service:
    """A service on a copy of the indexed data folder."""
    return Service(indexed_copy, HashEmbedder())


@pytest.fixture(scope="session")
def shared_client(indexed_home: Path) -> FlaskClient:
    store = Store(open_database(database_url(None, indexed_home)), indexed_home)
    return create_app(Service(store, HashEmbedder())).test_client()


@pytest.fixture
def client(shared_client: FlaskClient, handmade_weights: None) -> FlaskClient:
    """A client of the application around the shared store."""
    return shared_client


@pytest.fixture
def permissions_count(tmp_path: Path) -> None:
    """Skips for a user (root) whom no file permission stops."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    stopped = not os.access(closed, os.R_OK)
    closed.chmod(0o700)
    if not stopped:
        pytest.skip("this user may read and write everything")


Ask = Callable[..., TestResponse]


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    """Posts a question; `accept` asks for another media type."""

    def _ask(question: str, accept: str = "application/json", **body: object) -> TestResponse:
        return client.post("/ask", json={"question": question, **body}, headers={"Accept": accept})

    return _ask


@dataclass
class Shell:
    """Runs `tenkyo` in this process, with the fake embedder, in an empty working folder."""

    home: Path
    embedder: HashEmbedder

    def run(self, *arguments: str | Path, **environment: str) -> Result:
        variables = {"TENKYO_HOME": str(self.home), **environment}
        result = CliRunner().invoke(cli, [str(a) for a in arguments], env=variables, prog_name="tenkyo")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result


@pytest.fixture
def shell(
    home: Path, monkeypatch: pytest.MonkeyPatch, handmade_weights: None, quick_reader: None, clean_environment: Path
) -> Shell:
    """A shell whose data folder is a copy of the indexed one."""
    embedder = HashEmbedder()

    def fake(_: EmbedderSettings) -> HashEmbedder:
        return embedder

    monkeypatch.setattr("app.cli_index.SentenceTransformerEmbedder", fake)
    monkeypatch.setattr("app.service.SentenceTransformerEmbedder", fake)
    return Shell(home, embedder)


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No TENKYO_ variable and no configuration file; gives the working folder."""
    for name in os.environ:
        if name.startswith("TENKYO_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "working-folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
