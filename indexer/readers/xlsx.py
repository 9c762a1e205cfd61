"""Workbooks: each sheet is a section, each row a line with its column names. Values as the cached results show them.

Formulas are not computed. Knows SpreadsheetML only; sheets are read row by row, so that large ones fit into memory.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element

from indexer.document import ExtractedDocument
from indexer.readers.archive import Archive
from indexer.readers.builder import TextBuilder
from indexer.readers.number_format import BUILT_IN, format_number
from indexer.readers.ooxml import Package, value
from indexer.readers.sheet import add_sheet
from indexer.readers.xmltree import attribute, iterate_xml

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_REFERENCE = re.compile(r"([A-Z]{1,3})\d+")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_MAX_COLUMNS = 16384


def read_xlsx(data: bytes) -> ExtractedDocument:
    """A .xlsx or .xlsm file."""
    package = Package(data, "workbook")
    builder = TextBuilder()
    targets = {r.id: r.target for r in package.relations(package.main) if r.kind == "worksheet"}
    cells = _Cells(package)
    for entry in package.root.iter("sheet"):
        target = targets.get(next((v for k, v in entry.attrib.items() if k.endswith("}id")), ""))
        if target is not None:
            add_sheet(builder, entry.get("name", ""), cells.rows(package.archive, target))
    document = builder.build(title=package.title, media_type=MEDIA_TYPE)
    return document if package.title else replace(document, title=None)  # the name of a sheet is no title


class _Cells:
    """What cells refer to: shared strings, and formats by style."""

    def __init__(self, package: Package) -> None:
        self._strings = [
            _string(item)
            for relation in package.relations(package.main)
            if relation.kind == "sharedStrings"
            for item in iterate_xml(package.archive.read(relation.target), "si")
        ]
        self._formats: list[str] = []
        for _, styles in package.related(package.main, "styles"):
            own = {value(f, "numFmtId"): value(f, "formatCode") for f in styles.iter("numFmt")}
            for style in styles.iterfind("cellXfs/xf"):
                number = style.get("numFmtId", "0")
                self._formats.append(own.get(number) or BUILT_IN.get(number, "General"))
        self._from_1904 = value(package.root.find("workbookPr"), "date1904") in ("1", "true")

    def rows(self, archive: Archive, part: str) -> Iterator[list[str]]:
        """Rows of a sheet, empty ones as empty lists."""
        last = 0
        for row in iterate_xml(archive.read(part), "row"):
            number = row.get("r", "")
            here = int(number) if number.isdecimal() else last + 1
            if here > last + 1:
                yield []
            last = here
            yield self._row(row)

    def _row(self, row: Element) -> list[str]:
        texts: list[str] = []
        for cell in row.iterfind("c"):
            reference = _REFERENCE.fullmatch(cell.get("r", ""))
            column = min(_column(reference.group(1)), _MAX_COLUMNS) if reference else len(texts)
            texts += [""] * (column - len(texts))
            texts.append(self._text(cell))
        return texts

    def _text(self, cell: Element) -> str:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            inline = cell.find("is")
            return "" if inline is None else _string(inline)
        text = cell.findtext("v", "")
        if kind == "s":
            return self._strings[int(text)] if text.isdecimal() and int(text) < len(self._strings) else ""
        if kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(text, text)
        style = attribute(cell, "s", "0")
        known = style.isdecimal() and int(style) < len(self._formats)
        if kind != "n" or not text or not known:
            return text
        return format_number(text, self._formats[int(style)], from_1904=self._from_1904)


def _string(item: Element) -> str:
    """The words of a string, without the phonetic guide above them."""
    text = "".join(
        part.text or ""
        for child in item
        if child.tag != "rPh"
        for part in ([child] if child.tag == "t" else child.iterfind("t"))
    )
    return _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), text) if "_x" in text else text


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
