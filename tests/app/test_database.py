"""Opening the database: what is current opens, what is not says what to run, what is unreachable says so."""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url, text

from app.database import database_url, head_revision, open_database, schema_revision, upgrade
from app.errors import ConfigurationProblem, DatabaseProblem


def stamp(url: URL, revision: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    engine.dispose()


def test_without_a_url_the_database_lies_in_the_data_folder(tmp_path: Path) -> None:
    url = database_url(None, tmp_path)
    assert (url.get_backend_name(), url.database) == ("sqlite", str(tmp_path / "tenkyo.sqlite3"))
    assert database_url("", tmp_path) == url


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgresql_url_needs_no_driver(scheme: str, tmp_path: Path) -> None:
    url = database_url(f"{scheme}://user:secret@host:5433/name", tmp_path)
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.host, url.port, url.database) == ("user", "host", 5433, "name")


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql:/host/name",
        "http://host/name",
        "mysql://host/name",
        "postgresql+nodriver://host/name",
        "postgresql://user@host:port/name",
        "postgresql://[::1/name",
    ],
)
def test_a_bad_url_is_a_problem_of_the_configuration(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblem, match="TENKYO_DATABASE_URL"):
        open_database(database_url(url, tmp_path))


def test_the_embedded_database_makes_its_folder_and_its_schema(tmp_path: Path) -> None:
    url = database_url(None, tmp_path / "a" / "b")
    with open_database(url)() as session:
        assert session.scalar(text("SELECT count(*) FROM collections")) == 0
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1


def test_an_older_embedded_database_migrates_itself(tmp_path: Path) -> None:
    url = database_url(None, tmp_path)
    upgrade(url, "base")
    engine = create_engine(url)
    assert schema_revision(engine) is None
    open_database(url)
    assert schema_revision(engine) == head_revision()
    engine.dispose()


def test_many_may_open_a_new_embedded_database_at_once(tmp_path: Path) -> None:
    for attempt in range(3):
        url = database_url(None, tmp_path / str(attempt))
        with ThreadPoolExecutor(6) as pool:
            for sessions in pool.map(open_database, [url] * 6):
                with sessions() as session:
                    assert session.scalar(text("SELECT count(*) FROM collections")) == 0


def test_an_embedded_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    url = database_url(None, tmp_path)
    open_database(url)
    stamp(url, "9999")
    with pytest.raises(DatabaseProblem, match=r"newer version of Tenkyo \(schema 9999\)"):
        open_database(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    engine.dispose()


def test_a_new_postgresql_database_says_what_to_run_and_is_not_touched(postgres_url: URL) -> None:
    with pytest.raises(DatabaseProblem, match="tenkyo db upgrade"):
        open_database(postgres_url)
    engine = create_engine(postgres_url)
    assert schema_revision(engine) is None
    engine.dispose()
    upgrade(postgres_url)
    with open_database(postgres_url)() as session:
        assert session.scalar(text("SELECT count(*) FROM collections")) == 0


def test_a_postgresql_database_of_a_newer_version_is_not_said_to_need_an_upgrade(postgres_url: URL) -> None:
    upgrade(postgres_url)
    stamp(postgres_url, "9999")
    with pytest.raises(DatabaseProblem, match="9999") as raised:
        open_database(postgres_url)
    assert "newer" in str(raised.value)
    assert "tenkyo db upgrade" not in str(raised.value), "it would fail: this version does not know revision 9999"


def test_an_unknown_revision_is_named(postgres_url: URL) -> None:
    with pytest.raises(DatabaseProblem, match="nowhere"):
        upgrade(postgres_url, "nowhere")


@pytest.mark.parametrize("use", [open_database, upgrade])
def test_an_unreachable_server_is_named_without_its_password(use: Callable[[URL], object], tmp_path: Path) -> None:
    url = database_url("postgresql://tenkyo:verysecret@127.0.0.1:1/tenkyo", tmp_path)
    with pytest.raises(DatabaseProblem, match=r"127\.0\.0\.1") as raised:
        use(url)
    assert "verysecret" not in str(raised.value)


def test_a_database_that_does_not_exist_is_named(postgres_server: URL) -> None:
    with pytest.raises(DatabaseProblem, match="no_such_database"):
        open_database(postgres_server.set(database="no_such_database"))


def test_a_file_in_the_place_of_the_data_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(DatabaseProblem, match="home"):
        open_database(database_url(None, tmp_path / "home"))


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "tenkyo.sqlite3").write_bytes(b"this is no database at all " * 100)
    with pytest.raises(DatabaseProblem, match=r"tenkyo\.sqlite3"):
        open_database(database_url(None, tmp_path))


@pytest.mark.usefixtures("permissions_count")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    with pytest.raises(DatabaseProblem, match="home"):
        open_database(database_url(None, home))


def test_a_locked_embedded_database_is_waited_for(tmp_path: Path) -> None:
    sessions = open_database(database_url(None, tmp_path))
    holder = sqlite3.connect(tmp_path / "tenkyo.sqlite3", check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as pool, sessions() as session:
        release = pool.submit(_commit_soon, holder)
        session.execute(text("DELETE FROM answers"))
        session.commit()
        release.result()
    holder.close()


def _commit_soon(connection: sqlite3.Connection) -> None:
    time.sleep(0.3)
    connection.commit()


def test_a_url_never_shows_its_password(tmp_path: Path) -> None:
    url = database_url("postgres://user:verysecret@host/name", tmp_path)
    assert "verysecret" not in str(url)
    assert url == make_url("postgresql+psycopg://user:verysecret@host/name")
