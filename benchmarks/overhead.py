"""What an answer costs beside retrieval and models, and what the gate costs a sentence.

    python -m benchmarks.overhead [--profile]

The example handbook is indexed and asked through the WSGI application; the language model is a stub that at once says
four cited sentences of what it was given. CPU seconds of the whole process are counted, less those spent in the
retriever, in ranking and in the embedding model. `--profile` prints where the rest goes.
"""

import argparse
import cProfile
import json
import pstats
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from werkzeug.test import EnvironBuilder

from app.answering import Answering
from app.database import database_url, open_database
from app.service import Service
from app.web import create_app
from benchmarks.machine import describe_processor
from generator.draft import DraftCitation, DraftClaim
from generator.evidence import Sentence
from generator.finding import Finder
from generator.gate import Gate
from generator.llm import Request
from generator.prompt import load_prompts
from generator.ranking import Ranked, rank
from generator.support import RuleVerifier
from generator.writer import Writer, WriterSettings
from indexer.embedder import Embedder, EmbedderSettings, SentenceTransformerEmbedder, Vectors
from indexer.ingest import IngestSettings, Store, ingest
from retriever.search import Retrieval, Retriever

_EXAMPLES = Path(__file__).parents[1] / "examples"
_SENTENCES = 4
_WARM_UP = 20


class _Meter:
    """CPU seconds of the process within its blocks; a block within a block counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    @contextmanager
    def block(self) -> Iterator[None]:
        started = time.process_time()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.seconds += time.process_time() - started


class _Metered:
    """An embedder whose model is metered."""

    def __init__(self, embedder: Embedder, meter: _Meter) -> None:
        self._embedder = embedder
        self._meter = meter

    @property
    def fingerprint(self) -> str:
        return self._embedder.fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        with self._meter.block():
            return self._embedder.embed_documents(texts)

    def embed_query(self, text: str) -> Vectors:
        with self._meter.block():
            return self._embedder.embed_query(text)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)

    def coverage(self, text: str) -> float:
        return self._embedder.coverage(text)


class _Stub:
    """A language model that takes no time and cites what it is given."""

    name = "stub"
    context_tokens = 8192

    def count_tokens(self, text: str) -> int:
        return len(text) // 4

    def generate(self, request: Request) -> Generator[str, None, None]:
        """Sentences of the sources with a word less, each with its id and a quote."""
        for number, text in list(request.sources.items())[:_SENTENCES]:
            quote = text[: len(text) // 2].replace('"', "").strip()
            yield f'{text} [{number} "{quote}"]\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--rounds", type=int, default=20, help="times that every question is asked")
    arguments = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}, {describe_processor()}")
    lines = (_EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line)["question"] for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        embedder = SentenceTransformerEmbedder(EmbedderSettings(converted=Path(folder) / "models"))
        store = Store(open_database(database_url(None, Path(folder))), Path(folder))
        ingest(store, embedder, "examples", [_EXAMPLES / "handbook"], IngestSettings())
        _measure_asking(store, embedder, questions * arguments.rounds)
        if arguments.profile:
            _profile(store, embedder, questions)
            return
        finder = Finder(Retriever(store, embedder), embedder)
        evidence = [finder.find(question, "examples", None).ranked.sentences[:60] for question in questions]
        for name, verifier in (("rules", RuleVerifier()), ("rules and embedding", RuleVerifier(embedder))):
            _measure_gate(name, evidence, verifier)


def _service(store: Store, embedder: Embedder) -> Service:
    writer = Writer(_Stub(), RuleVerifier(), load_prompts(), WriterSettings(min_confidence=0.0, search_again=0.0))
    return Service(store, embedder, Answering(writer=writer))


def _measure_asking(store: Store, embedder: Embedder, questions: Sequence[str]) -> None:
    meter = _Meter()
    app = create_app(_service(store, _Metered(embedder, meter)))
    retrieve, ranked = Retriever.retrieve, _Meter()

    def metered(*args: Any) -> Retrieval:
        with meter.block():
            return retrieve(*args)

    def ranking(*args: Any) -> Ranked:
        models = meter.seconds
        with ranked.block():
            result = rank(*args)
        ranked.seconds -= meter.seconds - models
        return result

    spent: list[float] = []
    rankings: list[float] = []
    with patch.object(Retriever, "retrieve", metered), patch("generator.finding.rank", ranking):
        for turn, question in enumerate([*questions[:_WARM_UP], *questions]):
            environ = EnvironBuilder(path="/ask", method="POST", json={"question": question}).get_environ()
            meter.seconds, ranked.seconds, started = 0.0, 0.0, time.process_time()
            body = b"".join(app.wsgi_app(environ, _expect_success))
            if turn >= _WARM_UP:
                spent.append(time.process_time() - started - meter.seconds - ranked.seconds)
                rankings.append(ranked.seconds)
            assert b'"answer"' in body
    _print(f"/ask beside retrieval, ranking and models, {_SENTENCES} sentences through the gate", spent)
    _print("ranking the sentences found, beside the embedding model", rankings)


def _profile(store: Store, embedder: Embedder, questions: Sequence[str]) -> None:
    """In this thread, which is the only one that a profiler sees."""
    service = _service(store, embedder)
    with cProfile.Profile() as profiler:
        for question in questions:
            service.ask(question, None)
    pstats.Stats(profiler).strip_dirs().sort_stats("cumulative").print_stats(90)


def _measure_gate(name: str, evidence: Sequence[Sequence[Sentence]], verifier: RuleVerifier) -> None:
    """Sentences that are word for word, shortened, made wrong, and cited wrongly, in equal parts."""
    changes: tuple[Callable[[str], str], ...] = (
        str,
        str,
        lambda t: t[: 2 * len(t) // 3],
        lambda t: f"{t} 7,311 dollars",
    )
    spent: list[float] = []
    for sentences in evidence:
        if not sentences:
            continue
        gate = Gate(sentences, verifier)
        for number, sentence in enumerate(sentences[:4], start=1):
            for change in changes:
                cited = number if len(spent) % 4 else len(sentences)  # the first of them cites wrongly
                draft = DraftClaim(change(sentence.text), (DraftCitation(cited, None),))
                started = time.process_time()
                gate.check(draft)
                spent.append(time.process_time() - started)
    _print(f"gate, a sentence, {name}", spent)


def _expect_success(status: str, _headers: list[tuple[str, str]], _problem: Any = None) -> Any:
    assert status.startswith("200"), status
    return bytearray.extend


def _print(what: str, seconds: Sequence[float]) -> None:
    median, late = np.percentile(np.array(seconds) * 1000, [50, 99])
    print(f"| {what} | {len(seconds)} | {median:.2f} | {late:.2f} |", flush=True)


if __name__ == "__main__":
    main()
