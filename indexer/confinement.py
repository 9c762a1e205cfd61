"""What the reader process gives up before it sees a file: the network, writing files, other programs, other files.

Two fences. The kernel's (Linux, x86-64 and arm64: seccomp and resource limits) holds against hostile code in a parser
and in what it starts. Python's audit hook holds everywhere, against what Python itself does.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_X32 = 0x40000000
# socket, connect, ptrace, bpf, io_uring_setup (opens sockets too), process_vm_readv, process_vm_writev, pidfd_getfd
_REFUSED = {
    "x86_64": (0xC000003E, (41, 42, 101, 321, 425, 310, 311, 438)),
    "aarch64": (0xC00000B7, (198, 203, 117, 280, 425, 270, 271, 438)),
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED_EVENTS = tuple(
    "socket. os.system os.fork os.spawn os.remove os.rename os.mkdir os.symlink os.link os.chmod os.truncate shutil. "
    "urllib. ftplib. smtplib. pickle.find_class".split()
)


def confine(*, memory_bytes: int, programs: Sequence[str]) -> None:
    """Gives up, for good, what no reader needs. `programs` may still be started; they are confined as well."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # writing to any file fails; pipes are no files
    _filter_system_calls()
    _watch_python(programs)


def _filter_system_calls() -> None:
    """No sockets by the kernel's word. Kernels without seccomp (emulated ones) leave it to the audit hook."""
    known = _REFUSED.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return
    architecture, numbers = known
    refused = len(numbers) + 1
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, refused + 2, architecture),  # a call by the rules of another processor is refused
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, refused, 0, _X32),
        *((_EQUAL, refused - 1 - i, 0, number) for i, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    header = struct.pack("HL" if struct.calcsize("HL") == 16 else "HxxxxxxQ", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header), 0, 0)


def _watch_python(programs: Sequence[str]) -> None:
    """Refuses in Python what the kernel refuses, and reading files other than Python's own."""
    sys.dont_write_bytecode = True
    roots = tuple(
        os.path.realpath(path) + os.sep
        for path in {
            sys.prefix,
            sys.base_prefix,
            str(Path(__file__).parent.parent),
            *sys.path,
            "/usr/lib",
            "/usr/share",
        }
        if path and os.path.isdir(path)  # noqa: PTH112
    )

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int) or path == os.devnull:
                return
            if isinstance(flags, int) and flags & _WRITING:
                raise PermissionError(f"a reader may write no file: {path!r}")
            name = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
            if not name.startswith(roots):
                raise PermissionError(f"a reader may read no file but Python's own: {path!r}")
        elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
            if arguments[0] not in programs:
                raise PermissionError(f"a reader may not start {arguments[0]!r}")
        elif event.startswith(_REFUSED_EVENTS):
            raise PermissionError(f"a reader may not do this: {event}")

    sys.addaudithook(watch)
