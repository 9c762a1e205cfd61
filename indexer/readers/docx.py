"""Word documents: headings by style, numbers as Word shows them, tables, notes, text boxes.

Knows WordprocessingML only.
"""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from indexer.document import ExtractedDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.docx_numbering import Numbering
from indexer.readers.grid import add_grid
from indexer.readers.ooxml import Package, is_on, value

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
# Deleted and moved text, field codes, the second copy for old programs, furigana.
_UNSEEN = frozenset("del moveFrom delText instrText Fallback rt rPr pPr sectPr".split())
_BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_TITLE = "title"
# Formulas on one line: a fraction without its bar would be another number. Private characters are brackets that may go.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MATH = {"num": _OPEN, "den": "/" + _OPEN, "sup": "^" + _OPEN, "sub": "_" + _OPEN}
_NEEDLESS = re.compile(rf"{_OPEN}([\w.]*){_CLOSE}")


def read_docx(data: bytes) -> ExtractedDocument:
    """A .docx or .docm file."""
    return _Word(Package(data, "document")).read()


class _Word:
    def __init__(self, package: Package) -> None:
        self._package = package
        self._builder = TextBuilder()
        related = package.related
        styles = [style for _, root in related(package.main, "styles") for style in root.iter("style")]
        self._styles = {value(style, "styleId"): style for style in styles}
        self._numbering = Numbering([root for _, root in related(package.main, "numbering")])
        self._title: str | None = None

    def read(self) -> ExtractedDocument:
        body = self._package.root.find("body")
        if body is not None:
            self._add_blocks(body)
        for kind, name in (("footnotes", "footnote"), ("endnotes", "endnote"), ("comments", "comment")):
            for _, root in self._package.related(self._package.main, kind):
                for note in root.iter(name):
                    if not value(note, "type"):  # separators have one
                        self._add_note(note, "Comment: " if name == "comment" else "")
        self._add_margins()
        return self._builder.build(title=self._title or self._package.title, media_type=MEDIA_TYPE)

    def _add_margins(self) -> None:
        """Headers and footers, each wording once."""
        seen: set[str] = set()
        for kind in ("header", "footer"):
            for _, root in self._package.related(self._package.main, kind):
                for block in _blocks(root):
                    text, _ = _words(block)
                    if text.strip() and text not in seen:
                        seen.add(text)
                        self._builder.block(text)

    def _add_note(self, note: Element, prefix: str) -> None:
        text = "\n".join(_words(block)[0] for block in _blocks(note))
        if text.strip():
            self._builder.block(prefix + text)

    def _add_blocks(self, container: Element) -> None:
        for block in _blocks(container):
            if block.tag == "tbl":
                self._add_table(block)
            else:
                self._add_paragraph(block)

    def _add_paragraph(self, paragraph: Element) -> None:
        text, boxes = _words(paragraph)
        properties = paragraph.find("pPr")
        style = value(None if properties is None else properties.find("pStyle"))
        level = self._heading_level(properties, style)
        if text.strip():
            number = self._numbering.number(*self._list_of(properties, style))
            text = (number or "") + text
            if level == 0 and self._title is None and self._builder.is_empty:
                self._title = text
            if level is not None:
                self._builder.heading(min(max(level + (self._title is not None), 1), 6), text)
            else:
                self._builder.block(text, tight=number is not None)
        for box in boxes:
            self._add_blocks(box)

    def _heading_level(self, properties: Element | None, style: str) -> int | None:
        """From 1; 0 for the title; None for body text. A paragraph's own level goes before its style's."""
        for source in (properties, *(s.find("pPr") for s in self._with_bases(style))):
            outline = None if source is None else source.find("outlineLvl")
            if outline is not None:
                level = int(value(outline, default="9")) if value(outline).isdigit() else 9
                return level + 1 if level < 9 else None
        names = [value(s.find("name")).lower() for s in self._with_bases(style)]
        if _TITLE in names:
            return 0
        found = [name.removeprefix("heading ") for name in names if name.startswith("heading ")]
        return int(found[0]) if found and found[0].isdigit() else None

    def _list_of(self, properties: Element | None, style: str) -> tuple[str, str]:
        """(list, level) that a paragraph is an item of, by itself or by its style."""
        for source in (properties, *(s.find("pPr") for s in self._with_bases(style))):
            found = None if source is None else source.find("numPr")
            if found is not None:
                return value(found.find("numId")), value(found.find("ilvl"), default="0")
        return "", ""

    def _with_bases(self, style: str) -> Iterator[Element]:
        seen: set[str] = set()
        while style in self._styles and style not in seen:
            seen.add(style)
            yield self._styles[style]
            style = value(self._styles[style].find("basedOn"))

    def _add_table(self, table: Element) -> None:
        rows = list(_own(table, "tr"))
        grid = [_cells(row) for row in rows]
        if not grid:
            return
        if len(grid) == 1 or max(map(len, grid)) == 1:  # a frame around text
            for cell in (cell for row in grid for cell, _, _ in row):
                self._add_blocks(cell)
            return
        texts: list[list[str]] = []
        for row in grid:
            line: list[str] = []
            for cell, span, goes_on in row:
                from_above = goes_on and texts and len(line) < len(texts[-1])
                text = texts[-1][len(line)] if from_above else _words(cell)[0]
                line += [text] + [text if not texts else ""] * (span - 1)
            texts.append(line)
        marked = is_on(rows[0].find("trPr/tblHeader")) or (_is_bold(rows[0]) and not _is_bold(rows[1]))
        add_grid(self._builder, texts, header=marked or None)


