"""Rides out a database server that is away for a while: a run of hours does not end because of a restart of seconds."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
# Shut down by an administrator, crashed, cannot connect now (PostgreSQL, appendix A); 08 is every broken connection.
_AWAY = ("57P01", "57P02", "57P03", "08")


def ride_out(work: Callable[[], T]) -> T:
    """Does `work`, again and again while the server is away. It may have been done already: it must bear a repetition.

    SQLite waits for a lock by itself (`busy_timeout`), so its errors are final.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except DBAPIError as error:
            if not _is_away(error) or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


def _is_away(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    # psycopg gives an attempt to connect that failed no state at all.
    has_states, state = hasattr(error.orig, "sqlstate"), getattr(error.orig, "sqlstate", None)
    return isinstance(error, OperationalError) and has_states and (state is None or state.startswith(_AWAY))
