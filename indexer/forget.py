"""Forgets paths for good: every version they ever led to, its chunks and vectors, and what other rooms made of them.

Afterwards no file of the database or the index holds the text or a vector of it. What stays is that a content with this
id was forgotten, and when. Knows no model: nothing is embedded.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from indexer import catalog
from indexer.catalog import FileState
from indexer.erase import erase_deleted_rows, erase_index_files
from indexer.errors import SourceProblem
from indexer.families import AUTOMATIC, FamilySettings
from indexer.generation import Changes, generation_folder, publish
from indexer.ingest import Store
from indexer.lock import WriteLease
from indexer.tables import Collection, Content, Document, Forgotten, Version

Redact = Callable[[Session, str, frozenset[int], datetime], int]
"""Takes what was forgotten out of other tables: called with the collection's name and the ids of the contents."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A forgotten path whose text stays, because other files hold the same."""

    path: str
    also_at: list[str]


@dataclass(slots=True)
class ForgetReport:
    """What was forgotten: paths, texts (earlier versions included), and answers that had been made from them.

    `still_there` are files that exist, so that the next indexing run would read them again.
    """

    paths: int = 0
    texts: int = 0
    answers: int = 0
    kept: list[Kept] = field(default_factory=list)
    still_there: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """The report as the JSON object that scripts read."""
        return asdict(self)


def forget(
    store: Store,
    paths: Sequence[Path],
    collection: str | None,
    redact: Redact,
    families: FamilySettings = AUTOMATIC,
) -> ForgetReport:
    """Forgets files and folders, in one collection or in all; a path is as it lies on disk, or as citations show it.

    Raises SourceProblem (nothing was forgotten) if a path was never indexed or could be several, IndexBusy, or
    EraseIncomplete; calling it again then finishes the work.
    """
    started = time.monotonic()
    report = ForgetReport()
    finished = _finish_earlier(store)
    with ExitStack() as held:
        names = sorted(_find(store, paths, collection)[0])
        leases = {name: held.enter_context(store.lock(name)) for name in names}
        found, missing = _find(store, paths, collection)  # once more, now that nobody can change it
        if missing and (found or not finished):
            raise SourceProblem(
                f"{missing[0]} was never indexed, or is forgotten already. Nothing was forgotten; name a file or "
                "folder as it lies on disk, or as citations and `GET /documents` show it."
            )
        for name, versions in found.items():
            _forget_in(store, name, versions, redact, families, leases[name], report)
        _erase(store, list(found))
    report.seconds = round(time.monotonic() - started, 3)
    return report


def _finish_earlier(store: Store) -> bool:
    """Erases what a call that was broken off has deleted, but not erased. Whether there was any."""
    with store.sessions() as session:
        unfinished = select(Forgotten.collection_id).where(Forgotten.erased.is_(False))
        names = list(session.scalars(select(Collection.name).where(Collection.id.in_(unfinished))))
    with ExitStack() as held:
        for name in sorted(names):
            held.enter_context(store.lock(name))
        _erase(store, names)
    return bool(names)


def _find(store: Store, paths: Sequence[Path], collection: str | None) -> tuple[dict[str, list[Version]], list[Path]]:
    """Versions that ever were at these paths, by collection, and the paths that lead to none."""
    found: dict[str, list[Version]] = {}
    missing = []
    with store.sessions() as session:
        known = select(Collection).where(Collection.name == collection) if collection else select(Collection)
        rows = {row.id: row.name for row in session.scalars(known)}
        if collection and not rows:
            raise SourceProblem(f"there is no collection {collection!r}. Nothing was forgotten.")
        for path in paths:
            versions = _versions_at(session, path, list(rows))
            if not versions:
                missing.append(path)
            for version in versions:
                found.setdefault(rows[version.collection_id], []).append(version)
    return found, missing


