"""Does the evidence support the claim? A protocol, and the verifier that needs no trained network.

`RuleVerifier` looks at shared terms, at negations and opposites, and (where the embedding model reads the text) at
meaning; a logistic model, fitted by training/support.py, turns that into a probability.
"""

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from generator.facts import missing_facts
from generator.scoring import Linear
from indexer.analysis import question_terms, terms
from indexer.embedder import Embedder

SUPPORT_WEIGHTS_FILE = Path(__file__).with_name("support_weights.json")
_READABLE = 0.6
_MARKS = re.escape(",;:.!?()[]—–、。，；：！？（）「」『』・|")

_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nor|neither|cannot|without|nobody|nothing|isn't|aren't|wasn't|weren't|don't|doesn't|didn't|"
    r"can't|won't|shouldn't|mustn't|hasn't|haven't|unable|fails? to|failed to|lacks?|unlikely|hardly)\b|n't\b|"
    r"ない|なく|なかった|ません|ず(?=[、。に])|ぬ(?=[。、])|不可|禁止|無効|未(?=[\u4e00-\u9fff])|ではな",
    re.IGNORECASE,
)
# Each pair names two opposites; a claim with one side against evidence with only the other contradicts it.
_OPPOSITES = tuple(
    (re.compile(a, re.IGNORECASE), re.compile(b, re.IGNORECASE))
    for a, b in (
        (r"\bbefore\b", r"\bafter\b"),
        (
            r"\bmore than\b|\bat least\b|\bminimum\b|\bexceed",
            r"\bless than\b|\bfewer than\b|\bat most\b|\bmaximum\b|\bup to\b",
        ),
        (r"\bincreas|\bhigher\b|\brais|\brise", r"\bdecreas|\blower\b|\breduc|\bfall|\bdeclin"),
        (
            r"\ballow|\bpermit|\bmay\b(?! not)",
            r"\bforbid|\bprohibit|\bbanned\b|\bmust not\b|\bmay not\b|\bnot allowed\b",
        ),
        (r"\bmust\b|\brequired\b|\bmandatory\b|\bhave to\b", r"\boptional\b|\bneed not\b|\bvoluntar|\bnot required\b"),
        (r"\bpaid\b", r"\bunpaid\b"),
        (r"\binclud(?:es?|ed|ing)\b", r"\bexclud(?:es?|ed|ing)\b"),
        (r"\benabled?\b|\bturn(?:ed)? on\b", r"\bdisabled?\b|\bturn(?:ed)? off\b"),
        (r"\balways\b", r"\bnever\b"),
        (r"\ball\b|\bevery\b", r"\bnone\b|\bno one\b"),
        (r"\baccept", r"\breject|\brefus"),
        (r"\bsucceed|\bsuccess", r"\bfail"),
        (r"\bopen(?:s|ed)?\b", r"\bclosed?\b"),
        (r"以上", r"以下|未満"),
        (r"以内|まで", r"以降|以後"),
        (r"[^以]前(?:に|日|まで)", r"[^以]後(?:に|日|から)"),
        (r"増加|上昇|増え", r"減少|低下|減っ|減る"),
        (r"可能|できる|認め", r"不可|できない|禁止|認めない"),
        (r"必須|必要|なければならない", r"任意|不要|必要はない"),
        (r"有給", r"無給"),
        (r"含む|含ま[れせ]る", r"含まない|除く"),
        (r"有効", r"無効"),
    )
)

