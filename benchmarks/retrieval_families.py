"""What it costs the answer's sources that a large dense index finds nearly all neighbours, not all.

    python -m benchmarks.retrieval_families --data DATA_FOLDER [--sets train/qa_en] [--copies 100000] [--limit 1000]

As benchmarks.retrieval, but perturbed copies of real vectors (benchmarks/vectors.py) lie beside the passages' in the
dense index, once in each family; no word of a question finds them. The index is asked for as many candidates as the
product asks for, and they are fused as it does. "Lost" are questions whose document is among the first five with exact
search only, "won" with the other family only.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.index_families import FAMILIES
from benchmarks.machine import describe_processor
from benchmarks.retrieval import ENGINES, Indexed, Questions, index, rank, read_set
from benchmarks.vectors import perturbed, real_vectors
from indexer.analysis import question_terms
from indexer.dense import FaissSegments, Hit
from indexer.embedder import Vectors
from indexer.families import FamilySettings, Spool, write_segment
from retriever.fusion import FusionSettings, dense_weight, fuse
from retriever.search import RetrieverSettings

_SEED = 3  # other benchmarks have others


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, ready to be looked up: its vector, what its words find, and the weight of the former."""

    wanted: int
    vector: Vectors
    lexical: list[Hit]
    weight: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["dev/qa_en"])
    parser.add_argument("--limit", type=int, default=1000, help="Questions of each set, at random.")
    parser.add_argument("--copies", type=int, default=100_000)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "tenkyo-vectors")
    arguments = parser.parse_args()
    real, _, _ = real_vectors(arguments.data, arguments.cache)
    print(f"{time.strftime('%Y-%m-%d')}, {describe_processor()}; {arguments.copies:,} copies beside the passages")
    print("| set | passages | questions | family | recall@1 | recall@5 | lost | won | CPU ms |\n" + "|---" * 9 + "|")
    for name in arguments.sets:
        passages, questions = read_set(arguments.data / f"{name}.jsonl.gz", arguments.limit)
        with tempfile.TemporaryDirectory() as folder:
            indexed = index(Path(folder), passages, ENGINES[0])
            asked = _ask(indexed, questions)
            exact: list[int] = []
            for family, settings in FAMILIES.items():
                dense = _with_copies(Path(folder) / family, indexed, real, arguments.copies, settings)
                started = time.thread_time()
                found = [dense.search(question.vector, RetrieverSettings().candidates) for question in asked]
                processor = (time.thread_time() - started) * 1000 / len(asked)
                ranks = [_rank(indexed, question, hits) for question, hits in zip(asked, found, strict=True)]
                exact = exact or ranks
                at_1, at_5 = (sum(at < k for at in ranks) / len(ranks) for k in (1, 5))
                lost = sum(before < 5 <= now for before, now in zip(exact, ranks, strict=True))
                won = sum(now < 5 <= before for before, now in zip(exact, ranks, strict=True))
                print(
                    f"| {name} | {len(passages)} | {len(questions)} | {family} | {at_1:.3f} | {at_5:.3f} "
                    f"| {lost} | {won} | {processor:.1f} |",
                    flush=True,
                )


def _ask(indexed: Indexed, questions: Questions) -> list[Asked]:
    count, fusion = RetrieverSettings().candidates, FusionSettings()
    return [
        Asked(
            wanted,
            indexed.embedder.embed_query(question),
            indexed.generation.lexical.search(question_terms(question), count),
            dense_weight(indexed.embedder.coverage(question), fusion),
        )
        for question, wanted in questions
    ]


def _rank(indexed: Indexed, question: Asked, dense: Sequence[Hit]) -> int:
    return rank(indexed, [c.chunk_id for c in fuse(dense, question.lexical, question.weight)], question.wanted)


def _with_copies(folder: Path, indexed: Indexed, real: Vectors, count: int, settings: FamilySettings) -> FaissSegments:
    """One segment of the passages' vectors and of the copies."""
    folder.mkdir()
    with Spool(folder) as spool:
        for ids, vectors in indexed.generation.dense.rows():
            spool.add(ids, vectors)
        at = -count  # ids of chunks are positive
        for block in perturbed(real, count, _SEED):
            spool.add(np.arange(at, at + len(block), dtype=np.int64), block)
            at += len(block)
        name = write_segment(folder, spool, settings)
    return FaissSegments([folder / name], np.array([], dtype=np.int64))


if __name__ == "__main__":
    main()
