"""Recall of the retriever beside BM25 alone and dense alone, on question sets whose passages are known.

    python -m benchmarks.retrieval --data DATA_FOLDER

Each set's distinct passages are indexed as documents of their own. Every chunk is embedded, also those that the model
cannot read (which the product leaves out), so that "dense alone" has all its chances.
"""

import argparse
import gzip
import json
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from app.database import database_url, open_database
from benchmarks.machine import describe_processor
from indexer.analysis import question_terms
from indexer.embedder import EmbedderSettings, SentenceTransformerEmbedder
from indexer.ingest import IngestSettings, Store, ingest
from indexer.tables import Chunk, Document
from retriever.search import Retriever

_DEPTH = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["qa_en", "qa_ja"])
    arguments = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {describe_processor()}")
    print("| set | passages | questions | method | recall@1 | recall@5 |\n|---|---|---|---|---|---|")
    for name in arguments.sets:
        _measure(arguments.data / "dev" / f"{name}.jsonl.gz", name)


def _measure(file: Path, name: str) -> None:
    passages: dict[str, int] = {}
    questions: list[tuple[str, str]] = []
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            number = passages.setdefault(record["passage"], len(passages))
            if record["answerable"]:
                questions.append((record["question"], f"{number:06d}.txt"))
    embedder = SentenceTransformerEmbedder(EmbedderSettings())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "documents").mkdir()
        for passage, number in passages.items():
            (home / "documents" / f"{number:06d}.txt").write_text(passage, encoding="utf-8")
        store = Store(open_database(database_url(None, home / "home")), home / "home")
        ingest(store, embedder, name, [home / "documents"], IngestSettings(min_coverage=0.0))
        retriever = Retriever(store, embedder)
        generation = retriever.open(name)
        with store.sessions() as session:
            rows = session.execute(
                select(Chunk.id, Document.path).join(Document, Document.content_id == Chunk.content_id)
            )
            path_of = {row.id: row.path for row in rows}
        ranks: dict[str, list[int]] = {"BM25 alone": [], "dense alone": [], "Tenkyo": []}
        for question, path in questions:
            found = {
                "BM25 alone": [h.chunk_id for h in generation.lexical.search(question_terms(question), _DEPTH)],
                "dense alone": [h.chunk_id for h in generation.dense.search(embedder.embed_query(question), _DEPTH)],
                "Tenkyo": [c.chunk_id for c in retriever.rank(question, name)],
            }
            for method, chunk_ids in found.items():
                ranks[method].append(_rank([path_of[i] for i in chunk_ids], path))
    for method, values in ranks.items():
        at_1, at_5 = (sum(rank < k for rank in values) / len(values) for k in (1, 5))
        print(f"| {name} | {len(passages)} | {len(questions)} | {method} | {at_1:.3f} | {at_5:.3f} |", flush=True)


def _rank(paths: Sequence[str], wanted: str) -> int:
    """Position of the wanted document among the distinct documents found, from 0; a large number if it is not there."""
    distinct = list(dict.fromkeys(paths))
    return distinct.index(wanted) if wanted in distinct else 10**9


if __name__ == "__main__":
    main()
