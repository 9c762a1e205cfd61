"""A language model in this process: any chat model that transformers loads, by hub name or local path.

Knows how to put a request to the model. How the model is loaded, batched, constrained and shared by threads is said
in loading.py, batching.py, constraints.py and owner.py.
"""

import os
from dataclasses import dataclass, field, replace

import torch

from generator.backends.batching import Answer, Batch, BatchSettings, PromptLookup
from generator.backends.constraints import MAX_QUOTE, CitationGrammar
from generator.backends.loading import Loaded, ModelSettings, load
from generator.backends.owner import Job, Owner, PieceStream
from generator.backends.prompts import ChatPrompt
from generator.backends.sampling import Chooser
from generator.backends.tokens import Detokenizer, token_table
from generator.llm import LLMUnavailable, Message, Request


@dataclass(frozen=True, slots=True)
class TransformersSettings:
    """`waiting` requests may queue beyond those that run.

    `cache_gib` is for keys and values; None: what memory allows.
    """

    model: ModelSettings
    batch: BatchSettings = field(default_factory=BatchSettings)
    waiting: int = 64
    cache_gib: float | None = None
    max_quote: int = MAX_QUOTE


class TransformersLLM:
    """Implements `generator.llm.LLM`.

    Greedy answers are the same bit for bit when the same request runs alone on the same backend. Beside others, a
    request's logits differ in their last bits (other shapes, other kernels), so its text may differ at near ties.
    """

    def __init__(self, settings: TransformersSettings, loaded: Loaded | None = None) -> None:
        """Loads the model, unless it is given. Raises LLMUnavailable where it cannot be used."""
        self._loaded = loaded or load(settings.model)
        width = self._loaded.model.get_output_embeddings().weight.shape[0]
        try:
            self._table = token_table(self._loaded.tokenizer, self._loaded.ends, width)
        except ValueError as error:
            raise LLMUnavailable(f"the tokenizer of {settings.model.name!r} is not understood: {error}") from error
        self._prompts = ChatPrompt(self._loaded.tokenizer)
        self._max_quote = settings.max_quote
        tokens = min(settings.batch.cache_tokens, _cache_tokens(self._loaded, settings.cache_gib))
        self._batch = Batch(self._loaded.model, self._loaded.ends, replace(settings.batch, cache_tokens=tokens))
        self._owner = Owner(self._batch, self._table, settings.waiting)

    @property
    def name(self) -> str:
        """Name, commit or content hash, and number format."""
        return self._loaded.name

    @property
    def context_tokens(self) -> int:
        """Tokens that prompt and answer may have together: the model's own limit, or what the cache holds."""
        return min(self._loaded.context_tokens, self._batch.settings.cache_tokens)

    @property
    def load(self) -> tuple[int, int]:
        """Requests that run, and requests that wait."""
        return self._owner.load

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, by the model's tokenizer."""
        return self._prompts.count(text)

    def generate(self, request: Request) -> PieceStream:
        """Pieces of text as they are made. The request is queued when this returns, or LLMBusy is raised."""
        prompt = self._prompts.ids(request.messages)
        room = min(request.max_tokens, self.context_tokens - len(prompt))
        if room < 1:
            raise LLMUnavailable(
                f"the prompt has {len(prompt)} tokens and the model reads {self.context_tokens}: take fewer sources"
            )
        bare: list[int] = []
        if request.sampling.guidance > 1:
            if not request.bare_question:
                raise ValueError("guidance needs the bare question")
            if not self._batch.joins:
                raise LLMUnavailable("this model's architecture runs one row at a time: turn guidance off")
            bare = self._prompts.ids([Message("user", request.bare_question)])
        grammar = None
        if request.sources:
            grammar = CitationGrammar(self._table, request.sources, self._max_quote)
            _ = grammar.free_blocked  # computed here, not in the model's thread
        answer = Answer(
            prompt,
            Chooser.of(request.sampling, grammar, room, self._batch.device),
            room,
            bare,
            lookup=PromptLookup(prompt) if self._batch.settings.lookup else None,
        )
        return self._owner.submit(Job(request, answer, Detokenizer(self._table.spellings)))

    def close(self) -> None:
        """Ends all answers and the model's thread."""
        self._owner.close()


def _cache_tokens(loaded: Loaded, gib: float | None) -> int:
    """Tokens of keys and values that fit; a part of free memory stays free for activations and copies."""
    if gib is not None:
        free = gib * 2**30
    elif loaded.model.device.type == "cuda":
        free = 0.4 * torch.cuda.mem_get_info(loaded.model.device)[0]  # a join holds the cache twice
    else:
        free = 0.25 * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(free // loaded.bytes_per_token)
