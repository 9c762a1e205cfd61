"""Recall of the retriever beside BM25 alone and dense alone, on question sets whose passages are known.

    python -m benchmarks.retrieval --data DATA_FOLDER [--engines product torch]

Each set's distinct passages are indexed as documents of their own. Every chunk is embedded, also those that the model
cannot read (which the product leaves out), so that "dense alone" has all its chances. The product's engine is what this
machine's processor runs fastest (indexer/cpu_engine.py); "torch" is the model as it is, in fp32 (with other work beside
it, OMP_NUM_THREADS=1 is faster: its threads wait for each other).
"""

import argparse
import gzip
import json
import platform
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from app.database import database_url, open_database
from benchmarks.machine import describe_processor
from indexer.analysis import question_terms
from indexer.copies import COPIES
from indexer.cpu_engine import kept_engine
from indexer.embedder import Embedder, EmbedderSettings, SentenceTransformerEmbedder, Vectors
from indexer.generation import Generation
from indexer.ingest import IngestSettings, Store, ingest
from indexer.tables import Chunk, Document
from retriever.search import Retriever

ENGINES = ("product", "torch")
_COLLECTION = "passages"
_DEPTH = 50

Questions = list[tuple[str, int]]
"""Each question and the number of the passage that answers it."""
Method = Callable[[str], Sequence[int]]
"""A question in, ids of chunks out, best first."""


class _EachOnce(SentenceTransformerEmbedder):
    """Embeds a question once, though several methods ask for it."""

    def __init__(self, settings: EmbedderSettings) -> None:
        super().__init__(settings)
        self._known: dict[str, Vectors] = {}

    def embed_query(self, text: str) -> Vectors:
        if text not in self._known:
            self._known[text] = super().embed_query(text)
        return self._known[text]


@dataclass(frozen=True, slots=True)
class Indexed:
    """Passages that have been indexed; `engine` is what embedded them."""

    embedder: Embedder
    engine: str
    retriever: Retriever
    generation: Generation
    path_of: dict[int, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["dev/qa_en", "dev/qa_ja"])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["product"])
    arguments = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {describe_processor()}")
    print("| set | passages | questions | engine | method | recall@1 | recall@5 |\n" + "|---" * 7 + "|")
    for name in arguments.sets:
        passages, questions = read_set(arguments.data / f"{name}.jsonl.gz")
        for engine in arguments.engines:
            with tempfile.TemporaryDirectory() as folder:
                indexed = index(Path(folder), passages, engine)
                for method, ranking in _methods(indexed).items():
                    ranks = [rank(indexed, ranking(question), wanted) for question, wanted in questions]
                    at_1, at_5 = (sum(at < k for at in ranks) / len(ranks) for k in (1, 5))
                    print(
                        f"| {name} | {len(passages)} | {len(questions)} | {indexed.engine} | {method} "
                        f"| {at_1:.3f} | {at_5:.3f} |",
                        flush=True,
                    )


def read_set(file: Path, limit: int | None = None) -> tuple[list[str], Questions]:
    """Distinct passages and the questions to them; with a limit so many questions, at random, and their passages."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    if limit is not None:
        records = random.Random(0).sample([record for record in records if record["answerable"]], limit)
    numbers: dict[str, int] = {}
    questions = []
    for record in records:
        number = numbers.setdefault(record["passage"], len(numbers))
        if record["answerable"]:
            questions.append((record["question"], number))
    return list(numbers), questions


def _path(number: int) -> str:
    return f"{number:06d}.txt"


def index(folder: Path, passages: Sequence[str], engine: str) -> Indexed:
    """Indexes each passage as a document of its own."""
    documents, home = folder / "documents", folder / "home"
    documents.mkdir()
    for number, passage in enumerate(passages):
        (documents / _path(number)).write_text(passage, encoding="utf-8")
    copies = home / COPIES
    embedder = _EachOnce(EmbedderSettings(converted=copies if engine == "product" else None))
    store = Store(open_database(database_url(None, home)), home)
    ingest(store, embedder, _COLLECTION, [documents], IngestSettings(min_coverage=0.0))
    retriever = Retriever(store, embedder)
    with store.sessions() as session:
        rows = session.execute(
            select(Chunk.id, Document.path).join(Document, Document.content_id == Chunk.content_id)
        ).all()
    return Indexed(
        embedder,
        kept_engine(copies, embedder.fingerprint) or "torch",
        retriever,
        retriever.open(_COLLECTION),
        {row.id: row.path for row in rows},
    )


def _methods(indexed: Indexed) -> dict[str, Method]:
    generation, embedder = indexed.generation, indexed.embedder
    return {
        "BM25 alone": lambda q: [hit.chunk_id for hit in generation.lexical.search(question_terms(q), _DEPTH)],
        "dense alone": lambda q: [h.chunk_id for h in generation.dense.search(embedder.embed_query(q), _DEPTH)],
        "Tenkyo": lambda q: [candidate.chunk_id for candidate in indexed.retriever.rank(q, _COLLECTION)],
    }


def rank(indexed: Indexed, chunk_ids: Sequence[int], wanted: int) -> int:
    """Position of the wanted passage among the distinct documents found, from 0; a large number if it is not there.

    A chunk that belongs to no document counts as one of its own.
    """
    distinct = list(dict.fromkeys(indexed.path_of.get(i, str(i)) for i in chunk_ids))
    document = _path(wanted)
    return distinct.index(document) if document in distinct else 10**9


if __name__ == "__main__":
    main()
