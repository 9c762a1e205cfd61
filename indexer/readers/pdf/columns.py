"""Tables with horizontal rules alone: their columns are where no word stands on any of their lines.

Only between rules of the same width, and only where short cells stand side by side: two columns of text are no table.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from indexer.readers.pdf.open_table import OpenTable
from indexer.readers.pdf.rules import SNAP, Rule, Rules
from indexer.readers.pdf.tables import PageCharacters, Table
from indexer.readers.pdf.words import Interval, TextLine, Word, find_columns, find_words, river_width

_SAME_END = 4.0
_NARROWEST = 60.0
_FEWEST_RULES = 3
_HEADER_ABOVE = 1.6
_TALLEST_ROW = 4.0
_ROWS_TO_TRUST = 3
_SAME_GAP = 1.5


def open_tables(
    groups: Sequence[Sequence[Rule]], rules: Rules, characters: PageCharacters, taken: frozenset[int]
) -> Iterator[Table]:
    """The tables between horizontal rules of a width. Characters in `taken` belong to other tables."""
    words = find_words(characters, taken) if groups else []
    for group in groups:
        yield from _tables_between(group, _text_lines(words, group), rules, characters)


def same_width(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules that begin and end at the same places, as many as a table needs at least, from the top."""
    groups: list[list[Rule]] = []
    for rule in rules:
        if rule.end - rule.start < _NARROWEST:
            continue
        for group in groups:
            if abs(group[0].start - rule.start) <= _SAME_END and abs(group[0].end - rule.end) <= _SAME_END:
                group.append(rule)
                break
        else:
            groups.append([rule])
    return [group for group in groups if len(group) >= _FEWEST_RULES]


def _text_lines(words: Sequence[Word], group: Sequence[Rule]) -> list[TextLine]:
    """The words between the ends of these rules, line by line from the top."""
    left, right = group[0].start - SNAP, group[0].end + SNAP
    inside = [word for word in words if word.box[0] >= left and word.box[2] <= right]
    lines: list[TextLine] = []
    for word in sorted(inside, key=lambda word: -word.middle):
        if lines and lines[-1][0].box[1] < word.middle and word.box[1] < lines[-1][0].middle:
            lines[-1].append(word)
        else:
            lines.append([word])
    return [sorted(line, key=lambda word: word.box[0]) for line in lines]


def _tables_between(
    group: Sequence[Rule], lines: Sequence[TextLine], rules: Rules, characters: PageCharacters
) -> Iterator[Table]:
    ys = [rule.at for rule in group]
    bands = [[line for line in lines if low < line[0].middle < high] for high, low in pairwise(ys)]
    height = median([word.box[3] - word.box[1] for line in lines for word in line] or [0.0])
    river = river_width(lines, height)
    bands.append(_last_row(lines, ys, height))
    first = 0
    while first < len(bands):
        last, chosen, columns = _longest(bands, first, river)
        above = [line for line in lines if line[0].middle > ys[0]]
        before = next((band for band in reversed([above, *bands[:first]]) if band), [])
        begins = first == 0 or _is_text(before, group[0], river)
        if columns and begins:
            near = bool(before) and before[-1][0].box[1] - ys[first] < _HEADER_ABOVE * height
            named_above = near and len(find_columns(before[-1:], river)) > 1
            if named_above:
                chosen.insert(0, before[-1:])
                columns = find_columns(
                    [line for band in chosen for line in band if len(find_columns([line], river)) > 1], river
                )
            table = OpenTable(characters, rules, group[0], columns, river, height).table(
                chosen, named_above=named_above
            )
            if table is not None:
                yield table
        first = max(last, first + 1)


def _is_text(band: Sequence[TextLine], rule: Rule, river: float) -> bool:
    """Whether it is no part of a table: a heading, or lines as wide as the rules."""
    alone = [line for line in band if len(find_columns([line], river)) == 1]
    wide = [line for line in alone if 2 * (line[-1].box[2] - line[0].box[0]) > rule.end - rule.start]
    return bool(wide) or len(alone) == len(band)


def _last_row(lines: Sequence[TextLine], ys: Sequence[float], height: float) -> list[TextLine]:
    """What stands below the last rule, if it keeps the distance that the rows above keep from theirs."""
    gaps: list[float | None] = []
    for y, below in pairwise([*ys, ys[-1] - _TALLEST_ROW * height]):
        line = next((line for line in lines if below < line[0].middle < y), None)
        gaps.append(None if line is None else y - line[0].box[3])
    known = [gap for gap in gaps if gap is not None]
    if gaps[-1] is None or len(known) < _ROWS_TO_TRUST or abs(gaps[-1] - median(known)) > _SAME_GAP:
        return []
    found: list[TextLine] = []
    for line in lines:
        if line[0].middle < ys[-1]:
            if found and found[-1][0].box[1] - line[0].box[3] > height:
                break
            found.append(line)
    return found


def _longest(
    bands: Sequence[list[TextLine]], first: int, river: float
) -> tuple[int, list[list[TextLine]], list[Interval]]:
    """How far a table reaches down from a band: up to where, its bands and its columns; no columns if it is none."""
    chosen: list[list[TextLine]] = []
    columns: list[Interval] = []
    for i in range(first, len(bands)):
        if not bands[i] and i > first:
            continue
        lines, columns, whole = _fitting(bands[i], chosen, columns, river)
        if lines:
            chosen.append(lines)
        if not whole:  # a line that looks like a row, but of other columns, says that these are none
            torn = i + 1 < len(bands) and any(
                len(find_columns([line], river)) > 1 for line in bands[i][len(lines) :][:1]
            )
            return max(i, first + 1), chosen, columns if len(chosen) > 1 and not torn else []
    return len(bands), chosen, columns if len(chosen) > 1 else []


def _fitting(
    band: Sequence[TextLine], above: Sequence[list[TextLine]], columns: list[Interval], river: float
) -> tuple[list[TextLine], list[Interval], bool]:
    """The lines of a band that fit into a table, its columns with them, and whether these are all of the band."""
    if len(band) == 1 and len(above) > 1 and len(find_columns(band, river)) == 1:
        return list(band), columns, True  # a title between rows
    kept = [line for lines in above for line in lines if len(find_columns([line], river)) > 1]
    taken: list[TextLine] = []
    for line in band:
        if len(find_columns([line], river)) > 1:
            trial = find_columns([*kept, *taken, line], river)
            fits = len(trial) >= max(2, len(find_columns(above[0][-1:], river)) if above else 0)
        else:
            trial = columns
            fits = not columns or any(
                left - river <= line[0].box[0] and line[-1].box[2] <= right + river for left, right in columns
            )
        if not fits:
            return taken if above else [], columns, False
        columns = trial
        taken.append(line)
    several = any(len(find_columns([line], river)) > 1 for line in taken)
    return (taken, columns, True) if several else ([], columns, False)
