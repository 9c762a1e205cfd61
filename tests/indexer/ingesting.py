"""Runs the write path for tests, and looks at what it left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sqlalchemy import select

from indexer import catalog
from indexer.comparison import Report
from indexer.document import ExtractedDocument
from indexer.embedder import Vectors
from indexer.generation import Generation, open_generation
from indexer.ingest import IngestSettings, Store, ingest
from indexer.readers import read_document
from indexer.sandbox import SandboxSettings
from indexer.tables import Chunk, Collection, Content, Document
from retriever.search import Retriever
from tests.fakes import HashEmbedder

COLLECTION = "handbook"
DEFAULTS = IngestSettings()
# One chunk fills a batch, so that every file is a transaction of its own.
ONE_AT_A_TIME = IngestSettings(batch_chunks=1)


class InProcessReader:
    """Stands in for `ReaderProcess` where a child process would only cost its second."""

    def __init__(self, settings: SandboxSettings) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def read(self, path: str, data: bytes) -> ExtractedDocument:
        return read_document(path, data)


class CrashingEmbedder(HashEmbedder):
    """Embeds `calls` batches, then fails as a machine without memory does."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._left = calls

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if not self._left:
            raise RuntimeError("out of memory")
        self._left -= 1
        return super().embed_documents(texts)


class ShortEmbedder(HashEmbedder):
    """A model of other dimensions."""

    def __init__(self) -> None:
        super().__init__("short@1")

    def embed_query(self, text: str) -> Vectors:
        return super().embed_query(text)[:32]


def index(
    store: Store,
    embedder: HashEmbedder,
    *roots: Path,
    collection: str = COLLECTION,
    settings: IngestSettings = DEFAULTS,
    allow_empty: bool = False,
    rebuild: bool = False,
    checksum: bool = False,
) -> Report:
    return ingest(
        store, embedder, collection, roots, settings, allow_empty=allow_empty, rebuild=rebuild, checksum=checksum
    )


def counts(report: Report) -> tuple[int, int, int, int]:
    """(indexed, unchanged, removed, failed)."""
    return report.indexed, report.unchanged, report.removed, len(report.failed)


def write(root: Path, **files: str) -> Path:
    """Text files named by keyword; returns the folder."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (root / f"{name}.txt").write_text(content, encoding="utf-8")
    return root


def retrieved(store: Store, embedder: HashEmbedder, question: str, collection: str = COLLECTION) -> list[str]:
    """Texts that a question leads to, best first."""
    return [passage.text for passage in Retriever(store, embedder).retrieve(question, collection).passages]


def indexed_paths(store: Store, collection: str = COLLECTION) -> list[str]:
    with store.sessions() as session:
        states = catalog.current_documents(session, catalog.collection_id(collection))
    return sorted(state.path for state in states.values())


def stored_texts(store: Store) -> list[str]:
    """Of all contents, those that no path leads to any more included."""
    with store.sessions() as session:
        return sorted(session.scalars(select(Content.text)))


def row_of(store: Store, collection: str = COLLECTION) -> Collection:
    with store.sessions() as session:
        row = catalog.find_collection(session, collection)
    assert row is not None
    return row


def open_current(store: Store, collection: str = COLLECTION) -> Generation:
    row = row_of(store, collection)
    assert row.manifest_sha256 is not None
    return open_generation(store.index_root(collection), row.generation, row.manifest_sha256, row.embedder)


def check_consistent(store: Store, embedder: HashEmbedder, words: str, collection: str = COLLECTION) -> None:
    """Both indexes hold exactly the chunks that SQL has for the current documents, if all of them hold `words`."""
    with store.sessions() as session:
        chunks = session.execute(
            select(Chunk.id, Chunk.start, Chunk.end, Chunk.text, Content.text.label("whole"))
            .join(Content)
            .where(Content.collection_id == catalog.collection_id(collection))
        ).all()
        current = set(session.scalars(select(Document.content_id)))
        assert set(session.scalars(select(Chunk.content_id))) <= current
    for chunk in chunks:
        assert chunk.text == chunk.whole[chunk.start : chunk.end]
    generation, wanted = open_current(store, collection), sorted(chunk.id for chunk in chunks)
    assert generation.manifest.chunks == len(wanted)
    k = 10 * len(wanted) + 10
    assert sorted(hit.chunk_id for hit in generation.dense.search(embedder.embed_query(words), k)) == wanted
    assert sorted(hit.chunk_id for hit in generation.lexical.search([words], k)) == wanted