def _versions_at(session: Session, path: Path, collections: Sequence[int]) -> list[Version]:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return []  # no name that is not UTF-8 was ever indexed
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  (a link to a file is forgotten itself, not its target)
    ours = Version.collection_id.in_(collections)
    for location in dict.fromkeys((str(absolute.parent.resolve() / absolute.name), str(absolute.resolve()))):
        below = Version.location.startswith(f"{location.rstrip('/')}/", autoescape=True) | (
            Version.location == location
        )
        rows = [v for v in session.scalars(select(Version).where(ours, below)) if _is_below(v.location, location)]
        if rows:
            # Versions older than the table of versions are known by their path alone.
            legacy = Version.path.in_({v.path for v in rows}) & (Version.location == Version.path)
            return [*rows, *session.scalars(select(Version).where(ours, legacy))]
    shown = path.as_posix().removesuffix("/")
    below = Version.path.startswith(f"{shown}/", autoescape=True) | (Version.path == shown)
    rows = [v for v in session.scalars(select(Version).where(ours, below)) if _is_below(v.path, shown)]
    roots = {v.location.removesuffix(v.path) for v in rows} - {""}
    if len(roots) > 1:
        raise SourceProblem(
            f"{path} could be in {' or in '.join(sorted(roots))}. Nothing was forgotten; name it as it lies on disk."
        )
    return rows


def _is_below(path: str, top: str) -> bool:
    """As the database's LIKE has it, but with upper and lower case told apart."""
    return path == top or path.startswith(f"{top.rstrip('/')}/")


def _forget_in(
    store: Store,
    name: str,
    versions: Iterable[Version],
    redact: Redact,
    families: FamilySettings,
    lease: WriteLease,
    report: ForgetReport,
) -> None:
    """Takes the paths out of one collection: first a generation without them is written, then SQL changes at once."""
    paths = {version.location: version.path for version in versions}
    with store.sessions() as session:
        row = session.get_one(Collection, catalog.collection_id(name))
        current = catalog.current_documents(session, row.id)
        elsewhere: dict[int, list[FileState]] = {}
        for location, state in current.items():
            if location not in paths:
                elsewhere.setdefault(state.content_id, []).append(state)
        contents = frozenset(version.content_id for version in versions)
        gone = contents - elsewhere.keys()
        if gone and row.generation:
            _publish_without(store, session, row, set(elsewhere), families)
        lease.confirm(session)
        _delete(session, row, paths, gone)
        for content_id in contents & elsewhere.keys():
            others = sorted(state.path for state in elsewhere[content_id])
            session.execute(update(Content).where(Content.id == content_id).values(last_path=others[0]))
            for location in sorted({v.location for v in versions if v.content_id == content_id}):
                report.kept.append(Kept(paths[location], others))
        report.answers += redact(session, name, gone, datetime.now(UTC))
        session.commit()
    report.paths += len(paths)
    report.texts += len(gone)
    report.still_there += [location for location in sorted(paths) if Path(location).is_file()]


def _publish_without(
    store: Store, session: Session, row: Collection, remaining: set[int], families: FamilySettings
) -> None:
    """Built anew, not upon the last one: segments keep the vectors and terms of what they count as deleted."""
    rows = lambda: catalog.read_chunks(session, remaining)  # noqa: E731
    changes = Changes(rows, set(), rows, len(catalog.chunk_ids_of(session, remaining)))
    published = publish(store.index_root(row.name), row.generation, row.embedder, changes, families, from_scratch=True)
    catalog.name_generation(row, published.number, published.manifest_sha256, row.embedder, previous=None)


def _delete(session: Session, row: Collection, paths: Iterable[str], gone: frozenset[int]) -> None:
    for batch in catalog.batches(sorted(paths)):
        for table in (Document, Version):
            session.execute(delete(table).where(table.collection_id == row.id, table.location.in_(batch)))
    for batch in catalog.batches(sorted(gone)):
        session.execute(delete(Content).where(Content.id.in_(batch)))
    now = datetime.now(UTC)
    for content_id in gone:
        session.merge(Forgotten(content_id=content_id, collection_id=row.id, forgotten_at=now, erased=False))


def _erase(store: Store, names: Sequence[str]) -> None:
    """Makes sure that no file holds what these collections have forgotten. Can be repeated."""
    if not names:
        return
    with store.sessions() as session:
        rows = list(session.scalars(select(Collection).where(Collection.name.in_(names))))
    for row in rows:
        root = store.index_root(row.name)
        erase_index_files(root, generation_folder(root, row.generation).name if row.generation else None)
    erase_deleted_rows(store.sessions.kw["bind"])
    with store.sessions.begin() as session:
        done = Forgotten.collection_id.in_([row.id for row in rows])
        session.execute(update(Forgotten).where(done).values(erased=True))
