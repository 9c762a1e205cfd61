"""The lines of a PDF page with their places and type, and how they join to paragraphs. Knows PDFium and geometry."""

import ctypes
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from indexer.readers.builder import clean_text, join_lines

_BULLET = re.compile(r"^\s*(?:[-*•‣◦・●○■□▪–—]|\(?\d{1,3}[.)．）]|[①-⑳]|第\d+[条章節])\s*")
SENTENCE_END = tuple(".!?。！？…:：」』")
_LINE_END_HYPHENS = frozenset((0x02, 0xFFFE))
_BOLD = 600
_LARGER = 1.12


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

    def is_larger_than(self, body: float) -> bool:
        """Whether it is set in visibly larger type than the body of the text."""
        return bool(body) and self.type_size >= _LARGER * body


Place = Callable[[float, float, float, float], tuple[float, float, float, float]]


def _placing(page: pdfium.PdfPage) -> Place:
    """From PDF user space to the page as it is shown: counted from its corner, and turned."""
    left, bottom, right, top = page.get_bbox()
    turns = page.get_rotation() // 90

    def place(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float, float]:
        x1, y1, x2, y2 = x1 - left, y1 - bottom, x2 - left, y2 - bottom
        width, height = right - left, top - bottom
        for _ in range(turns):
            x1, y1, x2, y2 = y1, width - x2, y2, width - x1
            width, height = height, width
        return x1, y1, x2, y2

    return place


def page_lines(page: pdfium.PdfPage) -> list[Line]:
    """The lines of a page in PDFium's order, which is that of reading for most pages."""
    place = _placing(page)
    text_page = page.get_textpage()
    try:
        count = text_page.count_chars()
        if count <= 0:
            return []
        codes = [pdfium_raw.FPDFText_GetUnicode(text_page.raw, i) for i in range(count)]
        lines = []
        start = 0
        for i in range(count + 1):
            if i < count and codes[i] not in (0x0A, 0x0D):
                continue
            if i > start:
                line = _line(text_page, codes[start:i], start, place)
                if line is not None:
                    lines.append(line)
            start = i + 1
        return lines
    finally:
        text_page.close()


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
    weights = (pdfium_raw.FPDFText_GetFontWeight(text_page.raw, i) for i in (start, start + len(codes) - 1))
    return Line(
        text,
        min(e[0] for e in edges),
        min(e[1] for e in edges),
        max(e[2] for e in edges),
        max(e[3] for e in edges),
        # Boxes are as tight as the glyphs, so their heights say little; at size 1 a matrix scales the text.
        font_size=max(pdfium_raw.FPDFText_GetFontSize(text_page.raw, start), (edges[0][3] - edges[0][1]), 1.0),
        type_size=_type_size(text_page, start),
        bold=all(weight >= _BOLD for weight in weights),
    )


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
    if not lines:
        return []
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
