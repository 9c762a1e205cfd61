"""A dry run says what the run would do, and leaves every byte as it was."""

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import select

from indexer.comparison import Rename
from indexer.errors import EmbedderProblem, SourceProblem
from indexer.ingest import Store
from indexer.preview import Preview, preview
from indexer.selection import Selection
from indexer.tables import Collection, Content
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import COLLECTION, DEFAULTS, index, write

pytestmark = pytest.mark.usefixtures("in_process_reader")


def look(store: Store | None, home: Path, root: Path, *, allow_empty: bool = False, rebuild: bool = False) -> Preview:
    embedder = HashEmbedder()
    return preview(store, home, embedder, COLLECTION, [root], DEFAULTS, allow_empty=allow_empty, rebuild=rebuild)


def files(home: Path) -> dict[str, str]:
    """Every file of the data folder; SQLite's own memory of a log (-shm) comes and goes with its readers."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.rglob("*")
        if path.is_file() and path.suffix != ".sqlite3-shm"
    }


def test_a_dry_run_tells_what_the_run_then_does(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(
        tmp_path / "docs", same="The common one.", moved="The common two.", changed="The common three.", gone="Four."
    )
    index(any_store, embedder, root)
    (root / "moved.txt").rename(root / "here.txt")
    (root / "gone.txt").unlink()
    write(root, changed="The common five.", new="The common six.")
    (root / "locked.txt").mkdir()
    before = files(any_store.home)
    told = look(any_store, any_store.home, root)
    assert files(any_store.home) == before
    assert told.would_index == ["changed.txt", "here.txt", "new.txt"]
    assert told.would_remove == ["gone.txt", "moved.txt"]
    assert told.renamed == [Rename("here.txt", was="moved.txt")]
    assert (told.dry_run, told.embedded_chunks, told.chunks) == (True, 0, 4)
    done = index(any_store, embedder, root)
    for name in ("indexed", "unchanged", "removed", "renamed", "failed", "skipped", "excluded"):
        assert getattr(told, name) == getattr(done, name), name
    assert embedder.embedded_texts == 6, "nothing was embedded for the dry run"


def test_a_dry_run_before_anything_was_indexed_makes_no_data_folder(tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="words")
    told = look(None, tmp_path / "home", root)
    assert (told.would_index, told.chunks) == (["a.txt"], 0)
    assert not (tmp_path / "home").exists()


def test_a_dry_run_of_an_unknown_collection_does_not_create_it(any_store: Store, tmp_path: Path) -> None:
    assert look(any_store, any_store.home, write(tmp_path / "docs", a="words")).indexed == 1
    with any_store.sessions() as session:
        assert session.scalars(select(Collection)).all() == []
        assert session.scalars(select(Content)).all() == []


def test_a_dry_run_refuses_what_the_run_would_refuse(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="words")
    index(store, embedder, root)
    with pytest.raises(EmbedderProblem, match="--rebuild"):
        preview(store, store.home, HashEmbedder("other@1"), COLLECTION, [root], DEFAULTS)
    other = preview(store, store.home, HashEmbedder("other@1"), COLLECTION, [root], DEFAULTS, rebuild=True)
    assert other.would_index == ["a.txt"]
    with pytest.raises(SourceProblem, match="lie elsewhere"):
        look(store, store.home, write(tmp_path / "elsewhere", b="words"), rebuild=True)
    with pytest.raises(SourceProblem, match="does not exist"):
        look(store, store.home, tmp_path / "absent")
    with pytest.raises(SourceProblem, match="matches no file"):
        preview(store, store.home, embedder, COLLECTION, [root], DEFAULTS, selection=Selection(["*.md"]))
    (root / "a.txt").unlink()
    with pytest.raises(SourceProblem, match="--allow-empty"):
        look(store, store.home, root)
    assert look(store, store.home, root, allow_empty=True).would_remove == ["a.txt"]


def test_a_file_that_cannot_be_opened_is_reported_and_its_document_stays(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="words", b="words of b")
    index(store, embedder, root)
    write(root, a="x" * 200)
    settings = type(DEFAULTS)(max_file_bytes=100)
    told = preview(store, store.home, embedder, COLLECTION, [root], settings)
    assert [failure.path for failure in told.failed] == ["a.txt"]
    assert (told.unchanged, told.would_remove) == (1, [])
