"""The tables of the write path. SQL is the only truth: every index can be rebuilt from these rows.

A `Content` is what one reader made of one file's bytes, stored once per collection however many paths lead to it;
its id never changes meaning, so a citation of it opens the same words for ever. A `Document` is a path to it.
"""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Index, LargeBinary, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Declarative base of every table of the project."""

    metadata = MetaData(naming_convention=_NAMING)


class Collection(Base):
    """A named set of documents with one index; `generation` 0 means that nothing has been published yet.

    `previous_manifest_sha256` is the manifest of the generation before, null if that one must not serve any more.
    """

    __tablename__ = "collections"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text, unique=True)
    embedder: Mapped[str] = mapped_column(Text)
    generation: Mapped[int] = mapped_column(default=0)
    manifest_sha256: Mapped[str | None] = mapped_column(Text)
    previous_manifest_sha256: Mapped[str | None] = mapped_column(Text)
    indexed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Content(Base):
    """One extracted text. `pipeline` names what made it and its chunks; `layout` holds pages, lines and code."""

    __tablename__ = "contents"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(Text)
    pipeline: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    layout: Mapped[dict[str, list[list[float]]]] = mapped_column(JSON)
    last_path: Mapped[str] = mapped_column(Text)
    published: Mapped[bool] = mapped_column(default=False)

    chunks: Mapped[list["Chunk"]] = relationship(back_populates="content", passive_deletes=True)
    documents: Mapped[list["Document"]] = relationship(back_populates="content", passive_deletes=True)


class Document(Base):
    """A file: `location` is its absolute path, `path` its path below the folder that was indexed.

    `stamp` is what the file system said of it when it was hashed, null where that proves nothing (indexer/stamps.py).
    """

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("collection_id", "location"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    content_id: Mapped[int] = mapped_column(ForeignKey("contents.id"), index=True)
    location: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    stamp: Mapped[str | None] = mapped_column(Text)

    content: Mapped[Content] = relationship(back_populates="documents")


class Version(Base):
    """A content that a path leads to, or has led to. So a path can be forgotten with all that it ever held."""

    __tablename__ = "versions"
    __table_args__ = (Index("ix_versions_collection_id_location", "collection_id", "location"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    content_id: Mapped[int] = mapped_column(ForeignKey("contents.id", ondelete="CASCADE"), index=True)
    location: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)


class Forgotten(Base):
    """The id of a content that was deleted for good, and when: no text, no path. Not `erased`: its bytes may remain."""

    __tablename__ = "forgotten"

    content_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    forgotten_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    erased: Mapped[bool] = mapped_column(default=False)


class Chunk(Base):
    """A span of a content. `embedding` is little-endian float32, or null where the model cannot read the text."""

    __tablename__ = "chunks"
    __table_args__ = (Index("ix_chunks_content_id_ordinal", "content_id", "ordinal", unique=True),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    content_id: Mapped[int] = mapped_column(ForeignKey("contents.id", ondelete="CASCADE"))
    ordinal: Mapped[int]
    start: Mapped[int]
    end: Mapped[int]
    heading_path: Mapped[list[str]] = mapped_column(JSON)
    text: Mapped[str] = mapped_column(Text)
    embedding: Mapped[bytes | None] = mapped_column(LargeBinary)

    content: Mapped[Content] = relationship(back_populates="chunks")


class Lease(Base):
    """Who writes to a collection. The lock decides who may begin; the token, whether its holder may still publish."""

    __tablename__ = "leases"

    collection_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    token: Mapped[str] = mapped_column(Text)
    holder: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))
