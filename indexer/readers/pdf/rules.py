"""The straight lines that are drawn on a PDF page, and the rectangles that are filled. Knows PDFium, and no text.

A page may draw millions of paths: past a bound none of its rules are used, and its text is read as if it had none.
"""

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

_MOST_OBJECTS = 20_000
_MOST_SEGMENTS = 10_000
_MOST_OF_A_PATH = 2_000  # a table drawn at one go; more is a drawing
_MOST_RULES = 400  # in each direction, once joined
_DEEPEST_FORM = 4
# Points. What is thinner is a line, however it was drawn; the two lines of a double border are one.
_THIN = 3.0
SNAP = 3.0
_SHORTEST = 6.0
_WHITE = (255, 255, 255)
_PAGE_SHARE = 0.9

Box = tuple[float, float, float, float]
Place = Callable[[float, float, float, float], Box]
_Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Rule:
    """A line at y (or x, if it is vertical) from `start` to `end`."""

    at: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Fill:
    """A rectangle of one colour, not white; later ones cover earlier ones."""

    box: Box
    colour: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be the lines of a table, joined and sorted: horizontal from the top down, vertical from the left."""

    horizontal: tuple[Rule, ...] = ()
    vertical: tuple[Rule, ...] = ()
    fills: tuple[Fill, ...] = ()


class _TooMany(Exception):
    pass


def page_rules(page: pdfium.PdfPage, place: Place) -> Rules:
    """The rules of a page as it is shown; none if it draws more than a table could."""
    collector = _Collector(place, page.get_size())
    try:
        for path, matrix in _paths(page):
            collector.add(path, matrix)
    except _TooMany:
        return Rules()
    horizontal, vertical = _joined(collector.horizontal), _joined(collector.vertical)
    if max(len(horizontal), len(vertical)) > _MOST_RULES:
        return Rules()
    return Rules(tuple(reversed(horizontal)), tuple(vertical), tuple(collector.fills))


def _paths(page: pdfium.PdfPage) -> Iterator[tuple[Any, _Matrix]]:
    """Every path on the page, those inside of forms too, with the matrix of the form around it."""
    seen = 0
    first = [pdfium_raw.FPDFPage_GetObject(page.raw, i) for i in range(_count(page.raw))]
    stack = [(item, _IDENTITY, 0) for item in reversed(first)]
    while stack:
        item, matrix, depth = stack.pop()
        seen += 1
        if seen > _MOST_OBJECTS:
            raise _TooMany
        kind = pdfium_raw.FPDFPageObj_GetType(item)
        if kind == pdfium_raw.FPDF_PAGEOBJ_PATH:
            yield item, matrix
        elif kind == pdfium_raw.FPDF_PAGEOBJ_FORM and depth < _DEEPEST_FORM:
            inner = _times(_matrix(item), matrix)
            count = pdfium_raw.FPDFFormObj_CountObjects(item)
            if seen + len(stack) + count > _MOST_OBJECTS:
                raise _TooMany
            stack += [(pdfium_raw.FPDFFormObj_GetObject(item, i), inner, depth + 1) for i in reversed(range(count))]


def _count(page: Any) -> int:
    count = int(pdfium_raw.FPDFPage_CountObjects(page))
    if count > _MOST_OBJECTS:
        raise _TooMany
    return count


class _Collector:
    """Sorts paths into lines and fills; `place` leads from the page's own space to the page as it is shown."""

    def __init__(self, place: Place, size: tuple[float, float]) -> None:
        self.horizontal: list[Rule] = []
        self.vertical: list[Rule] = []
        self.fills: list[Fill] = []
        self._place = place
        self._largest = _PAGE_SHARE * size[0] * size[1]
        self._segments = 0
        # Made once: making them for each path takes longer than asking PDFium.
        self._edges = tuple(ctypes.c_float() for _ in range(4))
        self._fill, self._stroke = ctypes.c_int(), ctypes.c_int()
        self._point = (ctypes.c_float(), ctypes.c_float())
        self._edge_references = tuple(map(ctypes.byref, self._edges))
        self._mode_references = tuple(map(ctypes.byref, (self._fill, self._stroke)))
        self._point_references = tuple(map(ctypes.byref, self._point))

    def add(self, path: Any, form: _Matrix) -> None:
        if not (
            pdfium_raw.FPDFPageObj_GetBounds(path, *self._edge_references)
            and pdfium_raw.FPDFPath_GetDrawMode(path, *self._mode_references)
        ):
            return
        filled, stroked = bool(self._fill.value), bool(self._stroke.value)
        left, bottom, right, top = self._shown(form, *(edge.value for edge in self._edges))
        width, height = right - left, top - bottom
        if not (filled or stroked) or (width < _SHORTEST and height < _SHORTEST) or width * height > self._largest:
            return
        if width <= _THIN or height <= _THIN:
            self._add_line(left, bottom, right, top)
            return
        corners = self._corners(path, _times(_matrix(path), form))
        if corners is None:
            return
        for (x1, y1), (x2, y2) in corners:
            if abs(x1 - x2) > _THIN and abs(y1 - y2) > _THIN:
                continue
            box = self._place(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            width, height = box[2] - box[0], box[3] - box[1]
            # Grounds of cells often lie in every other row, so that their sides say nothing of the columns.
            if (width <= _THIN or height <= _THIN) and (stroked or width > height):
                self._add_line(*box)
        if filled and not stroked:
            self._add_fill(path, (left, bottom, right, top))

    def _shown(self, matrix: _Matrix, left: float, bottom: float, right: float, top: float) -> Box:
        if matrix is not _IDENTITY:
            a, b, c, d, e, f = matrix
            xs = [a * x + c * y + e for x in (left, right) for y in (bottom, top)]
            ys = [b * x + d * y + f for x in (left, right) for y in (bottom, top)]
            left, bottom, right, top = min(xs), min(ys), max(xs), max(ys)
        return self._place(left, bottom, right, top)

    def _add_line(self, left: float, bottom: float, right: float, top: float) -> None:
        if right - left >= top - bottom:
            self.horizontal.append(Rule((bottom + top) / 2, left, right))
        else:
            self.vertical.append(Rule((left + right) / 2, bottom, top))

    def _add_fill(self, path: Any, box: Box) -> None:
        colour = [ctypes.c_uint() for _ in range(4)]
        pdfium_raw.FPDFPageObj_GetFillColor(path, *map(ctypes.byref, colour))
        red, green, blue = (part.value for part in colour[:3])
        if (red, green, blue) != _WHITE:
            self.fills.append(Fill(box, (red, green, blue)))

    def _corners(self, path: Any, matrix: _Matrix) -> list[tuple[tuple[float, float], tuple[float, float]]] | None:
        """The straight pieces of a path; None if there is a curve in it, or if it is longer than a table needs."""
        count = pdfium_raw.FPDFPath_CountSegments(path)
        if count > _MOST_OF_A_PATH:
            return None
        pieces = []
        first = last = (0.0, 0.0)
        x, y = self._point
        a, b, c, d, e, f = matrix
        for i in range(count):
            self._segments += 1
            if self._segments > _MOST_SEGMENTS:
                raise _TooMany
            segment = pdfium_raw.FPDFPath_GetPathSegment(path, i)
            kind = pdfium_raw.FPDFPathSegment_GetType(segment)
            pdfium_raw.FPDFPathSegment_GetPoint(segment, *self._point_references)
            point = (a * x.value + c * y.value + e, b * x.value + d * y.value + f)
            if kind == pdfium_raw.FPDF_SEGMENT_MOVETO:
                first = point
            elif kind == pdfium_raw.FPDF_SEGMENT_LINETO:
                pieces.append((last, point))
            else:
                return None
            last = point
            if pdfium_raw.FPDFPathSegment_GetClose(segment):
                pieces.append((last, first))
                last = first
        return pieces


def _matrix(item: Any) -> _Matrix:
    matrix = pdfium_raw.FS_MATRIX()
    if not pdfium_raw.FPDFPageObj_GetMatrix(item, ctypes.byref(matrix)):
        return _IDENTITY
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _times(inner: _Matrix, outer: _Matrix) -> _Matrix:
    """First `inner`, then `outer`."""
    if outer is _IDENTITY:
        return inner
    a, b, c, d, e, f = inner
    p, q, r, s, t, u = outer
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _joined(rules: list[Rule]) -> list[Rule]:
    """Lines that lie on each other or touch end to end are one; sorted by place. What stays short goes."""
    joined: list[Rule] = []
    level: list[Rule] = []
    for rule in [*sorted(rules, key=lambda rule: rule.at), None]:
        if rule is not None and (not level or rule.at - level[0].at <= SNAP):
            level.append(rule)
            continue
        joined += _joined_level(level)
        level = [rule] if rule is not None else []
    return joined


def _joined_level(level: list[Rule]) -> list[Rule]:
    if not level:
        return []
    at = sum(rule.at for rule in level) / len(level)
    joined: list[Rule] = []
    for rule in sorted(level, key=lambda rule: rule.start):
        if joined and rule.start - joined[-1].end <= SNAP:
            joined[-1] = Rule(at, joined[-1].start, max(joined[-1].end, rule.end))
        else:
            joined.append(Rule(at, rule.start, rule.end))
    return [rule for rule in joined if rule.end - rule.start >= _SHORTEST]