def _own(ancestor: Element, tag: str) -> Iterator[Element]:
    """Rows of a table, or cells of a row, in order, but not those of a table inside it."""
    stack = [*reversed(ancestor)]
    while stack:
        element = stack.pop()
        if element.tag == tag:
            yield element
        elif element.tag != "tbl":
            stack.extend(reversed(element))


def _blocks(container: Element) -> Iterator[Element]:
    """Paragraphs and tables in order, out of whatever wraps them (content controls, insertions)."""
    stack = [*reversed(container)]
    while stack:
        element = stack.pop()
        if element.tag in ("p", "tbl"):
            yield element
        elif element.tag not in _UNSEEN:
            stack.extend(reversed(element))


def _words(block: Element) -> tuple[str, list[Element]]:
    """The words of a paragraph (or of all a block holds), and the text boxes that are anchored in it."""
    parts: list[str] = []
    boxes: list[Element] = []
    stack: list[Element | str] = [*reversed(block)]
    while stack:
        element = stack.pop()
        if isinstance(element, str):
            parts.append(element)
        elif element.tag == "t":
            parts.append(element.text or "")
        elif element.tag in _MATH:
            parts.append(_MATH[element.tag])
            stack += [_CLOSE, *reversed(element)]
        elif element.tag in _BREAKS:
            parts.append(_BREAKS[element.tag])
        elif element.tag == "txbxContent":
            boxes.append(element)
        elif element.tag not in _UNSEEN:
            if element.tag == "p" and parts:
                parts.append("\n")
            stack.extend(reversed(element))
    text = _NEEDLESS.sub(r"\1", "".join(parts))
    return text.replace(_OPEN, "(").replace(_CLOSE, ")"), boxes


def _cells(row: Element) -> list[tuple[Element, int, bool]]:
    """(cell, columns it spans, whether it goes on from the cell above)."""
    found = []
    for cell in _own(row, "tc"):
        properties = cell.find("tcPr")
        span = value(None if properties is None else properties.find("gridSpan"), default="1")
        merged = None if properties is None else properties.find("vMerge")
        goes_on = merged is not None and value(merged, default="continue") == "continue"
        found.append((cell, min(int(span), 64) if span.isdigit() else 1, goes_on))
    return found


def _is_bold(row: Element) -> bool:
    """Whether all words of a row are bold by themselves."""
    runs = [run for run in row.iter("r") if run.find("t") is not None]
    return bool(runs) and all(is_on(run.find("rPr/b")) for run in runs)
