"""Whether the client of a request is still there. Knows sockets, nothing of questions.

Writing to a client that has gone fails only the second time, and while an answer is made nothing is written at all. So
the socket is looked at: gunicorn puts it into the WSGI environment.
"""

import select
import socket
from collections.abc import Callable, Mapping


def gone_check(environ: Mapping[str, object]) -> Callable[[], bool]:
    """A function that says whether the client has closed its side; without a socket (in tests) it never has."""
    connection = environ.get("gunicorn.socket")
    if not isinstance(connection, socket.socket):
        return lambda: False
    watched = select.poll()  # unlike select(), also for more than 1,024 open files
    watched.register(connection, select.POLLIN)

    def gone() -> bool:
        try:
            return bool(watched.poll(0)) and not connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    return gone
