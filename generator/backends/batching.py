"""Continuous batching: requests join and leave between two steps of one model. Knows no threads, texts or deadlines.

transformers' own ContinuousBatchingManager (5.23) has cancellation and streaming, but one list of logits processors
for all requests, of which only temperature, top-k and top-p may differ, and which see the last token alone; it has no
guidance and no seed for a request. Citations are constrained per request, hence this loop.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from transformers import DynamicCache

from generator.backends.cache import PrefixStore, can_crop, can_join, crop, join, keep, new_cache
from generator.backends.sampling import Chooser, choose


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """`rows` run at once (a guided request takes two). Prompts are computed `chunk` tokens at a time.

    `cache_tokens` bounds rows x columns of the key-value cache; `prefixes` prompts are remembered; up to `lookup`
    tokens are guessed from the prompt when one request runs alone.
    """

    rows: int = 32
    chunk: int = 256
    cache_tokens: int = 1 << 20
    prefixes: int = 4
    lookup: int = 8


class PromptLookup:
    """Guesses what follows from the last place where the last two or three tokens stood. Answers here copy a lot.

    https://github.com/apoorvumang/prompt-lookup-decoding; the indexes make a guess O(1) in the prompt's length.
    """

    def __init__(self, prompt: Sequence[int]) -> None:
        self._tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        for token in prompt:
            self.add(token)

    def add(self, token: int) -> None:
        """The next token of the text."""
        for size in (2, 3):
            if len(self._tokens) >= size:
                self._after[tuple(self._tokens[-size:])] = len(self._tokens)
        self._tokens.append(token)

    def guess(self, most: int) -> list[int]:
        """At most that many tokens."""
        for size in (3, 2):
            at = self._after.get(tuple(self._tokens[-size:]))
            if at is not None:
                return self._tokens[at : at + most]
        return []


@dataclass(slots=True, eq=False)
class Answer:
    """A request as the model sees it. `bare` is the negative prompt of guidance, empty without it."""

    prompt: Sequence[int]
    chooser: Chooser
    max_tokens: int
    bare: Sequence[int] = ()
    lengths: list[int] = field(default_factory=list)
    """Tokens in the cache, of the prompt's row and, under guidance, of the bare question's."""
    last: int = -1
    """The newest token; it is not in the cache yet."""
    lookup: PromptLookup | None = None

    @property
    def rows(self) -> int:
        """Rows of the batch that it takes."""
        return 2 if self.bare else 1

    @property
    def longest(self) -> int:
        """Columns of the cache that it may come to need."""
        return max(len(self.prompt), len(self.bare)) + self.max_tokens


@dataclass(frozen=True, slots=True)
class Prepared:
    """The end of a prefill: the answer's own cache and its first token."""

    cache: DynamicCache
    token: int


