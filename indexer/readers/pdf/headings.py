"""Which paragraphs of a PDF are headings: those set larger than the body, or bold where the body is not.

A guess by type alone. Where it would make headings of much of the text, it makes none.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import groupby

from indexer.readers.pdf.lines import Line

_Style = tuple[float, bool]  # size, bold

_LONGEST = 150
_LONGEST_UNSPACED = 60
_MOST_LINES = 3
_LARGEST_SHARE = 0.25
# Running heads stand on every page; a heading that does so is none.
_REPEATED_ON_PAGES = 3
_LONGEST_RUN = 2
_NO_HEADING_START = tuple(",.;:)、。・")
_NO_HEADING_END = tuple("。．.,、;；")


def body_size(lines: Sequence[Line]) -> float:
    """The type size in which most characters are set; 0 if no size is known."""
    sizes: Counter[float] = Counter()
    for line in lines:
        if line.type_size:
            sizes[line.type_size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def heading_levels(paragraphs: Sequence[tuple[int, Sequence[Line], str]], body: float) -> list[int | None]:
    """For each (page, lines, text) its level, from 1; None for body text, and for what has no lines: rows of tables."""
    of_body = [line for _, lines, _ in paragraphs for line in lines if line.type_size == body]
    body_is_bold = sum(len(line.text) for line in of_body if line.bold) * 2 > sum(len(line.text) for line in of_body)
    pages = defaultdict(set)
    for page, _, text in paragraphs:
        pages[_without_digits(text)].add(page)
    styles: list[_Style | None] = [
        _style(lines, text, body, body_is_bold=body_is_bold)
        if lines and len(pages[_without_digits(text)]) < _REPEATED_ON_PAGES
        else None
        for _, lines, text in paragraphs
    ]
    styles = _without_lists(styles)
    total = sum(len(text) for _, _, text in paragraphs)
    found = sum(len(text) for (_, _, text), style in zip(paragraphs, styles, strict=True) if style)
    if found > _LARGEST_SHARE * total:
        return [None] * len(paragraphs)
    order = sorted({style for style in styles if style}, reverse=True)
    return [min(order.index(style) + 1, 6) if style else None for style in styles]


def _style(lines: Sequence[Line], text: str, body: float, *, body_is_bold: bool) -> _Style | None:
    """Size and weight of a paragraph that looks like a heading."""
    size, bold = lines[0].type_size, all(line.bold for line in lines)
    stands_out = lines[0].is_larger_than(body) or (bold and not body_is_bold and size >= 0.95 * body > 0)
    longest = _LONGEST if " " in text.strip() else _LONGEST_UNSPACED
    if (
        not stands_out
        or any(line.type_size != size for line in lines)
        or len(lines) > _MOST_LINES
        or not 1 < len(text) <= longest
        or text.startswith(_NO_HEADING_START)
        or text.endswith(_NO_HEADING_END)
        or not any(char.isalpha() for char in text)
    ):
        return None
    return size, bold


def _without_lists(styles: Sequence[_Style | None]) -> list[_Style | None]:
    """Many headings of one style without text between them are a list: of authors, say."""
    kept: list[_Style | None] = []
    for style, run in groupby(styles):
        length = len(list(run))
        kept += [None if length > _LONGEST_RUN else style] * length
    return kept


def _without_digits(text: str) -> str:
    return "".join(char for char in text if not char.isdigit())
