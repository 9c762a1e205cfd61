"""Tables on a PDF page: the characters inside of a grid of rules, cell by cell.

Precision comes first: what may be a form, a chart or columns of text stays as it is, as wrong rows would be cited.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from indexer.readers.pdf.grid import Grid, GridCell
from indexer.readers.pdf.lines import Line, PageText, join_paragraph
from indexer.readers.pdf.rules import Box, Fill, Rules

# Cells of running text are columns of a page, not of a table.
_LONGEST_CELL = 1500
_USUAL_CELL = 300
_FILLED_SHARE = 0.4
_MOST_LINES_OF_NAMES = 3
# In a form, the lines of one row are not those of the next.
_MOST_COLUMNS_A_CELL = 1.5
# In a table no word crosses a border; in a form or a drawing many do.
_TORN_SHARE = 0.05
_TORN_GAP = 1.0
_LINES_TO_SPLIT = 3
_UNEVEN = 4.0
_LONG_LINE = 20
_FULL = 0.75


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell: `spans` are those of its lines in `text`, `colour` is that of its ground, if any."""

    text: str
    lines: tuple[Line, ...]
    spans: tuple[tuple[int, int], ...]
    colour: tuple[int, int, int] | None = None

    @property
    def bold(self) -> bool:
        """Whether all of it is bold."""
        return bool(self.lines) and all(line.bold for line in self.lines)


