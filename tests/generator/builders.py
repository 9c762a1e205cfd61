"""Passages and retrievals made by hand, for tests that need no index."""

from collections.abc import Mapping, Sequence

from indexer.document import Layout, Span
from retriever.passages import Passage, Source
from retriever.search import Retrieval


def make_passage(
    content: str,
    start: int = 0,
    end: int | None = None,
    *,
    content_id: int = 1,
    chunk_id: int | None = None,
    headings: Sequence[str] = (),
    code: Sequence[Span] = (),
    title: str | None = None,
) -> Passage:
    """The span [start, end) of a content, the whole of it if no span is given; `headings` are lines of the content."""
    heading_spans = tuple(Span(content.index(line), content.index(line) + len(line)) for line in headings)
    end = len(content) if end is None else end
    source = Source(
        content_id, f"{content_id:064x}", title, (f"{content_id}.md",), Layout(code=tuple(code), headings=heading_spans)
    )
    return Passage(
        chunk_id=content_id * 1000 + start if chunk_id is None else chunk_id,
        source=source,
        heading_path=tuple(headings),
        start=start,
        end=end,
        text=content[start:end],
        score=1.0,
        dense=None,
        lexical=None,
    )


def make_retrieval(
    *passages: Passage, coverage: float = 1.0, rarity: Mapping[str, float] | None = None, generation: int = 1
) -> Retrieval:
    """What a search would have returned."""
    return Retrieval(passages, generation, coverage, rarity or {}, {"open": 0.1})
