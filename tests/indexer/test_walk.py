"""Which files of a folder are candidates, which are passed over, and which are problems."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.errors import SourceProblem
from indexer.walk import Walk, walk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    return folder


def add(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("words")


def paths(found: Walk) -> list[str]:
    return [file.path for file in found.files]


def test_files_with_a_reader_come_in_a_stable_order(root: Path) -> None:
    add(root, "b.md", "a.txt", "sub/deep/c.html", "Z.PDF", "sub/a.htm")
    assert paths(walk([root])) == ["Z.PDF", "a.txt", "b.md", "sub/a.htm", "sub/deep/c.html"]
    assert walk([root]) == walk([root])


def test_locations_are_absolute_whatever_the_root_was_called(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(root, "a.md")
    monkeypatch.chdir(root.parent)
    for name in (Path("documents"), Path("./documents/../documents"), root):
        assert [file.location for file in walk([name]).files] == [root / "a.md"]


def test_files_without_a_reader_and_hidden_ones_are_passed_over(root: Path) -> None:
    add(root, "a.md", "b.exe", "Makefile", ".hidden.md", ".git/c.md", "sub/.cache/d.md")
    found = walk([root])
    assert paths(found) == ["a.md"]
    assert found.skipped == 3  # hidden folders are not entered, so their files are not counted


def test_a_hidden_root_is_read_because_it_was_named(tmp_path: Path) -> None:
    add(tmp_path, ".notes/a.md")
    assert paths(walk([tmp_path / ".notes"])) == ["a.md"]


def test_the_data_folder_is_not_entered(root: Path) -> None:
    add(root, "a.md", "tenkyo-data/b.md", "sub/tenkyo-data/c.md")
    assert paths(walk([root], barred=[root / "tenkyo-data"])) == ["a.md", "sub/tenkyo-data/c.md"]


def test_a_root_may_be_a_single_file(root: Path) -> None:
    add(root, "a.md", "b.md")
    [file] = walk([root / "a.md"]).files
    assert (file.path, file.location, file.problem) == ("a.md", root / "a.md", None)


def test_a_single_file_without_a_reader_is_a_problem_because_it_was_named(root: Path) -> None:
    add(root, "a.exe", "Makefile")
    found = walk([root / "a.exe", root / "Makefile"])
    assert [file.problem for file in found.files] == ["no reader for .exe", "no reader for files without a suffix"]


def test_a_file_below_two_roots_is_found_once(root: Path) -> None:
    add(root, "a.md", "sub/b.md")
    assert paths(walk([root, root / "sub", root / "a.md"])) == ["a.md", "sub/b.md"]


def test_equal_names_below_two_roots_are_two_files(root: Path) -> None:
    add(root, "one/a.md", "two/a.md")
    found = walk([root / "one", root / "two"])
    assert paths(found) == ["a.md", "a.md"]
    assert len({file.location for file in found.files}) == 2


def test_a_missing_root_is_named(root: Path) -> None:
    with pytest.raises(SourceProblem, match=r"absent does not exist\. Nothing was changed"):
        walk([root, root / "absent"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_root_that_cannot_be_listed_is_named(root: Path) -> None:
    root.chmod(0)
    try:
        with pytest.raises(SourceProblem, match="permission denied"):
            walk([root])
    finally:
        root.chmod(0o755)


def test_a_folder_that_cannot_be_listed_is_a_problem_and_the_others_are_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(root, "a.md", "closed/b.md", "open/c.md")
    close(root / "closed", monkeypatch)
    found = walk([root])
    assert [(file.path, file.problem) for file in found.files] == [
        ("a.md", None),
        ("open/c.md", None),
        ("closed", "cannot be listed: Permission denied"),
    ]


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `chmod 0` does to all but root, as which tests may run."""
    scan = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)


def test_a_link_inside_the_root_is_followed_and_one_out_of_it_is_not(root: Path, tmp_path: Path) -> None:
    add(root, "a.md")
    add(tmp_path, "secret/b.md")
    (root / "inside.md").symlink_to(root / "a.md")
    (root / "outside.md").symlink_to(tmp_path / "secret" / "b.md")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "broken.md").symlink_to(root / "absent.md")
    assert paths(walk([root])) == ["a.md", "inside.md"]


def test_a_linked_folder_inside_the_root_is_read_once(root: Path) -> None:
    add(root, "sub/a.md")
    (root / "sub" / "loop").symlink_to(root)
    assert paths(walk([root])) == ["sub/a.md"]


def test_a_root_that_is_a_link_is_read(root: Path, tmp_path: Path) -> None:
    add(root, "a.md")
    (tmp_path / "link").symlink_to(root)
    assert [file.location for file in walk([tmp_path / "link"]).files] == [root / "a.md"]


def test_a_link_to_itself_is_passed_over(root: Path) -> None:
    """Python 3.11 and 3.12 raise RuntimeError when they resolve it."""
    add(root, "a.md")
    (root / "loop.md").symlink_to(root / "loop.md")
    assert paths(walk([root])) == ["a.md"]


def test_folders_and_pipes_with_the_name_of_a_document_are_passed_over(root: Path) -> None:
    add(root, "folder.md/a.md")
    os.mkfifo(root / "pipe.md")
    assert paths(walk([root])) == ["folder.md/a.md"]


def test_a_pipe_that_was_named_is_refused_rather_than_waited_for(root: Path) -> None:
    os.mkfifo(root / "pipe.md")
    with pytest.raises(SourceProblem, match=r"pipe\.md"):
        walk([root / "pipe.md"])


@pytest.mark.parametrize("name", [b"\xff.md", b"caf\xe9/a.md"])
def test_a_name_that_is_not_utf_8_is_a_problem(root: Path, name: bytes) -> None:
    location = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
    location.parent.mkdir(exist_ok=True)
    location.write_text("words")
    [file] = walk([root]).files
    assert file.problem == "its name is not valid UTF-8: rename it"
    assert "\ufffd" in file.path
    assert file.path.encode()


def test_a_folder_that_cannot_be_listed_and_is_not_utf_8_can_be_reported(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report is printed as UTF-8."""
    folder = Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9"))
    folder.mkdir()
    close(folder, monkeypatch)
    [file] = walk([root]).files
    assert file.problem is not None
    assert file.path.encode()


def test_names_of_all_kinds_are_kept(root: Path) -> None:
    names = ["在宅勤務.md", "with space.md", "new\nline.md", "quote'\".md", "a.tar.md", "%2e.md"]
    add(root, *names)
    assert sorted(paths(walk([root]))) == sorted(names)
