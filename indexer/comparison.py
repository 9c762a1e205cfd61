"""What the folders hold now, against what the collection holds: which file is which content, and what has changed.

Reads bytes and compares ids; extracts nothing, embeds nothing and writes nothing.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from indexer import catalog
from indexer.catalog import FileState
from indexer.chunker import VERSION as CHUNKER_VERSION
from indexer.chunker import ChunkerSettings
from indexer.embedder import Embedder
from indexer.errors import SourceProblem, UnreadableDocument
from indexer.readers import reader_for
from indexer.stable_read import read_stable
from indexer.stamps import FileClock, is_settled, stamp_of
from indexer.walk import SourceFile


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """A file that was read, but not all of it: what is missing, and why. Said once, when it is read."""

    path: str
    note: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A file that was found again, by its content, at another path."""

    path: str
    was: str


@dataclass(slots=True)
class Report:
    """What a run did. `indexed` counts files whose content is new, changed or newly placed.

    A renamed file is counted in `indexed` and in `removed` too. `skipped` are files that no reader knows, `excluded`
    files and folders that globs or a `.tenkyoignore` leave out.
    """

    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    renamed: list[Rename] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    skipped: int = 0
    excluded: int = 0
    chunks: int = 0
    embedded_chunks: int = 0
    seconds: float = 0.0

    def count(self, before: dict[str, FileState], after: dict[str, FileState], removed: Sequence[str]) -> None:
        """Takes over what `renamed` and `removed` say of a run."""
        self.removed = len(removed)
        self.renamed = renames(before, after, removed)

    def as_dict(self) -> dict[str, object]:
        """The report as the JSON object that scripts read."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Identified:
    """A file's bytes, and the content that the pipeline makes of them."""

    state: FileState
    pipeline: str
    sha256: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identifier:
    """Names the contents of files. `pipeline_of` says what the settings of today would make of a path.

    Without a `clock` no stamp is taken.
    """

    collection: str
    max_bytes: int
    chunker: ChunkerSettings
    embedder: Embedder
    clock: FileClock | None = None

    def identify(self, file: SourceFile) -> Identified:
        """Reads the file and names its content. Raises UnreadableDocument."""
        if file.problem:
            raise UnreadableDocument(file.problem)
        now = self.clock.now() if self.clock else 0
        data, status = read_stable(file.location, self.max_bytes, file.root)
        digest = hashlib.sha256(data).hexdigest()
        pipeline = self.pipeline_of(file.path)
        content = catalog.content_id(self.collection, pipeline, digest)
        settled = is_settled(max(status.st_mtime_ns, status.st_ctime_ns), now)
        stamp = stamp_of(status) if settled else None
        return Identified(FileState(str(file.location), file.path, len(data), content, stamp), pipeline, digest, data)

    def unchanged(self, file: SourceFile, known: FileState | None, stored: Mapping[int, str]) -> FileState | None:
        """The state of a file that need not be read, by its stamp; None if it has to be.

        `stored` maps contents to their pipelines: what was read by another one is not what would be read today.
        """
        if known is None or known.stamp is None or file.problem:
            return None
        try:
            status = os.stat(file.location)  # noqa: PTH116  (a third faster, and there may be 10^6 files)
        except OSError:
            return None  # reading it says what is wrong
        if stamp_of(status) != known.stamp or status.st_size > self.max_bytes:
            return None
        if stored.get(known.content_id) != self.pipeline_of(file.path):
            return None
        return replace(known, path=file.path)

    def pipeline_of(self, path: str) -> str:
        """Names all that a content's chunks and vectors depend on besides its bytes. Raises UnreadableDocument."""
        reader = reader_for(path)
        if reader is None:
            raise UnreadableDocument("no reader for this kind of file")
        cut = f"chunker{CHUNKER_VERSION}-{self.chunker.max_tokens}-{self.chunker.heading_tokens}"
        return f"{reader.name}{reader.version}/{cut}/{self.embedder.fingerprint}"


def removed_locations(before: dict[str, FileState], after: dict[str, FileState], roots: Sequence[Path]) -> list[str]:
    """Locations below the roots where there is no document any more."""
    folders = _resolved(roots)
    return [location for location in before if location not in after and _is_below_any(location, folders)]


def renames(before: dict[str, FileState], after: dict[str, FileState], removed: Sequence[str]) -> list[Rename]:
    """Pairs each new file with a removed one of the same content."""
    old_paths: dict[int, list[str]] = {}
    for location in removed:
        old_paths.setdefault(before[location].content_id, []).append(before[location].path)
    arrived = (state for location, state in after.items() if location not in before)
    return [Rename(s.path, old_paths[s.content_id].pop(0)) for s in arrived if old_paths.get(s.content_id)]


def refuse_to_empty(before: dict[str, FileState], files: Sequence[SourceFile], roots: Sequence[Path]) -> None:
    """Raises SourceProblem where a root that had documents has none now: a drive may not be mounted."""
    for root in roots:
        (folder,) = _resolved([root])
        count = sum(is_below(location, folder) for location in before)
        if count and not any(is_below(str(file.location), folder) for file in files):
            raise SourceProblem(
                f"no readable document is left in {root}, from which {count} were indexed. Nothing was changed. "
                "If a drive is not mounted, mount it; if they shall go, run again with --allow-empty."
            )


def refuse_to_mix(before: dict[str, FileState], roots: Sequence[Path]) -> None:
    """Raises SourceProblem where a rebuild would leave documents behind that another model has embedded."""
    folders = _resolved(roots)
    others = sorted(location for location in before if not _is_below_any(location, folders))
    if others:
        raise SourceProblem(
            f"a rebuild must name every folder of the collection: {len(others)} of its documents lie elsewhere, "
            f"such as {others[0]}. Nothing was changed."
        )


def is_below(location: str, folder: str) -> bool:
    """Whether a location is the folder or lies below it. Both are absolute, so that no Path has to be made of them."""
    return location == folder or location.startswith(folder.rstrip("/") + "/")


def _is_below_any(location: str, folders: Sequence[str]) -> bool:
    return any(is_below(location, folder) for folder in folders)


def _resolved(roots: Sequence[Path]) -> list[str]:
    return [str(root.resolve()) for root in roots]
