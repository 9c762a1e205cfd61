"""Which generation answers: the newest, or if its files are damaged the one before it, with a warning.

Owns the opened generations. Each process opens a generation once; questions that hold an older one go on using it, and
only those to the same collection wait while a new one is opened.
"""

import logging
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from indexer.errors import FilesDamaged, IndexDamaged
from indexer.generation import Generation, open_generation, set_aside
from indexer.ingest import Store
from indexer.tables import Collection

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """An opened generation, the manifest that SQL named when it was opened, and what is wrong if it is not that one."""

    manifest_sha256: str
    generation: Generation
    warning: str | None = None


class OpenGenerations:
    """Thread-safe; one per process. Without `every_byte` files that were found whole not long ago count as whole."""

    def __init__(self, store: Store, *, every_byte: bool = True) -> None:
        self._store = store
        self._every_byte = every_byte
        self._open: dict[int, Serving] = {}
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def serving(self, session: Session, row: Collection) -> Serving:
        """What answers for this collection. Raises IndexDamaged with the command that repairs it."""
        found = self._open.get(row.id)
        if found is None or found.manifest_sha256 != row.manifest_sha256:
            with self._locks[row.id]:
                found = self._open.get(row.id)
                if found is None or found.manifest_sha256 != row.manifest_sha256:
                    found = self._open[row.id] = self._open_newest(session, row)
        return found

    def close(self, collection_id: int) -> None:
        """Forgets what is open, so that the next question opens it with all checks."""
        with self._locks[collection_id]:
            self._every_byte = True
            self._open.pop(collection_id, None)

    def _open_checked(self, root: Path, number: int, manifest_sha256: str, embedder: str) -> Generation:
        return open_generation(root, number, manifest_sha256, embedder, every_byte=self._every_byte)

    def _open_newest(self, session: Session, row: Collection) -> Serving:
        while True:
            assert row.manifest_sha256 is not None
            number, manifest = row.generation, row.manifest_sha256
            root = self._store.index_root(row.name)
            try:
                return Serving(manifest, self._open_checked(root, number, manifest, row.embedder))
            except IndexDamaged as error:
                session.refresh(row)
                if row.manifest_sha256 == manifest:
                    return self._open_previous(row, error)
            # Two newer ones were published meanwhile, and this one was deleted while it was being opened.

    def _open_previous(self, row: Collection, damage: IndexDamaged) -> Serving:
        assert row.manifest_sha256 is not None
        root, repair = self._store.index_root(row.name), f"run `tenkyo repair --collection {row.name}`"
        if isinstance(damage, FilesDamaged):
            set_aside(root, row.generation)
        before, manifest = row.generation - 1, row.previous_manifest_sha256
        try:
            if manifest is None:
                raise damage
            generation = self._open_checked(root, before, manifest, row.embedder)
        except IndexDamaged as error:
            _log.error("collection %r cannot be served: %s", row.name, damage)
            if error is not damage and isinstance(error, FilesDamaged):
                set_aside(root, before)
            raise IndexDamaged(f"{damage}: {repair}") from error
        warning = (
            f"generation {row.generation} of collection {row.name!r} is damaged and was set aside ({damage}). "
            f"Generation {before} is served, which does not find what was added since: {repair}"
        )
        _log.error("%s", warning)
        return Serving(row.manifest_sha256, generation, warning)
