"""From ranked chunks to passages: what a person or a generator reads.

Loads the chunks' rows (dropping what SQL no longer has), removes near-duplicates, and joins neighbours. Knows no index.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from indexer.analysis import terms
from indexer.catalog import unpack_layout
from indexer.document import Layout
from indexer.tables import Chunk, Content, Document
from retriever.fusion import Candidate


@dataclass(frozen=True, slots=True)
class Source:
    """The content that a passage is part of; `paths` are all files that hold it now."""

    content_id: int
    sha256: str
    title: str | None
    paths: tuple[str, ...]
    layout: Layout = field(repr=False)

    @property
    def path(self) -> str:
        """The path to show: the first in alphabetical order."""
        return self.paths[0]


@dataclass(frozen=True, slots=True)
class Passage:
    """The span [start, end) of a source, with every component score of its best chunk."""

    chunk_id: int
    source: Source
    heading_path: tuple[str, ...]
    start: int
    end: int
    text: str
    score: float
    dense: float | None
    lexical: float | None

    @property
    def page(self) -> int | None:
        """Page on which the passage starts, for paged formats."""
        return self.source.layout.page_at(self.start)


@dataclass(frozen=True, slots=True)
class PassageSettings:
    """How many passages, how alike two may be (Jaccard of their terms), and how many chunks one may join."""

    count: int = 10
    max_similarity: float = 0.9
    max_joined: int = 3


@dataclass(frozen=True, slots=True)
class _Loaded:
    candidate: Candidate
    content_id: int
    ordinal: int
    start: int
    end: int
    heading_path: tuple[str, ...]
    text: str


def build_passages(session: Session, ranked: Sequence[Candidate], settings: PassageSettings) -> list[Passage]:
    """Passages in the order of their best chunk; at most `settings.count`."""
    loaded = _load(session, ranked)
    distinct = _without_near_duplicates(loaded, settings)
    groups = _join_neighbours(distinct, settings)[: settings.count]
    sources = _load_sources(session, {group[0].content_id for group in groups})
    return [_passage(session, group, sources[group[0].content_id]) for group in groups]


def _load(session: Session, ranked: Sequence[Candidate]) -> list[_Loaded]:
    rows = session.execute(
        select(Chunk.id, Chunk.content_id, Chunk.ordinal, Chunk.start, Chunk.end, Chunk.heading_path, Chunk.text).where(
            Chunk.id.in_([c.chunk_id for c in ranked]),
            select(Document.id).where(Document.content_id == Chunk.content_id).exists(),
        )
    )
    by_id = {row.id: row for row in rows}
    return [
        _Loaded(c, row.content_id, row.ordinal, row.start, row.end, tuple(row.heading_path), row.text)
        for c in ranked
        if (row := by_id.get(c.chunk_id)) is not None
    ]


def _without_near_duplicates(loaded: list[_Loaded], settings: PassageSettings) -> list[_Loaded]:
    kept: list[_Loaded] = []
    term_sets: list[frozenset[str]] = []
    for item in loaded:
        own = frozenset(terms(item.text))
        if any(_more_alike(own, other, settings.max_similarity) for other in term_sets):
            continue
        kept.append(item)
        term_sets.append(own)
    return kept


def _more_alike(a: frozenset[str], b: frozenset[str], limit: float) -> bool:
    """Whether the Jaccard similarity is above the limit; sets of very different size are not looked into."""
    small, large = sorted((len(a), len(b)))
    if not large:
        return True
    if small <= limit * large:
        return False
    common = len(a & b)
    return common > limit * (small + large - common)


def _join_neighbours(loaded: list[_Loaded], settings: PassageSettings) -> list[list[_Loaded]]:
    """Groups of chunks that follow each other, each group in reading order, groups by their best chunk."""
    groups: list[list[_Loaded]] = []
    for item in loaded[: 2 * settings.count]:
        for group in groups:
            first, last = group[0], group[-1]
            if item.content_id != first.content_id or len(group) >= settings.max_joined:
                continue
            if item.ordinal == last.ordinal + 1 or item.ordinal == first.ordinal - 1:
                group.append(item)
                group.sort(key=lambda member: member.ordinal)
                break
        else:
            groups.append([item])
    return groups


def _load_sources(session: Session, content_ids: set[int]) -> dict[int, Source]:
    paths: dict[int, list[str]] = {content_id: [] for content_id in content_ids}
    for row in session.execute(select(Document.content_id, Document.path).where(Document.content_id.in_(content_ids))):
        paths[row.content_id].append(row.path)
    rows = session.execute(
        select(Content.id, Content.sha256, Content.title, Content.layout).where(Content.id.in_(content_ids))
    )
    return {
        row.id: Source(row.id, row.sha256, row.title, tuple(sorted(paths[row.id])), unpack_layout(row.layout))
        for row in rows
    }


def _passage(session: Session, group: list[_Loaded], source: Source) -> Passage:
    best = max(group, key=lambda item: item.candidate.score)
    passage = Passage(
        chunk_id=best.candidate.chunk_id,
        source=source,
        heading_path=best.heading_path,
        start=best.start,
        end=best.end,
        text=best.text,
        score=best.candidate.score,
        dense=best.candidate.dense,
        lexical=best.candidate.lexical,
    )
    if len(group) == 1:
        return passage
    start, end = group[0].start, group[-1].end
    text = session.scalar(
        select(func.substr(Content.text, start + 1, end - start)).where(Content.id == source.content_id)
    )
    return replace(passage, start=start, end=end, text=text or passage.text)
