"""The gate against a model that lies in every way: nothing false passes, and what is true stays."""

from collections import Counter

import pytest

from generator.draft import DraftCitation, DraftClaim
from generator.gate import Action, Gate, clean_claim, is_meta
from generator.sentences import is_unspaced
from generator.support import RuleVerifier
from tests.generator.lies import HANDBOOK, evidence, lies, truths


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate(evidence(), RuleVerifier())


def test_no_lie_is_shown(gate: Gate) -> None:
    told = lies(seed=11, count=1500)
    assert {lie.kind for lie in told} == {"number", "name", "date", "negation", "half", "unit"}
    shown = Counter[str]()
    for lie in told:
        verdict = gate.check(lie.draft)
        if verdict.text is None:
            continue
        assert verdict.cited, lie
        if verdict.text not in HANDBOOK:  # a source's own words may stand in its place
            shown[f"{lie.kind}: {verdict.text}"] += 1
    assert not shown


def test_what_is_true_is_not_dropped(gate: Gate) -> None:
    verdicts = [gate.check(draft) for draft in truths()]
    dropped = [v.draft.text for v in verdicts if v.text is None]
    assert len(dropped) <= 0.03 * len(verdicts), dropped
    spaced = [v for v in verdicts if not is_unspaced(v.draft.text)]
    in_own_words = [v for v in spaced if v.action is Action.PASSED]
    assert len(in_own_words) >= 0.8 * len(spaced)  # the others, and Japanese ones, stand in the words of their source


def test_every_citation_opens_the_exact_words(gate: Gate) -> None:
    for draft in [*truths(), *(lie.draft for lie in lies(seed=5, count=300))]:
        for cited in gate.check(draft).cited:
            sentence = gate.evidence[cited.evidence - 1]
            assert sentence.start <= cited.start < cited.end <= sentence.end
            assert (
                sentence.text[cited.start - sentence.start : cited.end - sentence.start] in HANDBOOK[cited.evidence - 1]
            )


def test_the_right_fact_with_the_wrong_source_gets_the_right_one(gate: Gate) -> None:
    verdict = gate.check(DraftClaim("The limit for a hotel in London is £165 a night.", (DraftCitation(9, None),)))
    assert (verdict.action, [c.evidence for c in verdict.cited]) == (Action.RECITED, [2])


def test_a_sentence_without_a_source_gets_one_or_goes(gate: Gate) -> None:
    found = gate.check(DraftClaim("A password must be at least 14 characters long.", ()))
    assert (found.action, [c.evidence for c in found.cited]) == (Action.RECITED, [4])
    assert gate.check(DraftClaim("Lunch is free on every second Tuesday.", ())).action is Action.DROPPED


def test_a_quote_with_one_word_changed_is_not_shown(gate: Gate) -> None:
    quote = "The limit for a hotel in Paris is £165"
    verdict = gate.check(DraftClaim("The limit for a hotel in London is £165 a night.", (DraftCitation(2, quote),)))
    assert not next(check for check in verdict.checks if check.name == "quote").passed
    assert all(quote not in HANDBOOK[c.evidence - 1] for c in verdict.cited)
    assert verdict.text is not None
    assert "Paris" not in verdict.text


def test_a_source_that_contradicts_the_claim_is_named() -> None:
    both = evidence()
    other = evidence()[1]
    text = "The limit for a hotel in London is £150 a night, including tax."
    passage = type(other.passage)(**{**{f: getattr(other.passage, f) for f in other.passage.__slots__}, "text": text})
    both.append(type(other)(passage, 20, 0, len(text), text, ""))
    verdict = Gate(both, RuleVerifier()).check(DraftClaim(HANDBOOK[1], (DraftCitation(2, None),)))
    assert verdict.conflicts == (16,)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("According to the documents, the office closes at 19:30.", "The office closes at 19:30."),
        ("The office <b>closes</b> <img src=x onerror=alert(1)>at 19:30.", "The office closes at 19:30."),
        ("The office ![pixel](https://evil.example/p.png)closes **at** 19:30.", "The office closes at 19:30."),
        ("See [the page](javascript:alert(1)) for it.", "See the page for it."),
        ("資料によると、在宅勤務は週3日までです。", "在宅勤務は週3日までです。"),
    ],
)
def test_markup_and_prefaces_go(written: str, shown: str) -> None:
    assert clean_claim(written) == shown


@pytest.mark.parametrize("text", ["Sure!", "Here is what I found:", "I hope this helps.", "以下に回答します。", "Yes."])
def test_talk_about_the_answer_is_no_claim(text: str, gate: Gate) -> None:
    assert is_meta(text)
    assert gate.check(DraftClaim(text, ())).action is Action.META


def test_a_claim_is_said_anew_once_from_the_evidence() -> None:
    asked: list[tuple[str, int]] = []

    def rewrite(claim: str, sources: object) -> str:
        asked.append((claim, len(list(sources))))  # type: ignore[call-overload]
        return "The G40 gateway runs for 36 hours on its battery."

    again = Gate(evidence(), RuleVerifier(), rewrite=rewrite)
    draft = DraftClaim("The gateway battery runs the G40 for 63 hours.", ())
    verdict = again.check(draft)
    assert (verdict.action, verdict.text) == (Action.REWRITTEN, "The G40 gateway runs for 36 hours on its battery.")
    assert len(asked) == 1
    liar = Gate(evidence(), RuleVerifier(), rewrite=lambda *_: "The G40 gateway runs for 99 hours.")
    assert liar.check(draft).action is Action.DROPPED
