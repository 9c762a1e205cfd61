"""Trains the weights with which the extractive answerer finds the answering sentence, and knows when there is none.

    python -m training.evidence --data DATA_FOLDER

Questions of the training sets are put to the real retriever over all passages of their set. A sentence is positive if
it lies in the question's own passage and holds one of the annotated answers. Every question is also asked with its own
passages taken away: what is then found looks relevant and does not answer; so do the passages of questions that were
written to have no answer. And it is asked with the passages of another question, which are on another subject.
Writes generator/evidence_weights.json.
"""

import argparse
import gzip
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from app.database import database_url, open_database
from generator.evidence import FEATURES, EmbedSentences, Features, features, sentences_of
from generator.scoring import WEIGHTS_FILE, Linear, answer_features
from indexer.embedder import Embedder, EmbedderSettings, SentenceTransformerEmbedder, Vectors
from indexer.ingest import IngestSettings, Store, ingest
from retriever.passages import Passage
from retriever.search import Retriever

_SETS = {
    "en": (("train/qa_en.jsonl.gz", ("squad2", "qamr", "squadshifts"), 800, 300),),
    "ja": (("train/qa_ja.jsonl.gz", ("jaquad",), 2500, 1500),),
}


@dataclass(frozen=True, slots=True)
class Example:
    """Features of one retrieval, which sentences answer, and whether the question's own passage was left in."""

    matrix: Features
    positive: np.ndarray
    covered: bool
    held_out: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="keep or reuse the features in this file")
    arguments = parser.parse_args()
    if arguments.cache and arguments.cache.exists():
        examples = _load(arguments.cache)
    else:
        examples = [e for language in _SETS for e in _examples(arguments.data, language)]
        if arguments.cache:
            _save(arguments.cache, examples)
    weights = {}
    for name, covered in (("dense", True), ("lexical", False)):
        weights[name] = _fit([e for e in examples if e.covered == covered], name)
    WEIGHTS_FILE.write_text(json.dumps(weights, indent=1) + "\n")


def _examples(data: Path, language: str) -> Iterator[Example]:
    rng = random.Random(7)
    embedder = SentenceTransformerEmbedder(EmbedderSettings())
    for file, kinds, max_passages, max_questions in _SETS[language]:
        for kind in kinds:
            with tempfile.TemporaryDirectory() as folder:
                home = Path(folder)
                passages, questions = _read(data / file, kind, max_passages)
                rng.shuffle(questions)
                (home / "texts").mkdir()
                for i, passage in enumerate(passages):
                    (home / "texts" / f"{i:05d}.txt").write_text(passage)
                store = Store(open_database(database_url(None, home / "home")), home / "home")
                ingest(store, embedder, kind, [home / "texts"], IngestSettings())
                retriever = Retriever(store, embedder)
                embed = _remember(embedder)
                before: tuple[Passage, ...] = ()
                for n, (question, number, answers) in enumerate(questions[:max_questions]):
                    retrieval = retriever.retrieve(question, kind)
                    own = f"{number:05d}.txt"
                    rest = tuple(p for p in retrieval.passages if own not in p.source.paths)
                    strange = tuple(p for p in before if own not in p.source.paths)
                    before = retrieval.passages
                    for found in (retrieval, *(replace(retrieval, passages=p) for p in (rest, strange))):
                        sentences = sentences_of(found.passages)
                        if not sentences:
                            continue
                        covered = retrieval.coverage > 0.6
                        query = embedder.embed_query(question) if covered else None
                        matrix = features(question, found, sentences, query, embed)
                        positive = np.array(
                            [own in s.passage.source.paths and any(a in s.text for a in answers) for s in sentences]
                        )
                        yield Example(matrix, positive, covered, n % 5 == 0)
                print(kind, len(passages), "passages", min(len(questions), max_questions), "questions", flush=True)


def _remember(embedder: Embedder) -> EmbedSentences:
    """Embeds each sentence once: a question and its twin without the own passage share most of them."""
    known: dict[str, Vectors] = {}

    def embed(texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, embedder.embed_documents(new), strict=True))
        return np.stack([known[text] for text in texts])

    return embed


def _read(file: Path, kind: str, max_passages: int) -> tuple[list[str], list[tuple[str, int, list[str]]]]:
    passages: dict[str, int] = {}
    questions = []
    with gzip.open(file, "rt") as lines:
        for record in map(json.loads, lines):
            if not record["id"].startswith(f"{kind}-"):
                continue
            if record["passage"] not in passages and len(passages) >= max_passages:
                continue
            number = passages.setdefault(record["passage"], len(passages))
            questions.append((record["question"], number, [a["text"] for a in record["answers"]]))
    return list(passages), questions


def _fit(examples: list[Example], name: str) -> dict[str, object]:
    """Two logistic regressions: which sentence answers, then whether the best one does."""
    train = [e for e in examples if not e.held_out]
    test = [e for e in examples if e.held_out]
    sentence = _logistic(np.concatenate([e.matrix for e in train]), np.concatenate([e.positive for e in train]))
    answer = _logistic(*_best_sentences(train, sentence), balanced=True)
    x, y = _best_sentences(test, sentence)
    probability = answer.probability(x)
    hit = np.mean([e.positive[sentence.logit(e.matrix).argmax()] for e in test if e.positive.any()])
    print(f"{name}: {len(test)} held-out retrievals; best sentence answers, where one does: {hit:.3f}")
    print(f"  is it answered: AUC {roc_auc_score(y, probability):.3f}, base rate {y.mean():.3f}")
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7):
        shown = probability >= threshold
        refused = 1.0 - shown[~y].mean()
        print(f"  at {threshold}: shown of right ones {shown[y].mean():.3f}, refused of wrong ones {refused:.3f}")
    return {"sentence": sentence.as_dict(), "answer": answer.as_dict()}


def _best_sentences(examples: list[Example], sentence: Linear) -> tuple[Features, np.ndarray]:
    rows, labels = [], []
    for example in examples:
        logits = sentence.logit(example.matrix)
        rows.append(answer_features(example.matrix, logits))
        labels.append(example.positive[logits.argmax()])
    return np.array(rows), np.array(labels)


def _logistic(x: Features, y: np.ndarray, *, balanced: bool = False) -> Linear:
    """`balanced`: probabilities as if half of all questions had an answer, whatever the share in the training set."""
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1.0
    model = LogisticRegression(C=1.0, max_iter=2000, class_weight="balanced" if balanced else None).fit(
        (x - mean) / scale, y
    )
    coefficients = model.coef_[0] / scale
    return Linear(coefficients, float(model.intercept_[0] - (coefficients * mean).sum()))


def _save(file: Path, examples: list[Example]) -> None:
    lengths = [len(e.positive) for e in examples]
    np.savez_compressed(
        file,
        matrix=np.concatenate([e.matrix for e in examples]).astype(np.float32),
        positive=np.concatenate([e.positive for e in examples]),
        lengths=lengths,
        covered=[e.covered for e in examples],
        held_out=[e.held_out for e in examples],
    )


def _load(file: Path) -> list[Example]:
    data = np.load(file)
    ends = np.cumsum(data["lengths"])
    matrix, positive = data["matrix"].astype(np.float64), data["positive"]
    assert matrix.shape[1] == len(FEATURES), "the cache has other features: delete it"
    return [
        Example(matrix[end - n : end], positive[end - n : end], bool(c), bool(h))
        for end, n, c, h in zip(ends, data["lengths"], data["covered"], data["held_out"], strict=True)
    ]


if __name__ == "__main__":
    main()
