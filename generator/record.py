"""Recorded answers: what was asked, what was shown, and all that is needed to see why."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from indexer.identity import format_id, parse_id
from indexer.tables import Base


class AnswerRow(Base):
    """One answer; `record` is the object that the user was given, with the settings that led to it."""

    __tablename__ = "answers"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    collection: Mapped[str] = mapped_column(Text)
    record: Mapped[dict[str, Any]] = mapped_column(JSON)


def store_answer(session: Session, answer_id: str, collection: str, record: dict[str, Any]) -> AnswerRow:
    """Adds a record; the caller commits."""
    row = AnswerRow(id=answer_id, created_at=datetime.now(UTC), collection=collection, record=record)
    session.add(row)
    session.flush()
    return row


def forget_answers(session: Session, before: datetime) -> None:
    """Removes the records made before a time; the caller commits."""
    session.execute(delete(AnswerRow).where(AnswerRow.created_at < before))


def load_answer(session: Session, answer_id: str) -> AnswerRow | None:
    """The record of that id, if it is kept."""
    return session.get(AnswerRow, answer_id)


def shown_contents(session: Session, collection: str) -> set[int]:
    """Ids of the contents that the kept answers of a collection show: what they cite, and their passages."""
    kept = select(AnswerRow.record).where(AnswerRow.collection == collection).execution_options(yield_per=200)
    ids = {parse_id(document_id) for record in session.scalars(kept) for document_id in _shown(record)}
    return {content_id for content_id in ids if content_id is not None}


def withhold_answers(session: Session, collection: str, content_ids: frozenset[int], when: datetime) -> int:
    """Takes every record that shows or cites one of these contents down to the fact that there was an answer.

    What users asked goes too: a question may repeat what it was told. Returns how many records; the caller commits.
    """
    ids = {format_id(content_id) for content_id in content_ids}
    count = 0
    rows = session.scalars(select(AnswerRow).where(AnswerRow.collection == collection).execution_options(yield_per=200))
    for row in rows if ids else ():
        if not ids.isdisjoint(_sources(row.record)):
            row.record = withheld(row.record, when)
            count += 1
    session.flush()
    return count


def withheld(record: dict[str, Any], when: datetime) -> dict[str, Any]:
    """What is left of a record whose source was forgotten: nothing that a document or a user has said."""
    kept = ("id", "status", "reason", "collection", "generation", "embedder", "llm", "timings_ms")
    return {**{name: record[name] for name in kept if name in record}, "forgotten_at": when.isoformat()}


def _shown(record: dict[str, Any]) -> set[str]:
    """Documents to which the answer links."""
    return {item["document_id"] for name in ("passages", "citations") for item in record.get(name, ())}


def _sources(record: dict[str, Any]) -> set[str]:
    """These, and those that were read for it without being shown."""
    return _shown(record).union(record.get("sources", ()))
