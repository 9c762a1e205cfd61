"""Which answerer serves a question, and what happens when the language model is down. Knows no HTTP and no SQL."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from generator.answer import Answer, Shown
from generator.conversation import Turn, other_words, stand_alone_by_model, stand_alone_by_rule
from generator.extractive import Extractive
from generator.finding import Found, confidence_of, join_found
from generator.llm import LLMError
from generator.parts import join_answers
from generator.writer import Writer

FALLBACK_NOTICE = {
    "en": "The language model could not be reached: this answer is made of sentences of the sources, word for word.",
    "ja": "言語モデルを利用できないため、この回答は出典の文をそのまま示したものです。",
}


@dataclass(frozen=True, slots=True)
class Answering:
    """The answerers of a process. `fallback` "extractive" answers without the model when it is down, and says so."""

    extractive: Extractive = field(default_factory=Extractive)
    writer: Writer | None = None
    fallback: Literal["error", "extractive"] = "error"

    def model_of(self, answer: Answer) -> str:
        """What wrote the answer, for the record. Asks no server, which may be down."""
        return answer.trace.model if answer.trace else self.extractive.name

    def stand_alone(self, question: str, history: Sequence[Turn], cancelled: threading.Event) -> str:
        """The question in words that need no history."""
        if self.writer is None:
            return stand_alone_by_rule(question, history)
        try:
            return stand_alone_by_model(
                question, history, self.writer.llm, self.writer.prompts, self.writer.settings.deadlines, cancelled
            )
        except LLMError:
            if self.fallback == "error":
                raise
            return stand_alone_by_rule(question, history)

    def other_words(self, question: str, found: Sequence[Found], cancelled: threading.Event) -> str | None:
        """What to search with once more, if what was found is not enough and there is a model to ask."""
        if self.writer is None or confidence_of(found) >= self.writer.settings.search_again:
            return None
        try:
            return other_words(
                question, self.writer.llm, self.writer.prompts, self.writer.settings.deadlines, cancelled
            )
        except LLMError:
            if self.fallback == "error":
                raise
            return None

    def stream(
        self,
        question: str,
        found: Sequence[Found],
        cancelled: threading.Event,
        language: str,
        marker: str | None = None,
    ) -> Iterator[Shown | Answer]:
        """Claims as they pass, then the answer. Raises LLMError if the model fails and there is no fallback."""
        if self.writer is None:
            yield from self._verbatim(question, found, cancelled)
            return
        whole = join_found(question, found)
        try:
            yield from self.writer.stream(question, whole.retrieval, whole.ranked, cancelled, marker)
        except LLMError:
            if self.fallback == "error":
                raise
            yield replace(self._join(question, found), notice=FALLBACK_NOTICE[language])

    def _verbatim(self, question: str, found: Sequence[Found], cancelled: threading.Event) -> Iterator[Shown | Answer]:
        answer = self._join(question, found)
        for claim in answer.claims:
            if cancelled.is_set():
                return
            yield Shown(claim, tuple(c for c in answer.citations if c.n in claim.citations))
        yield answer

    def _join(self, question: str, found: Sequence[Found]) -> Answer:
        answers = [(f.question, self.extractive.answer(f.question, f.retrieval, f.ranked)) for f in found]
        return replace(answers[0][1], question=question) if len(answers) == 1 else join_answers(question, answers)
