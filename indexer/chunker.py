"""Cuts a document into chunks that fit the embedding model, at headings, paragraphs and sentences.

Every chunk is a span of the document's text; sizes are tokens of the embedding model. Knows no SQL and no model.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from langchain_text_splitters import RecursiveCharacterTextSplitter

from indexer.document import ExtractedDocument, Heading

# Best boundary first. Full-width stops end Japanese and Chinese sentences without a space.
_SEPARATORS = [r"\n\n", r"\n", r"(?<=[。！？])", r"(?<=[.!?]) ", r"(?<=[、，；;,]) ?", r" ", r""]
VERSION = 1
_LONGEST_TOKEN = 16

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class ChunkerSettings:
    """Sizes in tokens of the embedding model. Why these: docs/decisions.md."""

    max_tokens: int = 200
    heading_tokens: int = 40


@dataclass(frozen=True, slots=True)
class Chunk:
    """The span [start, end) of a document, `ordinal` from 0; `heading_path` goes from the outermost heading inwards.

    `embedded_text` is what the embedding model sees: the headings give a chunk the context that it was cut from.
    """

    ordinal: int
    start: int
    end: int
    text: str
    heading_path: tuple[str, ...]
    embedded_text: str


def chunk_document(document: ExtractedDocument, count_tokens: CountTokens, settings: ChunkerSettings) -> list[Chunk]:
    """Chunks in reading order. No two overlap, and between them only white space is left out."""
    splitter = RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        is_separator_regex=True,
        keep_separator="end",
        strip_whitespace=False,
        chunk_size=settings.max_tokens,
        chunk_overlap=0,
        length_function=lambda text: _size(text, count_tokens),
    )
    chunks: list[Chunk] = []
    for start, end, path in _sections(document):
        context = _context(path, count_tokens, settings.heading_tokens)
        offset = start
        for piece in splitter.split_text(document.text[start:end]):
            body = piece.strip()
            if body:
                at = offset + piece.index(body)
                chunks.append(Chunk(len(chunks), at, at + len(body), body, path, context + body))
            offset += len(piece)
        if offset != end:
            raise AssertionError("the splitter lost text: offsets would be wrong")
    return chunks


def _size(text: str, count_tokens: CountTokens) -> int:
    """Tokens, but at least one for every 16 characters.

    A piece of size 0 would be put into two chunks, and a word that the model does not know, however long, is one token.
    """
    return max(count_tokens(text), -(-len(text) // _LONGEST_TOKEN))


def _sections(document: ExtractedDocument) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Spans between headings with their heading path. A heading belongs to the section that it opens.

    A heading without text of its own opens nothing: it goes with the section below it. The document's title stands
    above all headings, unless one of them says the same.
    """
    title = document.title
    root = (title,) if title and all(h.title != title for h in document.headings) else ()
    path: list[Heading] = []
    start = 0
    body_start = 0
    for heading in document.headings:
        if document.text[body_start : heading.start].strip():
            yield start, heading.start, root + tuple(h.title for h in path)
            start = heading.start
        path = [h for h in path if h.level < heading.level] + [heading]
        body_start = heading.end
    if document.text[start:].strip():
        yield start, len(document.text), root + tuple(h.title for h in path)


def _context(path: tuple[str, ...], count_tokens: CountTokens, budget: int) -> str:
    """As many headings as the budget allows, the innermost ones first, as a line of its own."""
    for first in range(len(path)):
        line = " > ".join(path[first:]) + "\n"
        if count_tokens(line) <= budget:
            return line
    return ""
