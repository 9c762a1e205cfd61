"""Zip containers (docx, pptx, xlsx, odt, epub), read in memory: nothing is ever unpacked to a disk.

What the file says of itself is checked before anything is inflated; a member that lies about its size is damaged.
"""

import io
import lzma
import posixpath
import struct
import zipfile
import zlib
from xml.etree.ElementTree import Element

from indexer.errors import UnreadableDocument
from indexer.readers.xmltree import parse_xml

MAX_ENTRIES = 20_000
MAX_BYTES = 512 << 20
# Deflate reaches 1032; sheets of equal rows, the best that honest files do, reach about 100.
MAX_RATIO = 250
_RATIO_COUNTS_FROM = 32 << 20
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError)


class Archive:
    """Members by name. A name is a key, never a path: whatever it says, it leads to no file."""

    def __init__(self, data: bytes) -> None:
        if data.startswith(_OLE_SIGNATURE):
            if "EncryptedPackage".encode("utf-16-le") in data:
                raise UnreadableDocument("encrypted: it needs a password")
            raise UnreadableDocument("an old Office file under a newer suffix: save it again in the new format")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (*_ZIP_ERRORS, NotImplementedError) as error:
            raise UnreadableDocument(f"not a zip container, or damaged: {error}") from error
        entries = self._zip.infolist()
        total = sum(entry.file_size for entry in entries)
        if len(entries) > MAX_ENTRIES:
            raise UnreadableDocument(f"an archive of {len(entries)} parts; {MAX_ENTRIES} are allowed")
        if total > MAX_BYTES or (total > _RATIO_COUNTS_FROM and total > MAX_RATIO * len(data)):
            raise UnreadableDocument(
                f"an archive bomb: {len(data) >> 10} KiB that would unpack to {total >> 20} MiB; "
                f"{MAX_BYTES >> 20} MiB and {MAX_RATIO} times its size are allowed"
            )
        self._names = {entry.filename for entry in entries}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises UnreadableDocument if it is missing, encrypted or damaged."""
        if name not in self._names:
            raise UnreadableDocument(f"damaged: its part {name!r} is missing")
        entry = self._zip.getinfo(name)
        if entry.flag_bits & 1:
            raise UnreadableDocument("encrypted: it needs a password")
        try:
            with self._zip.open(entry) as member:
                data = member.read(entry.file_size + 1)  # bounded by what was added up above
        except (*_ZIP_ERRORS, NotImplementedError) as error:
            raise UnreadableDocument(f"damaged: its part {name!r} cannot be unpacked ({error})") from error
        if len(data) != entry.file_size:
            raise UnreadableDocument(f"damaged: its part {name!r} is not as long as it says")
        return data

    def xml(self, name: str) -> Element:
        """The XML of a member; tags without their namespaces."""
        return parse_xml(self.read(name))


def resolve(part: str, target: str) -> str:
    """The name of the member that `target` means inside `part`; one that leads out of the archive names none."""
    if target.startswith("/"):
        return posixpath.normpath(target).lstrip("/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(part), target))
