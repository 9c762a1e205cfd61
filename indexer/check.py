"""Whether what is stored is whole: the files of the index against their manifest, the index against SQL, SQL in itself.

Reads everything and changes nothing. Every finding says what to run.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from indexer import catalog
from indexer.errors import IndexDamaged, SourceProblem
from indexer.generation import Generation, open_generation
from indexer.ingest import Store
from indexer.tables import Chunk, Collection, Content, Document

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. An `error` keeps true answers away or may show wrong ones."""

    level: Literal["error", "warning"]
    collection: str | None
    text: str


def check_database(store: Store) -> list[Finding]:
    """SQLite's own tests of its file. PostgreSQL has tools of its own for whoever runs the server (pg_amcheck)."""
    with store.sessions() as session:
        if session.get_bind().dialect.name != "sqlite":
            return []
        problems = [str(line) for line in session.scalars(text("PRAGMA integrity_check(20)")) if line != "ok"]
        orphans = session.execute(text("PRAGMA foreign_key_check")).all()
    if orphans:
        tables = ", ".join(sorted({str(row[0]) for row in orphans}))
        problems.append(f"{len(orphans)} rows ({tables}) refer to rows that are gone")
    way_out = "restore a backup, or delete the data folder and index again"
    return [Finding("error", None, f"the database is damaged, {way_out}: {problem}") for problem in problems]


def check(store: Store, collection: str) -> list[Finding]:
    """Everything about one collection, beginning with what is worst. Raises SourceProblem if there is none."""
    with store.sessions() as session:
        row = catalog.find_collection(session, collection)
        if row is None:
            raise SourceProblem(f"there is no collection {collection!r}")
        while True:
            manifest = row.manifest_sha256
            errors, warnings = _check(store, session, row)
            session.refresh(row)
            if row.manifest_sha256 == manifest:
                break  # else a run has published meanwhile, and what was compared does not belong together
    found = [Finding("error", collection, problem) for problem in errors]
    return found + [Finding("warning", collection, problem) for problem in warnings]


def _check(store: Store, session: Session, row: Collection) -> tuple[list[str], list[str]]:
    """Errors and warnings."""
    root, repair = store.index_root(row.name), f"run `tenkyo repair --collection {row.name}`"
    errors = [f"{problem}: run `tenkyo index --rebuild`" for problem in _sql_problems(session, row)]
    if row.manifest_sha256 is None:
        return errors, ["nothing has been published yet: run `tenkyo index`"]
    try:
        generation = open_generation(root, row.generation, row.manifest_sha256, row.embedder)
        errors += [f"{problem}: {repair}" for problem in _index_problems(session, row, generation)]
    except IndexDamaged as error:
        errors.append(f"{error}: {repair}")
    if row.previous_manifest_sha256 is not None:
        try:
            open_generation(root, row.generation - 1, row.previous_manifest_sha256, row.embedder)
        except IndexDamaged as error:
            return errors, [f"the generation before could not stand in if this one were damaged: {error}"]
    return errors, []


def _sql_problems(session: Session, row: Collection) -> list[str]:
    """Chunks that are not the words of their text, vectors of another length, documents without chunks or text."""
    own = Content.collection_id == row.id
    span = func.substr(Content.text, Chunk.start + 1, Chunk.end - Chunk.start)
    joined = select(func.count()).select_from(Chunk).join(Content).where(own)
    problems = []
    if count := session.scalar(joined.where(span != Chunk.text)):
        problems.append(f"{count} chunks are not the words of their text")
    length = func.length(Chunk.embedding)
    lengths = set(session.scalars(select(length).join(Content).where(own, Chunk.embedding.is_not(None)).distinct()))
    if len(lengths) > 1 or any(found % _FLOAT_BYTES for found in lengths):
        problems.append(f"the stored vectors have {len(lengths)} different lengths")
    current = {state.content_id for state in catalog.current_documents(session, row.id).values()}
    if missing := len(current - catalog.stored_contents(session, row.id).keys()):
        problems.append(f"{missing} documents have no chunks")
    return problems


def _index_problems(session: Session, row: Collection, generation: Generation) -> list[str]:
    """Ids that SQL has and an index has not, or the other way round."""
    chunks = (
        select(Chunk.id, Chunk.embedding.is_not(None).label("embedded"))
        .join(Document, Document.content_id == Chunk.content_id)
        .where(Document.collection_id == row.id)
        .distinct()
    )
    stored = {chunk.id: chunk.embedded for chunk in session.execute(chunks)}
    embedded = {chunk_id for chunk_id, has_vector in stored.items() if has_vector}
    dense = [int(chunk_id) for ids, _ in generation.dense.rows() for chunk_id in ids]
    problems = []
    for name, wanted, found in (("vector", embedded, dense), ("term", set(stored), generation.lexical.ids())):
        if missing := len(wanted.difference(found)):
            problems.append(f"{missing} of {len(wanted)} chunks are not in the {name} index")
        if surplus := len(set(found).difference(wanted)):
            problems.append(f"{surplus} chunks of the {name} index are not in the database")
        if doubles := len(found) - len(set(found)):
            problems.append(f"{doubles} chunks are in the {name} index more than once")
    return problems
