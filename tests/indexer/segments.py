"""Writes dense segments of made-up vectors."""

from pathlib import Path

import numpy as np

from indexer.dense import Ids
from indexer.embedder import Vectors
from indexer.families import FamilySettings, Spool, write_segment

NONE: Ids = np.array([], dtype=np.int64)
# Inverted lists for what a test can build in a moment.
SMALL = FamilySettings(flat_most=300, device="cpu")


def write(folder: Path, ids: Ids, vectors: Vectors, settings: FamilySettings = SMALL) -> Path:
    """One segment; its file."""
    with Spool(folder) as spool:
        spool.add(ids, vectors)
        return folder / write_segment(folder, spool, settings)


def clustered(count: int, dimensions: int, seed: int) -> Vectors:
    """Unit vectors around a few directions, as texts about a few subjects give them."""
    rng = np.random.default_rng(seed)
    subjects = rng.normal(size=(max(1, count // 40), dimensions))
    vectors = subjects[rng.integers(0, len(subjects), count)] + 0.6 * rng.normal(size=(count, dimensions))
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
