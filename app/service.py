"""What Tenkyo does for its users, whatever the way in: page, REST, command line. Knows no HTTP."""

import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.answering import Answering
from app.config import Settings
from app.database import database_url, open_database
from app.schemas import (
    AnswerModel,
    ClaimEvent,
    CollectionModel,
    DocumentModel,
    DocumentSummary,
    PageModel,
    RecordModel,
    SegmentModel,
    answer_model,
    citation_model,
    claim_model,
    passage_model,
)
from generator.answer import Answer, Shown
from generator.backends.registry import open_backend
from generator.conversation import MAX_TURNS, Turn
from generator.finding import Finder, Found, confidence_of, join_found
from generator.prompt import load_prompts
from generator.question import check_question
from generator.record import forget_answers, load_answer, store_answer, withheld
from generator.sentences import is_unspaced
from generator.support import RuleVerifier
from generator.writer import Writer
from indexer.catalog import find_collection, hold_contents, unpack_layout
from indexer.copies import COPIES
from indexer.cpu_engine import kept_engine
from indexer.embedder import Embedder, SentenceTransformerEmbedder
from indexer.errors import IndexDamaged
from indexer.generation import unchecked_segments
from indexer.identity import format_id, parse_id
from indexer.ingest import Store
from indexer.tables import Chunk, Collection, Content, Document, Forgotten, Version
from retriever.errors import EmbedderMismatch, UnknownCollection
from retriever.search import Retriever, RetrieverSettings

DEFAULT_COLLECTION = "default"
_RETENTION_SECONDS = 60.0
OLDER_INDEX_NOTICE = {
    "en": "The newest index is damaged: an older one answered, which does not find what was added since.",
    "ja": "最新の索引が破損しているため、以前の索引で回答しました。その後に追加された文書は検索されません。",
}


class NotFound(Exception):
    """There is nothing under this id."""


class Gone(Exception):
    """What was under this id has been forgotten for good."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a streamed answer: its name, and an object that can be written as JSON."""

    name: str
    data: BaseModel | dict[str, object]


@dataclass(frozen=True, slots=True)
class Replay:
    """A recorded answer beside the same one made today; `differing` names what is not the same."""

    recorded: str
    made_now: str
    differing: tuple[str, ...]


