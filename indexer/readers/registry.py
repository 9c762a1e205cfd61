"""Which reader reads which file: one table from suffix to reader."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers.html import read_html
from indexer.readers.markdown import read_markdown
from indexer.readers.pdf import read_pdf
from indexer.readers.plain import read_plain

Read = Callable[[bytes], ExtractedDocument]


@dataclass(frozen=True, slots=True)
class Reader:
    """A named, versioned function from bytes to text. Raise the version when its output changes."""

    name: str
    version: int
    read: Read


_PLAIN = Reader("plain", 1, read_plain)
_MARKDOWN = Reader("markdown", 1, read_markdown)
_HTML = Reader("html", 1, read_html)
_PDF = Reader("pdf", 1, read_pdf)

READERS: dict[str, Reader] = {
    ".txt": _PLAIN,
    ".text": _PLAIN,
    ".md": _MARKDOWN,
    ".markdown": _MARKDOWN,
    ".mdx": _MARKDOWN,
    ".html": _HTML,
    ".htm": _HTML,
    ".xhtml": _HTML,
    ".pdf": _PDF,
}


def reader_for(path: str) -> Reader | None:
    """The reader for a path by its suffix, whatever its case; None if there is none."""
    return READERS.get(PurePath(path).suffix.lower())


def read_document(path: str, data: bytes) -> ExtractedDocument:
    """Text of one file. Raises UnreadableDocument with the reason."""
    reader = reader_for(path)
    if reader is None:
        raise UnreadableDocument(f"no reader for {PurePath(path).suffix or 'files without a suffix'}")
    if not data:
        raise UnreadableDocument("the file is empty")
    document = reader.read(data)
    if not document.text.strip():
        raise UnreadableDocument("no text in it")
    return document
