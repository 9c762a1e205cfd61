"""The rows of a table whose columns are known: in each band between two rules one row, or as many as it has lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from indexer.readers.pdf.lines import Line
from indexer.readers.pdf.rules import SNAP, Rule, Rules
from indexer.readers.pdf.tables import Cell, PageCharacters, Row, Table, ground, is_table, make_cell
from indexer.readers.pdf.words import RIVER_OF_FEW, Interval, TextLine, Word, word_groups

_FEW = 4
_INSIDE = 8.0
_LONG_CELL = 25
_FULL = 0.9
_MOST_PROSE = 0.5
_EACH_FILLED = 0.9
_ROOM_LEFT = 0.25
_WRAPPED = 60.0
_OVERLAP = 0.3


@dataclass(frozen=True, slots=True)
class OpenTable:
    """Makes the rows of one table below `rule`; strips as wide as `river` part its columns."""

    characters: PageCharacters
    rules: Rules
    rule: Rule
    columns: Sequence[Interval]
    river: float
    height: float

    def table(self, bands: Sequence[list[TextLine]], *, named_above: bool) -> Table | None:
        """The table of these bands, the first of which names the columns; None if it is none."""
        head, body = bands[0], bands[1:]
        if not body or not self._are_columns(bands):
            return None
        split = len(body) == 1 or all(
            len(band) > 2 and self._filled(band) >= _EACH_FILLED * len(band) * len(self.columns) for band in body
        )
        if split and not all(map(self._is_level, body)):
            return None
        rows = [self._head(head)]
        rows += [self._row(lines) for band in body for lines in (self._rows(band) if split else [band])]
        words = [word for band in bands for line in band for word in line]
        if (
            self._is_crossed(words)
            or self._is_prose(bands)
            or not is_table(rows)
            or sum(cell is not None for cell in rows[0]) < len(self.columns) - 1
        ):
            return None
        taken = frozenset(i for word in words for i in range(word.start, word.end))
        edges = (self.rule.start, *((a[1] + b[0]) / 2 for a, b in pairwise(self.columns)), self.rule.end)
        return Table(tuple(rows), edges, taken, header=named_above or split)

    def _are_columns(self, bands: Sequence[list[TextLine]]) -> bool:
        """Whether each column has one name, and a few rows are not parted by nothing but the spaces of their words."""
        named = [self._column(words[0]) for words in word_groups(bands[0][-1], self.river)]
        lines = sum(map(len, bands))
        rivers = [right[0] - left[1] for left, right in pairwise(self.columns)]
        return (
            len(self.columns) > 1
            and len(set(named)) == len(named)
            and (lines >= _FEW or min(rivers) >= RIVER_OF_FEW * self.height)
        )

    def _is_crossed(self, words: Sequence[Word]) -> bool:
        """Whether vertical rules run through it: then it is part of a form or a drawing."""
        bottom, top = min(word.box[1] for word in words), max(word.box[3] for word in words)
        return any(
            self.rule.start + _INSIDE < post.at < self.rule.end - _INSIDE
            and min(post.end, top) - max(post.start, bottom) > SNAP
            for post in self.rules.vertical
        )

    def _column(self, word: Word) -> int:
        middle = (word.box[0] + word.box[2]) / 2
        return min(
            range(len(self.columns)), key=lambda i: max(self.columns[i][0] - middle, middle - self.columns[i][1])
        )

    def _filled(self, lines: Sequence[TextLine]) -> int:
        return sum(len({self._column(word) for word in line}) for line in lines)

    def _rows(self, band: Sequence[TextLine]) -> Iterator[list[TextLine]]:
        """Lines that belong to one row: what goes on stands below text that had no room left."""
        row: list[TextLine] = []
        for line in band:
            if row and self._goes_on(row[-1], line):
                row.append(line)
                continue
            if row:
                yield row
            row = [line]
        if row:
            yield row

    def _goes_on(self, above: TextLine, line: TextLine) -> bool:
        filled = {self._column(word) for word in line}
        if 0 in filled and len(filled) > 1:
            return False
        for column in filled:
            words = [word for word in above if self._column(word) == column]
            left, right = self.columns[column]
            if not words or words[-1].box[2] < right - _ROOM_LEFT * (right - left) or right - left < _WRAPPED:
                return False
        return True

    def _is_level(self, band: Sequence[TextLine]) -> bool:
        """Whether its lines stand below each other, none half beside another, as cells of different heights do."""
        return all(
            max(word.box[3] for word in line) - min(word.box[1] for word in above)
            < _OVERLAP * (above[0].box[3] - above[0].box[1])
            for above, line in pairwise(band)
        )

    def _row(self, lines: Sequence[TextLine]) -> Row:
        pieces: list[list[Line]] = [[] for _ in self.columns]
        for line in lines:
            for column in range(len(self.columns)):
                words = [word for word in line if self._column(word) == column]
                pieces[column] += self._lines(words)
        return tuple(self._cell(found, column) if found else None for column, found in enumerate(pieces))

    def _head(self, lines: Sequence[TextLine]) -> Row:
        """The header: what stands above a short rule names all columns below that rule."""
        pieces: list[list[Line]] = [[] for _ in self.columns]
        for line in lines:
            for words in word_groups(line, self.river):
                found = self._lines(words)
                for column in self._below(words):
                    pieces[column] += found
        return tuple(self._cell(found, column) if found else None for column, found in enumerate(pieces))

    def _below(self, words: Sequence[Word]) -> list[int]:
        left, right = words[0].box[0], words[-1].box[2]
        bottom, height = words[0].box[1], words[0].box[3] - words[0].box[1]
        for rule in self.rules.horizontal:
            if rule.end - rule.start < 0.9 * (self.rule.end - self.rule.start) and (
                rule.start - SNAP <= left and right <= rule.end + SNAP and 0 <= bottom - rule.at + SNAP < height + SNAP
            ):
                under = [i for i, (a, b) in enumerate(self.columns) if rule.start <= (a + b) / 2 <= rule.end]
                if under:
                    return under
        over = [i for i, (a, b) in enumerate(self.columns) if a < right and left < b]
        return over or [self._column(words[0])]

    def _lines(self, words: Sequence[Word]) -> list[Line]:
        """Words that follow each other in the file are one line."""
        lines = []
        i = 0
        while i < len(words):
            j = i + 1
            while j < len(words) and words[j - 1].end <= words[j].start <= words[j - 1].end + 2:
                j += 1
            line = self.characters.text.line(words[i].start, words[j - 1].end)
            if line is not None:
                lines.append(line)
            i = j
        return lines

    def _cell(self, lines: Sequence[Line], column: int) -> Cell:
        x = sum(self.columns[column]) / 2
        return make_cell(lines, ground(x, (lines[0].bottom + lines[0].top) / 2, self.rules.fills))

    def _is_prose(self, bands: Sequence[list[TextLine]]) -> bool:
        """Whether two columns or more are lines of running text, each as wide as its column."""
        lines = [line for band in bands[1:] for line in band]
        prose = 0
        for column, (left, right) in enumerate(self.columns):
            found = [words for line in lines if (words := [w for w in line if self._column(w) == column])]
            full = [
                words
                for words in found
                if words[-1].end - words[0].start > _LONG_CELL
                and words[-1].box[2] - words[0].box[0] > _FULL * (right - left)
            ]
            prose += len(found) > 3 and len(full) > _MOST_PROSE * len(found)
        return prose > 1
