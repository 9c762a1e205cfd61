"""Grids made of rules: the cells between lines that cross each other. Pure geometry, no text.

https://github.com/jsvine/pdfplumber finds tables the same way (after Nurminen, 2013): lines, crossings, cells.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from indexer.readers.pdf.rules import SNAP, Rule, Rules

# A table without lines at its sides, top or bottom is as wide and as high as its inner lines reach.
_OPEN_SIDE = 8.0
# A border between two cells is drawn over most of their edge, or it is none.
_BORDER_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class GridCell:
    """Its first row and column, and how many of each it covers."""

    row: int
    column: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Grid:
    """`xs` from the left, `ys` from the top: the lines between columns and rows. `owner[row][column]` is a cell.

    `closed` if the lowest of the lines is drawn; else it is where the vertical ones end.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    owner: tuple[tuple[GridCell, ...], ...]
    closed: bool

    def find(self, x: float, y: float) -> GridCell | None:
        """The cell at a point of the page."""
        column = bisect_right(self.xs, x) - 1
        row = bisect_right(self.ys, -y, key=lambda at: -at) - 1
        if 0 <= column < len(self.xs) - 1 and 0 <= row < len(self.ys) - 1:
            return self.owner[row][column]
        return None


def ruled_grids(rules: Rules) -> Iterator[Grid]:
    """Grids of at least two columns and two rows, whose cells are rectangles all."""
    for horizontal, vertical in _connected(rules):
        xs = _edges([rule.at for rule in vertical], [end for rule in horizontal for end in (rule.start, rule.end)])
        ys = _edges([rule.at for rule in horizontal], [end for rule in vertical for end in (rule.start, rule.end)])
        if len(xs) > 2 and len(ys) > 2:
            ys.reverse()
            owner = _cells(xs, ys, horizontal, vertical)
            if owner is not None:
                yield Grid(tuple(xs), tuple(ys), owner, closed=horizontal[-1].at <= ys[-1] + SNAP)


def _connected(rules: Rules) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """Groups of rules that cross or touch, directly or through others."""
    parent = list(range(len(rules.horizontal) + len(rules.vertical)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, line in enumerate(rules.horizontal):
        for j, post in enumerate(rules.vertical, start=len(rules.horizontal)):
            if (
                line.start - SNAP <= post.at <= line.end + SNAP
                and post.start - SNAP <= line.at <= post.end + SNAP
                and (a := root(i)) != (b := root(j))
            ):
                parent[a] = b
    groups: dict[int, tuple[list[Rule], list[Rule]]] = defaultdict(lambda: ([], []))
    for i, line in enumerate(rules.horizontal):
        groups[root(i)][0].append(line)
    for j, post in enumerate(rules.vertical, start=len(rules.horizontal)):
        groups[root(j)][1].append(post)
    for horizontal, vertical in groups.values():
        if horizontal and vertical:
            yield horizontal, vertical


def _edges(places: Sequence[float], ends: Sequence[float]) -> list[float]:
    edges: list[float] = []
    for place in sorted(places):
        if not edges or place - edges[-1] > SNAP:
            edges.append(place)
    first, last = min(ends), max(ends)
    return (
        ([first] if edges[0] - first > _OPEN_SIDE else []) + edges + ([last] if last - edges[-1] > _OPEN_SIDE else [])
    )


def _covered(rules: Sequence[Rule], at: float, start: float, end: float) -> bool:
    """Whether a rule at this place covers most of the way from start to end."""
    covered = sum(max(0.0, min(rule.end, end) - max(rule.start, start)) for rule in rules if abs(rule.at - at) <= SNAP)
    return covered >= _BORDER_SHARE * (end - start)


def _cells(
    xs: Sequence[float], ys: Sequence[float], horizontal: Sequence[Rule], vertical: Sequence[Rule]
) -> tuple[tuple[GridCell, ...], ...] | None:
    """The owner of each place between lines: places without a border between them are one cell. None if one is odd."""
    columns, rows = len(xs) - 1, len(ys) - 1
    posts = [[rule for rule in vertical if abs(rule.at - x) <= SNAP] for x in xs]
    lines = [[rule for rule in horizontal if abs(rule.at - y) <= SNAP] for y in ys]
    owner: list[list[GridCell | None]] = [[None] * columns for _ in range(rows)]
    for row in range(rows):
        for column in range(columns):
            if owner[row][column] is not None:
                continue
            wide = high = 1
            while column + wide < columns and not _covered(
                posts[column + wide], xs[column + wide], ys[row + 1], ys[row]
            ):
                wide += 1
            while row + high < rows and not _covered(lines[row + high], ys[row + high], xs[column], xs[column + 1]):
                high += 1
            cell = GridCell(row, column, high, wide)
            for i in range(row, row + high):
                for j in range(column, column + wide):
                    if owner[i][j] is not None or _is_parted(cell, i, j, xs, ys, posts, lines):
                        return None
                    owner[i][j] = cell
    return tuple(tuple(cell for cell in row if cell is not None) for row in owner)


def _is_parted(
    cell: GridCell,
    row: int,
    column: int,
    xs: Sequence[float],
    ys: Sequence[float],
    posts: Sequence[Sequence[Rule]],
    lines: Sequence[Sequence[Rule]],
) -> bool:
    """Whether a border runs through the cell left of this place or above it."""
    return (column > cell.column and _covered(posts[column], xs[column], ys[row + 1], ys[row])) or (
        row > cell.row and _covered(lines[row], ys[row], xs[column], xs[column + 1])
    )