SUPPORT_FEATURES = (
    "coverage",
    "pair_coverage",
    "uncovered_terms",
    "best_sentence_coverage",
    "negation_differs",
    "opposite",
    "missing_facts",
    "cosine",
    "cosine_best",
    "length_ratio",
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`support` in [0, 1]; `opposite` if the evidence says the contrary on the same subject."""

    support: float
    opposite: bool


class Verifier(Protocol):
    """Judges a claim by its evidence."""

    @property
    def name(self) -> str:
        """Names the verifier and its version, for the record."""

    def judge(self, claim: str, evidence: Sequence[str]) -> Judgement:
        """`evidence` are the cited sentences, with the headings and the sentence before as context at the end."""


@dataclass(frozen=True, slots=True)
class RuleVerifier:
    """The verifier that is always there. Without an embedder it judges by terms alone."""

    embedder: Embedder | None = None

    @property
    def name(self) -> str:
        """The version goes up when a verdict could change."""
        return "rules-2"

    def judge(self, claim: str, evidence: Sequence[str]) -> Judgement:
        """A claim that is a whole clause of its source, word for word, needs no model; the rest gets a probability."""
        if not evidence:
            return Judgement(0.0, False)
        readable = self.embedder is not None and self.embedder.coverage(claim) > _READABLE
        x = support_features(claim, evidence, None)
        opposite = bool(x[SUPPORT_FEATURES.index("opposite")] or x[SUPPORT_FEATURES.index("negation_differs")])
        close = x[SUPPORT_FEATURES.index("best_sentence_coverage")] >= 0.6
        if opposite and close:
            return Judgement(0.0, True)
        if _is_whole_clause(claim, evidence[0]):
            return Judgement(1.0, False)
        dense, lexical = support_models()
        if readable and self.embedder is not None:
            x = support_features(claim, evidence, self.embedder)
            return Judgement(float(dense.probability(x)), False)
        return Judgement(float(lexical.probability(x)), False)


def support_features(claim: str, evidence: Sequence[str], embedder: Embedder | None) -> "np.ndarray":
    """Shape (len(SUPPORT_FEATURES),); cosines are 0 without an embedder."""
    wanted = question_terms(claim)
    joined = "\n".join(evidence)
    own = terms(joined)
    known = set(own)
    pairs = set(itertools.pairwise(own))
    wanted_pairs = list(itertools.pairwise(wanted))
    covered = [term in known for term in wanted]
    by_sentence = [_share([t in held for t in wanted]) for held in (set(terms(sentence)) for sentence in evidence)]
    best = evidence[int(np.argmax(by_sentence))]
    cosine = cosine_best = 0.0
    if embedder is not None:
        vectors = embedder.embed_documents([claim, joined, best] if len(evidence) > 1 else [claim, joined])
        cosine = float(vectors[0] @ vectors[1])
        cosine_best = float(vectors[0] @ vectors[-1])
    return np.array(
        [
            _share(covered),
            _share([pair in pairs for pair in wanted_pairs]) if wanted_pairs else _share(covered),
            min(5, covered.count(False)) / 5,
            max(by_sentence),
            _negated(claim) != _negated(best),
            _opposite(claim, best),
            min(3, len(missing_facts(claim, joined))) / 3,
            cosine,
            cosine_best,
            min(3.0, len(claim) / max(1, len(best))),
        ],
        dtype=np.float64,
    )


@cache
def support_models() -> tuple[Linear, Linear]:
    """(dense, lexical)."""
    stored = json.loads(SUPPORT_WEIGHTS_FILE.read_text())
    return Linear.from_dict(stored["dense"]), Linear.from_dict(stored["lexical"])


def _negated(text: str) -> bool:
    """An odd number of negations. Counts what is written, not what is meant."""
    return len(_NEGATION.findall(text)) % 2 == 1


def _opposite(claim: str, evidence: str) -> bool:
    for one, other in _OPPOSITES:
        for a, b in ((one, other), (other, one)):
            if a.search(claim) and not b.search(claim) and b.search(evidence) and not a.search(evidence):
                return True
    return False


def _is_whole_clause(claim: str, source: str) -> bool:
    """Whether the claim stands in the source between two marks: part of a clause may say something else."""
    wanted = re.escape("".join(claim.split()).rstrip("。."))
    return bool(wanted) and bool(re.search(rf"(?:^|[{_MARKS}]){wanted}(?:$|[{_MARKS}])", "".join(source.split())))


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
