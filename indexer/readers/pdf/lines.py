"""The lines of a PDF page with their places and type, and how they join to paragraphs. Knows PDFium and geometry."""

import ctypes
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from types import TracebackType
from typing import Self

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from indexer.readers.builder import clean_text, join_lines
from indexer.readers.pdf.rules import Box, Place

_BULLET = re.compile(r"^\s*(?:[-*•‣◦・●○■□▪–—]|\(?\d{1,3}[.)．）]|[①-⑳]|第\d+[条章節])\s*")
SENTENCE_END = tuple(".!?。！？…:：」』")
_LINE_END_HYPHENS = frozenset((0x02, 0xFFFE))
_BOLD = 600
_LONGEST_FONT_NAME = 128
_LARGER = 1.12
_UPRIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line: points from the lower left corner of the page as it is shown.

    `font_size` is never smaller than the box; `type_size` is what the type was set in, 0 where nobody knows (OCR).
    """

    text: str
    left: float
    bottom: float
    right: float
    top: float
    font_size: float
    type_size: float = 0.0
    bold: bool = False

    def is_vertical(self) -> bool:
        """Whether its characters stand below each other, as those of Chinese and Japanese may."""
        upright = self.top - self.bottom > _UPRIGHT * (self.right - self.left)
        return upright and len(self.text) > 1 and any("\u3040" <= char <= "\u9fff" for char in self.text)

    def turned(self) -> "Line":
        """A vertical line as if it ran from left to right: the page turned by a quarter, anticlockwise."""
        size = self.right - self.left
        return replace(self, left=-self.top, right=-self.bottom, bottom=self.left, top=self.right, font_size=size)

    def is_larger_than(self, body: float) -> bool:
        """Whether it is set in visibly larger type than the body of the text."""
        return bool(body) and self.type_size >= _LARGER * body


def placing(page: pdfium.PdfPage) -> Place:
    """From PDF user space to the page as it is shown: counted from its corner, and turned."""
    left, bottom, right, top = page.get_bbox()
    turns = page.get_rotation() // 90

    def place(x1: float, y1: float, x2: float, y2: float) -> Box:
        x1, y1, x2, y2 = x1 - left, y1 - bottom, x2 - left, y2 - bottom
        width, height = right - left, top - bottom
        for _ in range(turns):
            x1, y1, x2, y2 = y1, width - x2, y2, width - x1
            width, height = height, width
        return x1, y1, x2, y2

    return place


class PageText:
    """A context manager around the text of a page: `codes` of its characters, and `ranges` of them, its lines.

    The lines are in PDFium's order, which is that of reading for most pages.
    """

    def __init__(self, page: pdfium.PdfPage) -> None:
        self.place = placing(page)
        self._text_page = page.get_textpage()
        self._edges = tuple(ctypes.c_double() for _ in range(4))
        self._edges_by_reference = tuple(map(ctypes.byref, self._edges))
        count = max(self._text_page.count_chars(), 0)
        self.codes = [pdfium_raw.FPDFText_GetUnicode(self._text_page.raw, i) for i in range(count)]
        breaks = [-1, *(i for i, code in enumerate(self.codes) if code in (0x0A, 0x0D)), count]
        self.ranges = [(above + 1, end) for above, end in pairwise(breaks) if above + 1 < end]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._text_page.close()

    def line(self, start: int, end: int) -> Line | None:
        """The characters [start, end) as a line; None if none of them can be seen."""
        return _line(self._text_page, self.codes[start:end], start, self.place)

    def box(self, index: int) -> Box | None:
        """Where a character stands; None for one that is not drawn, such as a space that PDFium has put in."""
        left, right, bottom, top = self._edges
        if not pdfium_raw.FPDFText_GetCharBox(self._text_page.raw, index, *self._edges_by_reference):
            return None
        return self.place(left.value, bottom.value, right.value, top.value)


def _line(text_page: pdfium.PdfTextPage, codes: list[int], start: int, place: Place) -> Line | None:
    # PDFium's marks for a hyphen at a line end; where it has joined the line to the next already, the hyphen goes.
    while codes and codes[-1] == 0x20:
        codes = codes[:-1]
    text = "".join(chr(code) for code in codes[:-1] if code not in _LINE_END_HYPHENS)
    text += "-" if codes[-1:] and codes[-1] in _LINE_END_HYPHENS else "".join(map(chr, codes[-1:]))
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    text = join_lines(clean_text(text))
    rects = text_page.count_rects(start, len(codes))
    if not text or rects <= 0:
        return None
    edges = [place(*text_page.get_rect(i)) for i in range(rects)]
    return Line(
        text,
        min(e[0] for e in edges),
        min(e[1] for e in edges),
        max(e[2] for e in edges),
        max(e[3] for e in edges),
        # Boxes are as tight as the glyphs, so their heights say little; at size 1 a matrix scales the text.
        font_size=max(pdfium_raw.FPDFText_GetFontSize(text_page.raw, start), (edges[0][3] - edges[0][1]), 1.0),
        type_size=_type_size(text_page, start),
        bold=_is_bold(text_page, start) and _is_bold(text_page, start + len(codes) - 1),
    )


def _is_bold(text_page: pdfium.PdfTextPage, index: int) -> bool:
    """By the font's weight, which PDFium guesses from the width of stems, or else by its name."""
    if pdfium_raw.FPDFText_GetFontWeight(text_page.raw, index) >= _BOLD:
        return True
    name = ctypes.create_string_buffer(_LONGEST_FONT_NAME)
    length = pdfium_raw.FPDFText_GetFontInfo(text_page.raw, index, name, _LONGEST_FONT_NAME, None)
    return 0 < length <= _LONGEST_FONT_NAME and b"bold" in name.value.lower()


