"""Which files of a folder are to be indexed. Knows nothing of their content."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from indexer.errors import SourceProblem
from indexer.readers import reader_for
from indexer.selection import IgnoreFiles, Selection


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A candidate: `path` is relative to `root`, with "/" between its parts; `problem` says why it cannot be read."""

    root: Path
    location: Path
    path: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """What lies below the roots: files with a reader (or a problem), and how many others were passed over.

    `excluded` counts the files and folders that the selection or a `.tenkyoignore` leaves out.
    """

    files: tuple[SourceFile, ...]
    skipped: int
    excluded: int = 0


class _Passed(Enum):
    SKIPPED = "skipped"
    EXCLUDED = "excluded"


def walk(roots: Sequence[Path], barred: Sequence[Path] = (), selection: Selection | None = None) -> Walk:
    """Files below the roots in a stable order; hidden ones, those without a reader and links out of a root are skipped.

    A root may also be a single file. Raises SourceProblem for a root that does not exist or cannot be listed, for a
    `.tenkyoignore` that cannot be understood, and for a selection that includes nothing.
    """
    selection = selection or Selection()
    files: dict[Path, SourceFile] = {}
    passed = dict.fromkeys(_Passed, 0)
    for root in roots:
        for file in _candidates(root, {path.resolve() for path in barred}, selection):
            if isinstance(file, _Passed):
                passed[file] += 1
            else:
                files.setdefault(file.location, file)
    if selection.include and passed[_Passed.EXCLUDED] and not files:
        globs = ", ".join(map(repr, selection.include))
        below = ", ".join(map(str, roots))
        raise SourceProblem(f"--include {globs} matches no file below {below}. Nothing was changed.")
    return Walk(tuple(files.values()), passed[_Passed.SKIPPED], passed[_Passed.EXCLUDED])


def _candidates(root: Path, barred: set[Path], selection: Selection) -> Iterator[SourceFile | _Passed]:
    """Source files, and a mark for each file passed over."""
    resolved = root.resolve()
    if not resolved.exists():
        raise SourceProblem(
            f"{root} does not exist. Nothing was changed; check the path, or whether a drive is mounted."
        )
    try:
        str(resolved).encode()
    except UnicodeEncodeError:
        raise SourceProblem(f"the name of {_readable(str(root))} is not valid UTF-8: rename it.") from None
    if not resolved.is_dir() and not resolved.is_file():
        raise SourceProblem(f"{root} is neither a file nor a folder. Nothing was changed.")
    if not resolved.is_dir():
        if not selection.takes(resolved.name):
            yield _Passed.EXCLUDED
            return
        problem = None if reader_for(resolved.name) else f"no reader for {resolved.suffix or 'files without a suffix'}"
        yield SourceFile(resolved.parent, resolved, resolved.name, problem)
        return
    if not os.access(resolved, os.R_OK | os.X_OK):
        raise SourceProblem(f"{root} cannot be listed: permission denied. Nothing was changed.")
    unlisted: list[OSError] = []
    ignored = IgnoreFiles(resolved)
    for folder, subfolders, names in os.walk(resolved, onerror=unlisted.append):
        here = Path(folder)
        ignored.read(here)
        visible = sorted(name for name in subfolders if not name.startswith(".") and here / name not in barred)
        subfolders[:] = [
            name
            for name in visible
            if selection.enters(_relative(here / name, resolved)) and not ignored.ignores(here / name, folder=True)
        ]
        yield from [_Passed.EXCLUDED] * (len(visible) - len(subfolders))
        for name in sorted(names):
            location = here / name
            path = _relative(location, resolved)
            file = _source_file(resolved, location, path)
            if file is None:
                yield _Passed.SKIPPED
            elif not selection.takes(path) or ignored.ignores(location):
                yield _Passed.EXCLUDED
            else:
                yield file
    for error in unlisted:
        location = Path(error.filename)
        path = _readable(_relative(location, resolved))
        yield SourceFile(resolved, location, path, f"cannot be listed: {error.strerror}")


def _source_file(root: Path, location: Path, path: str) -> SourceFile | None:
    if location.name.startswith(".") or reader_for(location.name) is None:
        return None
    if location.is_symlink() and not Path(os.path.realpath(location)).is_relative_to(root):
        return None
    if not location.is_file():
        return None
    try:
        path.encode()
    except UnicodeEncodeError:
        return SourceFile(root, location, _readable(path), "its name is not valid UTF-8: rename it")
    return SourceFile(root, location, path)


def _readable(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _relative(location: Path, root: Path) -> str:
    return location.relative_to(root).as_posix()
