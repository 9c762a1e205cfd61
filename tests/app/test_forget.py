"""Forgetting: afterwards no file of the data folder holds the text, a term or a vector of it, and nothing answers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tantivy
from sqlalchemy import URL, Engine, func, select, text

from app.answering import Answering
from app.database import open_database, upgrade
from app.schemas import AnswerModel
from app.service import Event, Gone, NotFound, Service
from generator.record import AnswerRow, withhold_answers
from indexer import erase
from indexer.embedder import Vectors
from indexer.errors import EraseIncomplete, IndexBusy, SourceProblem
from indexer.forget import ForgetReport, Kept, forget
from indexer.ingest import IngestSettings, Store, ingest
from indexer.lexical import _open
from indexer.tables import Chunk, Content, Document, Forgotten, Version
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import check_consistent, retrieved, write

pytestmark = pytest.mark.usefixtures("quick_reader", "handmade_weights")

SECRET = "The zanzibarine salary of Quorlinda Bexley is 48765 pounds."
EARLIER = "The zanzibarine salary of Quorlinda Bexley was 43210 pounds."
OTHER = "The common limit for a hotel is 165 pounds."
QUESTION = "What is the salary of Bexley?"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "docs", secret=SECRET, other=OTHER)


def index(store: Store, *roots: Path, collection: str = "team") -> None:
    ingest(store, HashEmbedder(), collection, roots, IngestSettings())


def forgotten(store: Store, *paths: Path | str, collection: str | None = None) -> ForgetReport:
    return forget(store, [Path(path) for path in paths], collection, withhold_answers)


def service(store: Store) -> Service:
    return Service(store, HashEmbedder(), Answering())


def ask(store: Store, question: str = QUESTION) -> AnswerModel:
    return service(store).ask(question, "team")


def holders(folder: Path, *needles: str | bytes) -> set[str]:
    """Files below the folder that hold one of the texts (in UTF-8 or UTF-16) or of the vectors."""
    wanted: list[bytes] = []
    for needle in needles:
        wanted += [needle] if isinstance(needle, bytes) else [needle.encode(), needle.encode("utf-16-le")]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in files if any(n in path.read_bytes() for n in wanted)}


def secret_vectors(store: Store) -> list[bytes]:
    """Both halves of every float32 vector of the secret's chunks."""
    with store.sessions() as session:
        found = session.scalars(select(Chunk.embedding).where(Chunk.text.contains("zanzibarine")))
        return [half for vector in found if vector for half in (vector[:128], vector[128:])]


def term_holders(home: Path, term: str) -> list[Path]:
    """Term indexes below the folder whose dictionary knows the term: deleted documents count until they are merged."""
    found = []
    for meta in home.rglob("lexical/meta.json"):
        searcher = _open(meta.parent).searcher()
        if searcher.doc_freq("body", term):
            found.append(meta.parent)
        everything = searcher.search(tantivy.Query.all_query(), 100).hits
        assert all(searcher.doc(address).to_dict() == {} for _, address in everything), "no text is stored here"
    return found


def close(store: Store) -> Path:
    """Closes the database's connections, which have files of their own."""
    engine: Engine = store.sessions.kw["bind"]
    engine.dispose()
    return store.home


