"""Fits the weights with which the rule verifier turns its features into a probability of support.

    python -m training.support --data DATA_FOLDER

Uses the training claims only. "dense" weights are for text that the embedding model reads, "lexical" ones for the rest.
Writes generator/support_weights.json.
"""

import argparse
import gzip
import json
import random
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from generator.scoring import Linear
from generator.sentences import split_sentences
from generator.support import SUPPORT_WEIGHTS_FILE, support_features
from indexer.embedder import Embedder, EmbedderSettings, SentenceTransformerEmbedder

_SAMPLE = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    embedder = SentenceTransformerEmbedder(EmbedderSettings())
    english = _read(arguments.data / "train" / "claims_en.jsonl.gz")
    japanese = _read(arguments.data / "train" / "claims_ja.jsonl.gz")
    weights = {
        "dense": _fit("dense", english, embedder).as_dict(),
        "lexical": _fit("lexical", english + japanese, None).as_dict(),
    }
    SUPPORT_WEIGHTS_FILE.write_text(json.dumps(weights, indent=1) + "\n")


def evidence_sentences(text: str) -> list[str]:
    """A recorded evidence text as the sentences that a claim would cite."""
    return [text[span.start : span.end] for span in split_sentences(text)] or [text]


def _read(file: Path) -> list[tuple[str, str, bool]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    random.Random(3).shuffle(records)
    return [(r["claim"], r["evidence"], r["label"] == "supported") for r in records[:_SAMPLE]]


def _fit(name: str, claims: list[tuple[str, str, bool]], embedder: Embedder | None) -> Linear:
    x = np.array([support_features(claim, evidence_sentences(text), embedder) for claim, text, _ in claims])
    y = np.array([supported for *_, supported in claims])
    cut = len(y) * 4 // 5
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1.0
    model = LogisticRegression(max_iter=2000, class_weight="balanced").fit((x[:cut] - mean) / scale, y[:cut])
    coefficients = model.coef_[0] / scale
    linear = Linear(coefficients, float(model.intercept_[0] - (coefficients * mean).sum()))
    print(
        f"{name}: {len(y)} claims, held-out AUC {roc_auc_score(y[cut:], linear.probability(x[cut:])):.3f}", flush=True
    )
    return linear


if __name__ == "__main__":
    main()
