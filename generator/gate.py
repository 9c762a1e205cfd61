"""The gate: no sentence of a draft passes unless stored text supports it. Pure code; the model is never trusted.

Checks, in this order: the ids exist; the quotes stand in the sources, letter for letter; the numbers, dates, units and
names of the sentence stand in the cited sentences; a `Verifier` finds it supported. What fails is repaired once
(another source that supports it; else the source's own words; else one new attempt of the model), or dropped.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from generator.draft import DraftCitation, DraftClaim
from generator.evidence import Sentence
from generator.facts import facts_of, missing_facts
from generator.sentences import is_unspaced
from generator.support import Verifier
from indexer.analysis import question_terms, terms

Rewrite = Callable[[str, Sequence[str]], str | None]
"""Asks the model to say a claim anew from the evidence alone; None if it cannot."""

_META = re.compile(
    r"^(?:(?:sure|certainly|of course|okay|ok|yes|no|thanks?|thank you|hello|hi)[,.! ]*$|"
    r"(?:here (?:is|are)|below (?:is|are)|the following|in summary|to summari[sz]e|i hope|let me know|please note|"
    r"based on|according to|as an ai|i (?:can|could|will|would|am|have)|"
    r"is there anything|feel free)\b[^.]{0,80}[:.!?]?$|"
    r"(?:以下(?:に|の|は)|はい|いいえ|まとめると|承知|かしこまり|ご質問|お役に立て|資料によると|文書によると)[^。]{0,40}[。:：]?$)",
    re.IGNORECASE,
)
_PREFACE = re.compile(
    r"^(?:according to (?:the )?(?:provided |given |above )?(?:documents?|sources?|context|passages?|text|information)|"
    r"based on (?:the )?(?:provided |given |above )?(?:documents?|sources?|context|passages?|text|information)|"
    r"the (?:documents?|sources?|context|passages?|text) (?:states?|says?|mentions?|shows?) that|"
    r"(?:提供された)?(?:資料|文書|文脈|情報|出典)(?:によると|によれば|では))[,、:：]?\s*",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<[^>\n]{1,500}>|!\[[^\]\n]*\]\([^)\n]*\)|!\[[^\]\n]*\]\[[^\]\n]*\]")
_LINK = re.compile(r"\[([^\]\n]*)\]\((?:[^()\n]|\([^()\n]*\))*\)")
_EMPHASIS = re.compile(r"\*\*|__|`+|^#{1,6}\s+|^>\s+")
_URL = re.compile(r"\b(?:https?|ftp|javascript|data|mailto):[^\s)>\]]+|\bwww\.[^\s)>\]]+", re.IGNORECASE)


class Action(StrEnum):
    """What the gate did with a sentence."""

    PASSED = "passed"
    RECITED = "recited"
    NARROWED = "narrowed"
    REWRITTEN = "rewritten"
    DROPPED = "dropped"
    META = "meta"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one sentence, for the record."""

    name: str
    passed: bool
    detail: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Cited:
    """A span of a source sentence: offsets in the content's text."""

    evidence: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a sentence. `text` is what may be shown, if anything; `conflicts` are ids that contradict it."""

    draft: DraftClaim
    action: Action
    text: str | None
    cited: tuple[Cited, ...]
    support: float
    checks: tuple[Check, ...]
    conflicts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GateSettings:
    """`candidates`: sources tried in a repair.

    A sentence in the words of its source needs `min_support`. One with words that the source does not have, which may
    well be the lie, needs `min_support_reworded`; so does any in a script without spaces, where grammar is not told
    from words. The rule verifier gives that much to whole clauses alone. Chosen on training claims (docs/decisions.md).
    """

    min_support: float = 0.7
    min_support_reworded: float = 0.9
    candidates: int = 6
    same_subject: float = 0.5


@dataclass(slots=True)
class Gate:
    """Checks the sentences of one answer against its numbered evidence (ids from 1)."""

    evidence: Sequence[Sentence]
    verifier: Verifier
    settings: GateSettings = field(default_factory=GateSettings)
    rewrite: Rewrite | None = None

    def check(self, draft: DraftClaim) -> Verdict:
        """The verdict on one sentence; at most one repair is tried."""
        text = clean_claim(draft.text)
        if not text or is_meta(text):
            return Verdict(draft, Action.META, None, (), 0.0, ())
        checks: list[Check] = []
        cited = self._resolve(draft.citations, checks)
        supports = {c.evidence: self._supported(text, c.evidence, checks) for c in cited}
        holding = [c for c in cited if supports[c.evidence] is not None]
        if holding:
            best = max(support for support in supports.values() if support is not None)
            return self._verdict(draft, Action.PASSED, text, holding, best, checks)
        return self._repair(draft, text, cited, checks)

    def _resolve(self, citations: Sequence[DraftCitation], checks: list[Check]) -> list[Cited]:
        """Citations whose id exists and whose quote, if any, stands in the sources, each as a span of stored text."""
        resolved: list[Cited] = []
        for citation in citations:
            known = 1 <= citation.id <= len(self.evidence)
            checks.append(Check("id", known, str(citation.id)))
            if citation.quote is None:
                if known:
                    sentence = self._sentence(citation.id)
                    resolved.append(Cited(citation.id, sentence.start, sentence.end))
                continue
            found = self._locate(citation.quote, citation.id if known else None)
            checks.append(Check("quote", found is not None, citation.quote))
            if found is not None:
                resolved.append(found)
        return list(dict.fromkeys(resolved))

    def _locate(self, quote: str, wanted: int | None) -> Cited | None:
        """Where the quote stands: in the sentence named, else in any other."""
        order = ([wanted] if wanted else []) + [i for i in range(1, len(self.evidence) + 1) if i != wanted]
        for number in order:
            sentence = self._sentence(number)
            at = sentence.text.find(quote)
            if at >= 0:
                return Cited(number, sentence.start + at, sentence.start + at + len(quote))
        return None

    def _supported(self, text: str, number: int, checks: list[Check]) -> float | None:
        """The support of the sentence by this source, or None if it must not be shown on it.

        One source has to carry the whole sentence: facts of two could be put together to a third that neither states.
        """
        source, context = self._sentence(number).text, context_of(self._sentence(number))
        missing = missing_facts(text, source, context)
        missing += [url for url in _URL.findall(text) if url not in source]
        checks.append(Check("facts", not missing, ", ".join(missing)))
        if missing:
            return None
        new = _new_words(text, f"{source}\n{context}")
        own_words = not new and not is_unspaced(text)
        needed = self.settings.min_support if own_words else self.settings.min_support_reworded
        judgement = self.verifier.judge(text, [source, context] if context else [source])
        passed = judgement.support >= needed and not judgement.opposite
        detail = "says the opposite" if judgement.opposite else f"other words: {', '.join(new)}" if new else ""
        checks.append(Check("support", passed, detail, round(judgement.support, 4)))
        return judgement.support if passed else None

    def _repair(self, draft: DraftClaim, text: str, cited: Sequence[Cited], checks: list[Check]) -> Verdict:
        tried = {c.evidence for c in cited}
        for number in self._nearest(text):
            if number in tried:
                continue
            sentence = self._sentence(number)
            if (support := self._supported(text, number, checks)) is not None:
                spans = [Cited(number, sentence.start, sentence.end)]
                return self._verdict(draft, Action.RECITED, text, spans, support, checks)
        own = next((c.evidence for c in cited if self._same_subject(text, c.evidence)), None)
        if own is not None:
            sentence = self._sentence(own)
            spans = [Cited(own, sentence.start, sentence.end)]
            return self._verdict(draft, Action.NARROWED, sentence.text, spans, 1.0, checks)
        near = [number for number in self._nearest(text) if self._same_subject(text, number)][:3]
        if self.rewrite is not None and near:
            attempt = self.rewrite(text, [self._sentence(number).text for number in near])
            attempt = clean_claim(attempt) if attempt else ""
            for number in near if attempt else ():
                if (support := self._supported(attempt, number, checks)) is not None:
                    spans = [Cited(number, self._sentence(number).start, self._sentence(number).end)]
                    return self._verdict(draft, Action.REWRITTEN, attempt, spans, support, checks)
        return Verdict(draft, Action.DROPPED, None, (), 0.0, tuple(checks))

    def _verdict(
        self, draft: DraftClaim, action: Action, text: str, cited: Sequence[Cited], support: float, checks: list[Check]
    ) -> Verdict:
        conflicts = self._conflicts(text, {c.evidence for c in cited})
        return Verdict(draft, action, text, tuple(cited), round(support, 4), tuple(checks), tuple(conflicts))

    def _nearest(self, text: str) -> list[int]:
        """Ids of the sources that share most terms with the text; none that share nothing."""
        shares = [(self._share(text, number), -number) for number in range(1, len(self.evidence) + 1)]
        best = sorted(shares, reverse=True)[: self.settings.candidates]
        return [-number for share, number in best if share > 0.0]

    def _same_subject(self, text: str, number: int) -> bool:
        return self._share(text, number) >= self.settings.same_subject

    def _share(self, text: str, number: int) -> float:
        wanted = question_terms(text)
        found = set(terms(self._sentence(number).text))
        return sum(term in found for term in wanted) / len(wanted) if wanted else 0.0

    def _conflicts(self, text: str, cited: set[int]) -> list[int]:
        """Sources that speak of the same thing in the same words and give another number for it."""
        own = facts_of(text)
        if not own.quantities:
            return []
        words = [term for term in question_terms(text) if not any(char.isdigit() for char in term)]
        conflicting = []
        for number, sentence in enumerate(self.evidence, start=1):
            if number in cited or len(words) < 3:
                continue
            others = facts_of(sentence.text).quantities
            found = set(terms(sentence.text)) if others else set()
            if sum(term in found for term in words) < 0.9 * len(words):
                continue
            for quantity in own.quantities:
                same_unit = {q.value for q in others if q.unit == quantity.unit and q.unit}
                if same_unit and quantity.value not in same_unit:
                    conflicting.append(number)
                    break
        return conflicting

    def _sentence(self, number: int) -> Sentence:
        return self.evidence[number - 1]


def _new_words(text: str, source: str) -> list[str]:
    """Content words of the text that the source does not have. Units were compared with the facts."""
    known = set(terms(source))
    known.update(term for quantity in facts_of(text).quantities for term in terms(quantity.unit))
    return [term for term in question_terms(text) if term not in known]


def context_of(sentence: Sentence) -> str:
    """What a reader of the sentence knows already: the title, the headings above it, the sentence before."""
    passage = sentence.passage
    return "\n".join(filter(None, (passage.source.title, *passage.heading_path, sentence.previous)))


def clean_claim(text: str) -> str:
    """The words of a sentence: no HTML, no images, links by their words, no preface about documents."""
    text = _LINK.sub(r"\1", _MARKUP.sub("", text))
    text = _EMPHASIS.sub("", text.strip())
    without = _PREFACE.sub("", text).strip()
    if without != text.strip() and without[:1].islower():
        without = without[0].upper() + without[1:]
    return " ".join(without.split())


def is_meta(text: str) -> bool:
    """Whether a sentence speaks of the conversation and states nothing."""
    return bool(_META.match(text)) and not facts_of(text).quantities
