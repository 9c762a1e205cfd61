"""Recorded answers: what was asked, what was shown, and all that is needed to see why."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Text, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from indexer.tables import Base


class AnswerRow(Base):
    """One answer; `record` is the object that the user was given, with the settings that led to it."""

    __tablename__ = "answers"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    collection: Mapped[str] = mapped_column(Text)
    record: Mapped[dict[str, Any]] = mapped_column(JSON)


def store_answer(session: Session, answer_id: str, collection: str, record: dict[str, Any]) -> None:
    """Adds a record; the caller commits."""
    session.add(AnswerRow(id=answer_id, created_at=datetime.now(UTC), collection=collection, record=record))


def forget_answers(session: Session, before: datetime) -> None:
    """Removes the records made before a time; the caller commits."""
    session.execute(delete(AnswerRow).where(AnswerRow.created_at < before))


def load_answer(session: Session, answer_id: str) -> AnswerRow | None:
    """The record of that id, if it is kept."""
    return session.get(AnswerRow, answer_id)
