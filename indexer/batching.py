"""Which texts go through the model together. Knows lengths, no model."""

from collections.abc import Sequence

# A batch is padded to its longest text: from 8 texts on, a new batch is cheaper than padding a much shorter text.
_SMALL_BATCH = 8
_LITTLE_PADDING = 0.75


def batches_by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Positions of texts, longest first, in batches of at most `budget` tokens, padding included, or of one text."""
    batches: list[list[int]] = []
    longest = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        full = not batches or (len(batches[-1]) + 1) * longest > budget
        if full or (len(batches[-1]) >= _SMALL_BATCH and lengths[i] < _LITTLE_PADDING * longest):
            batches.append([])
            longest = lengths[i]
        batches[-1].append(i)
    return batches
