"""OpenDocument texts: headings by outline level, lists, tables, notes. Knows the office namespace of ODF 1.3 only."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers.archive import Archive
from indexer.readers.builder import TextBuilder
from indexer.readers.grid import Cell, add_grid, spread
from indexer.readers.sheet import add_sheet
from indexer.readers.xmltree import attribute

_SKIPPED = frozenset("tracked-changes forms sequence-decls ruby-text annotation desc title".split())
_MAX_REPEATED = 1000
_MAX_SPACES = 1000


def read_odt(data: bytes) -> ExtractedDocument:
    """An .odt, .ods or .odp file."""
    archive = Archive(data)
    if "content.xml" not in archive:
        raise UnreadableDocument("a zip file, but not an OpenDocument")
    if "META-INF/manifest.xml" in archive and any(
        element.tag == "encryption-data" for element in archive.xml("META-INF/manifest.xml").iter()
    ):
        raise UnreadableDocument("encrypted: it needs a password")
    body = archive.xml("content.xml").find("body")
    content = None if body is None else next(iter(body), None)
    if content is None:
        raise UnreadableDocument("damaged: it has no body")
    builder = TextBuilder()
    if content.tag == "spreadsheet":
        for table in content.iterfind("table"):
            add_sheet(builder, attribute(table, "name"), _rows(table))
    elif content.tag == "presentation":
        for number, slide in enumerate(content.iterfind("page"), start=1):
            builder.page(number, 0.0, 0.0)
            _add_blocks(builder, slide)
    else:
        _add_blocks(builder, content)
    media_type = archive.read("mimetype").decode("ascii", "replace").strip() if "mimetype" in archive else ""
    return builder.build(title=_title(archive), media_type=media_type or "application/vnd.oasis.opendocument.text")


def _title(archive: Archive) -> str | None:
    if "meta.xml" not in archive:
        return None
    return next((e.text for e in archive.xml("meta.xml").iter("title") if (e.text or "").strip()), None)


def _add_blocks(builder: TextBuilder, root: Element) -> None:
    """Paragraphs, headings and tables in order; notes follow the paragraph that they belong to."""
    stack: list[tuple[Element, bool]] = [(child, False) for child in reversed(root)]
    while stack:
        element, in_list = stack.pop()
        if element.tag == "h":
            level = attribute(element, "outline-level", "1")
            text, _ = _words(element)
            builder.heading(min(int(level), 6) if level.isdecimal() and int(level) else 1, text)
        elif element.tag == "p":
            text, inner = _words(element)
            builder.block(text, tight=in_list)
            stack.extend((child, False) for child in reversed(inner))
        elif element.tag == "table":
            add_grid(builder, list(_rows(element)), header=element.find("table-header-rows") is not None or None)
        elif element.tag not in _SKIPPED:
            in_list = in_list or element.tag == "list"
            stack.extend((child, in_list) for child in reversed(element))


def _words(paragraph: Element) -> tuple[str, list[Element]]:
    """The words of a paragraph, and the notes and text boxes inside it."""
    parts = [paragraph.text or ""]
    inner: list[Element] = []
    stack: list[Element | str] = [part for child in reversed(paragraph) for part in (child.tail or "", child)]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
        elif item.tag == "s":
            count = attribute(item, "c", "1")
            parts.append(" " * (min(int(count), _MAX_SPACES) if count.isdecimal() else 1))
        elif item.tag in ("tab", "line-break"):
            parts.append("\t" if item.tag == "tab" else "\n")
        elif item.tag == "note":
            inner.extend(item.iterfind("note-body"))
        elif item.tag == "frame":
            inner.append(item)
        elif item.tag not in _SKIPPED:
            parts.append(item.text or "")
            stack.extend(part for child in reversed(item) for part in (child.tail or "", child))
    return "".join(parts), inner


def _rows(table: Element) -> Iterator[list[str]]:
    return spread(_cells(table))


def _cells(table: Element) -> Iterator[list[Cell]]:
    """Rows; repeated ones that hold something are repeated, within reason: a style may repeat one a million times."""
    stack = [*reversed(table)]
    while stack:
        element = stack.pop()
        if element.tag == "table-row":
            row: list[Cell] = []
            for cell in element:
                if cell.tag == "table-cell":
                    text = "\n".join(_words(p)[0] for p in cell.iter() if p.tag in ("p", "h"))
                    repeated = _count(cell, "number-columns-repeated")
                    one = Cell(text, _count(cell, "number-columns-spanned"), _count(cell, "number-rows-spanned"))
                    row += [one] * repeated
            filled = any(cell.text.strip() for cell in row)
            for _ in range(_count(element, "number-rows-repeated") if filled else 1):
                yield row
        elif element.tag in ("table-header-rows", "table-rows", "table-row-group"):
            stack.extend(reversed(element))


def _count(element: Element, name: str) -> int:
    text = attribute(element, name, "1")
    return max(min(int(text), _MAX_REPEATED), 1) if text.isdecimal() else 1
