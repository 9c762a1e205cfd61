"""What the reader process cannot do: connect, write, read other files, start programs.

Not even behind Python's back.
"""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_confined(code: str, programs: str = "[]") -> str:
    """What the code prints after confinement, or the last line of its traceback."""
    confined = f"from indexer.confinement import confine; confine(memory_bytes=2 << 30, programs={programs})\n"
    done = subprocess.run([sys.executable, "-c", confined + code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """A server on this machine: its port, and who came."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            try:
                while True:
                    connection, address = server.accept()
                    came.append(address)
                    connection.close()
            except OSError:
                return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_python_cannot_connect(listener: tuple[int, list[object]]) -> None:
    port, came = listener
    answer = run_confined(f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)")
    assert answer.startswith("PermissionError")
    assert not came


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
def test_nor_can_code_behind_pythons_back() -> None:
    code = "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); "
    code += "print(c.socket(2, 1, 0), os.strerror(ctypes.get_errno()))"
    assert run_confined(code) == "-1 Operation not permitted"


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
def test_a_program_that_it_starts_is_confined_as_well() -> None:
    """The filter is inherited: /proc says so of the program itself."""
    code = (
        "import subprocess as s; print(s.run(['/bin/cat', '/proc/self/status'], capture_output=True).stdout.decode())"
    )
    status = run_confined(code, programs="['/bin/cat']")
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status


def test_no_other_program_can_be_started() -> None:
    assert run_confined("import subprocess; subprocess.run(['/bin/sh', '-c', 'echo x'])").startswith("PermissionError")


def test_no_file_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / "x"
    assert run_confined(f"open({str(target)!r}, 'w').write('x')").startswith("PermissionError")
    behind = f"import ctypes; c = ctypes.CDLL(None); f = c.creat({str(target).encode()!r}, 0o600); "
    behind += "print(c.write(f, b'xx', 2))"
    assert run_confined(behind) == "-1"
    assert not target.exists() or target.read_bytes() == b""


def test_no_other_file_can_be_read_and_none_removed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    link = tmp_path / "link"
    link.symlink_to("/etc/passwd")
    for path in (secret, link, Path("/etc/passwd"), ROOT / ".." / "etc" / "passwd", Path("/usr/lib/../../etc/passwd")):
        assert run_confined(f"print(open({str(path)!r}).read())").startswith(("PermissionError", "FileNotFoundError"))
    assert run_confined(f"import os; os.remove({str(secret)!r})").startswith("PermissionError")
    assert secret.exists()


def test_nothing_is_unpickled() -> None:
    assert "PermissionError" in run_confined("import pickle; pickle.loads(b'cos\\nsystem\\n(S\"echo hi\"\\ntR.')")


def test_what_readers_need_still_works() -> None:
    assert run_confined("import email.parser, csv; print('規程'.encode('cp932').decode('shift_jis'))") == "規程"
