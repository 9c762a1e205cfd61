"""What a run leaves out: the globs it was given, and the `.tenkyoignore` files below its roots.

Both are written as in a .gitignore. A pattern that is not understood stops the run: passing over it could index what
somebody meant to keep out. Knows no documents.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

from indexer.errors import SourceProblem

IGNORE_FILE = ".tenkyoignore"
_MAX_BYTES = 1 << 20


class Selection:
    """The globs of one run, relative to each root: at least one of `include` (if any) and none of `exclude` match."""

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self.include = tuple(include)
        self._include = _compile((f"--include {glob!r}", glob) for glob in include) if include else None
        self._exclude = _compile((f"--exclude {glob!r}", glob) for glob in exclude)

    def takes(self, path: str) -> bool:
        """Whether the file of that path belongs to the run."""
        return not self._exclude.match_file(path) and (self._include is None or self._include.match_file(path))

    def enters(self, folder: str) -> bool:
        """Whether anything below the folder of that path may belong to the run."""
        return not self._exclude.match_file(f"{folder}/")


class IgnoreFiles:
    """The `.tenkyoignore` files of one root: of those above a path, the deepest with a say decides, as in git."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._specs: dict[Path, GitIgnoreSpec] = {}

    def read(self, folder: Path) -> None:
        """Reads the folder's own file, if it has one; folders above must have been read before."""
        file = folder / IGNORE_FILE
        if not file.exists() and not file.is_symlink():
            return
        if not file.is_file() or not file.resolve().is_relative_to(self._root):
            raise SourceProblem(f"{file} is not a file of that folder. Nothing was changed; replace or remove it.")
        try:
            with file.open("rb") as stream:
                data = stream.read(_MAX_BYTES + 1)
            lines = data.decode("utf-8-sig").splitlines()
        except OSError as error:
            raise SourceProblem(f"{file} cannot be read: {error.strerror}. Nothing was changed.") from error
        except UnicodeDecodeError as error:
            raise SourceProblem(f"{file} is not UTF-8 text. Nothing was changed; save it as UTF-8.") from error
        if len(data) > _MAX_BYTES:
            raise SourceProblem(f"{file} is larger than {_MAX_BYTES >> 20} MiB. Nothing was changed.")
        self._specs[folder] = _compile((f"{file}, line {n}: {line!r}", line) for n, line in enumerate(lines, start=1))

    def ignores(self, location: Path, *, folder: bool = False) -> bool:
        """Whether the file (or folder) is to be left out. Below an ignored folder nothing can be taken back."""
        if not self._specs:
            return False
        for above in location.parents:
            if spec := self._specs.get(above):
                path = location.relative_to(above).as_posix()
                verdict = spec.check_file(f"{path}/" if folder else path).include
                if verdict is not None:
                    return verdict
            if above == self._root:
                break
        return False


def _compile(lines: Iterable[tuple[str, str]]) -> GitIgnoreSpec:
    """A matcher of (where it stands, pattern). Raises SourceProblem, which names the first bad one."""
    patterns = []
    for where, line in lines:
        in_file = not where.startswith("--")
        if in_file and (not line.strip() or line.startswith("#")):
            continue
        try:
            (pattern,) = GitIgnoreSpec.from_lines([line]).patterns
        except (ValueError, re.error):
            pattern = None
        if pattern is None or pattern.include is None:  # such as "[": git would pass over it in silence
            raise SourceProblem(f"{where} is no pattern as in a .gitignore. Nothing was changed; correct or remove it.")
        patterns.append(pattern)
    return GitIgnoreSpec(patterns)