def test_no_file_holds_what_was_forgotten(store: Store, root: Path) -> None:
    write(root, secret=EARLIER)
    index(store, root)
    asked_before, vectors = ask(store), secret_vectors(store)
    write(root, secret=SECRET + "\n\n" + "Long text fills pages of the database. " * 500)
    index(store, root)
    asked = ask(store)
    vectors += secret_vectors(store)
    assert SECRET in asked.answer
    log, segment = "tenkyo.sqlite3-wal", ".faiss"
    needles: list[str | bytes] = [SECRET, EARLIER, *vectors]
    assert all(log in holders(store.home, needle) for needle in needles), "the search would see it"
    assert all(any(name.endswith(segment) for name in holders(store.home, vector)) for vector in vectors)
    assert term_holders(store.home, "bexley")
    report = forgotten(store, root / "secret.txt")
    assert (report.paths, report.texts, report.answers, report.kept) == (1, 2, 2, [])
    assert report.still_there == [str(root / "secret.txt")]
    assert holders(store.home, *needles) == set(), "also while connections are open"
    assert holders(close(store), "Quorlinda", "48765", *needles) == set()
    assert term_holders(store.home, "bexley") == []
    for answer in (asked_before, asked):
        record = service(store).answer(answer.id).record
        assert set(record) >= {"id", "status", "forgotten_at"}
        assert not {"question", "answer", "claims", "citations", "passages", "trace"} & set(record)
        with pytest.raises(Gone, match="cannot be made again"):
            service(store).replay(answer.id)
        with pytest.raises(Gone, match="was forgotten on"):
            service(store).document(answer.citations[0].document_id)
    assert retrieved(store, HashEmbedder(), "salary pounds", "team") == [OTHER]
    check_consistent(store, HashEmbedder(), "common", "team")


def test_removing_a_file_alone_leaves_its_text(store: Store, root: Path) -> None:
    """Why there is `forget`: versions are kept, so that old citations open."""
    index(store, root)
    asked = ask(store)
    (root / "secret.txt").unlink()
    index(store, root)
    assert any(name.endswith(("-wal", ".sqlite3")) for name in holders(store.home, SECRET))
    opened = service(store).document(asked.citations[0].document_id)
    assert (opened.text, opened.current, opened.paths) == (SECRET, False, ["secret.txt"])
    report = forgotten(store, root / "secret.txt")
    assert (report.paths, report.texts, report.answers, report.still_there) == (1, 1, 1, [])
    assert holders(close(store), SECRET) == set()


def test_on_both_databases_every_row_goes_and_the_others_stay(any_store: Store, root: Path) -> None:
    index(any_store, root)
    asked, other = ask(any_store), ask(any_store, "What is the common limit for a hotel?")
    assert OTHER in other.answer
    assert forgotten(any_store, root / "secret.txt").texts == 1
    with any_store.sessions() as session:
        assert list(session.scalars(select(Content.text))) == [OTHER]
        assert list(session.scalars(select(Chunk.text))) == [OTHER]
        assert (
            list(session.scalars(select(Document.path))) == list(session.scalars(select(Version.path))) == ["other.txt"]
        )
        (row,) = session.scalars(select(Forgotten))
        assert row.erased
        records = [str(record) for record in session.scalars(select(AnswerRow.record))]
    assert not any("Quorlinda" in record for record in records)
    assert "forgotten_at" in service(any_store).answer(asked.id).record
    assert holders(close(any_store), SECRET) == set()
    (root / "secret.txt").unlink()
    index(any_store, root)
    check_consistent(any_store, HashEmbedder(), "common", "team")


def test_postgresql_rewrites_the_tables(postgres_url: URL, root: Path, tmp_path: Path) -> None:
    upgrade(postgres_url)
    store = Store(open_database(postgres_url), tmp_path / "home")
    engine: Engine = store.sessions.kw["bind"]
    data = Path(str(postgres_url.query["host"])) / "data" / "base"
    index(store, root)
    ask(store)

    def flushed() -> set[str]:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("CHECKPOINT"))
        return holders(data, SECRET)

    assert flushed()
    forgotten(store, root / "secret.txt")
    assert flushed() == set()


def test_a_renamed_file_is_forgotten_with_what_it_held_under_its_old_name(store: Store, root: Path) -> None:
    write(root, secret=EARLIER)
    index(store, root)
    (root / "secret.txt").rename(root / "moved.txt")
    index(store, root)
    write(root, moved=SECRET)
    index(store, root)
    report = forgotten(store, root / "moved.txt")
    assert report.texts == 2
    assert holders(close(store), SECRET, EARLIER) == set()


