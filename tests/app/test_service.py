"""The service behaves alike on SQLite and on PostgreSQL."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.schemas import AnswerModel
from app.service import NotFound, Service
from generator.errors import InvalidQuestion
from generator.record import AnswerRow
from indexer.catalog import hold_contents
from indexer.ingest import IngestSettings, Store, ingest
from retriever.errors import EmbedderMismatch, UnknownCollection
from tests.app.conftest import DOCUMENTS, ENGLISH, JAPANESE, UNRELATED
from tests.fakes import HashEmbedder

pytestmark = pytest.mark.usefixtures("handmade_weights", "quick_reader")


def index(store: Store, *roots: Path, collection: str = "default", allow_empty: bool = False) -> None:
    ingest(store, HashEmbedder(), collection, roots, IngestSettings(), allow_empty=allow_empty)


def open_service(store: Store) -> Service:
    return Service(store, HashEmbedder())


def assert_verbatim(service: Service, answer: AnswerModel) -> None:
    for citation in answer.citations:
        document = service.document(citation.document_id)
        assert document.text[citation.start : citation.end] == citation.quote
        assert document.content_sha256 == citation.content_sha256
        assert document.title == citation.title
        assert citation.path in document.paths


def test_an_indexed_folder_answers_with_sources_that_open(indexed_store: Store) -> None:
    service = open_service(indexed_store)
    english, japanese = service.ask(ENGLISH, None), service.ask(JAPANESE, "handbook")
    assert english.status == japanese.status == "answered"
    assert "Each parent gets 45 working days of paid parental leave." in [claim.text for claim in english.claims]
    assert "在宅勤務は週に3日までとする。" in [claim.text for claim in japanese.claims]
    assert (english.citations[0].path, japanese.citations[0].path) == ("hr/leave.md", "hr/zaitaku.md")
    assert_verbatim(service, english)
    assert_verbatim(service, japanese)


def test_collections_and_documents_are_listed(indexed_store: Store, documents: Path) -> None:
    service = open_service(indexed_store)
    (collection,) = service.collections()
    assert (collection.name, collection.documents, collection.generation) == ("handbook", len(DOCUMENTS), 1)
    assert collection.chunks >= len(DOCUMENTS)
    assert collection.embedder == HashEmbedder().fingerprint
    listed = service.documents(None, "", 100)
    assert [document.path for document in listed] == sorted(DOCUMENTS)
    assert [document.path for document in service.documents(None, "hr/leave.md", 1)] == ["hr/zaitaku.md"]
    leave = next(document for document in listed if document.path == "hr/leave.md")
    document = service.document(leave.document_id)
    assert (document.paths, document.current, document.pages, document.title) == (
        ["hr/leave.md"],
        True,
        None,
        "Leave policy",
    )
    assert leave.size == (documents / "hr" / "leave.md").stat().st_size


def test_an_answer_is_recorded_as_it_was_given(indexed_store: Store) -> None:
    service = open_service(indexed_store)
    for question in (ENGLISH, JAPANESE, UNRELATED):
        answer = service.ask(question, None)
        kept = service.answer(answer.id)
        assert (kept.id, kept.collection) == (answer.id, "handbook")
        assert {name: kept.record[name] for name in answer.model_dump()} == answer.model_dump()
        assert (kept.record["generation"], kept.record["llm"]) == (1, "extractive")
        assert kept.record["embedder"] == HashEmbedder().fingerprint


def test_an_old_citation_opens_after_its_document_has_changed_and_after_it_has_gone(
    any_store: Store, folder: Path
) -> None:
    index(any_store, folder)
    service = open_service(any_store)
    (citation, *_) = service.ask(ENGLISH, None).citations
    (folder / "leave.md").write_text("# Leave policy\n\nEach parent gets 60 working days of paid parental leave.\n")
    index(any_store, folder)
    old = service.document(citation.document_id)
    assert not old.current
    assert old.text[citation.start : citation.end] == citation.quote
    assert old.paths == ["leave.md"]
    (new, *_) = service.ask(ENGLISH, None).citations
    assert new.quote == "Each parent gets 60 working days of paid parental leave."
    assert service.document(new.document_id).current
    (folder / "leave.md").unlink()
    index(any_store, folder)
    for gone in (citation, new):
        document = service.document(gone.document_id)
        assert (document.current, document.text[gone.start : gone.end]) == (False, gone.quote)
    assert service.ask(ENGLISH, None).status == "abstained"


def test_a_document_that_comes_back_is_answered_from_again(store: Store, folder: Path) -> None:
    index(store, folder)
    (first, *_) = open_service(store).ask(ENGLISH, None).citations
    gone = (folder / "leave.md").rename(folder / "leave.hidden")
    index(store, folder)
    assert open_service(store).ask(ENGLISH, None).status == "abstained"
    gone.rename(folder / "leave.md")
    index(store, folder)
    (again, *_) = open_service(store).ask(ENGLISH, None).citations
    assert (again.document_id, again.quote) == (first.document_id, first.quote)
    assert open_service(store).document(first.document_id).current


def test_without_a_collection_the_only_one_is_asked(store: Store, folder: Path) -> None:
    index(store, folder, collection="handbook")
    service = open_service(store)
    assert service.ask(ENGLISH, None).status == "answered"
    index(store, folder / "expenses.txt", collection="other")
    with pytest.raises(UnknownCollection, match=r"several.*handbook, other"):
        service.ask(ENGLISH, None)
    assert service.ask(ENGLISH, "handbook").status == "answered"
    assert service.ask(ENGLISH, "other").status == "abstained"


def test_nothing_indexed_yet_says_what_to_run(store: Store) -> None:
    service = open_service(store)
    service.check_ready()
    assert service.collections() == []
    with pytest.raises(UnknownCollection, match="tenkyo index"):
        service.ask(ENGLISH, None)


def test_a_glob_limits_the_documents(service: Service) -> None:
    assert service.ask(ENGLISH, None, "hr/*").citations[0].path == "hr/leave.md"
    for passage in service.ask(ENGLISH, None, "*.txt").passages:
        assert passage.path.endswith(".txt")
    assert service.ask(ENGLISH, None, "nowhere/*").passages == []


def test_the_events_tell_the_same_story_as_the_answer(service: Service) -> None:
    events = list(service.ask_events(ENGLISH, None))
    names = [event.name for event in events]
    assert names[:3] == ["status", "passages", "status"]
    assert set(names[3:-1]) == {"claim"}
    assert names[-1] == "answer"
    assert isinstance(events[-1].data, AnswerModel)
    assert service.answer(events[-1].data.id).record["claims"] == [c.model_dump() for c in events[-1].data.claims]


def count_answers(store: Store) -> int:
    with store.sessions() as session:
        return session.scalar(select(func.count()).select_from(AnswerRow)) or 0


def test_what_cannot_be_asked_is_not_recorded(indexed_copy: Store) -> None:
    service, before = open_service(indexed_copy), count_answers(indexed_copy)
    for question in ("", "???", "\x00"):
        with pytest.raises(InvalidQuestion):
            service.ask(question, None)
    with pytest.raises(UnknownCollection):
        service.ask(ENGLISH, "nowhere")
    assert count_answers(indexed_copy) == before
    service.ask(ENGLISH, None)
    assert count_answers(indexed_copy) == before + 1


def test_the_index_of_another_embedder_is_refused(indexed_copy: Store) -> None:
    other = Service(indexed_copy, HashEmbedder("other@1"))
    with pytest.raises(EmbedderMismatch, match="TENKYO_EMBEDDER"):
        other.check_ready()
    with pytest.raises(EmbedderMismatch):
        other.ask(ENGLISH, None)


@pytest.mark.parametrize("identifier", ["", "0", "x" * 16, "f" * 16, "0" * 16, "0" * 15 + "G", "１" * 16, "-" * 16])
def test_an_id_that_names_nothing_is_not_found(service: Service, identifier: str) -> None:
    with pytest.raises(NotFound):
        service.document(identifier)
    with pytest.raises(NotFound):
        service.answer(identifier)


def test_a_question_and_an_answer_may_hold_any_letter(any_store: Store, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "𠮷野家.txt").write_text("𠮷野家の予算は👩‍💻で5万円。\n", encoding="utf-8")
    index(any_store, tmp_path / "d")
    service = open_service(any_store)
    answer = service.ask("𠮷野家の予算 👩‍💻", None)
    assert answer.status == "answered"
    assert answer.citations[0].path == "𠮷野家.txt"
    assert_verbatim(service, answer)
    assert service.answer(answer.id).record["question"] == "𠮷野家の予算 👩‍💻"


def test_recorded_answers_are_kept_as_long_as_the_setting_says(any_store: Store, folder: Path) -> None:
    index(any_store, folder)
    old, recent = (open_service(any_store).ask(ENGLISH, "default").id for _ in range(2))
    with any_store.sessions.begin() as session:
        session.get_one(AnswerRow, old).created_at = datetime.now(UTC) - timedelta(days=91)
    service = open_service(any_store)
    service.ask(ENGLISH, "default")
    assert service.answer(recent).id == recent
    with pytest.raises(NotFound):
        service.answer(old)


def test_nobody_can_forget_between_the_look_at_the_sources_and_the_record(
    indexed_copy: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the second answer of a minute, which deletes no old records."""
    looked: list[bool] = []

    def look(session: Session, contents: set[int]) -> bool:
        with closing(sqlite3.connect(indexed_copy.home / "tenkyo.sqlite3", timeout=0)) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("DELETE FROM contents")
            other.rollback()
        looked.append(hold_contents(session, contents))
        return looked[-1]

    monkeypatch.setattr("app.service.hold_contents", look)
    service = open_service(indexed_copy)
    for _ in range(2):
        asked = service.ask(ENGLISH, None)
        assert service.answer(asked.id).record["answer"] == asked.answer
    assert looked == [True, True]
