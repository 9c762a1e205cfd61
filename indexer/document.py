"""What a reader makes of a file: plain text, and where its structure lies in that text.

All offsets count Unicode code points of `ExtractedDocument.text`. The types know nothing of formats, SQL or chunks.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range [start, end) of characters."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: [{self.start}, {self.end})")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading line at [start, end); level 1 is the outermost."""

    start: int
    end: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Page:
    """Page `number` (from 1) covers [start, end); width and height in PDF points."""

    number: int
    start: int
    end: int
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class LineBox:
    """Where the characters [start, end) stand on a page: PDF points, origin bottom left."""

    start: int
    end: int
    page: int
    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything about a text that is worth keeping for viewers and answerers."""

    pages: tuple[Page, ...] = ()
    lines: tuple[LineBox, ...] = ()
    code: tuple[Span, ...] = ()
    headings: tuple[Span, ...] = ()

    def page_at(self, offset: int) -> int | None:
        """Number of the page that holds the character at `offset`; None for formats without pages."""
        for page in self.pages:
            if page.start <= offset < page.end:
                return page.number
        return None


@dataclass(frozen=True, slots=True)
class ExtractedDocument:
    """Text of one document. A newline separates blocks (paragraphs, items, rows); inside a block there is none.

    `notes` say what of the file is not in the text, and why.
    """

    text: str
    title: str | None
    media_type: str
    headings: tuple[Heading, ...] = ()
    layout: Layout = field(default_factory=Layout)
    notes: tuple[str, ...] = ()
