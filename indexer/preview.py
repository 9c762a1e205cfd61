"""What an indexing run would do. Reads the files that it would read, and writes nothing at all."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexer import catalog
from indexer.catalog import FileState
from indexer.comparison import Failure, Identifier, Report, is_below, refuse_to_empty, refuse_to_mix, removed_locations
from indexer.embedder import Embedder
from indexer.errors import UnreadableDocument
from indexer.ingest import IngestSettings, Progress, Store, refuse_other_embedder
from indexer.selection import Selection
from indexer.walk import walk


@dataclass(slots=True)
class Preview(Report):
    """The report of a run that did not happen; `chunks` are those that the collection holds now.

    A file that only its reader would refuse is in `would_index`: nothing has been extracted.
    """

    dry_run: bool = True
    would_index: list[str] = field(default_factory=list)
    would_remove: list[str] = field(default_factory=list)


def preview(
    store: Store | None,
    home: Path,
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
) -> Preview:
    """What `ingest` would do with the same arguments; no store = there is no database yet. Raises what it would."""
    started = time.monotonic()
    catalog.check_collection_name(collection)
    found = walk(roots, [home], selection)
    report = Preview(skipped=found.skipped, excluded=found.excluded)
    before, stored = _documents_now(store, embedder, collection, report, rebuild=rebuild)
    if rebuild:
        refuse_to_mix(before, roots)
    if not allow_empty:
        refuse_to_empty(before, found.files, roots)
    after: dict[str, FileState] = {}
    identifier = Identifier(collection, settings.max_file_bytes, settings.chunker, embedder)
    for done, file in enumerate(found.files):
        progress(done, len(found.files), file.path)
        try:
            known = None if checksum or rebuild else before.get(str(file.location))
            state = identifier.unchanged(file, known, stored) or identifier.identify(file).state
        except UnreadableDocument as error:
            report.failed.append(Failure(file.path, str(error)))
            after.update({k: v for k, v in before.items() if is_below(k, str(file.location))})
            continue
        after[state.location] = state
        if before.get(state.location) == state:
            report.unchanged += 1
        else:
            report.would_index.append(state.path)
    removed = removed_locations(before, after, roots)
    report.count(before, after, removed)
    report.indexed = len(report.would_index)
    report.would_remove = [before[location].path for location in removed]
    report.seconds = round(time.monotonic() - started, 3)
    return report


def _documents_now(
    store: Store | None, embedder: Embedder, collection: str, report: Preview, *, rebuild: bool
) -> tuple[dict[str, FileState], dict[int, str]]:
    """The documents by location, and the pipelines of the stored contents."""
    if store is None:
        return {}, {}
    with store.sessions() as session:
        row = catalog.find_collection(session, collection)
        if row is None:
            return {}, {}
        if row.generation and not rebuild:
            refuse_other_embedder(row, embedder)
        before = catalog.current_documents(session, row.id)
        report.chunks = len(catalog.chunk_ids_of(session, {state.content_id for state in before.values()}))
        return before, catalog.stored_contents(session, row.id)
