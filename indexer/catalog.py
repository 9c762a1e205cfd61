"""The catalog: what SQL knows of collections, documents, contents and chunks, and how the write path changes it.

Everything here takes a Session and leaves the transaction to its caller. Knows no files and no models.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field

import numpy as np
from sqlalchemy import ColumnElement, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from indexer.chunker import Chunk as ChunkSpan
from indexer.document import ExtractedDocument, Layout, LineBox, Page, Span
from indexer.embedder import Vectors
from indexer.errors import SourceProblem
from indexer.identity import stable_id
from indexer.tables import Chunk, Collection, Content, Document, Version

_ROWS_AT_ONCE = 500
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class FileState:
    """What a run has found out about one file that it could read, or that was read before.

    The stamp is no part of what a file is: two states of the same content are equal.
    """

    location: str
    path: str
    size: int
    content_id: int
    stamp: str | None = field(default=None, compare=False)


def collection_id(name: str) -> int:
    """The id of a collection is a function of its name."""
    return stable_id("collection", name)


def content_id(collection: str, pipeline: str, sha256: str) -> int:
    """The id of what `pipeline` makes of the bytes with this hash, in this collection."""
    return stable_id("content", collection, pipeline, sha256)


def check_collection_name(name: str) -> None:
    """Raises SourceProblem for a name that a database or a URL could not hold."""
    if not name.strip() or len(name) > _LONGEST_NAME or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise SourceProblem(
            f"{name!r} cannot be the name of a collection: use 1 to {_LONGEST_NAME} visible characters in valid Unicode"
        )


def find_collection(session: Session, name: str) -> Collection | None:
    """The collection of that name, if there is one."""
    return session.get(Collection, collection_id(name))


def name_generation(row: Collection, number: int, manifest_sha256: str, embedder: str, previous: str | None) -> None:
    """Makes a published generation the one that is served; `previous` is the manifest of the one it replaces."""
    row.embedder, row.generation = embedder, number
    row.manifest_sha256, row.previous_manifest_sha256 = manifest_sha256, previous


def add_content(
    session: Session,
    content: Content,
    document: ExtractedDocument,
    chunks: Sequence[ChunkSpan],
    vectors: Sequence[Vectors | None],
) -> None:
    """Stores a content with all its chunks, if they are not there; the caller's transaction makes that atomic."""
    if session.scalar(select(exists().where(Chunk.content_id == content.id))):
        return  # by a commit that took place, though its answer was lost
    content.media_type = document.media_type
    content.title = document.title
    content.text = document.text
    content.layout = pack_layout(document.layout)
    if session.get(Content, content.id) is None:  # else it was published before, and only its chunks are gone
        session.add(content)
    session.flush()
    session.add_all(
        Chunk(
            id=stable_id("chunk", content.id, chunk.ordinal),
            content_id=content.id,
            ordinal=chunk.ordinal,
            start=chunk.start,
            end=chunk.end,
            heading_path=list(chunk.heading_path),
            text=chunk.text,
            embedding=None if vector is None else vector.astype("<f4").tobytes(),
        )
        for chunk, vector in zip(chunks, vectors, strict=True)
    )
    session.flush()


def record_versions(session: Session, collection: int, states: Iterable[FileState]) -> None:
    """Remembers that these paths lead to these contents, for as long as the contents are kept."""
    rows = {
        stable_id("version", state.content_id, state.location): {
            "collection_id": collection,
            "content_id": state.content_id,
            "location": state.location,
            "path": state.path,
        }
        for state in states
    }
    for batch in batches(sorted(rows)):
        known = set(session.scalars(select(Version.id).where(Version.id.in_(batch))))
        if new := [{"id": i, **rows[i]} for i in batch if i not in known]:
            session.execute(insert(Version), new)


def stored_contents(session: Session, collection: int) -> dict[int, str]:
    """The collection's contents that are stored with their chunks: the pipeline that made each, by id."""
    has_chunks = exists().where(Chunk.content_id == Content.id)
    found = select(Content.id, Content.pipeline).where(Content.collection_id == collection, has_chunks)
    return {row.id: row.pipeline for row in session.execute(found)}


def current_documents(session: Session, collection: int) -> dict[str, FileState]:
    """The documents of a collection by location."""
    rows = session.execute(
        select(Document.location, Document.path, Document.size, Document.content_id, Document.stamp).where(
            Document.collection_id == collection
        )
    )
    return {row.location: FileState(*row) for row in rows}


