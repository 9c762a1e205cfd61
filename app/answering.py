"""Which answerer serves a question, and what happens when the language model is down. Knows no HTTP and no SQL."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from generator.answer import Answer, Shown
from generator.conversation import Turn, stand_alone_by_model, stand_alone_by_rule
from generator.extractive import Extractive
from generator.llm import LLMError
from generator.ranking import Ranked
from generator.writer import Writer
from retriever.search import Retrieval

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

    @property
    def name(self) -> str:
        """The model that writes, for the record."""
        return self.writer.llm.name if self.writer else self.extractive.name

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

    def stream(
        self,
        question: str,
        retrieval: Retrieval,
        ranked: Ranked,
        cancelled: threading.Event,
        language: str,
        marker: str | None = None,
    ) -> Iterator[Shown | Answer]:
        """Claims as they pass, then the answer. Raises LLMError if the model fails and there is no fallback."""
        if self.writer is None:
            yield from self.extractive.stream(question, retrieval, ranked, cancelled)
            return
        try:
            yield from self.writer.stream(question, retrieval, ranked, cancelled, marker)
        except LLMError:
            if self.fallback == "error":
                raise
            answer = self.extractive.answer(question, retrieval, ranked)
            yield replace(answer, notice=FALLBACK_NOTICE[language])
