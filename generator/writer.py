"""The answerer with a language model: draft, gate, answer. What the model writes is shown only if the gate lets it.

Streams each sentence once it has passed. Knows no backend (any `LLM` will do), no SQL and no HTTP.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from generator.answer import Answer, Citation, Claim, Reason, Shown, Status, Trace, TracedClaim, abstain, cite
from generator.calculate import CalculationProblem
from generator.calculations import Calculated, compute
from generator.draft import DraftCalculation, DraftClaim, DraftItem, DraftUnanswered, parse_draft
from generator.evidence import Sentence
from generator.gate import Action, Cited, Gate, GateSettings, Verdict
from generator.llm import LLM, Deadlines, Message, Request, Sampling
from generator.prompt import Prompts, answer_messages, data_messages, fit_evidence, new_marker
from generator.ranking import Ranked
from generator.support import Verifier
from generator.wording import in_words_of
from retriever.search import Retrieval

_RESERVED_TOKENS = 64


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """Budgets in tokens of the model. Below `min_confidence` that the passages answer, the model is not asked.

    Below `search_again` the model is first asked once for other words to search with.
    """

    max_answer_tokens: int = 700
    max_evidence: int = 60
    max_claims: int = 12
    min_confidence: float = 0.1
    search_again: float = 0.15
    sampling: Sampling = field(default_factory=Sampling)
    deadlines: Deadlines = field(default_factory=Deadlines)
    gate: GateSettings = field(default_factory=GateSettings)


@dataclass(frozen=True, slots=True)
class Writer:
    """Answers from what was retrieved, in the model's words where they hold, in the source's where they do not."""

    llm: LLM
    verifier: Verifier
    prompts: Prompts
    settings: WriterSettings = field(default_factory=WriterSettings)

    def stream(
        self, question: str, retrieval: Retrieval, ranked: Ranked, cancelled: threading.Event, marker: str | None = None
    ) -> Iterator[Shown | Answer]:
        """Each claim with its citations once it has passed, then the whole answer.

        `marker` is that of a recorded answer which is made again; a new one is drawn otherwise.

        Raises LLMUnavailable, LLMBusy or LLMTimeout if no draft could be had.
        """
        started = time.perf_counter()
        if not ranked.sentences or ranked.confidence < self.settings.min_confidence:
            reason = Reason.FOUND_BUT_NOT_SUPPORTING if ranked.sentences else Reason.NOTHING_FOUND
            yield abstain(question, reason, retrieval.passages, retrieval.timings_ms)
            return
        marker = marker or new_marker()
        request, evidence = self._request(question, ranked, cancelled, marker)
        restater = _Restater(self.llm, self.prompts, self.settings, cancelled, marker)
        gate = Gate(evidence, self.verifier, self.settings.gate, restater)
        state = _State(question, evidence)
        tape: list[str] = []
        for item in parse_draft(_taped(self.llm.generate(request), tape)):
            shown = self._take(item, gate, state)
            if shown is not None:
                yield shown
            if state.core_dropped or len(state.claims) >= self.settings.max_claims:
                break
        timings = {**retrieval.timings_ms, "answer": (time.perf_counter() - started) * 1000}
        answer = state.finish(question, retrieval, timings)
        yield replace(answer, trace=self._trace(request, marker, "".join(tape), state))

    def _request(
        self, question: str, ranked: Ranked, cancelled: threading.Event, marker: str
    ) -> tuple[Request, list[Sentence]]:
        texts = self.prompts.texts
        instructions = max(self.llm.count_tokens(texts[name]) for name in ("answer", "answer_json"))
        fixed = instructions + self.llm.count_tokens(question) + _RESERVED_TOKENS
        answer_tokens = min(self.settings.max_answer_tokens, max(64, self.llm.context_tokens // 4))
        budget = self.llm.context_tokens - fixed - answer_tokens
        scored = list(zip(ranked.logits.tolist(), ranked.sentences, strict=True))
        evidence = fit_evidence(scored, self.llm.count_tokens, budget, self.settings.max_evidence)
        messages = answer_messages(texts["answer"], marker, evidence, question)
        request = Request(
            messages=messages,
            schema_messages=(Message("system", texts["answer_json"]), *messages[1:]),
            max_tokens=answer_tokens,
            sources={number: sentence.text for number, sentence in enumerate(evidence, start=1)},
            bare_question=question,
            sampling=self.settings.sampling,
            deadlines=self.settings.deadlines,
            cancelled=cancelled,
        )
        return request, evidence

    def _take(self, item: DraftItem, gate: Gate, state: "_State") -> Shown | None:
        if isinstance(item, DraftClaim):
            return state.add(gate.check(item))
        if isinstance(item, DraftUnanswered):
            if part := in_words_of(item.part, state.question):
                state.unanswered.append(part)
            else:  # no source stands behind it, so it may only be what was asked
                state.dropped += 1
            return None
        return self._calculate(item, state)

    def _calculate(self, item: DraftCalculation, state: "_State") -> Shown | None:
        try:
            calculated = compute(item, state.evidence, state.question)
        except CalculationProblem as problem:
            state.traced.append(
                TracedClaim(f"{item.label} = {item.expression}", "dropped", None, ((str(problem), False),))
            )
            state.dropped += 1
            return None
        return state.add_calculation(calculated)

    def _trace(self, request: Request, marker: str, draft: str, state: "_State") -> Trace:
        return Trace(
            model=self.llm.name,
            prompt_sha256=self.prompts.sha256,
            marker=marker,
            verifier=self.verifier.name,
            sampling={
                "temperature": request.sampling.temperature,
                "top_p": request.sampling.top_p,
                "seed": request.sampling.seed,
                "guidance": request.sampling.guidance,
                "max_tokens": request.max_tokens,
            },
            evidence=tuple((s.passage.source.content_id, s.start, s.end) for s in state.evidence),
            draft=draft,
            claims=tuple(state.traced),
        )


@dataclass(frozen=True, slots=True)
class _Restater:
    """Asks the model once more to say a failed claim from the evidence alone."""

    llm: LLM
    prompts: Prompts
    settings: WriterSettings
    cancelled: threading.Event
    marker: str

    def __call__(self, claim: str, sources: Sequence[str]) -> str | None:
        parts = (("Source sentences", sources), ("Draft", [claim]))
        request = Request(
            messages=data_messages(self.prompts.texts["restate"], self.marker, parts),
            max_tokens=120,
            sampling=self.settings.sampling,
            deadlines=self.settings.deadlines,
            cancelled=self.cancelled,
        )
        text = "".join(self.llm.generate(request)).strip()
        return None if not text or text.upper().startswith("NONE") else text.splitlines()[0]


@dataclass(slots=True)
class _State:
    """What has been let through so far."""

    question: str
    evidence: list[Sentence]
    claims: list[Claim] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    traced: list[TracedClaim] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    calculations: list[tuple[str, str, tuple[int, ...]]] = field(default_factory=list)
    dropped: int = 0
    core_dropped: bool = False
    conflicting: bool = False

    def add(self, verdict: Verdict) -> Shown | None:
        """Takes a verdict in; gives back what may be shown."""
        checks = tuple((f"{c.name}: {c.detail}".rstrip(": "), c.passed) for c in verdict.checks)
        self.traced.append(TracedClaim(verdict.draft.text, verdict.action.value, verdict.text, checks))
        if verdict.action == Action.META:
            return None
        if verdict.text is None:
            self.dropped += 1
            self.core_dropped = self.core_dropped or not self.claims
            return None
        if any(claim.text == verdict.text for claim in self.claims):
            return None
        spans = list(verdict.cited)
        if verdict.conflicts:
            self.conflicting = True
            spans += [Cited(n, self.evidence[n - 1].start, self.evidence[n - 1].end) for n in verdict.conflicts]
        return self._show(verdict.text, verdict.support, spans, verdict.action.value)

    def add_calculation(self, calculated: Calculated) -> Shown:
        """Shows a result that plain code has computed, with the sources of its inputs."""
        shown = self._show(calculated.text, 1.0, list(calculated.cited), "computed")
        self.calculations.append((calculated.expression, calculated.result, shown.claim.citations))
        self.traced.append(TracedClaim(calculated.text, "computed", calculated.text, ()))
        return shown

    def _show(self, text: str, support: float, spans: Sequence[Cited], checked: str) -> Shown:
        used = tuple(self._cite(span) for span in dict.fromkeys(spans))
        claim = Claim(text, support, tuple(dict.fromkeys(c.n for c in used)), checked)
        self.claims.append(claim)
        return Shown(claim, used)

    def _cite(self, span: Cited) -> Citation:
        sentence = self.evidence[span.evidence - 1]
        quote = sentence.text[span.start - sentence.start : span.end - sentence.start]
        return cite(self.citations, sentence.passage, span.start, span.end, quote)

    def finish(self, question: str, retrieval: Retrieval, timings: Mapping[str, float]) -> Answer:
        """The whole answer. Without its core claim, or without any, it abstains."""
        if not self.claims or self.core_dropped:
            answer = abstain(question, Reason.FOUND_BUT_NOT_SUPPORTING, retrieval.passages, timings)
            return replace(answer, unanswered=tuple(self.unanswered), dropped=self.dropped)
        partial = bool(self.unanswered or self.dropped or self.conflicting)
        return Answer(
            Status.PARTIAL if partial else Status.ANSWERED,
            Reason.SOURCES_CONFLICT if self.conflicting else None,
            question,
            tuple(self.claims),
            tuple(self.citations),
            retrieval.passages,
            None,
            None,
            timings,
            unanswered=tuple(self.unanswered),
            dropped=self.dropped,
            calculations=tuple(self.calculations),
        )


def _taped(pieces: Iterable[str], tape: list[str]) -> Iterator[str]:
    for piece in pieces:
        tape.append(piece)
        yield piece
