"""Globs and `.tenkyoignore` files: what they leave out, and which of them are refused."""

import os
from pathlib import Path

import pytest

from indexer.errors import SourceProblem
from indexer.ingest import Store, ingest
from indexer.selection import Selection
from indexer.walk import Walk, walk
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import DEFAULTS, counts, indexed_paths, retrieved, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    for name in ("a.md", "b.txt", "hr/leave.md", "hr/private/pay.md", "build/out.md", "hr/build/out.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"The common words of {name}.")
    return folder


def select(root: Path, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> Walk:
    return walk([root], selection=Selection(include, exclude))


def paths(found: Walk) -> set[str]:
    return {file.path for file in found.files}


EVERYTHING = {"a.md", "b.txt", "hr/leave.md", "hr/private/pay.md", "build/out.md", "hr/build/out.txt"}


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ((), (), EVERYTHING),
        (("*.md",), (), {"a.md", "hr/leave.md", "hr/private/pay.md", "build/out.md"}),
        (("*.md", "b.*"), (), EVERYTHING - {"hr/build/out.txt"}),
        (("hr/",), (), {"hr/leave.md", "hr/private/pay.md", "hr/build/out.txt"}),
        (("hr/*.md",), (), {"hr/leave.md"}),
        (("hr/**/*.md",), (), {"hr/leave.md", "hr/private/pay.md"}),
        (("/*.md",), (), {"a.md"}),
        ((), ("*.md",), {"b.txt", "hr/build/out.txt"}),
        ((), ("build/",), {"a.md", "b.txt", "hr/leave.md", "hr/private/pay.md"}),
        ((), ("/build",), EVERYTHING - {"build/out.md"}),
        ((), ("nothing-of-that-name",), EVERYTHING),
        (("*.md",), ("hr/",), {"a.md", "build/out.md"}),
        (("[ab].*",), (), {"a.md", "b.txt"}),
    ],
)
def test_globs_select_as_in_a_gitignore(
    root: Path, include: tuple[str, ...], exclude: tuple[str, ...], expected: set[str]
) -> None:
    found = select(root, include, exclude)
    assert paths(found) == expected
    assert (found.excluded > 0) == (expected != EVERYTHING)


def test_an_include_that_matches_nothing_is_refused(root: Path) -> None:
    with pytest.raises(SourceProblem, match=r"--include '\*\.docx', 'x/' matches no file below .*documents\. Nothing"):
        select(root, ("*.docx", "x/"))


def test_globs_hold_for_a_file_that_was_named_too(root: Path) -> None:
    assert paths(walk([root / "a.md"], selection=Selection(exclude=["*.md"]))) == set()
    assert paths(walk([root / "a.md"], selection=Selection(["*.md"]))) == {"a.md"}


@pytest.mark.parametrize("glob", ["", "[", "!", "\\", "[z-a]", "#comment", "/", "   "])
def test_a_glob_that_is_not_understood_is_refused(glob: str) -> None:
    for selection in ({"include": [glob]}, {"exclude": ["*.md", glob]}):
        with pytest.raises(SourceProblem, match=r"clude .*is no pattern as in a \.gitignore"):
            Selection(**selection)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", EVERYTHING),
        ("# only a comment\n\n", EVERYTHING),
        ("*.md\n!leave.md\n", {"b.txt", "hr/leave.md", "hr/build/out.txt"}),
        ("build/\r\nhr/private/\r\n", {"a.md", "b.txt", "hr/leave.md"}),
        ("\ufeffbuild/", {"a.md", "b.txt", "hr/leave.md", "hr/private/pay.md"}),
        ("/b.txt", EVERYTHING - {"b.txt"}),
        # As in git: below an ignored folder nothing can be taken back.
        ("hr/\n!hr/leave.md", {"a.md", "b.txt", "build/out.md"}),
        ("在宅.md", EVERYTHING),
    ],
)
def test_an_ignore_file_is_read_as_a_gitignore(root: Path, lines: str, expected: set[str]) -> None:
    (root / ".tenkyoignore").write_text(lines, encoding="utf-8", newline="")
    assert paths(walk([root])) == expected


def test_the_deepest_ignore_file_decides(root: Path) -> None:
    (root / ".tenkyoignore").write_text("*.md\n")
    (root / "hr" / ".tenkyoignore").write_text("!*.md\n/private/\n")
    assert paths(walk([root])) == {"b.txt", "hr/leave.md", "hr/build/out.txt"}
    assert paths(walk([root / "build"])) == {"out.md"}, "files above a root have no say"


def test_a_file_that_was_named_is_read_whatever_an_ignore_file_says(root: Path) -> None:
    (root / ".tenkyoignore").write_text("*.md\n")
    assert paths(walk([root / "a.md"])) == {"a.md"}


@pytest.mark.parametrize("line", ["[", "!", "\\", "docs/[z-a].md", "/"])
def test_a_malformed_line_stops_the_run_and_is_named(root: Path, line: str) -> None:
    """To pass over it, as git does, could index what somebody meant to keep out."""
    (root / "hr" / ".tenkyoignore").write_text(f"*.tmp\n{line}\n")
    with pytest.raises(SourceProblem, match=r"hr/\.tenkyoignore, line 2: .*Nothing was changed"):
        walk([root])


def test_ignore_files_that_cannot_be_read_stop_the_run(root: Path, tmp_path: Path) -> None:
    file = root / ".tenkyoignore"
    file.write_bytes(b"caf\xe9/\n")
    with pytest.raises(SourceProblem, match="is not UTF-8 text"):
        walk([root])
    file.write_bytes(b"# " + b"x" * (1 << 20))
    with pytest.raises(SourceProblem, match="larger than 1 MiB"):
        walk([root])
    file.unlink()
    (tmp_path / "outside").write_text("secret: [z-a]")
    file.symlink_to(tmp_path / "outside")
    with pytest.raises(SourceProblem, match="not a file of that folder") as raised:
        walk([root])
    assert "secret" not in str(raised.value)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(SourceProblem, match="not a file of that folder"):
        walk([root])


@pytest.mark.usefixtures("in_process_reader")
def test_what_is_ignored_later_goes_from_the_index(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.", b="The common leave is 45 days.")
    ingest(store, embedder, "handbook", [root], DEFAULTS)
    (root / ".tenkyoignore").write_text("b.*\n")
    report = ingest(store, embedder, "handbook", [root], DEFAULTS)
    assert (counts(report), report.excluded) == ((0, 1, 1, 0), 1)
    assert retrieved(store, embedder, "common") == ["The common limit is 165 pounds."]
    report = ingest(store, embedder, "handbook", [root], DEFAULTS, selection=Selection(exclude=["none"]))
    assert indexed_paths(store) == ["a.txt"]
    with pytest.raises(SourceProblem, match="no readable document is left"):
        ingest(store, embedder, "handbook", [root], DEFAULTS, selection=Selection(exclude=["*.txt"]))
    assert indexed_paths(store) == ["a.txt"]


@pytest.mark.usefixtures("in_process_reader")
def test_a_malformed_ignore_file_changes_nothing(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.")
    ingest(store, embedder, "handbook", [root], DEFAULTS)
    write(root, b="The common leave is 45 days.")
    (root / ".tenkyoignore").write_text("[\n")
    with pytest.raises(SourceProblem, match="line 1"):
        ingest(store, embedder, "handbook", [root], DEFAULTS)
    assert indexed_paths(store) == ["a.txt"]