def test_a_text_that_another_file_holds_too_stays_and_is_named(store: Store, root: Path) -> None:
    write(root / "hr", copy=SECRET)
    index(store, root)
    asked = ask(store)
    report = forgotten(store, root / "secret.txt")
    assert (report.paths, report.texts, report.kept) == (1, 0, [Kept("secret.txt", ["hr/copy.txt"])])
    assert service(store).document(asked.citations[0].document_id).paths == ["hr/copy.txt"]
    assert SECRET in ask(store).answer
    report = forgotten(store, root / "hr", root / "other.txt")
    assert (report.paths, report.texts, report.answers) == (2, 2, 2)
    assert holders(close(store), SECRET, OTHER) == set()
    assert ask(store).status == "abstained"


def test_a_folder_is_forgotten_with_all_that_was_ever_in_it(store: Store, root: Path) -> None:
    write(root / "hr", one=SECRET)
    write(root / "hr2", two=OTHER)
    index(store, root)
    (root / "hr" / "one.txt").unlink()
    index(store, root)
    assert forgotten(store, root / "hr").paths == 1
    with store.sessions() as session:
        assert sorted(session.scalars(select(Version.path))) == ["hr2/two.txt", "other.txt", "secret.txt"]


@pytest.mark.parametrize("path", ["secret.txt", "./secret.txt"])
def test_a_path_may_be_as_citations_show_it(store: Store, root: Path, path: str) -> None:
    index(store, root)
    assert forgotten(store, path).texts == 1
    assert holders(close(store), SECRET) == set()


def test_a_path_that_could_be_two_is_refused(store: Store, root: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "more", secret="Another text.")
    index(store, root, other)
    with pytest.raises(SourceProblem, match=r"could be in .*docs/ or in .*more/.*Nothing was forgotten"):
        forgotten(store, "secret.txt")
    assert forgotten(store, other / "secret.txt").texts == 1
    assert SECRET in ask(store).answer


@pytest.mark.parametrize("path", ["absent.txt", "secret", "SECRET.txt", "caf\udce9.txt", "%", "secret_txt", "/"])
def test_a_path_that_was_never_indexed_is_refused(store: Store, root: Path, path: str) -> None:
    index(store, root)
    with pytest.raises(SourceProblem, match="was never indexed"):
        forgotten(store, root / "secret.txt", root / path if path != "/" else "nowhere")
    assert SECRET in ask(store).answer
    with pytest.raises(SourceProblem, match="no collection 'nowhere'"):
        forgotten(store, root, collection="nowhere")


def test_a_path_is_forgotten_in_every_collection_unless_one_is_named(store: Store, root: Path) -> None:
    for name in ("team", "二", "third"):
        index(store, root, collection=name)
    assert forgotten(store, root / "secret.txt", collection="third").texts == 1
    assert retrieved(store, HashEmbedder(), QUESTION, "二")[0] == SECRET
    report = forgotten(store, root / "secret.txt")
    assert (report.paths, report.texts) == (2, 2)
    assert holders(close(store), SECRET) == set()


def test_everything_can_be_forgotten_and_indexed_again(store: Store, root: Path) -> None:
    index(store, root)
    document = ask(store).citations[0].document_id
    assert forgotten(store, root).texts == 2
    assert ask(store).reason == "nothing_found"
    index(store, root)
    assert service(store).document(document).text == SECRET
    assert forgotten(store, root / "secret.txt").texts == 1


def test_what_an_interrupted_run_stored_is_forgotten_too(store: Store, root: Path) -> None:
    index(store, write(root.parent / "first", x="The first words."))

    class Interrupted(HashEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Vectors:
            if self.embedded_texts:
                raise KeyboardInterrupt
            return super().embed_documents(texts)

    write(root, a_first=SECRET, secret=OTHER)
    with pytest.raises(KeyboardInterrupt):
        ingest(store, Interrupted(), "team", [root], IngestSettings(batch_chunks=1))
    assert holders(store.home, SECRET)
    assert forgotten(store, root / "a_first.txt").texts == 1
    assert holders(close(store), SECRET) == set()


def test_leftovers_of_dead_runs_and_old_generations_go(store: Store, root: Path) -> None:
    index(store, root)
    folder = store.index_root("team")
    write(folder / ".staging-00000009", left=SECRET)
    write(folder / "damaged-gen-00000001", left=SECRET)
    write(root, other="The common limit is 180 pounds.")
    index(store, root)
    (folder / "loose.tmp").write_text(SECRET)
    forgotten(store, root / "secret.txt")
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "gen-00000003"]


