"""Which folders a run may touch, and which embedder: what is refused, and how to go on."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from indexer.chunker import ChunkerSettings
from indexer.errors import EmbedderProblem, SourceProblem
from indexer.ingest import IngestSettings, Store
from indexer.tables import Chunk
from retriever.errors import EmbedderMismatch
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import (
    COLLECTION,
    ONE_AT_A_TIME,
    CrashingEmbedder,
    ShortEmbedder,
    check_consistent,
    counts,
    index,
    indexed_paths,
    open_current,
    retrieved,
    row_of,
    write,
)

pytestmark = pytest.mark.usefixtures("in_process_reader")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "docs", a="The common limit is 165 pounds.", b="The common leave is 45 days.")


def test_an_empty_folder_does_not_remove_everything(store: Store, embedder: HashEmbedder, root: Path) -> None:
    """A drive that is not mounted is an empty folder."""
    index(store, embedder, root)
    for file in root.iterdir():
        file.unlink()
    with pytest.raises(SourceProblem, match=r"from which 2 were indexed.*Nothing was changed.*--allow-empty"):
        index(store, embedder, root)
    assert retrieved(store, embedder, "limit")[0] == "The common limit is 165 pounds."
    assert counts(index(store, embedder, root, allow_empty=True)) == (0, 0, 2, 0)
    assert retrieved(store, embedder, "limit") == []


def test_one_empty_folder_among_several_does_not_lose_its_documents(
    store: Store, embedder: HashEmbedder, root: Path, tmp_path: Path
) -> None:
    """`tenkyo index /local /mnt/share`, and the share is not mounted today."""
    share = write(tmp_path / "share", c="The common share.")
    index(store, embedder, root, share)
    (share / "c.txt").unlink()
    with pytest.raises(SourceProblem, match="share"):
        index(store, embedder, root, share)
    assert indexed_paths(store) == ["a.txt", "b.txt", "c.txt"]
    assert index(store, embedder, root, share, allow_empty=True).removed == 1


def test_an_empty_folder_that_never_held_anything_is_fine(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    report = index(store, embedder, write(tmp_path / "empty"))
    assert (counts(report), report.chunks) == ((0, 0, 0, 0), 0)
    assert retrieved(store, embedder, "limit") == []


def test_a_missing_folder_changes_nothing(store: Store, embedder: HashEmbedder, root: Path) -> None:
    index(store, embedder, root)
    with pytest.raises(SourceProblem, match="does not exist"):
        index(store, embedder, root, root / "absent")
    assert row_of(store).generation == 1
    root.rename(root.parent / "moved")
    with pytest.raises(SourceProblem, match="does not exist"):
        index(store, embedder, root, allow_empty=True)
    assert indexed_paths(store) == ["a.txt", "b.txt"]


def test_a_run_on_one_folder_leaves_those_of_others(
    any_store: Store, embedder: HashEmbedder, root: Path, tmp_path: Path
) -> None:
    index(any_store, embedder, root)
    other = write(tmp_path / "docs2", c="The common text of another folder.")  # its name begins as the first one's
    assert counts(index(any_store, embedder, other)) == (1, 0, 0, 0)
    assert indexed_paths(any_store) == ["a.txt", "b.txt", "c.txt"]
    check_consistent(any_store, embedder, "common")


def test_a_run_on_a_subfolder_removes_only_there(store: Store, embedder: HashEmbedder, root: Path) -> None:
    write(root / "sub", c="The common c.", d="The common d.")
    index(store, embedder, root)
    (root / "a.txt").unlink()
    (root / "sub" / "c.txt").unlink()
    assert index(store, embedder, root / "sub").removed == 1
    assert "a.txt" in indexed_paths(store)


def test_a_single_file_can_be_indexed(store: Store, embedder: HashEmbedder, root: Path) -> None:
    assert counts(index(store, embedder, root / "a.txt")) == (1, 0, 0, 0)
    write(root, a="The common limit is 180 pounds.")
    assert counts(index(store, embedder, root / "a.txt")) == (1, 0, 0, 0)
    assert retrieved(store, embedder, "limit") == ["The common limit is 180 pounds."]


def test_a_single_file_without_a_reader_is_a_failure(store: Store, embedder: HashEmbedder, root: Path) -> None:
    (root / "a.xyz").write_text("words")
    report = index(store, embedder, root / "a.xyz")
    assert [(f.path, f.reason) for f in report.failed] == [("a.xyz", "no reader for .xyz")]


def test_the_data_folder_inside_the_documents_is_not_indexed(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    """`tenkyo index .` with the data folder where it is by default."""
    write(tmp_path, a="The common words.")
    write(store.home / "index", notes="Not a document.")
    assert counts(index(store, embedder, tmp_path)) == (1, 0, 0, 0)
    assert indexed_paths(store) == ["a.txt"]


def test_another_embedder_is_refused_with_both_names_and_the_way_out(
    store: Store, embedder: HashEmbedder, root: Path
) -> None:
    index(store, embedder, root)
    other = HashEmbedder("other@2")
    with pytest.raises(EmbedderProblem, match=rf"hash@1.*other@2.*--rebuild … --collection {COLLECTION}"):
        index(store, other, root)
    assert other.embedded_texts == 0
    assert retrieved(store, embedder, "limit")


def test_a_rebuild_replaces_every_vector(any_store: Store, embedder: HashEmbedder, root: Path) -> None:
    index(any_store, embedder, root)
    other = ShortEmbedder()
    report = index(any_store, other, root, rebuild=True)
    assert report.embedded_chunks == other.embedded_texts == 2
    assert (row_of(any_store).embedder, open_current(any_store).manifest.embedder) == ("short@1", "short@1")
    assert retrieved(any_store, other, "limit")[0] == "The common limit is 165 pounds."
    check_consistent(any_store, other, "common")
    with pytest.raises(EmbedderMismatch):
        retrieved(any_store, embedder, "limit")


def test_the_old_index_serves_until_a_rebuild_is_done(any_store: Store, embedder: HashEmbedder, root: Path) -> None:
    index(any_store, embedder, root)

    class Failing(CrashingEmbedder):
        @property
        def fingerprint(self) -> str:
            return "failing@1"

    with pytest.raises(RuntimeError, match="out of memory"):
        index(any_store, Failing(calls=1), root, settings=ONE_AT_A_TIME, rebuild=True)
    assert retrieved(any_store, embedder, "limit")[0] == "The common limit is 165 pounds."
    assert counts(index(any_store, embedder, root)) == (0, 2, 0, 0)
    check_consistent(any_store, embedder, "common")


def test_a_rebuild_must_name_every_folder(store: Store, embedder: HashEmbedder, root: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", c="The common c.")
    index(store, embedder, root, other)
    with pytest.raises(SourceProblem, match=r"1 of its documents lie elsewhere, such as .*c\.txt. Nothing was changed"):
        index(store, ShortEmbedder(), root, rebuild=True)
    assert retrieved(store, embedder, "limit")
    assert index(store, ShortEmbedder(), root, other, rebuild=True).embedded_chunks == 3


def test_a_rebuild_does_not_mix_vectors_of_two_models(any_store: Store, embedder: HashEmbedder, root: Path) -> None:
    """A file that cannot be read keeps its earlier version; its vectors are of the old model and must not serve."""
    index(any_store, embedder, root)
    (root / "a.txt").write_bytes(b"\0")
    other = ShortEmbedder()
    report = index(any_store, other, root, rebuild=True)
    assert [failure.path for failure in report.failed] == ["a.txt"]
    assert "The common leave is 45 days." in retrieved(any_store, other, "common leave")
    with any_store.sessions() as session:
        sizes = session.scalars(select(func.length(Chunk.embedding)).where(Chunk.embedding.is_not(None)))
        assert set(sizes) == {4 * 32}


def test_a_rebuild_with_the_same_embedder_embeds_nothing_again(
    store: Store, embedder: HashEmbedder, root: Path
) -> None:
    index(store, embedder, root)
    assert index(store, embedder, root, rebuild=True).embedded_chunks == 0
    assert row_of(store).generation == 2
    check_consistent(store, embedder, "common")


def test_a_rebuild_may_be_the_first_run(store: Store, embedder: HashEmbedder, root: Path) -> None:
    assert counts(index(store, embedder, root, rebuild=True)) == (2, 0, 0, 0)


def test_an_embedder_that_could_not_be_loaded_leaves_no_claim(store: Store, embedder: HashEmbedder, root: Path) -> None:
    """A typing error in TENKYO_EMBEDDER on the first run; nothing was built with it, so there is nothing to rebuild."""

    class Absent(HashEmbedder):
        def count_tokens(self, texts: Sequence[str]) -> list[int]:
            raise EmbedderProblem("cannot load the embedding model")

    with pytest.raises(EmbedderProblem, match="cannot load"):
        index(store, Absent("absent@1"), root)
    assert counts(index(store, embedder, root)) == (2, 0, 0, 0)
    assert retrieved(store, embedder, "limit")


def test_other_chunk_sizes_cut_and_embed_anew(store: Store, embedder: HashEmbedder, root: Path) -> None:
    index(store, embedder, root)
    smaller = IngestSettings(chunker=ChunkerSettings(max_tokens=3))
    report = index(store, embedder, root, settings=smaller)
    assert counts(report) == (2, 0, 0, 0)
    assert report.chunks == report.embedded_chunks == 4
    with store.sessions() as session:
        assert sorted(session.scalars(select(Chunk.text))) == [
            "The common leave",
            "The common limit",
            "is 165 pounds.",
            "is 45 days.",
        ]
