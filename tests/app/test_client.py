"""Whether a client is still there, by its socket."""

import socket

from app.client import gone_check


def test_a_client_that_waits_or_sends_ahead_is_there_until_it_closes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        gone = gone_check({"gunicorn.socket": ours})
        assert not gone()
        theirs.sendall(b"GET / HTTP/1.1\r\n")
        assert not gone()
        assert ours.recv(99) == b"GET / HTTP/1.1\r\n", "what was looked at can still be read"
        theirs.close()
        assert gone()
        assert gone()


def test_a_connection_that_is_reset_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
        with ours:
            gone = gone_check({"gunicorn.socket": ours})
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            theirs.close()
            assert gone()


def test_without_a_socket_nobody_leaves() -> None:
    assert not gone_check({})()