def test_a_call_that_was_broken_off_is_finished_by_the_next(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(store, root)
    with monkeypatch.context() as patch:
        patch.setattr("indexer.forget.erase_deleted_rows", interrupt)
        with pytest.raises(KeyboardInterrupt):
            forgotten(store, root / "secret.txt")
    assert retrieved(store, HashEmbedder(), "salary pounds", "team") == [OTHER]
    assert holders(store.home, SECRET)
    report = forgotten(store, root / "secret.txt")
    assert report.paths == 0
    assert holders(close(store), SECRET) == set()
    with pytest.raises(SourceProblem, match="forgotten already"):
        forgotten(store, root / "secret.txt")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_reader_that_holds_the_log_is_reported_and_the_next_call_finishes(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(store, root)
    engine: Engine = store.sessions.kw["bind"]
    with engine.connect() as reader:
        reader.exec_driver_sql("PRAGMA busy_timeout = 100")
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM contents").one()
        monkeypatch.setattr(erase, "_BUSY_MS", 100)
        with pytest.raises(EraseIncomplete, match="tenkyo serve"):
            forgotten(store, root / "secret.txt")
        reader.exec_driver_sql("ROLLBACK")
    assert retrieved(store, HashEmbedder(), "salary pounds", "team") == [OTHER]
    forgotten(store, root / "secret.txt")
    assert holders(close(store), SECRET) == set()


def test_an_index_file_that_cannot_be_deleted_is_named(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(store, root)
    with monkeypatch.context() as patch:
        patch.setattr("indexer.erase.shutil", Refusing)
        with pytest.raises(EraseIncomplete, match=r"gen-00000001 still holds it.*run the same command again"):
            forgotten(store, root / "secret.txt")
    forgotten(store, root / "secret.txt")
    assert holders(close(store), SECRET) == set()


class Refusing:
    """Stands in for the module `shutil` on a folder that may not be changed."""

    @staticmethod
    def rmtree(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))


def test_forgetting_waits_for_no_indexer(store: Store, root: Path) -> None:
    index(store, root)
    with store.lock("team"), pytest.raises(IndexBusy):
        forgotten(store, root / "secret.txt")
    assert SECRET in ask(store).answer


def test_an_answer_that_was_under_way_is_not_recorded(any_store: Store, root: Path) -> None:
    """Its passages were read before the text was forgotten, and its record is written afterwards."""
    index(any_store, root)
    events: Iterator[Event] = service(any_store).ask_events(QUESTION, "team")
    next(events)
    next(events)
    forgotten(any_store, root / "secret.txt")
    *_, last = events
    assert isinstance(last.data, AnswerModel)
    record = service(any_store).answer(last.data.id).record
    assert "forgotten_at" in record
    assert "passages" not in record
    assert holders(close(any_store), SECRET) == set()


def test_a_document_that_never_was_is_not_found_rather_than_gone(store: Store, root: Path) -> None:
    index(store, root)
    with pytest.raises(NotFound):
        service(store).document("0" * 16)


def test_the_record_of_what_was_forgotten_holds_no_text_and_no_path(store: Store, root: Path) -> None:
    index(store, root)
    forgotten(store, root / "secret.txt")
    with store.sessions() as session:
        (row,) = session.scalars(select(Forgotten))
        assert session.scalar(select(func.count()).select_from(Content)) == 1
    assert set(Forgotten.__table__.columns.keys()) == {"content_id", "collection_id", "forgotten_at", "erased"}
    when = row.forgotten_at if row.forgotten_at.tzinfo else row.forgotten_at.replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - when).total_seconds()) < 60
    assert b"secret.txt" not in (close(store) / "tenkyo.sqlite3").read_bytes()
