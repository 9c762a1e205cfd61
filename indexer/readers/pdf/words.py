"""Words on a PDF page, and the strips between them that part columns. Pure geometry over the characters of a page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from indexer.readers.pdf.rules import Box
from indexer.readers.pdf.tables import PageCharacters

# Of the height of words: wider than a space between them. On few lines, spaces may lie below each other by chance.
_RIVER = 0.6
RIVER_OF_FEW = 1.0
_SPACES = 1.5


@dataclass(frozen=True, slots=True)
class Word:
    """The characters [start, end) of a page, and the box around them."""

    start: int
    end: int
    box: Box

    @property
    def middle(self) -> float:
        """Half way between its lower and its upper edge."""
        return (self.box[1] + self.box[3]) / 2


TextLine = list[Word]  # from the left
Interval = tuple[float, float]


def find_words(characters: PageCharacters, taken: frozenset[int]) -> list[Word]:
    """The words of a page, but for characters that are taken."""
    words = []
    for start, end in characters.text.ranges:
        begun = None
        for i in range(start, end + 1):
            box = characters.boxes.get(i) if i < end and i not in taken else None
            before = characters.boxes.get(i - 1)
            if begun is not None and (box is None or before is None or not _touch(before, box)):
                words.append(_word(characters, begun, i))
                begun = None
            if box is not None and begun is None:
                begun = i
    return words


def _touch(box: Box, following: Box) -> bool:
    height = max(box[3] - box[1], following[3] - following[1])
    return -height < following[0] - box[2] < RIVER_OF_FEW * height and following[1] < box[3] and box[1] < following[3]


def _word(characters: PageCharacters, start: int, end: int) -> Word:
    boxes = [characters.boxes[i] for i in range(start, end)]
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return Word(start, end, (min(lefts), min(bottoms), max(rights), max(tops)))


def river_width(lines: Sequence[TextLine], height: float) -> float:
    """How wide a strip must be to part columns: some types have spaces of half their size."""
    gaps = sorted(b.box[0] - a.box[2] for line in lines for a, b in pairwise(line) if b.start == a.end + 1)
    space = gaps[len(gaps) // 4] if gaps else 0.0
    return min(max(_RIVER * height, _SPACES * space), RIVER_OF_FEW * height)


def find_columns(lines: Sequence[TextLine], river: float) -> list[Interval]:
    """Where words stand on any of these lines, parted by strips as wide as a river."""
    intervals: list[Interval] = []
    for left, right in sorted((word.box[0], word.box[2]) for line in lines for word in line):
        if intervals and left - intervals[-1][1] < river:
            intervals[-1] = (intervals[-1][0], max(intervals[-1][1], right))
        else:
            intervals.append((left, right))
    return intervals


def word_groups(line: TextLine, river: float) -> Iterator[list[Word]]:
    """Words of a header that stand close together."""
    group: list[Word] = []
    for word in line:
        if group and word.box[0] - group[-1].box[2] >= river:
            yield group
            group = []
        group.append(word)
    if group:
        yield group
