"""What is done to an index besides indexing: building it anew, and making it small. Both need SQL alone, no model."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, delete, exists, select
from sqlalchemy.orm import Session

from indexer import catalog
from indexer.copies import COPIES, Removed, remove_unused
from indexer.errors import SourceProblem
from indexer.families import AUTOMATIC, FamilySettings
from indexer.generation import Changes, Published, publish, remove_old_generations
from indexer.ingest import Store
from indexer.lock import WriteLease
from indexer.outage import ride_out
from indexer.tables import Collection, Content, Document

# A VACUUM writes the whole file once more and needs as much room again.
_FREE_SHARE = 0.1

StillShown = Callable[[Session, str], set[int]]
"""Ids of the contents that other rooms still lead to, of the collection of this name."""


def repair(store: Store, collection: str, families: FamilySettings = AUTOMATIC) -> int:
    """Publishes a new generation from SQL alone, whatever the state of the old ones. Returns its number."""
    with store.lock(collection) as lease:
        number = ride_out(lambda: _rebuild(store, collection, lease, families, None)[0])
        remove_old_generations(store.index_root(collection), number)
        return number


@dataclass(frozen=True, slots=True)
class Compacted:
    """The generation that was published, how many texts went, and which copies of models."""

    generation: int
    dropped: int
    models: Removed


def compact(
    store: Store, collection: str, still_shown: StillShown | None = None, families: FamilySettings = AUTOMATIC
) -> Compacted:
    """Publishes one merged generation without tombstones and deletes the older ones, and what dead runs stored.

    With `still_shown`, every text goes that no path leads to any more, but for those that it names: links to such
    earlier versions then open nothing. Copies of embedding models go that no collection was built with.
    """
    with store.lock(collection) as lease:
        number, dropped = ride_out(lambda: _rebuild(store, collection, lease, families, still_shown))
        remove_old_generations(store.index_root(collection), number, keep=1)
    with store.sessions() as session:
        fingerprints = session.scalars(select(Collection.embedder)).all()
    return Compacted(number, dropped, remove_unused(store.home / COPIES, fingerprints))


def reclaim_space(engine: Engine) -> None:
    """Gives the space of deleted rows back, where that is worth a rewrite. Readers go on; writers may wait."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM (ANALYZE) contents, chunks, documents, versions, answers")
            return
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        if connection.exec_driver_sql("PRAGMA freelist_count").scalar_one() > _FREE_SHARE * pages:
            connection.exec_driver_sql("VACUUM")
        # A reader may keep the log from being emptied; whoever writes next then goes on with it.
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()


def _rebuild(
    store: Store, collection: str, lease: WriteLease, families: FamilySettings, still_shown: StillShown | None
) -> tuple[int, int]:
    with store.sessions() as session:
        row = catalog.find_collection(session, collection)
        if row is None:
            raise SourceProblem(f"there is no collection {collection!r}")
        published = _publish(store, session, row, families)
        # From here on the transaction writes, and others have to wait: everything slow lies behind.
        catalog.name_generation(row, published.number, published.manifest_sha256, row.embedder, previous=None)
        lease.confirm(session)
        catalog.retire_unreferenced(session, row.id)
        orphans = set() if still_shown is None else _orphans(session, row.id) - still_shown(session, collection)
        for batch in catalog.batches(sorted(orphans)):
            session.execute(delete(Content).where(Content.id.in_(batch)))
        session.commit()
        return published.number, len(orphans)


def _publish(store: Store, session: Session, row: Collection, families: FamilySettings) -> Published:
    contents = {state.content_id for state in catalog.current_documents(session, row.id).values()}
    total = len(catalog.chunk_ids_of(session, contents))
    rows = lambda: catalog.read_chunks(session, contents)  # noqa: E731
    changes = Changes(rows, set(), rows, total)
    return publish(store.index_root(row.name), row.generation, row.embedder, changes, families, from_scratch=True)


def _orphans(session: Session, collection_id: int) -> set[int]:
    current = exists().where(Document.content_id == Content.id)
    return set(session.scalars(select(Content.id).where(Content.collection_id == collection_id, ~current)))
