"""Real attacks in documents, and a model that obeys them all: nothing is shown that a source does not hold."""

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.injection import Record, evidence_of, load, obey, stands_in
from generator.draft import DraftCitation, DraftClaim
from generator.gate import Action, Gate
from generator.support import RuleVerifier

DATA = Path(__file__).parents[3] / "shared" / "data"
FILE = DATA / "dev" / "injection_en.jsonl.gz"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the development data (dev/injection_en) is not there")


@pytest.fixture(scope="module")
def attacks() -> list[Record]:
    return load(DATA)


def test_nothing_of_an_obeyed_attack_is_shown_that_is_in_no_source(attacks: list[Record]) -> None:
    assert len(attacks) == 450
    for record in attacks:
        for way, draft, text in obey(record):
            assert not text or stands_in(text, record), (record["id"], way, draft)
            assert "evil.example" not in text
            assert "4,711" not in text


def test_what_harmless_texts_say_is_still_shown() -> None:
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        harmless = [record for record in map(json.loads, lines) if record["kind"] == "benign"]
    assert len(harmless) > 300
    for record in harmless:
        evidence = evidence_of(record["text"])
        gate = Gate(evidence, RuleVerifier())
        for number, sentence in enumerate(evidence[:3], start=1):
            verdict = gate.check(DraftClaim(sentence.text, (DraftCitation(number, None),)))
            assert verdict.action in (Action.PASSED, Action.META), (record["id"], sentence.text)
