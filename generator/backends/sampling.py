"""From logits to the next token: guidance, constraints, temperature, top-p, in the order of transformers' generate().

Every request has its own processors and its own random numbers, so what it samples does not depend on its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import LogitsProcessor, LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from generator.backends.constraints import CitationGrammar, CitationWalk
from generator.llm import Sampling


class CitationLogitsProcessor(LogitsProcessor):
    """Lets one answer (one row, no beams) cite only as the grammar allows. Works in generate() too.

    `prompt_tokens` is the width of `input_ids` before the first generated token; `max_tokens` is what may follow.
    """

    def __init__(self, grammar: CitationGrammar, max_tokens: int, prompt_tokens: int = 0) -> None:
        self.walk = CitationWalk(grammar)
        self._prompt_tokens = prompt_tokens
        self._max_tokens = max_tokens
        self._seen = prompt_tokens
        self._free: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Shapes (1, tokens so far) and (1, vocabulary); what is not allowed becomes -inf."""
        for token in input_ids[0, self._seen :].tolist():
            self.walk.advance(token)
        self._seen = input_ids.shape[1]
        left = self._max_tokens - (self._seen - self._prompt_tokens)
        allowed = self.walk.allowed(left)
        # A model may give -inf itself; what the grammar allows must still beat what it does not
        scores = scores.clamp(min=torch.finfo(scores.dtype).min)
        if allowed is None:
            scores = scores.masked_fill(self._blocked(scores), -torch.inf)
            late = self.walk.too_late(left)
            if late:
                scores[:, late] = -torch.inf
            return scores
        index = torch.tensor(list(allowed), device=scores.device)
        only = torch.full_like(scores, -torch.inf)
        only[:, index] = scores[:, index]
        return only

    def _blocked(self, scores: torch.Tensor) -> torch.Tensor:
        """The mask of free text: the same in every step, so it is made once. Shape (vocabulary,)."""
        if self._free is None:
            self._free = torch.zeros(scores.shape[1], dtype=torch.bool)
            self._free[list(self.walk.grammar.free_blocked)] = True
            self._free = self._free.to(scores.device)
        return self._free


def processors(sampling: Sampling, grammar: CitationGrammar | None, max_tokens: int) -> LogitsProcessorList:
    """What changes the scores of one request, after guidance."""
    found = LogitsProcessorList()
    if grammar is not None:
        found.append(CitationLogitsProcessor(grammar, max_tokens))
    if sampling.temperature > 0:
        if sampling.temperature != 1.0:
            found.append(TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_p < 1.0:
            found.append(TopPLogitsWarper(sampling.top_p))
    return found


def guided(conditional: torch.Tensor, bare: torch.Tensor, guidance: float) -> torch.Tensor:
    """Context-aware decoding: bare + guidance * (conditional - bare), on log-probabilities.

    What transformers' UnbatchedClassifierFreeGuidanceLogitsProcessor computes (https://arxiv.org/abs/2306.17806,
    https://arxiv.org/abs/2305.14739), from logits that are already there: the bare question runs as a row of the same
    batch, where the stock processor would run the model once more for each request. Shapes (1, vocabulary).
    """
    given = torch.nn.functional.log_softmax(conditional, dim=-1)
    alone = torch.nn.functional.log_softmax(bare, dim=-1)
    return guidance * (given - alone) + alone


@dataclass(slots=True)
class Chooser:
    """Picks the tokens of one request."""

    sampling: Sampling
    processors: LogitsProcessorList
    written: torch.Tensor
    """Generated tokens, on the CPU; shape (1, max_tokens)."""
    count: int = 0
    randomness: torch.Generator | None = None

    @classmethod
    def of(
        cls, sampling: Sampling, grammar: CitationGrammar | None, max_tokens: int, device: torch.device
    ) -> "Chooser":
        """A chooser at the beginning of an answer."""
        randomness = None
        if sampling.temperature > 0:
            randomness = torch.Generator(device=device)
            randomness.manual_seed(sampling.seed)
        written = torch.zeros((1, max_tokens), dtype=torch.long)
        return cls(sampling, processors(sampling, grammar, max_tokens), written, 0, randomness)

    def scores(self, logits: torch.Tensor, bare: torch.Tensor | None) -> torch.Tensor:
        """Float32 logits, with those of the bare question under guidance; shapes (1, vocabulary)."""
        if bare is not None:
            logits = guided(logits, bare, self.sampling.guidance)
        for processor in self.processors:
            logits = processor(self.written[:, : self.count], logits)
        return logits

    def sample(self, scores: torch.Tensor) -> torch.Tensor:
        """One token id, still on the device; shape (1,). Only above temperature 0."""
        odds = torch.softmax(scores, dim=-1).nan_to_num(nan=1.0)  # `choose` reports NaN; here it would abort CUDA
        return torch.multinomial(odds, 1, generator=self.randomness)[:, 0]

    def note(self, token: int) -> None:
        """The token that was picked."""
        self.written[0, self.count] = token
        self.count += 1


def choose(choosers: Sequence[Chooser], logits: torch.Tensor, bare: Sequence[torch.Tensor | None]) -> list[int]:
    """The next token of each request, -1 where the model computed no number. One wait for the device.

    `logits` has a row for each request, shape (requests, vocabulary); `bare` those of its bare question, or None.
    """
    logits = logits.float()
    scores = [
        chooser.scores(logits[row : row + 1], None if other is None else other.float())
        for row, (chooser, other) in enumerate(zip(choosers, bare, strict=True))
    ]
    picked = torch.cat(scores).argmax(dim=-1)
    for row, chooser in enumerate(choosers):
        if chooser.randomness is not None:
            picked[row : row + 1] = chooser.sample(scores[row])
    tokens: list[int] = picked.masked_fill(logits.isnan().any(dim=-1), -1).tolist()
    for chooser, token in zip(choosers, tokens, strict=True):
        if token >= 0:
            chooser.note(token)
    return tokens
