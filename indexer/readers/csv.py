"""Tables as text files: each row is a line that carries the names of its columns."""

import csv
import io
from collections import Counter
from collections.abc import Iterator

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.grid import add_grid, looks_like_header
from indexer.readers.plain import decode

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 100
_LONGEST_CELL = 16 << 20


def read_csv(data: bytes) -> ExtractedDocument:
    """A table whose delimiter is the one that parts its rows into equally many cells."""
    return _read(data, _DELIMITERS, "text/csv")


def read_tsv(data: bytes) -> ExtractedDocument:
    """A table with tabs between its cells."""
    return _read(data, "\t", "text/tab-separated-values")


def _read(data: bytes, delimiters: str, media_type: str) -> ExtractedDocument:
    text = decode(data)
    csv.field_size_limit(_LONGEST_CELL)
    try:
        delimiter = max(delimiters, key=lambda candidate: _evenness(text, candidate))
        rows = [row for row in _rows(text, delimiter) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UnreadableDocument(f"not a table: {error}") from error
    builder = TextBuilder()
    width = max(map(len, rows), default=0)
    while width > 1 and rows and sum(bool(cell.strip()) for cell in rows[0]) == 1:  # a title above the table
        builder.block("".join(rows.pop(0)))
    # In such a file two columns are a table too: names and values have no other place for their names.
    add_grid(builder, rows, header=bool(rows) and looks_like_header(rows, certain_columns=2))
    return builder.build(title=None, media_type=media_type)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _evenness(text: str, delimiter: str) -> float:
    """Share of the first rows that have the commonest number of cells; 0 if that is one."""
    counts: Counter[int] = Counter()
    for row, _ in zip(_rows(text, delimiter), range(_SAMPLE_ROWS), strict=False):
        counts[len(row)] += bool(row)
    cells, rows = max(counts.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    return rows / counts.total() if cells > 1 and rows else 0.0
