"""From messages to token ids, by the model's own chat template.

What stands in a message can never become a control token of the model.
"""

import threading
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from generator.llm import LLMUnavailable, Message


class ChatPrompt:
    """The template and tokenizer of one model. Thread-safe."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        added = tokenizer.added_tokens_decoder.values()
        self._controls = tuple(token.content for token in added if token.special and token.content)
        self._lock = threading.Lock()

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return len(self._encode(text, plain=True))

    def ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, up to where the model's answer begins."""
        if not any(control in message.content for message in messages for control in self._controls):
            return self._encode(self._render(messages), plain=False)
        # A document that spells "<|im_end|>" must not end a turn: contents are tokenised apart from the template
        marks = [f"\ue0f0{index}\ue0f1" for index in range(len(messages))]
        rendered = self._render([Message(m.role, mark) for m, mark in zip(messages, marks, strict=True)])
        ids: list[int] = []
        for mark, message in zip(marks, messages, strict=True):
            before, found, rendered = rendered.partition(mark)
            if not found:
                raise LLMUnavailable("the chat template drops or reorders messages; use another template")
            ids += self._encode(before, plain=False) + self._encode(message.content, plain=True)
        return ids + self._encode(rendered, plain=False)

    def _encode(self, text: str, plain: bool) -> list[int]:
        with self._lock:
            self._backend.encode_special_tokens = plain
            try:
                return list(self._backend.encode(text, add_special_tokens=False).ids)
            finally:
                self._backend.encode_special_tokens = False

    def _render(self, messages: Sequence[Message]) -> str:
        try:
            return self._template(messages)
        except TemplateError as error:
            merged = _without_system(messages)  # Gemma 2, Mistral 7B: no such role
            if len(merged) == len(messages):
                raise LLMUnavailable(f"the model's chat template refuses the prompt: {error}") from error
        try:
            return self._template(merged)
        except TemplateError as error:
            raise LLMUnavailable(f"the model's chat template refuses the prompt: {error}") from error

    def _template(self, messages: Sequence[Message]) -> str:
        # enable_thinking is read by the templates of Qwen3 and others; a draft needs no thoughts aloud
        return str(
            self._tokenizer.apply_chat_template(
                [{"role": message.role, "content": message.content} for message in messages],
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,
            )
        )


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The system turn as the beginning of the user's first one."""
    if len(messages) < 2 or messages[0].role != "system":
        return list(messages)
    first = Message(messages[1].role, f"{messages[0].content}\n\n{messages[1].content}")
    return [first, *messages[2:]]
