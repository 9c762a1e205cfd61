"""Rows of cells: which of them is the header, and a grid as text. Knows no format."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from indexer.readers.builder import TextBuilder

# 1,234.50 | 12 % | -3 | ¥2,000 | 2026-11-22 | 17:00
_NUMBER = re.compile(r"[\s¥￥$€£+\-−(]*\d[\d.,:/\-\s]*(?:[eE][+-]?\d+)?\s*[%％)]?\s*")
_CERTAIN_COLUMNS = 3
_MAX_SPAN = 1000
_ROWS_LOOKED_AT = 50


def add_grid(builder: TextBuilder, rows: Sequence[Sequence[str]], *, header: bool | None = None) -> None:
    """Adds a table. `header` says whether its first row names the columns; None lets the cells decide."""
    filled = [[cell.strip() for cell in row] for row in rows]
    filled = [row for row in filled if any(row)]
    if not filled:
        return
    if header is None:
        header = looks_like_header(filled)
    if header and len(filled) > 1:
        builder.table(filled[0], filled[1:])
    else:
        builder.table((), filled)


def looks_like_header(rows: Sequence[Sequence[str]], *, certain_columns: int = _CERTAIN_COLUMNS) -> bool:
    """Whether the first row names the columns: all words, all different.

    Two columns alone may be names and values, side by side; there the rows below must be more numeric than the first.
    """
    first, rest = rows[0], rows[1 : 1 + _ROWS_LOOKED_AT]
    names = [cell for cell in first if cell]
    columns = max(len(row) for row in rows[: 1 + _ROWS_LOOKED_AT])
    if not rest or len(names) < max(2, columns) or len(set(names)) < len(names) or any(map(is_number, names)):
        return False
    if columns >= certain_columns:
        return True
    return len(rest) > 1 and any(
        all(len(row) > column and is_number(row[column]) for row in rest) for column in range(columns)
    )


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, an amount, a date or a time, and no word."""
    return bool(_NUMBER.fullmatch(cell))


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with the columns and rows that it covers."""

    text: str
    columns: int = 1
    rows: int = 1


def spread(rows: Iterable[Sequence[Cell]]) -> Iterator[list[str]]:
    """Rows with a text for each column: a cell that covers several rows is repeated in each, as each must stand alone.

    One that covers several columns stands in the first of them, but in all of them in the first row, the header.
    """
    above: dict[int, tuple[str, int]] = {}  # column -> its text, and the rows that it still covers
    for number, row in enumerate(rows):
        texts: list[str] = []
        below: dict[int, tuple[str, int]] = {}
        cells = iter(row)
        while True:
            if len(texts) in above:
                text, left = above[len(texts)]
                if left > 1:
                    below[len(texts)] = (text, left - 1)
                texts.append(text)
                continue
            cell = next(cells, None)
            if cell is None:
                break
            for i in range(min(max(cell.columns, 1), _MAX_SPAN)):
                text = cell.text if i == 0 or number == 0 else ""
                if cell.rows > 1:
                    below[len(texts)] = (text, min(cell.rows, _MAX_SPAN) - 1)
                texts.append(text)
        above = below
        yield texts
