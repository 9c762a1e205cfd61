"""Builds the text of a document block by block and remembers where headings and code landed.

Shared by the readers of marked-up formats. Knows nothing of any format.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from indexer.document import ExtractedDocument, Heading, Layout, Page, Span
from indexer.errors import UnreadableDocument

_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_NEWLINES = re.compile(r"[ \n]*\n[ \n]*")
# Control characters that part lines or pages, as str.splitlines() has it.
_BREAKS = re.compile("\r\n|[\r\f\v\x85]")
# Scripts that write no space between words: a line break inside a paragraph then joins without one.
_UNSPACED = r"[\u3000-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
_UNSPACED_BREAK = re.compile(rf"(?<={_UNSPACED})\n(?={_UNSPACED})")
# A few kilobytes can say "this, a million times"; the largest book of the world has 10 million characters.
_MAX_CHARACTERS = 30_000_000
_KEPT = frozenset("\n\t\u200c\u200d")


def clean_text(text: str) -> str:
    """Text without what nobody can see or store: control, bidi-override and tag characters, lone surrogates.

    Keeps newline and tab, zero-width joiners (needed by emoji and Indic scripts) and every letter.
    """
    if text.isprintable():  # str.isprintable leaves out all that is taken out below
        return text
    return "".join(c for c in _BREAKS.sub("\n", text) if _is_visible(c))


def _is_visible(char: str) -> bool:
    return char in _KEPT or unicodedata.category(char) not in ("Cc", "Cs", "Cf", "Co")


def join_lines(text: str) -> str:
    """One block as one line: breaks become a space, or nothing between characters of scripts without spaces."""
    if text.isprintable() and "  " not in text:  # one line already, as most are
        return text.strip()
    text = _SPACES.sub(" ", text)
    text = _NEWLINES.sub("\n", text.strip())
    return _UNSPACED_BREAK.sub("", text).replace("\n", " ").strip()


class TextBuilder:
    """Append blocks in reading order, then `build`."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []
        self._code: list[Span] = []
        self._pages: list[tuple[int, int, float, float]] = []

    def _append(self, text: str, separator: str) -> int:
        if self._parts:
            self._parts.append(separator)
            self._length += len(separator)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        if self._length > _MAX_CHARACTERS:
            raise UnreadableDocument(f"more than {_MAX_CHARACTERS // 1_000_000} million characters of text")
        return start

    def heading(self, level: int, text: str) -> None:
        """A heading of its own block."""
        line = join_lines(clean_text(text))
        if line:
            start = self._append(line, "\n\n")
            self._headings.append(Heading(start, start + len(line), level, line))

    def block(self, text: str, *, tight: bool = False) -> None:
        """A paragraph; `tight` blocks (list items, table rows) follow the one before without an empty line."""
        line = join_lines(clean_text(text))
        if line:
            self._append(line, "\n" if tight else "\n\n")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """One line a row, each cell with the name of its column, so that a row can be understood (and cited) alone."""
        names = [join_lines(clean_text(name)) for name in header]
        tight = False
        for row in rows:
            cells = [join_lines(clean_text(cell)) for cell in row]
            labelled = [
                f"{names[i]}: {cell}" if i < len(names) and names[i] else cell for i, cell in enumerate(cells) if cell
            ]
            self.block(" | ".join(labelled), tight=tight)
            tight = True

    def code(self, text: str) -> None:
        """Code keeps its line breaks and its indentation."""
        body = clean_text(text).rstrip().strip("\n")
        if body:
            start = self._append(body, "\n\n")
            self._code.append(Span(start, start + len(body)))

    def page(self, number: int, width: float, height: float) -> None:
        """What follows stands on this page (or slide); width and height in points."""
        self._pages.append((number, self._length, width, height))

    def __len__(self) -> int:
        """Characters so far."""
        return self._length

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been added yet."""
        return not self._parts

    @property
    def has_heading(self) -> bool:
        """Whether there is a heading yet."""
        return bool(self._headings)

    def build(self, *, title: str | None, media_type: str) -> ExtractedDocument:
        """The document. Without a title of its own, the first heading is its title."""
        title = join_lines(clean_text(title)) if title else None
        if not title and self._headings:
            title = self._headings[0].title
        return ExtractedDocument(
            text="".join(self._parts),
            title=title or None,
            media_type=media_type,
            headings=tuple(self._headings),
            layout=Layout(
                pages=self._built_pages(),
                code=tuple(self._code),
                headings=tuple(Span(h.start, h.end) for h in self._headings),
            ),
        )

    def _built_pages(self) -> tuple[Page, ...]:
        ends = [start for _, start, _, _ in self._pages[1:]] + [self._length]
        return tuple(
            Page(number, start, end, width, height)
            for (number, start, width, height), end in zip(self._pages, ends, strict=False)
        )
