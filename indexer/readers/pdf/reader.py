"""PDF by PDFium: text in reading order with page numbers, headings, tables and the box of every line.

Pages without text are read by OCR where Tesseract is installed, and named where it is not. Runs in the reader process:
PDFium is C++ and its input may be hostile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from indexer.document import ExtractedDocument, Heading, Layout, LineBox, Page, Span
from indexer.errors import UnreadableDocument
from indexer.readers import ocr
from indexer.readers.builder import clean_text, join_lines
from indexer.readers.pdf.headings import body_size, heading_levels
from indexer.readers.pdf.lines import Line, join_paragraph, paragraphs
from indexer.readers.pdf.page import Part, page_parts
from indexer.readers.pdf.rows import Names, table_rows
from indexer.readers.pdf.tables import Table

_REASONS = {
    pdfium_raw.FPDF_ERR_PASSWORD: "encrypted: it needs a password",
    pdfium_raw.FPDF_ERR_SECURITY: "encrypted with a scheme that cannot be opened",
    pdfium_raw.FPDF_ERR_FORMAT: "not a PDF, or damaged beyond repair",
}
_MOST_NAMED = 10
_MOST_RUNNING_LINES = 3


@dataclass(slots=True)
class _Sheet:
    """What is on one page; `needs_ocr` if something is drawn on it, but no text."""

    number: int
    width: float
    height: float
    parts: list[Part]
    needs_ocr: bool = False
    recognised: list[list[Line]] = field(default_factory=list)
    confidence: float | None = None  # of OCR, where that is too low

    @property
    def lines(self) -> list[Line]:
        """All lines outside of tables."""
        return [line for part in self.parts if not isinstance(part, Table) for line in part]


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph or a row of a table: `spans` are the places of its lines in its text."""

    page: int
    text: str
    lines: Sequence[Line]
    spans: Sequence[tuple[int, int]]
    is_row: bool = False


def read_pdf(data: bytes) -> ExtractedDocument:
    """A PDF file. Raises UnreadableDocument when it is encrypted, damaged, or holds no text at all."""
    try:
        pdf = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        code = getattr(error, "err_code", None) or 0
        if code == pdfium_raw.FPDF_ERR_PASSWORD and b"/Encrypt" not in data:
            code = pdfium_raw.FPDF_ERR_FORMAT  # so PDFium calls some damaged files
        reason = _REASONS.get(code)
        raise UnreadableDocument(reason or f"PDFium cannot open it: {error}") from error
    try:
        sheets, damaged = _read_sheets(pdf)
        return _assemble(sheets, _title(pdf), _notes(sheets, damaged))
    finally:
        pdf.close()


def _read_sheets(pdf: pdfium.PdfDocument) -> tuple[list[_Sheet], list[int]]:
    """The pages, and the numbers of those that are damaged; the others still count."""
    sheets: list[_Sheet] = []
    damaged: list[int] = []
    for number in range(1, len(pdf) + 1):
        try:
            page = pdf[number - 1]
        except pdfium.PdfiumError:
            damaged.append(number)
            continue
        try:
            width, height = page.get_size()
            sheet = _Sheet(number, width, height, page_parts(page))
            sheet.needs_ocr = not sheet.parts and pdfium_raw.FPDFPage_CountObjects(page.raw) > 0
            if sheet.needs_ocr and ocr.program():
                found = ocr.recognise(page)
                sheet.recognised, sheet.confidence = found.paragraphs, found.confidence
            sheets.append(sheet)
        finally:
            page.close()
    return sheets, damaged


def _notes(sheets: Sequence[_Sheet], damaged: Sequence[int]) -> tuple[str, ...]:
    """What was left unread. Raises UnreadableDocument if that is everything."""
    unread = [sheet.number for sheet in sheets if sheet.needs_ocr and not sheet.recognised]
    unsure = [sheet.number for sheet in sheets if sheet.confidence is not None]
    if not any(sheet.parts or sheet.recognised for sheet in sheets):
        if unread and not ocr.program():
            raise UnreadableDocument(f"no text on its {len(sheets)} page(s), only pictures: needs OCR: {ocr.ADVICE}")
        reason = "OCR has found none in its pictures either" if unread else "they are empty or damaged"
        if unsure:
            reason = _unsure(sheets, unsure)
        if damaged and not sheets:
            reason = "they are damaged"
        raise UnreadableDocument(f"no text on its {len(sheets) + len(damaged)} page(s): {reason}")
    notes = []
    blank = [number for number in unread if number not in unsure]
    if unsure:
        notes.append(_unsure(sheets, unsure))
    if blank and ocr.program():
        notes.append(f"no text found on {_pages(blank)}, not by OCR either")
    elif unread and not ocr.program():
        notes.append(f"{_pages(unread)} hold(s) only pictures and needs OCR: {ocr.ADVICE}")
    if damaged:
        notes.append(f"{_pages(damaged)} cannot be read: damaged")
    return tuple(notes)