def _type_size(text_page: pdfium.PdfTextPage, index: int) -> float:
    """Size in points, to the half: that of the font times what its matrix makes of it."""
    matrix = pdfium_raw.FS_MATRIX()
    if not pdfium_raw.FPDFText_GetMatrix(text_page.raw, index, ctypes.byref(matrix)):
        return 0.0
    size = pdfium_raw.FPDFText_GetFontSize(text_page.raw, index) * math.hypot(matrix.c, matrix.d)
    return round(2 * size) / 2 if math.isfinite(size) else 0.0


def paragraphs(lines: Sequence[Line], body: float) -> list[list[Line]]:
    """Groups lines: a paragraph goes on while lines follow closely and the one above reaches the right edge.

    `body` is the size of the document's body type: lines of a headline in larger type belong together as they are.
    """
    groups: list[list[Line]] = []
    for vertical, run in groupby(lines, key=Line.is_vertical):
        same = list(run)
        if vertical:
            same = _from_the_right(same)
        along = _paragraphs([line.turned() for line in same] if vertical else same, body)
        ends = list(accumulate(map(len, along), initial=0))
        groups += [same[start:end] for start, end in pairwise(ends)]
    return groups


def _from_the_right(columns: list[Line]) -> list[Line]:
    """PDFium gives vertical columns from the left where the font is vertical; where its glyphs are turned, in order."""
    leftwards = sum(1 if after.left < before.left else -1 for before, after in pairwise(columns))
    if leftwards >= 0:
        return columns
    tiers: list[list[Line]] = []
    for column in sorted(columns, key=lambda column: -column.top):
        if tiers and column.top > min(above.bottom for above in tiers[-1]):
            tiers[-1].append(column)
        else:
            tiers.append([column])
    return [column for tier in tiers for column in sorted(tier, key=lambda column: -column.right)]


def _paragraphs(lines: Sequence[Line], body: float) -> list[list[Line]]:
    gaps = sorted(gap for above, line in pairwise(lines) if (gap := above.bottom - line.top) > 0)
    usual_gap = gaps[len(gaps) // 2] if gaps else 0.0
    groups = [[lines[0]]]
    for i, (above, line) in enumerate(pairwise(lines)):
        gap = above.bottom - line.top
        close = -0.5 * above.font_size < gap <= usual_gap + 0.4 * above.font_size
        same_size = 0.75 < line.font_size / above.font_size < 1.33
        column = [near for near in lines[max(0, i - 8) : i + 9] if abs(near.left - above.left) < 3 * above.font_size]
        right_edge = max(near.right for near in column)
        full = above.right > right_edge - 0.12 * (right_edge - above.left)
        headline = line.is_larger_than(body) and line.type_size == above.type_size and gap < 0.6 * line.font_size
        if line.is_larger_than(body) != above.is_larger_than(body):
            same_size = False
        goes_on = full or headline or (line.text[:1].islower() and not above.text.endswith(SENTENCE_END))
        if close and same_size and goes_on and not _BULLET.match(line.text):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def join_paragraph(paragraph: Sequence[Line]) -> tuple[str, list[tuple[int, int]]]:
    """The paragraph as one line, and where each of its lines lies in it. A hyphen before a break goes away."""
    text = ""
    spans: list[tuple[int, int]] = []
    for line in paragraph:
        if text.endswith("-") and len(text) > 1 and text[-2].isalpha() and line.text[:1].islower():
            text = text[:-1]
            start, end = spans[-1]
            spans[-1] = (start, min(end, len(text)))
        elif text:
            text = join_lines(f"{text}\n{line.text}")[: -len(line.text)]
        spans.append((len(text), len(text) + len(line.text)))
        text += line.text
    return text, spans
