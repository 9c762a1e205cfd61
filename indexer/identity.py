"""Stable ids: the same content always gets the same id, on every machine and after every restart.

Ids are 63-bit so that FAISS, SQL and tantivy can hold them as plain integers; outside the process they are
written as 16 hexadecimal digits, because JavaScript cannot hold integers above 2^53.
"""

import hashlib
from pathlib import Path

_MASK_63_BITS = (1 << 63) - 1


def stable_id(*parts: str | int) -> int:
    """Positive 63-bit id of the given parts; the parts are length-prefixed, so ("ab", "c") != ("a", "bc").

    By the birthday bound the chance of any collision among 10^7 ids is about 5e-6.
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return int.from_bytes(digest.digest()[:8], "big") & _MASK_63_BITS


def format_id(value: int) -> str:
    """The public form of an id: 16 lower-case hexadecimal digits."""
    return f"{value:016x}"


def parse_id(text: str) -> int | None:
    """The inverse of `format_id`; None for anything that `format_id` cannot have written."""
    if len(text) != 16 or any(c not in "0123456789abcdef" for c in text):
        return None
    value = int(text, 16)
    return value if value <= _MASK_63_BITS else None


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