def _unsure(sheets: Sequence[_Sheet], numbers: Sequence[int]) -> str:
    best = max(sheet.confidence for sheet in sheets if sheet.confidence is not None)
    advice = "" if ocr.reads_vertical() else f"; {ocr.VERTICAL_ADVICE}"
    return f"OCR cannot make out {_pages(numbers)}: it is sure of {best:.0f} % at best{advice}"


def _pages(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers[:_MOST_NAMED]))
    more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
    return ("page " if len(numbers) == 1 else "pages ") + named + more


def _assemble(sheets: Sequence[_Sheet], title: str | None, notes: tuple[str, ...]) -> ExtractedDocument:
    body = body_size([line for sheet in sheets for line in sheet.lines])
    blocks = list(_blocks(sheets, body))
    levels = heading_levels([(block.page, () if block.is_row else block.lines, block.text) for block in blocks], body)
    parts: list[str] = []
    boxes: list[LineBox] = []
    headings: list[Heading] = []
    starts: dict[int, int] = {}
    offset = 0
    for block, level in zip(blocks, levels, strict=True):
        text = block.text
        starts.setdefault(block.page, offset)
        boxes.extend(
            LineBox(offset + s, offset + e, block.page, line.left, line.bottom, line.right, line.top)
            for line, (s, e) in zip(block.lines, block.spans, strict=True)
            if s < e
        )
        if level:
            headings.append(Heading(offset, offset + len(text), level, text))
        parts.append(text + "\n")
        offset += len(text) + 1
    first = headings[0] if headings else None
    if title is None and first is not None and first.level == 1 and first.end <= _end_of_first(starts, offset):
        title = first.title
    return ExtractedDocument(
        text="".join(parts),
        title=title,
        media_type="application/pdf",
        headings=tuple(headings),
        layout=Layout(
            pages=_built_pages(sheets, starts, offset),
            lines=tuple(boxes),
            headings=tuple(Span(h.start, h.end) for h in headings),
        ),
        notes=notes,
    )


def _blocks(sheets: Sequence[_Sheet], body: float) -> Iterator[_Block]:
    above: Names | None = None  # the header of the table that ends the page before, if one does
    for sheet in sheets:
        parts: Sequence[Part] = [*sheet.recognised] or sheet.parts
        names: Names | None = None
        for i, part in enumerate(parts):
            if isinstance(part, Table):
                rows, names = table_rows(part, above if _is_short(parts[:i]) else None)
                yield from (_Block(sheet.number, row.text, row.lines, row.spans, is_row=True) for row in rows)
                continue
            for group in [part] if sheet.recognised else paragraphs(part, body):
                text, spans = join_paragraph(group)
                if text:
                    yield _Block(sheet.number, text, group, spans)
        tables = [i for i, part in enumerate(parts) if isinstance(part, Table)]
        above = names if tables and _is_short(parts[tables[-1] + 1 :]) else None


def _is_short(parts: Sequence[Part]) -> bool:
    """Whether nothing stands there but the head or the foot of a page."""
    return (
        sum(_MOST_RUNNING_LINES + 1 if isinstance(part, Table) else len(part) for part in parts) <= _MOST_RUNNING_LINES
    )


def _end_of_first(starts: dict[int, int], length: int) -> int:
    """Where the first page with text ends."""
    return [*list(starts.values())[1:], length][0]


def _built_pages(sheets: Sequence[_Sheet], starts: dict[int, int], length: int) -> tuple[Page, ...]:
    """A page without text is empty, and lies where the next one begins."""
    pages: list[Page] = []
    end = length
    for sheet in reversed(sheets):
        start = starts.get(sheet.number, end)
        pages.append(Page(sheet.number, start, end, sheet.width, sheet.height))
        end = start
    return tuple(reversed(pages))


def _title(pdf: pdfium.PdfDocument) -> str | None:
    try:
        return join_lines(clean_text(pdf.get_metadata_value("Title"))) or None
    except UnicodeDecodeError:
        return None
