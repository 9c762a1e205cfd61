"""One writer a collection: a lock that dies with its process, and a lease row that outlives it.

The lock decides who may begin: a file lock in the index folder, on PostgreSQL also an advisory lock. The operating
system and the server release them when the writer dies, so nothing that a crash leaves behind can block. The lease says
who is writing, and its token decides who may publish: a writer whose lock was lost while it ran (the server restarted,
the index folder was deleted) finds another token there, or none. No decision depends on a clock.
"""

import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Engine, delete, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from indexer.errors import IndexBusy, StorageProblem
from indexer.tables import Lease

LOCK_FILE = ".lock"  # in the index folder of a collection


@dataclass(frozen=True, slots=True)
class WriteLease:
    """The right of one run to publish in one collection."""

    collection_id: int
    token: str

    def confirm(self, session: Session) -> None:
        """Raises IndexBusy if another writer has begun since. Until the transaction ends, no other one can."""
        token = session.scalar(select(Lease.token).where(Lease.collection_id == self.collection_id).with_for_update())
        if token != self.token:
            raise IndexBusy("another process has taken over this collection; nothing was published, run this again")


@contextmanager
def write_lock(sessions: sessionmaker[Session], root: Path, name: str, collection_id: int) -> Iterator[WriteLease]:
    """Holds the lock of the collection whose index lies in `root`. Raises IndexBusy at once if another process does."""
    with contextlib.ExitStack() as held:
        try:
            root.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(root / LOCK_FILE).acquire(timeout=0))
        except Timeout:
            raise _busy(sessions, name, collection_id) from None
        except OSError as error:
            raise StorageProblem(f"cannot write to {root}: {error.strerror}. Nothing was changed.") from error
        engine = sessions.kw["bind"]
        if engine.dialect.name == "postgresql" and not held.enter_context(_advisory_lock(engine, collection_id)):
            raise _busy(sessions, name, collection_id)
        lease = WriteLease(collection_id, secrets.token_hex(8))
        with sessions.begin() as session:
            holder = f"process {os.getpid()} on {socket.gethostname()}"
            session.merge(Lease(collection_id=collection_id, token=lease.token, holder=holder, since=datetime.now(UTC)))
        try:
            yield lease
        finally:
            # A lease that stays only names who was the last; what really went wrong is the error under way.
            with contextlib.suppress(DBAPIError), sessions.begin() as session:
                session.execute(delete(Lease).where(Lease.token == lease.token))


@contextmanager
def _advisory_lock(engine: Engine, collection_id: int) -> Iterator[bool]:
    """Whether this connection got the lock. It leaves the pool, so that nobody else gets it, lock and all."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()
    key = {"key": collection_id}
    try:
        yield bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key))
    finally:
        with contextlib.suppress(DBAPIError):  # a server that has gone has released it
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)  # closing alone would do so a bit later
        connection.close()


def _busy(sessions: sessionmaker[Session], name: str, collection_id: int) -> IndexBusy:
    with sessions() as session:
        lease = session.get(Lease, collection_id)
    who = f" ({lease.holder}, since {lease.since:%Y-%m-%d %H:%M} UTC)" if lease else ""
    return IndexBusy(
        f"another process is indexing collection {name!r}{who}; wait for it to finish, then run this again"
    )