Row = tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows from the top, each with the cell of every column: one that covers several stands in all, None in no cell.

    `header` says that the first row is known to name the columns. `characters` are those of the page inside of it.
    """

    rows: tuple[Row, ...]
    edges: tuple[float, ...]
    characters: frozenset[int]
    header: bool = False


class PageCharacters:
    """The places of the characters of a page, looked up once, for lines at a height where there may be a table."""

    def __init__(self, text: PageText, heights: Sequence[tuple[float, float]]) -> None:
        self.text = text
        self.boxes: dict[int, Box] = {}
        for start, end in text.ranges:
            ends = [box for i in (start, end - 1) if (box := text.box(i)) is not None]
            if any(box[1] < high and low < box[3] for box in ends for low, high in heights):
                self._look_up(start, end)

    def _look_up(self, start: int, end: int) -> None:
        for i in range(start, end):
            if self.text.codes[i] != 0x20 and (box := self.text.box(i)) is not None:
                self.boxes[i] = box

    def runs(self, owner: dict[int, GridCell]) -> Iterator[tuple[GridCell, int, int]]:
        """Stretches of a line that lie in one cell."""
        for start, end in self.text.ranges:
            inside = [i for i in range(start, end) if i in owner]
            for cell, group in groupby(inside, key=owner.__getitem__):
                indices = list(group)
                yield cell, indices[0], indices[-1] + 1

    def torn(self, owner: dict[int, GridCell]) -> int:
        """How many words lie in two cells, or half outside of the table."""
        torn = 0
        for start, end in self.text.ranges:
            for i in range(start, end - 1):
                here, there = self.boxes.get(i), self.boxes.get(i + 1)
                if here is None or there is None or owner.get(i) is owner.get(i + 1):
                    continue
                same_line = min(here[3], there[3]) > max(here[1], there[1])
                torn += same_line and -_TORN_GAP < there[0] - here[2] < _TORN_GAP
        return torn


def ruled_tables(grids: Sequence[Grid], rules: Rules, characters: PageCharacters) -> Iterator[Table]:
    """The tables of which rows and columns are ruled."""
    for grid in grids:
        owner = {
            i: cell
            for i, (left, bottom, right, top) in characters.boxes.items()
            if (cell := grid.find((left + right) / 2, (bottom + top) / 2)) is not None
        }
        if characters.torn(owner) > max(1, _TORN_SHARE * len(owner) / 5):
            continue
        table = _table(grid, owner, characters, rules.fills)
        if table is not None:
            yield table


def _table(grid: Grid, owner: dict[int, GridCell], characters: PageCharacters, fills: Sequence[Fill]) -> Table | None:
    found: dict[GridCell, list[Line]] = defaultdict(list)
    for place, start, end in characters.runs(owner):
        line = characters.text.line(start, end)
        if line is not None:
            found[place].append(line)
    cells = {place: make_cell(lines, _ground(grid, place, fills)) for place, lines in found.items()}
    rows = tuple(
        tuple(cells.get(place) for place in row)
        for number, row in enumerate(grid.owner)
        if any(place in cells and (place.row == number or place.rows > 1) for place in row)
    )
    if len(rows) == 2:
        rows = _split(rows, grid)
    if not is_table(rows) or (
        len(rows) == 2 and not grid.closed and any(cell and len(cell.lines) > 2 for cell in rows[1])
    ):
        return None
    return Table(rows, grid.xs, frozenset(owner))


def _split(rows: tuple[Row, ...], grid: Grid) -> tuple[Row, ...]:
    """Rows that no rule parts, below a header: where all cells have as many lines, level with each other."""
    head, body = rows
    cells = [cell for cell in body if cell is not None]
    heights = {len(cell.lines) for cell in cells}
    (count,) = heights if len(heights) == 1 else (0,)
    if count < _LINES_TO_SPLIT or len(cells) < len(body) or len({id(cell) for cell in body}) < len(body):
        return rows
    levels = [[cell.lines[i] for cell in cells] for i in range(count)]
    full = [
        len(line.text) > _LONG_LINE and line.right - line.left > _FULL * (grid.xs[i + 1] - grid.xs[i])
        for level in levels
        for i, line in enumerate(level)
    ]
    if 2 * sum(full) > len(full):
        return rows
    if any(
        abs(line.bottom + line.top - level[0].bottom - level[0].top) > _UNEVEN for level in levels for line in level
    ):
        return rows
    return (head, *(tuple(make_cell([line]) for line in level) for level in levels))


def make_cell(lines: Sequence[Line], colour: tuple[int, int, int] | None = None) -> Cell:
    """The cell of these lines, in the order in which they stand below each other."""
    ordered: list[Line] = []
    level: list[Line] = []
    for line in [*sorted(lines, key=lambda line: -(line.top + line.bottom)), None]:
        if line is not None and level and level[0].bottom < (line.top + line.bottom) / 2:
            level.append(line)
            continue
        ordered += sorted(level, key=lambda line: line.left)
        level = [line] if line is not None else []
    if len(ordered) == 1:
        ordered = [replace(ordered[0], text=_unspaced(ordered[0].text))]
    text, spans = join_paragraph(ordered)
    return Cell(text, tuple(ordered), tuple(spans), colour)


def _unspaced(text: str) -> str:
    """金　額 or 会 社 名, spread over the width of a cell, is one word."""
    parts = text.split()
    if len(parts) > 1 and all(len(part) == 1 and part >= "\u3040" for part in parts):
        return "".join(parts)
    return text


def _ground(grid: Grid, place: GridCell, fills: Sequence[Fill]) -> tuple[int, int, int] | None:
    x = (grid.xs[place.column] + grid.xs[place.column + place.columns]) / 2
    y = (grid.ys[place.row] + grid.ys[place.row + place.rows]) / 2
    return ground(x, y, fills)


def ground(x: float, y: float, fills: Sequence[Fill]) -> tuple[int, int, int] | None:
    """The colour at a point of the page; None where nothing is filled."""
    for fill in reversed(fills):
        left, bottom, right, top = fill.box
        if left < x < right and bottom < y < top:
            return fill.colour
    return None


def is_table(rows: Sequence[Row]) -> bool:
    """At least two rows of two filled cells, most cells filled, none as long as a column of text, no boxes of text."""
    first = {id(cell): cell for cell in rows[0] if cell is not None} if rows else {}
    filled = [{id(cell) for cell in row if cell is not None} for row in rows]
    lengths = [len(cell.text) for row in rows for cell in row if cell is not None]
    places = sum(map(len, rows))
    covered = sum(len(row) - row.count(None) for row, cells in zip(rows, filled, strict=True) if len(cells) > 1)
    return (
        sum(len(row) > 1 for row in filled) > 1
        and sum(len(cell.lines) > _MOST_LINES_OF_NAMES for cell in first.values()) < 2
        and len(lengths) >= _FILLED_SHARE * places
        and covered <= _MOST_COLUMNS_A_CELL * sum(len(cells) for cells in filled if len(cells) > 1)
        and max(lengths) <= _LONGEST_CELL
        and sum(lengths) <= _USUAL_CELL * len(lengths)
    )
