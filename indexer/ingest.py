"""The write path: folders in, one published generation out.

New contents are stored as they are read, a batch a transaction, where no reader sees them; the paths, the removals and
the generation then change together in one last transaction. A run that dies loses nothing that it had stored: the next
one finds it by content hash.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker

from indexer import catalog
from indexer.catalog import FileState
from indexer.chunker import Chunk, ChunkerSettings, chunk_document
from indexer.comparison import (
    Failure,
    Identified,
    Identifier,
    Note,
    Report,
    is_below,
    refuse_to_empty,
    refuse_to_mix,
    removed_locations,
)
from indexer.document import ExtractedDocument
from indexer.embedder import Embedder, Vectors
from indexer.errors import EmbedderProblem, IndexDamaged, UnreadableDocument
from indexer.families import FamilySettings
from indexer.generation import Changes, publish, remove_old_generations
from indexer.identity import format_id
from indexer.lock import LOCK_FILE, WriteLease, write_lock
from indexer.outage import ride_out
from indexer.pipeline import Overlap
from indexer.sandbox import ReaderProcess, SandboxSettings
from indexer.selection import Selection
from indexer.stamps import FileClock
from indexer.tables import Collection, Content
from indexer.walk import SourceFile, walk

Progress = Callable[[int, int, str], None]
"""Called with files done, files in all, and the path at hand."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """Limits and batch sizes of a run. `min_coverage`: see `Embedder.coverage`; below it a chunk gets no vector."""

    chunker: ChunkerSettings = field(default_factory=ChunkerSettings)
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    families: FamilySettings = field(default_factory=FamilySettings)
    max_file_bytes: int = 256 << 20
    batch_chunks: int = 256
    min_coverage: float = 0.4


@dataclass(frozen=True, slots=True)
class Store:
    """Where everything lives: the SQL database and the data folder."""

    sessions: sessionmaker[Session]
    home: Path

    def index_root(self, collection: str) -> Path:
        """The folder of a collection's generations; named by id, as a name may not be a file name."""
        return self.home / "index" / format_id(catalog.collection_id(collection))

    def clock(self, collection: str) -> FileClock:
        """The time of the file system that holds the index; to be asked while the lock is held."""
        return FileClock(self.index_root(collection) / LOCK_FILE)

    def lock(self, collection: str) -> AbstractContextManager[WriteLease]:
        """The right to change a collection, for one process at a time. Raises IndexBusy or StorageProblem."""
        return write_lock(self.sessions, self.index_root(collection), collection, catalog.collection_id(collection))


@dataclass(frozen=True, slots=True)
class _Pending:
    found: Identified
    document: ExtractedDocument
    chunks: list[Chunk]


def ingest(
    store: Store,
    embedder: Embedder,
    collection: str,
    roots: Sequence[Path],
    settings: IngestSettings,
    progress: Progress = lambda *_: None,
    *,
    selection: Selection | None = None,
    allow_empty: bool = False,
    rebuild: bool = False,
    checksum: bool = False,
) -> Report:
    """Makes the collection's documents below `roots` what the folders hold now, as far as the selection takes it.

    What the selection leaves out goes from the collection too. `rebuild` allows another embedder than the collection
    was built with; the old index serves until the new one is published. `allow_empty` allows all documents to go.
    Files whose stamps say that they are unchanged are not read, unless by `rebuild` or `checksum`.
    Raises SourceProblem, EmbedderProblem, IndexBusy or StorageProblem; each leaves the published index as it was. A
    damaged index is built anew from SQL.
    """
    started = time.monotonic()
    catalog.check_collection_name(collection)
    found = walk(roots, [store.home], selection)
    with store.lock(collection) as lease:
        collection_id = _open_collection(store, collection, embedder, rebuild=rebuild)
        with store.sessions() as session:
            before = catalog.current_documents(session, collection_id)
            other_embedder = session.get_one(Collection, collection_id).embedder != embedder.fingerprint
        if rebuild:
            refuse_to_mix(before, roots)
        if not allow_empty:
            refuse_to_empty(before, found.files, roots)
        run = _Run(store, embedder, collection, settings, keep_failed=not other_embedder)
        after = run.read_files(found.files, before, progress, trust_stamps=not (checksum or rebuild))
        removed = removed_locations(before, after, roots)
        run.report.count(before, after, removed)
        run.report.skipped, run.report.excluded = found.skipped, found.excluded
        ride_out(
            lambda: _publish(
                store, embedder, collection, after, removed, lease, settings.families, from_scratch=rebuild
            )
        )
        with store.sessions() as session:
            kept = {s.content_id for s in catalog.current_documents(session, collection_id).values()}
            run.report.chunks = len(catalog.chunk_ids_of(session, kept))
    run.report.seconds = round(time.monotonic() - started, 3)
    return run.report


