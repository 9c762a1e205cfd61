"""The rows of a table as lines of text: each cell with the name of its column, so that a row can be cited alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from indexer.readers.grid import is_number, looks_like_header
from indexer.readers.pdf.lines import Line
from indexer.readers.pdf.tables import Cell, Row, Table

_MOST_HEADER_ROWS = 3
_SAME_EDGE = 4.0
_SAME_COLUMN = 20.0


@dataclass(frozen=True, slots=True)
class Names:
    """The header of a table: for each column the cells that name it, from the top."""

    cells: tuple[tuple[Cell, ...], ...]
    edges: tuple[float, ...]

    def texts(self) -> list[str]:
        """The names, empty where a column has none."""
        return [" ".join(cell.text for cell in cells) for cells in self.cells]


@dataclass(frozen=True, slots=True)
class RowText:
    """A row as text, and the places of the lines that it was made of; those of a header on another page are not."""

    text: str
    lines: tuple[Line, ...]
    spans: tuple[tuple[int, int], ...]


def table_rows(table: Table, above: Names | None) -> tuple[list[RowText], Names | None]:
    """The rows, and their header. `above` is that of the table which this one goes on with, from the page before."""
    rows = list(table.rows)
    texts = []
    while rows and _is_alone(rows[0]):  # a title
        texts.append(_row_text(rows.pop(0), (), named_here=False))
    count, certain = _header_rows(rows, known=table.header) if rows else (0, False)
    names = _names(rows[:count], table.edges) if count else None
    if above is not None and _goes_on(table.edges, above.edges):
        repeated = _repeated(rows, above)
        if repeated or not certain:
            count, names = repeated, _names(rows[:repeated], table.edges) if repeated else above
    named_here = count > 0
    labels = names.cells if names else ()
    texts += [_row_text(row, labels, named_here=named_here) for row in rows[count:]]
    if names and not rows[count:]:  # a header and nothing below it is text
        texts += [_row_text(row, (), named_here=False) for row in rows[:count]]
    return texts, names


def _is_alone(row: Row) -> bool:
    """Whether one cell is all there is in the row."""
    return len({id(cell) for cell in row if cell is not None}) == 1


def _goes_on(edges: Sequence[float], above: Sequence[float]) -> bool:
    """Whether the columns are the same; where none is ruled, their edges lie where the words of a page leave room."""
    return len(edges) == len(above) and all(
        abs(a - b) <= (_SAME_EDGE if i in (0, len(edges) - 1) else _SAME_COLUMN)
        for i, (a, b) in enumerate(zip(edges, above, strict=True))
    )


def _repeated(rows: Sequence[Row], above: Names) -> int:
    """How many rows at the top are the header of the page before."""
    for count in range(min(_MOST_HEADER_ROWS, len(rows)), 0, -1):
        if _names(rows[:count], above.edges).texts() == above.texts():
            return count
    return 0


def _header_rows(rows: Sequence[Row], *, known: bool) -> tuple[int, bool]:
    """How many rows at the top name the columns, and whether that is certain.

    Cells that cover several columns have names below them.
    """
    count = 1
    while count < min(_MOST_HEADER_ROWS, len(rows) - 1) and _covers_several(rows[count - 1], below=rows[count]):
        count += 1
    for height in dict.fromkeys((count, 1)) if len(rows) > 1 else ():
        first, rest = rows[:height], rows[height:]
        if known or (_is_possible(first, rest) and all(_stands_out(row, rest) for row in first)):
            return height, True
        if _is_possible(first, rest) and _reads_like_header(first, rest):
            return height, False
    return 0, False


def _covers_several(row: Row, below: Row) -> bool:
    """Whether a cell has several different cells below it, or one of the row reaches down into the next."""
    return any(
        here is not None and here is there and below[i] is not below[i + 1] and below[i] is not here
        for i, (here, there) in enumerate(pairwise(row))
    )


def _is_possible(first: Sequence[Row], rest: Sequence[Row]) -> bool:
    return sum(cell is not None for cell in first[0]) > 1 and not _names_stand_left([*first, *rest])


def _reads_like_header(first: Sequence[Row], rest: Sequence[Row]) -> bool:
    names = [" ".join(cell.text for cell in _once(row[i] for row in first)) for i in range(len(first[0]))]
    texts = [names, *(["" if cell is None else cell.text for cell in row] for row in rest)]
    if not names[0]:  # an empty corner: the rows have names too
        return (
            len(names) > 2
            and all(name and not is_number(name) for name in names[1:])
            and all(not cell or is_number(cell) for row in texts[1:] for cell in row[1:])
        )
    return looks_like_header(texts)


def _names_stand_left(rows: Sequence[Row]) -> bool:
    """Whether the first column is set apart, and the first row is not: 会社名 | …, 所在地 | …"""
    left = [row[0] for row in rows]
    others = [
        cell for row in rows for cell in row[1:] if cell is not None and all(cell is not known for known in row[:1])
    ]
    marks = [
        [(cell.bold, cell.colour is not None) if cell else (False, False) for cell in cells] for cells in (left, others)
    ]
    return any(all(mark[i] for mark in marks[0]) and not any(mark[i] for mark in marks[1]) for i in (0, 1))


def _stands_out(first: Row, rest: Sequence[Row]) -> bool:
    """Whether the first row is bold, or on a ground of its own, and no other row is."""
    names = [cell for cell in first if cell is not None]
    if all(cell.bold for cell in names) and not any(all(cell.bold for cell in row if cell) for row in rest):
        return True
    colours = {cell.colour for cell in names}
    return (
        None not in colours
        and len(colours) == 1
        and not any(all(cell.colour in colours for cell in row if cell) for row in rest)
    )


def _names(rows: Sequence[Row], edges: tuple[float, ...]) -> Names:
    return Names(tuple(tuple(_once(row[i] for row in rows)) for i in range(len(edges) - 1)), edges)


def _once(cells: Iterable[Cell | None]) -> list[Cell]:
    """Each cell once: one that reaches down over several rows is in all of them."""
    found: dict[int, Cell] = {id(cell): cell for cell in cells if cell is not None}
    return list(found.values())


def _row_text(row: Row, names: Sequence[Sequence[Cell]], *, named_here: bool) -> RowText:
    text = ""
    lines: list[Line] = []
    spans: list[tuple[int, int]] = []

    def add(cell: Cell, *, placed: bool) -> None:
        nonlocal text
        if placed:
            lines.extend(cell.lines)
            spans.extend((len(text) + start, len(text) + end) for start, end in cell.spans)
        text += cell.text

    for column, cell in _different(row):
        text += " | " if text else ""
        own = names[column] if column < len(names) and not _is_alone(row) else ()
        for i, name in enumerate(own):
            text += " " if i else ""
            add(name, placed=named_here)
        text += ": " if own else ""
        add(cell, placed=True)
    return RowText(text, tuple(lines), tuple(spans))


def _different(row: Row) -> Iterator[tuple[int, Cell]]:
    """Each cell once, with its first column."""
    before: Cell | None = None
    for column, cell in enumerate(row):
        if cell is not None and cell is not before:
            yield column, cell
        before = cell
