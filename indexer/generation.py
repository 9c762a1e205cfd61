"""Generations: immutable, checksummed folders that hold the searchable form of a collection.

Publishing writes a new folder beside the old one, fsyncs it, and renames it into place; the caller then flips the
number in SQL. A folder is described by its manifest, and the manifest's own hash stands in SQL, so that any damage is
seen when the generation is opened. Knows no documents.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tokenize import TokenError

import numpy as np

from indexer.dense import FaissSegments, Ids, Segment
from indexer.embedder import Vectors
from indexer.errors import FilesDamaged, IndexDamaged, StorageProblem
from indexer.families import AUTOMATIC, FamilySettings
from indexer.identity import file_sha256
from indexer.lexical import TantivyIndex, write_lexical
from indexer.segments import Segments, next_segments
from indexer.verified import Verified, forget_leftovers

# 1 had Flat segments only.
FORMAT = 2
_READABLE = (1, 2)
_MANIFEST = "manifest.json"
_DELETED = "deleted.npy"
DAMAGED = "damaged-"
_REWRITTEN = frozenset((_DELETED, "lexical/meta.json", "lexical/.managed.json"))
_KEPT_GENERATIONS = 2
# Errors that are the file's own: EIO is how a disk says that a sector has gone bad. Any other is the process's.
_BROKEN = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO)

ChunkRows = Callable[[], Iterator[tuple[int, str, Vectors | None]]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation consists of; `files` maps each path below its folder to size and sha256."""

    format: int
    embedder: str
    chunks: int
    segments: list[str]
    files: dict[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Published:
    """A generation that is on disk for good and waits for SQL to name it."""

    number: int
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What the next generation adds and removes. `all_rows` yields every chunk that it shall hold, for a merge."""

    added: ChunkRows
    deleted: set[int]
    all_rows: ChunkRows
    total: int


@dataclass(frozen=True, slots=True)
class Generation:
    """An opened generation, ready to search."""

    number: int
    manifest: Manifest
    dense: FaissSegments
    lexical: TantivyIndex


def publish(
    root: Path,
    current: int,
    embedder: str,
    changes: Changes,
    families: FamilySettings = AUTOMATIC,
    *,
    from_scratch: bool = False,
) -> Published:
    """Writes generation `current` + 1 below `root`; survives a crash at any point: until the rename, nothing counts.

    It builds on the current generation unless `from_scratch`, after checking that one's files (by their stat those that
    were found whole not long ago), and what it wrote must open. Raises IndexDamaged if there is nothing sound to build
    on, StorageProblem if it cannot be written.
    """
    base = generation_folder(root, current) if current and not from_scratch else None
    base_manifest = read_manifest(base, None) if base else None
    verified = Verified(root)
    if base and base_manifest:
        for file in damaged_files(base, base_manifest, verified.is_whole):
            raise FilesDamaged(f"{file} is missing or damaged")
    try:
        published = _write(root, current + 1, embedder, changes, families, base, base_manifest)
        forget_leftovers(root)
        verified.keep()
        return published
    except OSError as error:
        raise StorageProblem(
            f"cannot write to {root}: {error.strerror or error}. What is published is served as before; make room or "
            "repair the disk, then run the same command again."
        ) from error


def _write(
    root: Path,
    number: int,
    embedder: str,
    changes: Changes,
    families: FamilySettings,
    base: Path | None,
    base_manifest: Manifest | None,
) -> Published:
    root.mkdir(parents=True, exist_ok=True)
    for folder in (root.parent, root.parent.parent):
        _fsync(folder)  # else a new collection's folder may be gone after a power cut, while SQL names it
    target, staging = generation_folder(root, number), root / f".staging-{number:08d}"
    for leftover in (target, *root.glob(".staging-*")):
        shutil.rmtree(leftover, ignore_errors=True)  # of a run that died before SQL named it
    staging.mkdir()
    deleted = changes.deleted | set(_read_deleted(base).tolist()) if base else set()
    before = Segments(base_manifest.segments if base_manifest else [], deleted)
    dense = next_segments(staging, base, before, (changes.added if base else changes.all_rows)(), families)
    np.save(staging / _DELETED, np.array(sorted(dense.deleted), dtype=np.int64))
    write_lexical(
        staging / "lexical",
        base / "lexical" if base else None,
        ((chunk_id, text) for chunk_id, text, _ in (changes.added if base else changes.all_rows)()),
        sorted(changes.deleted),
    )
    known = base_manifest.files if base_manifest else {}
    manifest = Manifest(FORMAT, embedder, changes.total, dense.names, _describe_files(staging, known))
    digest = _write_manifest(staging, manifest)
    _load(staging, number, manifest)
    _fsync_tree(staging)
    staging.rename(target)
    _fsync(root)
    return Published(number, digest)


def open_generation(
    root: Path, number: int, manifest_sha256: str, embedder: str, *, every_byte: bool = True
) -> Generation:
    """Opens a generation after checking every file. Raises IndexDamaged, if it is the files' fault FilesDamaged.

    Without `every_byte` a file that was found whole not long ago, and has the same stat, is not hashed again.
    """
    folder = generation_folder(root, number)
    manifest = read_manifest(folder, manifest_sha256)
    if manifest.embedder != embedder:
        raise IndexDamaged(f"generation {number} was built with {manifest.embedder}, SQL says {embedder}")
    verified = None if every_byte else Verified(root)
    for file in damaged_files(folder, manifest, verified.is_whole if verified else _has_hash):
        raise FilesDamaged(f"{file} is missing or damaged")
    if verified:
        verified.keep()
    try:
        return _load(folder, number, manifest)
    except IndexDamaged:
        if every_byte:
            raise
        return open_generation(root, number, manifest_sha256, embedder)  # then reading it says which file it is


def _load(folder: Path, number: int, manifest: Manifest) -> Generation:
    return Generation(number, manifest, _dense(folder, manifest), TantivyIndex(folder / "lexical"))


def unchecked_segments(root: Path, number: int) -> list[Segment]:
    """The dense segments of a generation, to show what it consists of. Raises IndexDamaged."""
    folder = generation_folder(root, number)
    return _dense(folder, read_manifest(folder, None)).segments


def _dense(folder: Path, manifest: Manifest) -> FaissSegments:
    return FaissSegments([folder / name for name in manifest.segments], _read_deleted(folder))


def _has_hash(file: Path, sha256: str) -> bool:
    return file_sha256(file) == sha256


def damaged_files(folder: Path, manifest: Manifest, is_whole: Callable[[Path, str], bool]) -> Iterator[Path]:
    """Files that are missing, or not what was published. Raises IndexDamaged if one may not be read."""
    for name, (size, digest) in manifest.files.items():
        file = folder / name
        try:
            if not file.is_file() or file.stat().st_size != size or not is_whole(file, digest):
                yield file
        except OSError as error:
            if error.errno not in _BROKEN:
                raise IndexDamaged(f"{file} cannot be read: {error.strerror}") from error
            yield file


def remove_old_generations(root: Path, current: int, keep: int = _KEPT_GENERATIONS) -> None:
    """Deletes all but the current generation and the one before it, and all that was set aside as damaged."""
    for folder in root.glob("gen-*"):
        if folder.name[4:].isdigit() and int(folder.name[4:]) <= current - keep:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in root.glob(f"{DAMAGED}*"):
        shutil.rmtree(folder, ignore_errors=True)


def set_aside(root: Path, number: int) -> None:
    """Moves a damaged generation out of the way, so that nobody opens it again; it stays until the next is published.

    Where that is impossible (a read-only disk, or another process was faster) every process finds out for itself.
    """
    with contextlib.suppress(OSError):
        generation_folder(root, number).rename(root / f"{DAMAGED}{number:08d}")


def read_manifest(folder: Path, expected_sha256: str | None) -> Manifest:
    """The manifest of a generation folder. Raises IndexDamaged."""
    try:
        data = (folder / _MANIFEST).read_bytes()
    except OSError as error:
        kind = FilesDamaged if error.errno in _BROKEN else IndexDamaged
        raise kind(f"{folder} has no readable manifest: {error.strerror}") from error
    if expected_sha256 is not None and hashlib.sha256(data).hexdigest() != expected_sha256:
        raise FilesDamaged(f"{folder / _MANIFEST} is not the one that was published")
    try:
        fields = json.loads(data)
        if fields["format"] not in _READABLE:
            raise IndexDamaged(
                f"{folder} has index format {fields['format']}, this version of Tenkyo reads format {FORMAT} and older"
            )
        fields["files"] = {name: (size, digest) for name, (size, digest) in fields["files"].items()}
        return Manifest(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamaged(f"{folder / _MANIFEST} is not a manifest: {error}") from error


def _read_deleted(folder: Path) -> Ids:
    try:
        return np.asarray(np.load(folder / _DELETED, allow_pickle=False), dtype=np.int64)
    except (OSError, ValueError, TokenError) as error:
        raise IndexDamaged(f"{folder / _DELETED} cannot be read: {error}") from error


def generation_folder(root: Path, number: int) -> Path:
    """Where a generation lies."""
    return root / f"gen-{number:08d}"


def _describe_files(folder: Path, known: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Size and hash of every file; one taken over from the last generation keeps the hash it had, to show damage."""
    files: dict[str, tuple[int, str]] = {}
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = file.relative_to(folder).as_posix()
        if name in known and name not in _REWRITTEN:
            files[name] = known[name]
        else:
            files[name] = (file.stat().st_size, file_sha256(file))
    return files


def _write_manifest(folder: Path, manifest: Manifest) -> str:
    data = json.dumps(asdict(manifest), indent=1).encode()
    (folder / _MANIFEST).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _fsync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        _fsync(path)
    _fsync(folder)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
