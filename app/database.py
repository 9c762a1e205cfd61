"""Opens the database and brings its schema up to date.

The embedded SQLite database migrates itself; a PostgreSQL database is migrated by `tenkyo db upgrade`, once, by whoever
runs it, and anything else refuses to start on an old schema.
"""

import sqlite3
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from filelock import FileLock
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

import migrations
from app.errors import ConfigurationProblem, DatabaseProblem

# How long a writer waits for a lock. Readers never wait: WAL gives them the state before.
_SQLITE_BUSY_MS = 60_000


def database_url(url: str | None, home: Path) -> URL:
    """The URL of the settings, or that of the embedded database in the data folder."""
    if not url:
        return URL.create("sqlite", database=str(home / "tenkyo.sqlite3"))
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationProblem(
            "TENKYO_DATABASE_URL is not a database URL; write postgresql://user@host/name"
        ) from error
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def open_database(url: URL) -> sessionmaker[Session]:
    """A session factory on a database whose schema is current. Raises DatabaseProblem."""
    engine = _create_engine(url)
    try:
        if engine.dialect.name == "sqlite":
            _upgrade_embedded(engine, url)
        elif (found := schema_revision(engine)) != head_revision():
            _refuse_newer(found, url)
            raise DatabaseProblem(
                f"the database schema is at {found or 'nothing'}, this version needs {head_revision()}: "
                "run `tenkyo db upgrade`"
            )
    except DatabaseError as error:
        raise DatabaseProblem(f"cannot use the database {url.render_as_string()}: {error.orig}") from error
    return sessionmaker(engine, expire_on_commit=False)


def upgrade(url: URL, revision: str = "head") -> None:
    """Migrates to a revision, up or (with an older one, or "base") down. Raises DatabaseProblem."""
    engine = _create_engine(url)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                # Python's sqlite3 begins no transaction before DDL: a kill would leave half of a migration for ever.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            config = _alembic_config()
            config.attributes["connection"] = connection
            current = MigrationContext.configure(connection).get_current_revision()
            if revision == "base" or (current and revision != "head" and _is_older(revision, current)):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
    except DatabaseError as error:
        raise DatabaseProblem(f"cannot use the database {url.render_as_string()}: {error.orig}") from error
    except CommandError as error:
        raise DatabaseProblem(f"cannot migrate to {revision!r}: {error}") from error
    finally:
        engine.dispose()


def schema_revision(engine: Engine) -> str | None:
    """The revision that the database is at; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str:
    """The revision that this version of the code needs."""
    head = ScriptDirectory.from_config(_alembic_config()).get_current_head()
    assert head is not None
    return head


def _is_older(revision: str, current: str) -> bool:
    script = ScriptDirectory.from_config(_alembic_config())
    return revision in {older.revision for older in script.walk_revisions("base", current)}


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def _create_engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() == "sqlite":
            if url.database:
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(url, connect_args={"timeout": _SQLITE_BUSY_MS / 1000})
            event.listen(engine, "connect", _prepare_sqlite)
            return engine
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationProblem(f"TENKYO_DATABASE_URL: {error}; use sqlite:/// or postgresql://") from error
    except OSError as error:
        raise DatabaseProblem(f"cannot create {url.database}: {error.strerror}") from error


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    # With NORMAL a power cut may take back the last commits: SQL would name a generation that has been deleted since.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _write_ahead(cursor: DBAPICursor) -> None:
    """Several may open a new database at once, and SQLite waits for no lock when it changes the journal mode."""
    deadline = time.monotonic() + _SQLITE_BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _upgrade_embedded(engine: Engine, url: URL) -> None:
    found = schema_revision(engine)
    if found == head_revision():
        return
    _refuse_newer(found, url)
    with FileLock(f"{url.database}.migrate.lock"):
        upgrade(url)


def _refuse_newer(found: str | None, url: URL) -> None:
    if found is not None and found not in _known_revisions():
        raise DatabaseProblem(
            f"{url.render_as_string()} was written by a newer version of Tenkyo (schema {found}): upgrade Tenkyo, "
            "or use another database"
        )


def _known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_alembic_config()).walk_revisions()}
