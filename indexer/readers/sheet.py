"""The sheets of a workbook as text. A sheet often holds several tables, with titles and notes between them."""

from collections.abc import Iterable

from indexer.readers.builder import TextBuilder
from indexer.readers.grid import add_grid


def add_sheet(builder: TextBuilder, name: str, rows: Iterable[list[str]]) -> None:
    """Adds a sheet under its name. Empty rows part its tables; a row of one cell outside a table is a line of text."""
    region: list[list[str]] = []
    named = False
    for row in rows:
        if any(cell.strip() for cell in row):
            if not named:  # an empty sheet is not worth a heading
                builder.heading(1, name)
                named = True
            region.append(row)
        else:
            _add_region(builder, region)
            region = []
    _add_region(builder, region)


def _add_region(builder: TextBuilder, rows: list[list[str]]) -> None:
    start = 0
    while start < len(rows) and sum(bool(cell.strip()) for cell in rows[start]) == 1:
        builder.block("".join(rows[start]), tight=start > 0)
        start += 1
    grid = rows[start:]
    if not grid:
        return
    filled = sorted({column for row in grid for column, cell in enumerate(row) if cell.strip()})
    add_grid(builder, [[row[column] if column < len(row) else "" for column in filled] for row in grid])
