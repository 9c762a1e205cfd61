"""What the features of a sentence are worth: two small logistic models, trained by training/evidence.py.

The first ranks sentences; the second says how probable it is that the best one answers, which decides whether to
answer at all. "dense" weights serve questions that the embedding model reads, "lexical" ones all others.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from generator.evidence import FEATURES, Features

WEIGHTS_FILE = Path(__file__).with_name("evidence_weights.json")


@dataclass(frozen=True, slots=True)
class Linear:
    """A logistic regression: probability = 1 / (1 + exp(-(x · coefficients + intercept)))."""

    coefficients: Features
    intercept: float

    def logit(self, x: Features) -> Features:
        """Shape of x without its last axis."""
        return np.asarray(x @ self.coefficients + self.intercept)

    def probability(self, x: Features) -> Features:
        """The logit through the logistic function."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.logit(x))))

    def as_dict(self) -> dict[str, object]:
        """The JSON form, rounded to what matters."""
        return {"coefficients": [round(float(c), 5) for c in self.coefficients], "intercept": round(self.intercept, 5)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, object]) -> "Linear":
        """The inverse of `as_dict`."""
        return cls(np.array(fields["coefficients"], dtype=np.float64), float(str(fields["intercept"])))


@dataclass(frozen=True, slots=True)
class EvidenceModel:
    """Which sentence answers, and whether the best one does."""

    sentence: Linear
    answer: Linear


@cache
def evidence_models() -> tuple[EvidenceModel, EvidenceModel]:
    """(dense, lexical)."""
    stored = json.loads(WEIGHTS_FILE.read_text())
    dense, lexical = (
        EvidenceModel(Linear.from_dict(stored[name]["sentence"]), Linear.from_dict(stored[name]["answer"]))
        for name in ("dense", "lexical")
    )
    return dense, lexical


def answer_features(matrix: Features, logits: Features) -> Features:
    """Features of a whole retrieval: those of its best sentence, its logit, and its lead over sentences elsewhere.

    Shape (len(FEATURES) + 3,).
    """
    best = int(logits.argmax())
    rank = FEATURES.index("passage_rank")
    elsewhere = logits[matrix[:, rank] != matrix[best, rank]]
    lead = float(logits[best] - elsewhere.max()) if len(elsewhere) else 5.0
    return np.concatenate(
        [matrix[best], [logits[best], min(lead, 5.0), matrix[:, FEATURES.index("passage_coverage")].max()]]
    )
