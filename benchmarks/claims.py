"""Recorded claims, true and false, put through the gate: what it shows, in whose words, and what it drops.

    python -m benchmarks.claims --data DATA_FOLDER

A claim cites the sentence of its evidence that is most like it (cosine), as a model would; the gate sees nothing else.
"No gate" shows every claim. "Similarity" is the gate of retrieval frameworks: it shows the claims most like their
citation, as many as our gate shows in the claim's own words, so that both are compared at the same coverage.
The verifier was fitted on the first 4,000 of train/claims_* in the order of seed 3 (training/support.py), never on dev.
The gate's thresholds were chosen with `--sets train/claims_en --seed 3 --skip 4000 --limit 800`.
"""

import argparse
import gzip
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_processor
from generator.draft import DraftCitation, DraftClaim
from generator.evidence import Sentence
from generator.gate import Action, Gate, GateSettings
from generator.sentences import split_sentences
from generator.support import RuleVerifier
from indexer.document import Layout
from indexer.embedder import Embedder, EmbedderSettings, SentenceTransformerEmbedder
from retriever.passages import Passage, Source

_SHOWN_AS_DRAFTED = (Action.PASSED, Action.RECITED)


@dataclass(frozen=True, slots=True)
class _Outcome:
    source: str
    supported: bool
    action: Action
    similarity: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["dev/claims_en"])
    parser.add_argument("--seed", type=int, default=1, help="of the order in which claims are taken")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--limit", type=int, default=10**9, help="claims of each set")
    parser.add_argument("--min-support", type=float, default=GateSettings().min_support)
    parser.add_argument("--min-support-reworded", type=float, default=GateSettings().min_support_reworded)
    arguments = parser.parse_args()
    settings = GateSettings(arguments.min_support, arguments.min_support_reworded)
    embedder = SentenceTransformerEmbedder(EmbedderSettings())
    print(f"{time.strftime('%Y-%m-%d')}, {describe_processor()}")
    for name in arguments.sets:
        with gzip.open(arguments.data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        random.Random(arguments.seed).shuffle(records)
        taken = records[arguments.skip :][: arguments.limit]
        _report(name, [_check(record, embedder, settings) for record in taken])


def _check(record: dict[str, str], embedder: Embedder, settings: GateSettings) -> _Outcome:
    evidence = _evidence(record["evidence"])
    vectors = embedder.embed_documents([record["claim"], *(sentence.text for sentence in evidence)])
    cosines = vectors[1:] @ vectors[0]
    nearest = int(np.argmax(cosines))
    draft = DraftClaim(record["claim"], (DraftCitation(nearest + 1, None),))
    verdict = Gate(evidence, RuleVerifier(embedder), settings).check(draft)
    return _Outcome(record["source"], record["label"] == "supported", verdict.action, float(cosines[nearest]))


def _evidence(text: str) -> list[Sentence]:
    source = Source(1, "", None, ("evidence.txt",), Layout())
    passage = Passage(1, source, (), 0, len(text), text, 1.0, None, None)
    spans = [(span.start, span.end) for span in split_sentences(text)] or [(0, len(text))]
    texts = [text[start:end] for start, end in spans]
    return [
        Sentence(passage, 0, start, end, texts[i], texts[i - 1] if i else "") for i, (start, end) in enumerate(spans)
    ]


def _report(name: str, outcomes: Sequence[_Outcome]) -> None:
    by_source: dict[str, list[_Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_source[outcome.source].append(outcome)
    print(f"\n{name}: {len(outcomes)} claims")
    print("| claims of | supported | shown as drafted | the source's words instead | dropped |\n|---|---|---|---|---|")
    for source, some in [*sorted(by_source.items()), ("all", list(outcomes))]:
        for supported in (True, False):
            actions = Counter(o.action for o in some if o.supported is supported)
            total = actions.total() or 1
            drafted = sum(actions[action] for action in _SHOWN_AS_DRAFTED) / total
            own, dropped = actions[Action.NARROWED] / total, (actions[Action.DROPPED] + actions[Action.META]) / total
            label = "yes" if supported else "no"
            print(f"| {source} | {label} ({actions.total()}) | {drafted:.1%} | {own:.1%} | {dropped:.1%} |")
    shown = [o for o in outcomes if o.action in _SHOWN_AS_DRAFTED]
    alike = sorted(outcomes, key=lambda o: -o.similarity)[: len(shown)]
    print("\n| shown as drafted by | coverage | unsupported among the shown | of all unsupported | of all supported |")
    print("|---|---|---|---|---|")
    for method, some in (("no gate", list(outcomes)), ("similarity", alike), ("the gate", shown)):
        wrong, right = sum(not o.supported for o in some), sum(o.supported for o in some)
        all_wrong, all_right = sum(not o.supported for o in outcomes), sum(o.supported for o in outcomes)
        print(
            f"| {method} | {len(some) / len(outcomes):.1%} | {wrong / max(1, len(some)):.1%} "
            f"| {wrong / max(1, all_wrong):.1%} | {right / max(1, all_right):.1%} |"
        )


if __name__ == "__main__":
    main()
