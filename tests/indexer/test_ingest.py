"""What a run does to the index, on both databases: first, unchanged, changed, removed, failed."""

import os
from pathlib import Path

import pytest

from indexer.comparison import Rename
from indexer.errors import SourceProblem
from indexer.ingest import IngestSettings, Store
from indexer.readers import ocr
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import (
    COLLECTION,
    check_consistent,
    counts,
    index,
    indexed_paths,
    retrieved,
    row_of,
    stored_texts,
    write,
)
from tests.indexer.readers.handmade_pdf import make_pdf, text_at

pytestmark = pytest.mark.usefixtures("in_process_reader")


def test_the_first_run_makes_everything_retrievable(any_store: Store, embedder: HashEmbedder, folder: Path) -> None:
    report = index(any_store, embedder, folder)
    assert counts(report) == (3, 0, 0, 0)
    assert report.chunks == 5
    assert report.embedded_chunks == embedder.embedded_texts == 4  # an English model reads no Japanese
    assert indexed_paths(any_store) == ["expenses.txt", "leave.md", "zaitaku.md"]
    assert "45 working days" in retrieved(any_store, embedder, "How long is parental leave?")[0]
    assert "165 pounds" in retrieved(any_store, embedder, "What is the limit for a hotel in London?")[0]
    assert "週に3日" in retrieved(any_store, embedder, "在宅勤務は週に何日まで?")[0]
    assert row_of(any_store).generation == 1


def test_an_unchanged_run_embeds_nothing_and_publishes_nothing(
    any_store: Store, embedder: HashEmbedder, folder: Path
) -> None:
    index(any_store, embedder, folder)
    before, first = embedder.embedded_texts, row_of(any_store)
    report = index(any_store, embedder, folder)
    assert counts(report) == (0, 3, 0, 0)
    assert (report.embedded_chunks, report.chunks) == (0, 5)
    assert embedder.embedded_texts == before
    again = row_of(any_store)
    assert (again.generation, again.manifest_sha256) == (first.generation, first.manifest_sha256)
    assert first.indexed_at is not None
    assert again.indexed_at is not None
    assert again.indexed_at >= first.indexed_at