class Batch:
    """The rows that run, and the model that runs them. Used by one thread only, in inference mode."""

    def __init__(self, model: Any, ends: frozenset[int], settings: BatchSettings) -> None:
        self._model = model
        self._ends = ends
        self._config = model.config
        self.joins = can_join(self._config)
        """Whether answers can share a pass; without it one runs at a time, and there is no guidance."""
        self._crops = can_crop(self._config)
        self.settings = settings
        self._prefixes = PrefixStore(
            settings.prefixes if self._crops else 0, settings.cache_tokens // 8, settings.chunk
        )
        self._last_only = (
            {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
        )
        self.running: list[Answer] = []
        self._cached: list[Answer] = []  # the rows of the cache; some may have left
        self._cache: DynamicCache | None = None

    @property
    def device(self) -> torch.device:
        """Where the logits are."""
        return torch.device(self._model.device)

    def fits(self, answer: Answer) -> bool:
        """Whether there is room for it now."""
        rows = sum(other.rows for other in self.running) + answer.rows
        columns = max(other.longest for other in (*self.running, answer))
        alone = not self.running
        return rows <= self.settings.rows and rows * columns <= self.settings.cache_tokens and (self.joins or alone)

    def prefill(self, answer: Answer) -> Iterator[Prepared | None]:
        """Computes the prompt, one chunk at a time: None after each, `Prepared` at the end."""
        cache = new_cache(self._config)
        done = self._prefixes.find(answer.prompt, cache)
        logits = None
        for logits in self._chunks(answer.prompt, cache, done):  # noqa: B007
            yield None
        self._prefixes.add(answer.prompt, cache)
        bare = None
        if answer.bare:
            other = new_cache(self._config)
            for bare in self._chunks(answer.bare, other, 0):  # noqa: B007
                yield None
            join(cache, other)
        assert logits is not None, "a prompt has tokens"
        token = choose([answer.chooser], logits, [bare])[0]
        yield Prepared(cache, token)

    def _chunks(self, tokens: Sequence[int], cache: DynamicCache, done: int) -> Iterator[torch.Tensor]:
        """The logits of each chunk's last token; shape (1, vocabulary)."""
        for start in range(done, len(tokens), self.settings.chunk):
            part = tokens[start : start + self.settings.chunk]
            yield self._forward([part], [start], cache, self._last_only)[:, -1]

    def admit(self, answer: Answer, prepared: Prepared) -> None:
        """Lets an answer run whose first token is no end."""
        answer.lengths = [len(answer.prompt), len(answer.bare)][: answer.rows]
        answer.last = prepared.token
        if answer.lookup is not None:
            answer.lookup.add(prepared.token)
            if not self._crops:
                answer.lookup = None
        self._compact()
        if self._cache is None:
            self._cache = prepared.cache
        else:
            join(self._cache, prepared.cache)
        self.running.append(answer)
        self._cached.append(answer)

    def drop(self, answer: Answer) -> None:
        """Frees its rows, if it has any."""
        if answer in self.running:
            self.running.remove(answer)

    def _compact(self) -> None:
        """Takes the rows of those who left out of the cache: one copy, however many left."""
        if self._cache is None or len(self._cached) == len(self.running):
            return
        rows: list[int] = []
        row = 0
        for answer in self._cached:
            rows += range(row, row + answer.rows) if answer in self.running else ()
            row += answer.rows
        self._cached = list(self.running)
        if rows:
            keep(self._cache, rows, max(max(answer.lengths) for answer in self.running))
        else:
            self._cache = None

    def clear(self) -> None:
        """Forgets everything that runs."""
        self.running, self._cached, self._cache = [], [], None

    def step(self) -> list[tuple[Answer, list[int]]]:
        """One pass of the model: one new token for each answer, or several for one that runs alone; -1 for NaN."""
        self._compact()
        guess = self._guess()
        lengths = [length for answer in self.running for length in answer.lengths]
        tokens = [[answer.last, *guess] for answer in self.running for _ in range(answer.rows)]
        assert self._cache is not None, "something runs"
        logits = self._forward(tokens, lengths, self._cache, {})
        rows = [0, *accumulate(answer.rows for answer in self.running)][:-1]
        new: list[tuple[Answer, list[int]]] = [(answer, []) for answer in self.running]
        for column in range(1 + len(guess)):
            bare = [
                logits[row + 1 : row + 2, column] if a.bare else None for row, a in zip(rows, self.running, strict=True)
            ]
            main = logits[:, column] if len(rows) == len(logits) else logits[rows, column]
            for (answer, found), token in zip(new, choose([a.chooser for a in self.running], main, bare), strict=True):
                found.append(token)
                answer.last = token
                answer.lengths = [length + 1 for length in answer.lengths]
                if answer.lookup is not None:
                    answer.lookup.add(token)
            if column < len(guess) and (answer.last != guess[column] or answer.last in self._ends):
                break
        crop(self._cache, len(guess) - column)
        return new

    def _guess(self) -> list[int]:
        if len(self.running) != 1 or self.running[0].lookup is None:
            return []
        answer = self.running[0]
        most = min(self.settings.lookup, answer.max_tokens - answer.chooser.count - 1)
        return answer.lookup.guess(most) if most > 0 and answer.lookup is not None else []

    def _forward(
        self, tokens: Sequence[Sequence[int]], lengths: Sequence[int], cache: DynamicCache, options: dict[str, int]
    ) -> torch.Tensor:
        """Logits of new tokens behind rows of these lengths; shapes (rows, new) -> (rows, new or 1, vocabulary)."""
        ids = torch.tensor(tokens, device=self.device)
        start = torch.tensor(lengths, device=self.device)[:, None]
        new = torch.arange(ids.shape[1], device=self.device)
        mask = None
        columns = max(lengths)
        if min(lengths) < columns:  # without padding the kernels for plain causal attention can run
            everything = torch.arange(columns + ids.shape[1], device=self.device)
            mask = (everything >= columns - start).long()
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=start + new,
            past_key_values=cache,
            use_cache=True,
            **options,
        )
        logits: torch.Tensor = output.logits
        return logits
