"""Which reader reads which file: one table from suffix to reader."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers import ocr
from indexer.readers.csv import read_csv, read_tsv
from indexer.readers.docx import read_docx
from indexer.readers.email import read_email
from indexer.readers.epub import read_epub
from indexer.readers.html import read_html
from indexer.readers.json import read_json, read_jsonl
from indexer.readers.markdown import read_markdown
from indexer.readers.odt import read_odt
from indexer.readers.pdf.reader import read_pdf
from indexer.readers.plain import read_plain
from indexer.readers.pptx import read_pptx
from indexer.readers.rst import read_rst
from indexer.readers.rtf import read_rtf
from indexer.readers.source import SUFFIXES as SOURCE_SUFFIXES
from indexer.readers.source import read_source
from indexer.readers.xls import read_xls
from indexer.readers.xlsx import read_xlsx
from indexer.readers.xml import read_xml

Read = Callable[[bytes], ExtractedDocument]


@dataclass(frozen=True, slots=True)
class Reader:
    """A named, versioned function from bytes to text. Raise the version when its output changes."""

    name: str
    version: int
    read: Read


_PLAIN = Reader("plain", 1, read_plain)
_MARKDOWN = Reader("markdown", 2, read_markdown)
_HTML = Reader("html", 2, read_html)
# With OCR there is more in the same file: after Tesseract is installed, what was read without it is read again.
_OCR = ("+ocr+vertical" if ocr.reads_vertical() else "+ocr") if ocr.program() else ""
_PDF = Reader(f"pdf{_OCR}", 3, read_pdf)

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
    **dict.fromkeys((".docx", ".docm"), Reader("docx", 1, read_docx)),
    **dict.fromkeys((".pptx", ".pptm"), Reader("pptx", 1, read_pptx)),
    **dict.fromkeys((".xlsx", ".xlsm"), Reader("xlsx", 1, read_xlsx)),
    ".xls": Reader("xls", 1, read_xls),
    ".csv": Reader("csv", 1, read_csv),
    ".tsv": Reader("tsv", 1, read_tsv),
    ".json": Reader("json", 1, read_json),
    ".jsonl": Reader("jsonl", 1, read_jsonl),
    ".xml": Reader("xml", 1, read_xml),
    ".epub": Reader("epub", 1, read_epub),
    ".eml": Reader("email", 1, read_email),
    ".rst": Reader("rst", 1, read_rst),
    ".rtf": Reader("rtf", 1, read_rtf),
    **dict.fromkeys((".odt", ".ods", ".odp"), Reader("odf", 1, read_odt)),
    **dict.fromkeys(SOURCE_SUFFIXES, Reader("source", 1, read_source)),
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
    try:
        document = reader.read(data)
    except RecursionError:
        raise UnreadableDocument("it is nested too deeply") from None
    if not document.text.strip():
        raise UnreadableDocument("no text in it")
    return document