def test_a_changed_file_replaces_its_text_and_no_other_is_embedded(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.", b="The common leave is 45 days.")
    index(any_store, embedder, root)
    write(root, a="The common limit is 180 pounds.")
    report = index(any_store, embedder, root)
    assert counts(report) == (1, 1, 0, 0)
    assert report.embedded_chunks == 1
    texts = retrieved(any_store, embedder, "limit in pounds")
    assert texts[0] == "The common limit is 180 pounds."
    assert not any("165" in text for text in texts)
    assert "The common limit is 165 pounds." in stored_texts(any_store)  # so that old citations open
    check_consistent(any_store, embedder, "common")


def test_a_file_that_changes_back_is_retrievable_again(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    """As after `git revert`. The old content is still stored, without its chunks."""
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.", b="The common leave is 45 days.")
    index(any_store, embedder, root)
    write(root, a="The common limit is 180 pounds.")
    index(any_store, embedder, root)
    write(root, a="The common limit is 165 pounds.")
    assert counts(index(any_store, embedder, root)) == (1, 1, 0, 0)
    assert retrieved(any_store, embedder, "limit in pounds")[0] == "The common limit is 165 pounds."
    check_consistent(any_store, embedder, "common")


def test_a_vanished_file_is_removed(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.", b="The common leave is 45 days.")
    index(any_store, embedder, root)
    (root / "a.txt").unlink()
    assert counts(index(any_store, embedder, root)) == (0, 1, 1, 0)
    assert retrieved(any_store, embedder, "limit in pounds") == ["The common leave is 45 days."]
    assert len(stored_texts(any_store)) == 2
    check_consistent(any_store, embedder, "common")


def test_a_renamed_file_is_not_embedded_again(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.")
    index(any_store, embedder, root)
    (root / "a.txt").rename(root / "z.txt")
    report = index(any_store, embedder, root)
    assert counts(report) == (1, 0, 1, 0)
    assert report.renamed == [Rename("z.txt", was="a.txt")]
    assert report.embedded_chunks == 0
    assert embedder.embedded_texts == 1
    assert indexed_paths(any_store) == ["z.txt"]
    assert row_of(any_store).generation == 1
    assert retrieved(any_store, embedder, "limit") == ["The common limit is 165 pounds."]


def test_a_file_moved_to_another_folder_is_a_rename_and_a_copy_is_not(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.", b="The common leave is 45 days.")
    index(any_store, embedder, root)
    (root / "archive").mkdir()
    (root / "a.txt").rename(root / "archive" / "a.txt")
    write(root, copy="The common leave is 45 days.", b="Something else.")
    report = index(any_store, embedder, root)
    assert report.renamed == [Rename("archive/a.txt", was="a.txt")]
    assert embedder.embedded_texts == 3
    assert indexed_paths(any_store) == ["archive/a.txt", "b.txt", "copy.txt"]


def test_identical_files_are_stored_once_and_both_paths_are_kept(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.", b="The common limit is 165 pounds.")
    assert counts(index(any_store, embedder, root)) == (2, 0, 0, 0)
    assert embedder.embedded_texts == 1
    assert indexed_paths(any_store) == ["a.txt", "b.txt"]
    assert len(stored_texts(any_store)) == 1
    (root / "a.txt").unlink()
    assert counts(index(any_store, embedder, root)) == (0, 1, 1, 0)
    assert retrieved(any_store, embedder, "limit") == ["The common limit is 165 pounds."]
    check_consistent(any_store, embedder, "common")


def test_the_same_bytes_read_by_another_reader_are_another_text(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    for name in ("a.txt", "b.md"):
        write(tmp_path / "docs")
        (tmp_path / "docs" / name).write_text("# The *common* limit")
    index(store, embedder, tmp_path / "docs")
    assert stored_texts(store) == ["# The *common* limit", "The common limit"]


def test_a_failed_file_is_reported_and_the_others_are_indexed(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.", c="The common leave is 45 days.")
    (root / "b.pdf").write_bytes(b"not a PDF")
    report = index(any_store, embedder, root)
    assert counts(report) == (2, 0, 0, 1)
    assert [(f.path, f.reason) for f in report.failed] == [("b.pdf", "not a PDF, or damaged beyond repair")]
    assert indexed_paths(any_store) == ["a.txt", "c.txt"]


def test_a_file_that_can_no_longer_be_read_keeps_its_earlier_version(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.", b="The common leave is 45 days.")
    index(any_store, embedder, root)
    (root / "a.txt").write_bytes(b"\0\0\0")
    report = index(any_store, embedder, root)
    assert counts(report) == (0, 1, 0, 1)
    assert report.failed[0].reason == "binary data, not text"
    assert retrieved(any_store, embedder, "limit in pounds")[0] == "The common limit is 165 pounds."
    (root / "a.txt").unlink()
    assert counts(index(any_store, embedder, root)) == (0, 1, 1, 0)
    check_consistent(any_store, embedder, "common")


def test_a_folder_that_cannot_be_listed_keeps_its_documents(
    store: Store, embedder: HashEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A permission that changed, or a network drive below the root: a failure to read, not a removal."""
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.")
    write(root / "closed", b="The common leave is 45 days.")
    index(store, embedder, root)
    with monkeypatch.context() as patch:
        scan = os.scandir

        def refuse(path: str) -> object:
            if Path(path) == root / "closed":
                raise PermissionError(13, "Permission denied", path)
            return scan(path)

        patch.setattr("os.scandir", refuse)
        report = index(store, embedder, root)
    assert [(f.path, f.reason) for f in report.failed] == [("closed", "cannot be listed: Permission denied")]
    assert report.removed == 0
    assert indexed_paths(store) == ["a.txt", "closed/b.txt"]


def test_a_file_above_the_limit_fails_with_the_limit(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="fits", b="x" * (1 << 20) + "y")
    report = index(store, embedder, root, settings=IngestSettings(max_file_bytes=1 << 20))
    assert [(f.path, f.reason) for f in report.failed] == [("b.txt", "larger than 1 MiB")]
    assert indexed_paths(store) == ["a.txt"]


def test_a_name_that_is_not_utf_8_fails_and_the_others_are_indexed(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="words")
    (root / "caf\udce9.txt").write_text("words")
    report = index(any_store, embedder, root)
    assert [(f.path, f.reason) for f in report.failed] == [("caf\ufffd.txt", "its name is not valid UTF-8: rename it")]
    assert indexed_paths(any_store) == ["a.txt"]


def test_a_root_whose_name_is_not_utf_8_is_refused_by_name(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    """SQL cannot hold its documents' locations."""
    root = write(tmp_path / "caf\udce9", a="words")
    with pytest.raises(SourceProblem, match="UTF-8") as raised:
        index(store, embedder, root)
    assert str(raised.value).encode()  # it must be printable


def test_a_file_that_vanishes_after_it_was_listed_fails(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="words", b="words of b")

    class Remover(HashEmbedder):
        def count_tokens(self, texts: object) -> list[int]:
            (root / "b.txt").unlink(missing_ok=True)
            return [1]

    report = index(store, Remover(), root)
    assert [(f.path, f.reason) for f in report.failed] == [("b.txt", "cannot be opened: No such file or directory")]


def test_text_that_databases_dislike_is_stored(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    """PostgreSQL refuses NUL, and no database encodes half a surrogate pair."""
    root = write(tmp_path / "docs", a="emoji 👩\u200d👩 \U00020000 \ufffe 'quotes' \\x00 %s :name")
    (root / "b.txt").write_bytes("NUL\0 inside".encode("utf-16"))
    (root / "c.html").write_text("<title>T&#0;&#xD800;</title><p>x&#xDC00;</p>")
    assert counts(index(any_store, embedder, root)) == (3, 0, 0, 0)
    assert any(text.startswith("emoji 👩\u200d👩 \U00020000") for text in stored_texts(any_store))
    assert "NUL inside" in stored_texts(any_store)


def test_a_document_of_many_chunks_is_stored_in_order(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    text = "\n\n".join(f"Paragraph {i} holds the common word. " + "More of it follows here. " * 20 for i in range(40))
    root = write(tmp_path / "docs", a=text)
    report = index(any_store, embedder, root)
    assert report.chunks >= 20
    check_consistent(any_store, embedder, "common")


def test_collections_are_independent(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="The common limit is 165 pounds.")
    index(any_store, embedder, root)
    index(any_store, embedder, root, collection="在宅/../x")
    (root / "a.txt").write_text("Something else")
    index(any_store, embedder, root)
    assert retrieved(any_store, embedder, "limit", "在宅/../x") == ["The common limit is 165 pounds."]
    assert retrieved(any_store, embedder, "limit", COLLECTION) == ["Something else"]


def test_the_report_is_the_object_that_scripts_read(store: Store, embedder: HashEmbedder, folder: Path) -> None:
    (folder / "bad.pdf").write_bytes(b"x")
    (folder / "notes.xyz").write_bytes(b"x")
    report = index(store, embedder, folder).as_dict()
    assert isinstance(report.pop("seconds"), float)
    assert report == {
        "indexed": 3,
        "unchanged": 0,
        "removed": 0,
        "renamed": [],
        "notes": [],
        "failed": [{"path": "bad.pdf", "reason": "not a PDF, or damaged beyond repair"}],
        "skipped": 1,
        "excluded": 0,
        "chunks": 5,
        "embedded_chunks": 4,
    }


def test_what_was_left_unread_of_a_file_is_noted_when_it_is_read(
    store: Store, embedder: HashEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "program", lambda: None)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.pdf").write_bytes(make_pdf([text_at("Words"), b"0 0 m 9 9 l S"]))
    [note] = index(store, embedder, tmp_path / "docs").notes
    assert note.path == "a.pdf"
    assert note.note.startswith("page 2 hold(s) only pictures and needs OCR")
    assert index(store, embedder, tmp_path / "docs").notes == []


@pytest.mark.slow
def test_ten_thousand_small_files(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", **{f"file{i}": f"The common text number{i}." for i in range(10_000)})
    assert counts(index(any_store, embedder, root)) == (10_000, 0, 0, 0)
    write(root, file77="The common text has changed.")
    report = index(any_store, embedder, root)
    assert counts(report) == (1, 9_999, 0, 0)
    assert report.embedded_chunks == 1
    assert report.seconds < 30
    assert retrieved(any_store, embedder, "number4321")[0] == "The common text number4321."