class _Run:
    """One run's reading and storing, with its report."""

    def __init__(
        self, store: Store, embedder: Embedder, collection: str, settings: IngestSettings, *, keep_failed: bool
    ) -> None:
        self.report = Report()
        self._store = store
        self._embedder = embedder
        self._collection = collection
        self._settings = settings
        clock = store.clock(collection)
        self._identifier = Identifier(collection, settings.max_file_bytes, settings.chunker, embedder, clock)
        self._keep_failed = keep_failed  # False where the earlier version has vectors of another model
        self._pending: list[_Pending] = []

    def read_files(
        self, files: Sequence[SourceFile], before: dict[str, FileState], progress: Progress, *, trust_stamps: bool
    ) -> dict[str, FileState]:
        """Reads what is new, stores it, and returns the state of every file; a failed one keeps its last state."""
        after: dict[str, FileState] = {}
        with self._store.sessions() as session:
            stored = catalog.stored_contents(session, catalog.collection_id(self._collection))
        with ReaderProcess(self._settings.sandbox) as reader, Overlap(self._embed, self._store_batch) as overlap:
            self._overlap = overlap
            for done, file in enumerate(files):
                progress(done, len(files), file.path)
                location = str(file.location)
                try:
                    known = before.get(location) if trust_stamps else None
                    state = self._identifier.unchanged(file, known, stored) or self._read(reader, file, stored)
                except UnreadableDocument as error:
                    self.report.failed.append(Failure(file.path, str(error)))
                    if self._keep_failed:  # below it, if it is a folder that cannot be listed
                        after.update({k: v for k, v in before.items() if is_below(k, location)})
                    continue
                after[location] = state
                if before.get(location) == state:
                    self.report.unchanged += 1
                else:
                    self.report.indexed += 1
            self._hand_over()
            overlap.finish()
        progress(len(files), len(files), "")
        return after

    def _read(self, reader: ReaderProcess, file: SourceFile, stored: dict[int, str]) -> FileState:
        found = self._identifier.identify(file)
        if found.state.content_id not in stored:
            document = reader.read(file.path, found.data)
            self.report.notes += [Note(file.path, note) for note in document.notes]
            chunks = chunk_document(document, self._count_tokens, self._settings.chunker)
            self._pending.append(_Pending(found, document, chunks))
            stored[found.state.content_id] = found.pipeline
            if sum(len(p.chunks) for p in self._pending) >= self._settings.batch_chunks:
                self._hand_over()
        return found.state

    def _count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens([text])[0]

    def _hand_over(self) -> None:
        self._overlap.add(self._pending)
        self._pending = []

    def _embed(self, batch: list[_Pending]) -> list[Vectors | None]:
        """A vector for each chunk that the model can read, in order."""
        chunks = [chunk for pending in batch for chunk in pending.chunks]
        covered = [i for i, c in enumerate(chunks) if self._embedder.coverage(c.text) >= self._settings.min_coverage]
        vectors: list[Vectors | None] = [None] * len(chunks)
        if covered:
            embedded = self._embedder.embed_documents([chunks[i].embedded_text for i in covered])
            for i, vector in zip(covered, embedded, strict=True):
                vectors[i] = vector
        return vectors

    def _store_batch(self, batch: list[_Pending], vectors: list[Vectors | None]) -> None:
        ride_out(lambda: self._insert(batch, vectors))
        self.report.embedded_chunks += sum(vector is not None for vector in vectors)

    def _insert(self, batch: list[_Pending], vectors: list[Vectors | None]) -> None:
        """In one transaction."""
        with self._store.sessions.begin() as session:
            at = 0
            for pending in batch:
                end = at + len(pending.chunks)
                content = _content_of(pending.found, self._collection)
                catalog.add_content(session, content, pending.document, pending.chunks, vectors[at:end])
                at = end
            states = [pending.found.state for pending in batch]
            catalog.record_versions(session, catalog.collection_id(self._collection), states)


