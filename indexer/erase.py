"""Makes what was deleted unreadable: old index files, and the copies of deleted rows that a database keeps.

Deleting a row only marks its bytes as free. Knows no documents.
"""

import shutil
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from indexer.errors import EraseIncomplete

_TABLES = ("contents", "chunks", "versions", "documents", "answers")
_BUSY_MS = 30_000  # how long readers may take to let go
_LOCK_WAIT = "10s"


def erase_index_files(root: Path, current: str | None) -> None:
    """Deletes all that lies in a collection's index folder but the `current` generation and the lock.

    Unchanged files of a generation are hard links: they are gone when the last folder that holds them is.
    """
    for path in root.iterdir() if root.is_dir() else ():
        if path.name in (current, ".lock"):
            continue
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            raise EraseIncomplete(
                f"nothing finds the text any more, but {path} still holds it and cannot be deleted: {error.strerror}. "
                "Correct that, then run the same command again."
            ) from error


def erase_deleted_rows(engine: Engine) -> None:
    """Rewrites the database so that no file of it holds a deleted row. Raises EraseIncomplete; then run it again."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            _rewrite_sqlite(connection)
        else:
            _rewrite_postgresql(connection)


def _rewrite_sqlite(connection: Connection) -> None:
    # secure_delete: without it new pages may begin with whatever lay in the memory that SQLite takes for them.
    connection.exec_driver_sql("PRAGMA secure_delete = ON").close()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_MS}").close()
    connection.exec_driver_sql("VACUUM")
    busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    if busy:
        raise EraseIncomplete(
            "nothing finds the text any more, but the database's log (-wal) still holds it, because another process "
            "is reading. Run the same command again, if need be after stopping `tenkyo serve`."
        )


def _rewrite_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_WAIT}'")
    try:
        for table in _TABLES:
            connection.exec_driver_sql(f"VACUUM FULL {table}")
    except DBAPIError as error:
        raise EraseIncomplete(
            f"the rows are deleted, but PostgreSQL keeps dead copies of them until their tables are rewritten, which "
            f"failed: {error.orig}. Run the same command again when the database is idle, or as the tables' owner "
            f"`VACUUM FULL {', '.join(_TABLES)}`."
        ) from error
    finally:
        connection.exec_driver_sql("RESET lock_timeout")