class Service:
    """Thread-safe; one per process."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        answering: Answering | None = None,
        keep_answers_days: int = 90,
        *,
        every_byte: bool = True,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._retriever = Retriever(store, embedder, RetrieverSettings(every_byte=every_byte))
        self._finder = Finder(self._retriever, embedder)
        self._answering = answering or Answering()
        self._keep_answers = timedelta(days=keep_answers_days)
        self._retention_due = 0.0

    def ask(
        self, question: str, collection: str | None, path: str | None = None, history: Sequence[str] = ()
    ) -> AnswerModel:
        """The recorded answer. Raises InvalidQuestion, UnknownCollection, EmbedderMismatch, IndexDamaged, LLMError."""
        *_, last = self.ask_events(question, collection, path, history)
        assert isinstance(last.data, AnswerModel)
        return last.data

    def ask_events(
        self,
        question: str,
        collection: str | None,
        path: str | None = None,
        history: Sequence[str] = (),
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        """The same, step by step: `status`, `passages`, each `claim` once it is checked, and the whole `answer`.

        Setting `cancelled` stops the generation; then no answer follows.
        """
        cancelled = cancelled or threading.Event()
        started = time.perf_counter()
        question = check_question(question)
        name = self._resolve(collection)
        turns = [Turn(check_question(earlier)) for earlier in history[-MAX_TURNS:]]
        yield Event("status", {"stage": "retrieving"})
        understood = self._answering.stand_alone(question, turns, cancelled)
        found: Sequence[Found] = self._finder.find_parts(understood, name, path)
        query = self._answering.other_words(understood, found, cancelled)
        if query is not None:
            yield Event("status", {"stage": "retrieving", "query": query})
            found = self._search_again(query, understood, found, name, path)
        passages = join_found(understood, found).retrieval.passages
        yield Event("passages", {"passages": [passage_model(passage).model_dump() for passage in passages]})
        yield Event("status", {"stage": "checking"})
        language = "ja" if is_unspaced(question) else "en"
        for item in self._answering.stream(understood, found, cancelled, language):
            if cancelled.is_set():
                return
            if isinstance(item, Shown):
                sources = [citation_model(citation) for citation in item.citations]
                yield Event("claim", ClaimEvent(**claim_model(item.claim).model_dump(), sources=sources))
            else:
                answer = replace(
                    item,
                    question=question,
                    rewritten_question=understood if understood != question else None,
                    notice=item.notice or (OLDER_INDEX_NOTICE[language] if found[0].retrieval.warning else None),
                )
                model = answer_model(format_id(secrets.randbits(63)), answer)
                model.timings_ms["total"] = round((time.perf_counter() - started) * 1000, 2)
                self._record(model, answer, name, path, query, found, turns)
                yield Event("answer", model)

    def replay(self, answer_id: str) -> Replay:
        """Makes a recorded answer again, from the question as understood then. Raises NotFound, Gone, or as `ask`."""
        record = self.answer(answer_id).record
        if "forgotten_at" in record:
            raise Gone(
                f"a source of answer {answer_id} was forgotten on {record['forgotten_at']}: it cannot be made again"
            )
        understood = str(record["rewritten_question"] or record["question"])
        trace = record["trace"]
        marker = str(trace["marker"]) if isinstance(trace, dict) else None
        path = None if record["path"] is None else str(record["path"])
        collection, query = str(record["collection"]), record.get("search_query")
        found: Sequence[Found] = self._finder.find_parts(understood, collection, path)
        if query is not None:
            found = self._search_again(str(query), understood, found, collection, path)
        language = "ja" if is_unspaced(understood) else "en"
        *_, last = self._answering.stream(understood, found, threading.Event(), language, marker)
        assert isinstance(last, Answer)
        made = answer_model(answer_id, replace(last, question=str(record["question"]))).model_dump()
        now = {**made, "generation": found[0].retrieval.generation, "embedder": self._embedder.fingerprint}
        now["llm"] = self._answering.model_of(last)
        now["trace"] = last.trace.as_dict() if last.trace else None
        compared = ("generation", "embedder", "llm", "status", "reason", "answer", "citations")
        differing = [name for name in compared if now[name] != record[name]]
        drafts = [t["draft"] if isinstance(t, dict) else None for t in (trace, now["trace"])]
        if drafts[0] != drafts[1]:
            differing.append("draft")
        return Replay(str(record["answer"]), str(now["answer"]), tuple(differing))

    def _search_again(
        self, query: str, question: str, found: Sequence[Found], collection: str, path: str | None
    ) -> Sequence[Found]:
        """What other words find, if it is more likely to answer."""
        again = self._finder.find(query, collection, path)
        return [replace(again, question=question)] if again.ranked.confidence > confidence_of(found) else found

    def _record(
        self,
        model: AnswerModel,
        answer: Answer,
        collection: str,
        path: str | None,
        query: str | None,
        found: Sequence[Found],
        turns: Sequence[Turn],
    ) -> None:
        if not self._keep_answers:
            return
        record = model.model_dump()
        record["collection"] = collection
        record["path"] = path
        record["search_query"] = query
        record["history"] = [turn.question for turn in turns]
        record["generation"] = found[0].retrieval.generation
        record["embedder"] = self._embedder.fingerprint
        record["llm"] = self._answering.model_of(answer)
        record["chunks"] = [
            {"chunk_id": format_id(p.chunk_id), "sha256": hashlib.sha256(p.text.encode()).hexdigest()}
            for p in answer.passages
        ]
        sources = {passage.source.content_id for each in found for passage in each.retrieval.passages}
        record["sources"] = sorted(map(format_id, sources))
        record["checks"] = [claim.checked for claim in answer.claims]
        record["trace"] = answer.trace.as_dict() if answer.trace else None
        with self._store.sessions.begin() as session:
            if time.monotonic() >= self._retention_due:
                self._retention_due = time.monotonic() + _RETENTION_SECONDS
                forget_answers(session, datetime.now(UTC) - self._keep_answers)
            # Written before it is looked: SQLite lets nobody forget in between only if this transaction has written.
            row = store_answer(session, model.id, collection, withheld(record, datetime.now(UTC)))
            if hold_contents(session, sources):
                row.record = record  # else a source was forgotten while the answer was being made

    def _resolve(self, collection: str | None) -> str:
        """The collection asked for; without one, the only one there is, else "default"."""
        if collection is not None:
            return collection
        names = self._published()
        if len(names) > 1 and DEFAULT_COLLECTION not in names:
            raise UnknownCollection(f"there are several collections, name one: {', '.join(names)}")
        return names[0] if len(names) == 1 else DEFAULT_COLLECTION

    def _published(self) -> list[str]:
        with self._store.sessions() as session:
            published = select(Collection.name).where(Collection.generation > 0).order_by(Collection.name)
            return list(session.scalars(published))

    def _problem(self, collection: str) -> str | None:
        try:
            return self._retriever.warning(collection)
        except (IndexDamaged, EmbedderMismatch, UnknownCollection) as error:
            return str(error)

    def collections(self) -> list[CollectionModel]:
        """Published collections by name, each with what is wrong with its index."""
        problems = {name: self._problem(name) for name in self._published()}
        with self._store.sessions() as session:
            rows = session.scalars(select(Collection).where(Collection.generation > 0).order_by(Collection.name))
            return [
                CollectionModel(
                    name=row.name,
                    documents=_count(session, Document, Document.collection_id == row.id),
                    chunks=session.scalar(
                        select(func.count()).select_from(Chunk).join(Content).where(Content.collection_id == row.id)
                    )
                    or 0,
                    generation=row.generation,
                    index=_segments(self._store, row),
                    embedder=row.embedder,
                    engine=kept_engine(self._store.home / COPIES, row.embedder),
                    indexed_at=row.indexed_at.isoformat(timespec="seconds") if row.indexed_at else None,
                    problem=problems.get(row.name),
                )
                for row in rows
            ]

    def documents(self, collection: str | None, after: str, limit: int) -> list[DocumentSummary]:
        """At most `limit` documents whose path comes after `after`. Raises UnknownCollection."""
        name = self._resolve(collection)
        with self._store.sessions() as session:
            row = find_collection(session, name)
            if row is None:
                raise UnknownCollection(f"there is no collection {name!r}")
            found = session.execute(
                select(Document.path, Document.size, Content.id, Content.title, Content.media_type, Content.sha256)
                .join(Content, Content.id == Document.content_id)
                .where(Document.collection_id == row.id, Document.path > after)
                .order_by(Document.path)
                .limit(limit)
            )
            return [
                DocumentSummary(
                    document_id=format_id(d.id),
                    path=d.path,
                    title=d.title,
                    media_type=d.media_type,
                    size=d.size,
                    content_sha256=d.sha256,
                )
                for d in found
            ]

    def document(self, document_id: str) -> DocumentModel:
        """The content of that id, current or not. Raises NotFound, or Gone if it was forgotten."""
        number = parse_id(document_id)
        with self._store.sessions() as session:
            content = session.get(Content, number) if number is not None else None
            if content is None or not content.published:
                if forgotten := session.get(Forgotten, number) if number is not None else None:
                    raise Gone(f"document {document_id} was forgotten on {forgotten.forgotten_at:%Y-%m-%d}, for good")
                raise NotFound(f"there is no document {document_id}; GET /documents lists them")
            paths = sorted(d.path for d in content.documents)
            past = sorted(set(session.scalars(select(Version.path).where(Version.content_id == content.id))))
            pages = [PageModel(number=p.number, start=p.start, end=p.end) for p in unpack_layout(content.layout).pages]
            return DocumentModel(
                document_id=document_id,
                paths=paths or past or [content.last_path],
                title=content.title,
                media_type=content.media_type,
                content_sha256=content.sha256,
                text=content.text,
                pages=pages or None,
                current=bool(paths),
            )

    def answer(self, answer_id: str) -> RecordModel:
        """A recorded answer. Raises NotFound."""
        with self._store.sessions() as session:
            row = load_answer(session, answer_id) if parse_id(answer_id) is not None else None
            if row is None:
                raise NotFound(f"there is no recorded answer {answer_id}")
            return RecordModel(
                id=row.id, created_at=row.created_at.isoformat(), collection=row.collection, record=row.record
            )

    def warm_up(self) -> None:
        """Loads the model and opens every index, so that the first question does not wait.

        A damaged one is passed over: it has been logged, `/readyz` says what to run, and the others can be asked.
        """
        for name in self._published():
            with contextlib.suppress(IndexDamaged):
                self._retriever.retrieve("warm up", name)
        self._embedder.embed_query("warm up")

    def check_ready(self) -> list[str]:
        """Warnings. Raises what keeps questions from being answered: the database, an index that cannot be opened."""
        warnings = [self._retriever.warning(name) for name in self._published()]
        return [warning for warning in warnings if warning]


def _segments(store: Store, collection: Collection) -> list[SegmentModel] | None:
    try:
        found = unchecked_segments(store.index_root(collection.name), collection.generation)
    except IndexDamaged:
        return None  # this is a list of what there is; whoever asks a question is told
    return [SegmentModel(family=s.family, vectors=s.count, deleted=s.deleted) for s in found]


def _count(session: Session, table: type[Document], condition: object) -> int:
    return session.scalar(select(func.count()).select_from(table).where(condition)) or 0  # type: ignore[arg-type]


def open_store(settings: Settings) -> Store:
    """The database and data folder of the settings. Raises ConfigurationProblem or DatabaseProblem."""
    home = settings.data_folder()
    return Store(open_database(database_url(settings.database_url, home)), home)


def existing_store(settings: Settings) -> Store | None:
    """The same, but None where the embedded database would have to be made first."""
    url = database_url(settings.database_url, settings.data_folder())
    if url.get_backend_name() == "sqlite" and not (url.database and Path(url.database).exists()):
        return None
    return open_store(settings)


def check_startable(settings: Settings) -> list[str]:
    """Warnings. Raises what would keep the service from answering, without loading any model or reading all files."""
    embedder = SentenceTransformerEmbedder(settings.embedder_settings())
    return Service(open_store(settings), embedder, every_byte=False).check_ready()


def open_service(settings: Settings, *, every_byte: bool = False) -> Service:
    """The service of the settings; a server's checks every byte of the index when it is opened.

    Raises ConfigurationProblem, DatabaseProblem, EmbedderProblem or LLMUnavailable.
    """
    embedder = SentenceTransformerEmbedder(settings.embedder_settings())
    llm = open_backend(settings.backend_settings())
    prompts = load_prompts(settings.prompts)
    writer = Writer(llm, RuleVerifier(embedder), prompts, settings.writer_settings()) if llm else None
    answering = Answering(writer=writer, fallback=settings.llm_fallback)
    return Service(open_store(settings), embedder, answering, settings.keep_answers_days, every_byte=every_byte)
