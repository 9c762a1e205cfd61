"""What Tenkyo does for its users, whatever the way in: page, REST, command line. Knows no HTTP."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.config import Settings
from app.database import database_url, open_database
from app.errors import ConfigurationProblem
from app.schemas import (
    AnswerModel,
    ClaimEvent,
    CollectionModel,
    DocumentModel,
    DocumentSummary,
    PageModel,
    RecordModel,
    answer_model,
    citation_model,
    claim_model,
    passage_model,
)
from generator.answer import Answer
from generator.extractive import Extractive
from generator.question import check_question
from generator.record import load_answer, store_answer
from indexer.catalog import find_collection, unpack_layout
from indexer.embedder import Embedder, SentenceTransformerEmbedder
from indexer.identity import format_id, parse_id
from indexer.ingest import Store
from indexer.tables import Chunk, Collection, Content, Document
from retriever.errors import UnknownCollection
from retriever.search import Retriever

DEFAULT_COLLECTION = "default"


class NotFound(Exception):
    """There is nothing under this id."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a streamed answer: its name, and an object that can be written as JSON."""

    name: str
    data: BaseModel | dict[str, object]


class Service:
    """Thread-safe; one per process."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._retriever = Retriever(store, embedder)
        self._answerer = Extractive(embedder)

    def ask(self, question: str, collection: str | None, path: str | None = None) -> AnswerModel:
        """The recorded answer. Raises InvalidQuestion, UnknownCollection, EmbedderMismatch or IndexDamaged."""
        *_, last = self.ask_events(question, collection, path)
        assert isinstance(last.data, AnswerModel)
        return last.data

    def ask_events(self, question: str, collection: str | None, path: str | None = None) -> Iterator[Event]:
        """The same, step by step: `status`, `passages`, each `claim` once it is checked, and the whole `answer`."""
        started = time.perf_counter()
        question = check_question(question)
        name = self._resolve(collection)
        yield Event("status", {"stage": "retrieving"})
        retrieval = self._retriever.retrieve(question, name, path)
        yield Event("passages", {"passages": [passage_model(p).model_dump() for p in retrieval.passages]})
        yield Event("status", {"stage": "checking"})
        answer = self._answerer.answer(question, retrieval)
        for claim in answer.claims:
            sources = [citation_model(c) for c in answer.citations if c.n in claim.citations]
            yield Event("claim", ClaimEvent(**claim_model(claim).model_dump(), sources=sources))
        model = answer_model(format_id(secrets.randbits(63)), answer)
        model.timings_ms["total"] = round((time.perf_counter() - started) * 1000, 2)
        self._record(model, answer, name, retrieval.generation)
        yield Event("answer", model)

    def _record(self, model: AnswerModel, answer: Answer, collection: str, generation: int) -> None:
        record = model.model_dump()
        record["collection"] = collection
        record["generation"] = generation
        record["embedder"] = self._embedder.fingerprint
        record["llm"] = "extractive"
        record["checks"] = [claim.checked for claim in answer.claims]
        with self._store.sessions.begin() as session:
            store_answer(session, model.id, collection, record)

    def _resolve(self, collection: str | None) -> str:
        """The collection asked for; without one, the only one there is, else "default"."""
        if collection is not None:
            return collection
        names = [c.name for c in self.collections()]
        return names[0] if len(names) == 1 else DEFAULT_COLLECTION

    def collections(self) -> list[CollectionModel]:
        """Published collections by name."""
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
                    embedder=row.embedder,
                    indexed_at=row.indexed_at.isoformat(timespec="seconds") if row.indexed_at else None,
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
        """The content of that id, current or not. Raises NotFound."""
        number = parse_id(document_id)
        with self._store.sessions() as session:
            content = session.get(Content, number) if number is not None else None
            if content is None or not content.published:
                raise NotFound(f"there is no document {document_id}; GET /documents lists them")
            paths = sorted(d.path for d in content.documents)
            pages = [PageModel(number=p.number, start=p.start, end=p.end) for p in unpack_layout(content.layout).pages]
            return DocumentModel(
                document_id=document_id,
                paths=paths or [content.last_path],
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
        """Loads the model and opens every index, so that the first question does not wait."""
        for collection in self.collections():
            self._retriever.retrieve("warm up", collection.name)
        self._embedder.embed_query("warm up")

    def check_ready(self) -> None:
        """Raises whatever keeps questions from being answered: the database, or an index that cannot be opened."""
        for collection in self.collections():
            self._retriever.open(collection.name)


def _count(session: Session, table: type[Document], condition: object) -> int:
    return session.scalar(select(func.count()).select_from(table).where(condition)) or 0  # type: ignore[arg-type]


def open_store(settings: Settings) -> Store:
    """The database and data folder of the settings. Raises ConfigurationProblem or DatabaseProblem."""
    home = settings.home.expanduser().resolve()
    return Store(open_database(database_url(settings.database_url, home)), home)


def open_service(settings: Settings) -> Service:
    """The service of the settings. Raises ConfigurationProblem, DatabaseProblem or EmbedderProblem."""
    if settings.llm != "extractive":
        raise ConfigurationProblem(f"TENKYO_LLM is {settings.llm!r}, but this version answers with `extractive` only")
    return Service(open_store(settings), SentenceTransformerEmbedder(settings.embedder_settings()))