def _content_of(found: Identified, collection: str) -> Content:
    return Content(
        id=found.state.content_id,
        collection_id=catalog.collection_id(collection),
        sha256=found.sha256,
        pipeline=found.pipeline,
        last_path=found.state.path,
        published=False,
    )


def _publish(
    store: Store,
    embedder: Embedder,
    collection: str,
    after: dict[str, FileState],
    removed: Iterable[str],
    lease: WriteLease,
    families: FamilySettings,
    *,
    from_scratch: bool,
) -> None:
    """Writes the next generation if the set of contents has changed, then changes SQL in one transaction.

    Done a second time it finds nothing left to do, so that it can be repeated when nobody knows whether it succeeded.
    """
    gone = set(removed)
    root = store.index_root(collection)
    collection_id = catalog.collection_id(collection)
    with store.sessions() as session:
        before = catalog.current_documents(session, collection_id)
        states = {**{k: v for k, v in before.items() if k not in gone}, **after}
        old, new = {s.content_id for s in before.values()}, {s.content_id for s in states.values()}
        changed = [state for location, state in after.items() if before.get(location) != state]
        same = (state for location, state in after.items() if before.get(location) == state)
        newly_stamped = [state for state in same if before[state.location].stamp != state.stamp]
        row = session.get_one(Collection, collection_id)
        if old != new or row.generation == 0 or from_scratch:
            changes = Changes(
                added=lambda: catalog.read_chunks(session, new - old),
                deleted=catalog.chunk_ids_of(session, old - new),
                all_rows=lambda: catalog.read_chunks(session, new),
                total=len(catalog.chunk_ids_of(session, new)),
            )
            # A generation of another model could never stand in for this one.
            previous = row.manifest_sha256 if row.embedder == embedder.fingerprint else None
            try:
                published = publish(
                    root, row.generation, embedder.fingerprint, changes, families, from_scratch=from_scratch
                )
            except IndexDamaged as error:
                _log.warning("%s; the index is built anew from the database", error)
                previous = None
                published = publish(root, row.generation, embedder.fingerprint, changes, families, from_scratch=True)
            catalog.name_generation(row, published.number, published.manifest_sha256, embedder.fingerprint, previous)
        lease.confirm(session)
        row.indexed_at = datetime.now(UTC)
        catalog.replace_documents(session, collection_id, changed, gone)
        catalog.remember_stamps(session, collection_id, newly_stamped)
        catalog.retire_unreferenced(session, collection_id)
        session.commit()
        remove_old_generations(root, row.generation)


def _open_collection(store: Store, name: str, embedder: Embedder, *, rebuild: bool) -> int:
    with store.sessions.begin() as session:
        row = catalog.find_collection(session, name)
        if row is None:
            row = Collection(id=catalog.collection_id(name), name=name, embedder=embedder.fingerprint, generation=0)
            session.add(row)
        elif not row.generation:
            row.embedder = embedder.fingerprint  # nothing has been built with the one before
        elif not rebuild:
            refuse_other_embedder(row, embedder)
        return row.id


def refuse_other_embedder(row: Collection, embedder: Embedder) -> None:
    """Raises EmbedderProblem if the collection was built with another model: vectors of two models never mix."""
    if row.embedder != embedder.fingerprint:
        raise EmbedderProblem(
            f"collection {row.name!r} was built with {row.embedder}, but the embedder is now {embedder.fingerprint}. "
            f"Set TENKYO_EMBEDDER back, or rebuild with `tenkyo index --rebuild … --collection {row.name}`."
        )
