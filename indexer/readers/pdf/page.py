"""What stands on a PDF page, in reading order: lines of text and tables. Knows how the two are told apart."""

from collections.abc import Sequence

import pypdfium2 as pdfium

from indexer.readers.pdf.columns import open_tables, same_width
from indexer.readers.pdf.grid import ruled_grids
from indexer.readers.pdf.lines import Line, PageText
from indexer.readers.pdf.rules import page_rules
from indexer.readers.pdf.tables import PageCharacters, Table, ruled_tables

# Where rules part the rows alone, the first row may stand above all of them, and the last below.
_OUTSIDE = 50.0

Part = list[Line] | Table


def page_parts(page: pdfium.PdfPage) -> list[Part]:
    """Its lines, in runs between its tables. A table stands where its first character does."""
    with PageText(page) as text:
        return _parts(text, _tables(page, text) if text.ranges else [])


def _tables(page: pdfium.PdfPage, text: PageText) -> list[Table]:
    rules = page_rules(page, text.place)
    grids, groups = list(ruled_grids(rules)), same_width(rules.horizontal)
    heights = [(grid.ys[-1], grid.ys[0]) for grid in grids]
    heights += [(group[-1].at - _OUTSIDE, group[0].at + _OUTSIDE) for group in groups]
    if not heights:
        return []
    characters = PageCharacters(text, heights)
    tables = list(ruled_tables(grids, rules, characters))
    taken = frozenset[int]().union(*(table.characters for table in tables))
    for table in open_tables(groups, rules, characters, taken):
        if taken.isdisjoint(table.characters):
            tables.append(table)
            taken |= table.characters
    return tables


def _parts(text: PageText, tables: Sequence[Table]) -> list[Part]:
    parts: list[Part] = [[]]

    def add(start: int, end: int) -> None:
        line = text.line(start, end) if start < end else None
        if line is None:
            return
        last = parts[-1]
        if isinstance(last, Table):
            last = []
            parts.append(last)
        last.append(line)

    table_at = {i: table for table in tables for i in table.characters}
    waiting = {id(table) for table in tables}
    for start, end in text.ranges:
        begun = start
        for i in range(start, end) if table_at else ():
            table = table_at.get(i)
            if table is None:
                continue
            add(begun, i)
            begun = i + 1
            if id(table) in waiting:
                waiting.remove(id(table))
                parts.append(table)
        add(begun, end)
    return [part for part in parts if part]
