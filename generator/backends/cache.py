"""Key-value caches: rows that join and leave a batch, and the prefixes of recent prompts.

Rows are aligned at the right: column -1 of every row is its newest token, and what a shorter row lacks is padding at
the left, which the attention mask hides. So all rows write to the same column, and a step copies nothing.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

_ROOM = 256
"""Columns by which a layer grows: 1 copy in 256 steps, where torch.cat copies the whole cache in every step."""


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """DynamicLayer with room for tokens to come. `keys` and `values` are views of what is filled."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._room: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Appends columns; shapes (rows, heads, columns, width of a head)."""
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if self._room is None or end > self._room[0].shape[-2]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            room = _blank(key_states, end), _blank(value_states, end)
            if self.keys is not None and self.values is not None and start:
                room[0][:, :, :start] = self.keys
                room[1][:, :, :start] = self.values
            self._room = room
        self._room[0][:, :, start:end] = key_states
        self._room[1][:, :, start:end] = value_states
        self.keys, self.values = self._room[0][:, :, :end], self._room[1][:, :, :end]
        return self.keys, self.values

    def replace(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Takes other contents."""
        self._room, self.keys, self.values, self.is_initialized = None, None, None, False
        self.update(keys, values)


def _blank(like: torch.Tensor, columns: int) -> torch.Tensor:
    rows, heads, _, width = like.shape
    return like.new_zeros((rows, heads, -(-columns // _ROOM) * _ROOM, width))


def new_cache(config: Any) -> DynamicCache:
    """An empty cache for a model."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def can_join(config: Any) -> bool:
    """Whether rows can be put together: not where a layer keeps another state than keys and values (Mamba, say)."""
    return all(isinstance(layer, GrowingLayer | DynamicSlidingWindowLayer) for layer in _layers(new_cache(config)))


def can_crop(config: Any) -> bool:
    """Whether tokens can be taken back, and prefixes kept: not where a layer forgets what left its window."""
    return all(isinstance(layer, GrowingLayer) for layer in _layers(new_cache(config)))


def join(first: DynamicCache, second: DynamicCache) -> None:
    """Puts the rows of `second` below those of `first`."""
    total = max(first.get_seq_length(), second.get_seq_length())
    for ours, theirs in zip(_layers(first), _layers(second), strict=True):
        if theirs.keys is None:
            continue  # a layer that uses another one's keys
        _replace(ours, _stack(ours.keys, theirs.keys), _stack(ours.values, theirs.values), total)


def keep(cache: DynamicCache, rows: Sequence[int], columns: int) -> None:
    """Keeps these rows, and of their columns the last `columns`: what the longest of them needs."""
    for layer in _layers(cache):
        if layer.keys is None:
            continue
        here = min(columns, layer.keys.shape[-2])
        index = torch.tensor(rows, device=layer.keys.device)
        keys, values = layer.keys[..., -here:, :], layer.values[..., -here:, :]
        _replace(layer, keys.index_select(0, index), values.index_select(0, index), columns)


def crop(cache: DynamicCache, columns: int) -> None:
    """Takes the newest columns back."""
    if columns:
        cache.crop(-columns)


def _replace(layer: Any, keys: torch.Tensor, values: torch.Tensor, total: int) -> None:
    if isinstance(layer, GrowingLayer):
        layer.replace(keys, values)
    else:
        layer.keys, layer.values, layer.cumulative_length = keys, values, total


def _stack(above: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
    columns = max(above.shape[-2], below.shape[-2])
    out = above.new_zeros((above.shape[0] + below.shape[0], above.shape[1], columns, above.shape[3]))
    out[: above.shape[0], :, columns - above.shape[-2] :] = above
    out[above.shape[0] :, :, columns - below.shape[-2] :] = below
    return out


class PrefixStore:
    """The caches of recent prompts; the least recently used go first, beyond `entries` prompts or `tokens` in all.

    Only whole chunks are kept, and prompts are always computed in the same chunks: so a prompt whose beginning is
    found here goes through the very same operations on the same shapes as one that is not, and gives the same bits.
    """

    def __init__(self, entries: int, tokens: int, chunk: int) -> None:
        self._entries = entries
        self._tokens = tokens
        self._chunk = chunk
        self._kept: OrderedDict[tuple[int, ...], list[tuple[torch.Tensor, torch.Tensor]]] = OrderedDict()

    def find(self, prompt: Sequence[int], cache: DynamicCache) -> int:
        """Fills the empty cache with the longest known beginning of the prompt; the number of its tokens.

        The last token is never among them: its logits are needed.
        """
        best: tuple[int, ...] = ()
        length = 0
        for known in self._kept:
            common = _common(known, prompt[:-1]) // self._chunk * self._chunk
            if common > length:
                best, length = known, common
        if length:
            self._kept.move_to_end(best)
            for layer, (keys, values) in zip(_layers(cache), self._kept[best], strict=True):
                layer.replace(keys[:, :, :length], values[:, :, :length])
        return length

    def add(self, prompt: Sequence[int], cache: DynamicCache) -> None:
        """Keeps the whole chunks of a prompt whose cache has one row."""
        length = len(prompt) // self._chunk * self._chunk
        known = tuple(prompt[:length])
        if not 0 < length <= self._tokens or not self._entries or any(layer.keys is None for layer in _layers(cache)):
            return
        for other in [other for other in self._kept if _common(other, known) == len(other)]:
            del self._kept[other]  # a part of this one
        if any(_common(other, known) == length for other in self._kept):
            return
        parts = [(layer.keys[:, :, :length].clone(), layer.values[:, :, :length].clone()) for layer in _layers(cache)]
        self._kept[known] = parts
        while len(self._kept) > self._entries or sum(map(len, self._kept)) > self._tokens:
            self._kept.popitem(last=False)


def _layers(cache: DynamicCache) -> list[Any]:
    return list(cache.layers)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    for index, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return index
    return min(len(first), len(second))
