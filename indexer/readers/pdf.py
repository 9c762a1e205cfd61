"""PDF by PDFium: text in reading order with page numbers and the box of every line.

Lines are joined to paragraphs by geometry. Runs in the reader process: PDFium is C++ and its input may be hostile.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from indexer.document import ExtractedDocument, Layout, LineBox, Page
from indexer.errors import UnreadableDocument
from indexer.readers.builder import clean_text, join_lines

_BULLET = re.compile(r"^\s*(?:[-*•‣◦・●○■□▪–—]|\(?\d{1,3}[.)．）]|[①-⑳]|第\d+[条章節])\s*")
_SENTENCE_END = tuple(".!?。！？…:：」』")
_LINE_END_HYPHENS = frozenset((0x02, 0xFFFE))
_REASONS = {
    pdfium_raw.FPDF_ERR_PASSWORD: "encrypted: it needs a password",
    pdfium_raw.FPDF_ERR_SECURITY: "encrypted with a scheme that cannot be opened",
    pdfium_raw.FPDF_ERR_FORMAT: "not a PDF, or damaged beyond repair",
}


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    left: float
    bottom: float
    right: float
    top: float
    font_size: float


def read_pdf(data: bytes) -> ExtractedDocument:
    """A PDF file. Raises UnreadableDocument when it is encrypted, damaged, or holds no text at all."""
    try:
        pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        reason = _REASONS.get(getattr(error, "err_code", None) or 0)
        raise UnreadableDocument(reason or f"PDFium cannot open it: {error}") from error
    try:
        return _read_pages(pdf)
    finally:
        pdf.close()


def _read_pages(pdf: pdfium.PdfDocument) -> ExtractedDocument:
    parts: list[str] = []
    pages: list[Page] = []
    boxes: list[LineBox] = []
    offset = 0
    for number in range(1, len(pdf) + 1):
        try:
            page = pdf[number - 1]
        except pdfium.PdfiumError:
            continue  # a broken page in a readable file; the others still count
        width, height = page.get_size()
        place = _placing(page)
        start = offset
        for paragraph in _paragraphs(_lines(page)):
            text, spans = _join(paragraph)
            if not text:
                continue
            boxes.extend(
                LineBox(offset + s, offset + e, number, *place(line.left, line.bottom, line.right, line.top))
                for line, (s, e) in zip(paragraph, spans, strict=True)
                if s < e
            )
            parts.append(text + "\n")
            offset += len(text) + 1
        pages.append(Page(number, start, offset, width, height))
        page.close()
    text = "".join(parts)
    if not text.strip():
        raise UnreadableDocument(f"no text on its {len(pdf)} page(s): scanned images need OCR first")
    try:
        title = pdf.get_metadata_value("Title").strip()
    except UnicodeDecodeError:
        title = ""
    return ExtractedDocument(
        text=text,
        title=join_lines(clean_text(title)) or None,
        media_type="application/pdf",
        layout=Layout(pages=tuple(pages), lines=tuple(boxes)),
    )


def _placing(page: pdfium.PdfPage) -> Callable[[float, float, float, float], tuple[float, float, float, float]]:
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


def _lines(page: pdfium.PdfPage) -> list[_Line]:
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
                line = _line(text_page, codes[start:i], start)
                if line is not None:
                    lines.append(line)
            start = i + 1
        return lines
    finally:
        text_page.close()


def _line(text_page: pdfium.PdfTextPage, codes: list[int], start: int) -> _Line | None:
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
    edges = [text_page.get_rect(i) for i in range(rects)]
    return _Line(
        text,
        min(e[0] for e in edges),
        min(e[1] for e in edges),
        max(e[2] for e in edges),
        max(e[3] for e in edges),
        # Boxes are as tight as the glyphs, so their heights say little; at size 1 a matrix scales the text.
        max(pdfium_raw.FPDFText_GetFontSize(text_page.raw, start), (edges[0][3] - edges[0][1]), 1.0),
    )


def _paragraphs(lines: list[_Line]) -> list[list[_Line]]:
    """Groups lines: a paragraph goes on while lines follow closely and the one above reaches the right edge."""
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
        goes_on = full or (line.text[:1].islower() and not above.text.endswith(_SENTENCE_END))
        if close and same_size and goes_on and not _BULLET.match(line.text):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _join(paragraph: list[_Line]) -> tuple[str, list[tuple[int, int]]]:
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