def replace_documents(session: Session, collection: int, states: Iterable[FileState], removed: Iterable[str]) -> None:
    """Points paths at their contents: adds, changes and removes documents, and marks what they lead to as published."""
    for batch in batches(list(removed)):
        session.execute(delete(Document).where(Document.collection_id == collection, Document.location.in_(batch)))
    states = list(states)
    record_versions(session, collection, states)
    for state in states:
        session.merge(
            Document(
                id=stable_id("document", collection, state.location),
                collection_id=collection,
                content_id=state.content_id,
                location=state.location,
                path=state.path,
                size=state.size,
                stamp=state.stamp,
            )
        )
    session.flush()
    session.execute(
        update(Content)
        .where(Content.collection_id == collection, Content.published.is_(False), _is_current())
        .values(published=True)
    )


def remember_stamps(session: Session, collection: int, states: Iterable[FileState]) -> None:
    """Takes over the stamps of documents that have not changed otherwise."""
    rows = [{"id": stable_id("document", collection, state.location), "stamp": state.stamp} for state in states]
    if rows:
        session.execute(update(Document), rows)


def retire_unreferenced(session: Session, collection: int) -> None:
    """Drops the chunks of contents that no path leads to any more.

    The text of a content that has been published stays, so that old citations open; one that never was goes whole.
    """
    orphans = select(Content.id).where(Content.collection_id == collection, ~_is_current())
    session.execute(delete(Chunk).where(Chunk.content_id.in_(orphans)))
    session.execute(
        delete(Content).where(Content.collection_id == collection, Content.published.is_(False), ~_is_current())
    )


def hold_contents(session: Session, content_ids: set[int]) -> bool:
    """Whether all these contents are stored still; if so, none can be deleted before the transaction ends."""
    held = select(Content.id).where(Content.id.in_(content_ids)).with_for_update(read=True)
    return len(session.scalars(held).all()) == len(content_ids)


def chunk_ids_of(session: Session, content_ids: Iterable[int]) -> set[int]:
    """Ids of all chunks of the given contents."""
    found: set[int] = set()
    for batch in batches(sorted(content_ids)):
        found.update(session.scalars(select(Chunk.id).where(Chunk.content_id.in_(batch))))
    return found


def read_chunks(session: Session, content_ids: Iterable[int]) -> Iterator[tuple[int, str, Vectors | None]]:
    """(id, headings and text, embedding) of every chunk of the contents, in an order that depends on the ids alone."""
    for batch in batches(sorted(content_ids)):
        rows = session.execute(
            select(Chunk.id, Chunk.heading_path, Chunk.text, Chunk.embedding)
            .where(Chunk.content_id.in_(batch))
            .order_by(Chunk.content_id, Chunk.ordinal)
        )
        for row in rows:
            vector = None if row.embedding is None else np.frombuffer(row.embedding, dtype="<f4")
            yield row.id, "\n".join((*row.heading_path, row.text)), vector


def pack_layout(layout: Layout) -> dict[str, list[list[float]]]:
    """The layout as JSON: rows of numbers, a tenth of a point precise."""
    return {
        "pages": [list(astuple(page)) for page in layout.pages],
        "lines": [
            [line.start, line.end, line.page] + [round(x, 1) for x in astuple(line)[3:]] for line in layout.lines
        ],
        "code": [[span.start, span.end] for span in layout.code],
        "headings": [[span.start, span.end] for span in layout.headings],
    }


def unpack_layout(packed: dict[str, list[list[float]]]) -> Layout:
    """The inverse of `pack_layout`."""
    return Layout(
        pages=tuple(Page(int(n), int(s), int(e), w, h) for n, s, e, w, h in packed["pages"]),
        lines=tuple(LineBox(int(s), int(e), int(p), *box) for s, e, p, *box in packed["lines"]),
        code=tuple(Span(int(s), int(e)) for s, e in packed["code"]),
        headings=tuple(Span(int(s), int(e)) for s, e in packed.get("headings", ())),
    )


def _is_current() -> ColumnElement[bool]:
    return exists().where(Document.content_id == Content.id)


def batches(items: list[int] | list[str]) -> Iterator[list]:  # type: ignore[type-arg]
    """The items in lists that fit into one statement."""
    for i in range(0, len(items), _ROWS_AT_ONCE):
        yield items[i : i + _ROWS_AT_ONCE]
