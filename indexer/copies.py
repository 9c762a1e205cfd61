"""The converted copies of embedding models: where they lie, who is using one, and which may go.

Whoever uses a copy, or is making one, holds a shared lock on its folder, which dies with the process. So a copy that an
indexing run has opened stays, though no collection names its model before that run has published.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

COPIES = "models"  # below the data folder
ABOUT = "about.json"
_GOING = ".removing-"


def copy_folder(models: Path, fingerprint: str) -> Path:
    """Where the copy of the model with this fingerprint lies."""
    return models / fingerprint.rpartition("@")[2]


def hold(folder: Path) -> int | None:
    """A descriptor; while it is open, nobody removes the folder. None if there is none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
    except OSError:
        pass  # gone while we waited for it, or no locks there; then nobody can remove it either
    os.close(descriptor)
    return None


@dataclass(frozen=True, slots=True)
class Removed:
    """How many copies went, and how many bytes they held."""

    copies: int = 0
    size: int = 0


def remove_unused(models: Path, fingerprints: Iterable[str]) -> Removed:
    """Removes the copies of all models but these. What somebody uses or makes stays, and goes the next time."""
    needed = {copy_folder(models, fingerprint).name for fingerprint in fingerprints}
    sizes: list[int] = []
    for leftover in models.glob(f"{_GOING}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for about in sorted(models.glob(f"*/{ABOUT}")):
        folder = about.parent
        if folder.name not in needed and not folder.name.startswith("."):  # one that is being made has such a name
            sizes += _remove(folder)
    return Removed(len(sizes), sum(sizes))


def _remove(folder: Path) -> list[int]:
    """Its size, or nothing if it stays."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        going = folder.with_name(f"{_GOING}{folder.name}")
        folder.rename(going)  # at once, so that nobody finds half of it
    except OSError:
        return []  # somebody uses it, or the disk is read-only
    finally:
        os.close(descriptor)
    size = sum(file.stat().st_size for file in going.iterdir())
    shutil.rmtree(going, ignore_errors=True)
    return [size]
