"""The read path: a question in, passages out.

Searches both indexes of the generation that answers, fuses what they find, and loads it from SQL. Knows no answers and
no HTTP.
"""

import fnmatch
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from indexer.analysis import question_terms
from indexer.catalog import collection_id, find_collection
from indexer.dense import Ids
from indexer.embedder import Embedder
from indexer.errors import FilesDamaged
from indexer.generation import Generation
from indexer.ingest import Store
from indexer.tables import Chunk, Collection, Document
from retriever.errors import EmbedderMismatch, UnknownCollection
from retriever.fusion import Candidate, FusionSettings, dense_weight, fuse
from retriever.passages import Passage, PassageSettings, build_passages
from retriever.serving import OpenGenerations, Serving


@dataclass(frozen=True, slots=True)
class RetrieverSettings:
    """`candidates` is how many chunks each index returns before fusion; `every_byte`: see `open_generation`."""

    candidates: int = 200
    every_byte: bool = True
    fusion: FusionSettings = field(default_factory=FusionSettings)
    passages: PassageSettings = field(default_factory=PassageSettings)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Passages for a question, best first, and what it took to find them.

    `coverage` is the share of the question that the embedding model reads; `rarity` maps each term of the question to
    a weight in [0, 1]; times are in milliseconds; `warning` says what is wrong with the index, if anything is.
    """

    passages: tuple[Passage, ...]
    generation: int
    coverage: float
    rarity: Mapping[str, float]
    timings_ms: Mapping[str, float]
    warning: str | None = None


class Retriever:
    """Thread-safe; one per process."""

    def __init__(self, store: Store, embedder: Embedder, settings: RetrieverSettings | None = None) -> None:
        self._store = store
        self._embedder = embedder
        self._settings = settings or RetrieverSettings()
        self._generations = OpenGenerations(store, every_byte=self._settings.every_byte)

    def retrieve(self, question: str, collection: str, path_glob: str | None = None) -> Retrieval:
        """Passages of the collection (and of paths that match the glob, if given).

        Raises UnknownCollection, EmbedderMismatch, or IndexDamaged with the command that repairs it.
        """
        try:
            return self._retrieve_current(question, collection, path_glob)
        except FilesDamaged:  # since they were opened: opening them again finds it and serves the generation before
            self._generations.close(collection_id(collection))
            return self._retrieve_current(question, collection, path_glob)

    def _retrieve_current(self, question: str, collection: str, path_glob: str | None) -> Retrieval:
        while True:
            found = self._retrieve(question, collection, path_glob)
            with self._store.sessions() as session:
                # A generation that was replaced meanwhile names chunks that SQL no longer has.
                if self._serving(session, collection).generation.number == found.generation:
                    return found

    def _retrieve(self, question: str, collection: str, path_glob: str | None) -> Retrieval:
        clock = _Clock()
        with self._store.sessions() as session:
            serving = self._serving(session, collection)
            generation = serving.generation
            allowed = _allowed_chunks(session, collection, path_glob) if path_glob else None
            clock.lap("open")
            candidates, coverage = self._search(question, generation, allowed, clock)
            keep = 4 * self._settings.passages.count
            passages = build_passages(session, candidates[:keep], self._settings.passages)
            clock.lap("passages")
        rarity = {term: generation.lexical.rarity(term) for term in question_terms(question)}
        return Retrieval(tuple(passages), generation.number, coverage, rarity, clock.laps, serving.warning)

    def open(self, collection: str) -> Generation:
        """The generation that answers for the collection. Raises as `retrieve` does."""
        with self._store.sessions() as session:
            return self._serving(session, collection).generation

    def warning(self, collection: str) -> str | None:
        """What is wrong with the collection's index though it answers. Raises as `retrieve` does."""
        with self._store.sessions() as session:
            return self._serving(session, collection).warning

    def rank(self, question: str, collection: str) -> list[Candidate]:
        """Chunks by fused score before anything is joined or removed; what benchmarks measure."""
        return self._search(question, self.open(collection), None, _Clock())[0]

    def _search(
        self, question: str, generation: Generation, allowed: Ids | None, clock: "_Clock"
    ) -> tuple[list[Candidate], float]:
        count = self._settings.candidates
        coverage = self._embedder.coverage(question)
        weight = dense_weight(coverage, self._settings.fusion)
        dense = []
        if weight > 0.0 and generation.manifest.segments:
            vector = self._embedder.embed_query(question)
            clock.lap("embed")
            dense = generation.dense.search(vector, count, allowed)
            clock.lap("dense")
        lexical = generation.lexical.search(
            question_terms(question), count if allowed is None else generation.manifest.chunks
        )
        if allowed is not None:
            among = set(allowed.tolist())
            lexical = [hit for hit in lexical if hit.chunk_id in among][:count]
        clock.lap("lexical")
        return fuse(dense, lexical, weight), coverage

    def _serving(self, session: Session, name: str) -> Serving:
        row = find_collection(session, name)
        if row is None or row.manifest_sha256 is None:
            known = session.scalars(select(Collection.name).where(Collection.generation > 0).order_by(Collection.name))
            names = ", ".join(known) or "none yet: run `tenkyo index FOLDER`"
            raise UnknownCollection(f"there is no collection {name!r}; there is: {names}")
        if row.embedder != self._embedder.fingerprint:
            raise EmbedderMismatch(
                f"collection {name!r} was built with {row.embedder}, the embedder is now {self._embedder.fingerprint}: "
                f"set TENKYO_EMBEDDER back, or run `tenkyo index --rebuild … --collection {name}`"
            )
        return self._generations.serving(session, row)


def _allowed_chunks(session: Session, collection: str, path_glob: str) -> Ids:
    """Ids of the chunks of documents whose path matches; "*" matches "/" too, as in a .gitignore's "**"."""
    pattern = re.compile(fnmatch.translate(path_glob))
    row = find_collection(session, collection)
    assert row is not None
    documents = session.execute(select(Document.path, Document.content_id).where(Document.collection_id == row.id))
    contents = {document.content_id for document in documents if pattern.match(document.path)}
    chunks = session.execute(
        select(Chunk.id, Chunk.content_id)
        .join(Document, Document.content_id == Chunk.content_id)
        .where(Document.collection_id == row.id)
    )
    return np.array(sorted({chunk.id for chunk in chunks if chunk.content_id in contents}), dtype=np.int64)


class _Clock:
    """Lap times in milliseconds; laps of the same name add up."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + (now - self._last) * 1000
        self._last = now
