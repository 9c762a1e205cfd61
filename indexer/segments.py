"""What becomes of a generation's dense segments in the next one: each is taken over, or merged with what is new.

Merging happens here, at the end of an indexing run and before anything is published: readers go on with the generation
they hold. It reads vectors from the old segments, so that neither SQL nor the model is asked again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.dense import Ids, Segment, ids_file, vectors_file
from indexer.embedder import Vectors
from indexer.families import FamilySettings, Spool, write_segment
from indexer.lexical import link_or_copy

# A segment goes into a merge that is at least a quarter of its size: each vector is then rewritten a few times in its
# life, and there are never many segments to search.
_GROWTH = 4
_MAX_SEGMENTS = 8
_MAX_DELETED_SHARE = 0.2
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Segments:
    """Files of the next generation's dense index, and the ids in them that may not be found."""

    names: list[str]
    deleted: set[int]


def next_segments(
    staging: Path,
    base: Path | None,
    before: Segments,
    added: Iterator[tuple[int, str, Vectors | None]],
    settings: FamilySettings,
) -> Segments:
    """Fills `staging` with the segments of `base` and one of what is added. `before.deleted` includes the new ones.

    A chunk that comes back is still in an old segment: its tombstone goes instead.
    """
    deleted = set(before.deleted)
    with Spool(staging) as spool:
        _spool(spool, added, deleted)
        tombstones = np.array(sorted(deleted), dtype=np.int64)
        old = [Segment(base / name, tombstones) for name in before.names] if base else []
        merged = to_merge(old, spool.count)
        for segment in merged:
            for ids, vectors in segment.rows():
                spool.add(ids, vectors)
        kept = [segment for segment in old if segment not in merged]
        names = [segment.file.name for segment in kept]
        for segment in kept:
            for file in (segment.file, ids_file(segment.file), vectors_file(segment.file)):
                if file.exists():
                    link_or_copy(file, staging / file.name)
        if spool.count:
            names.append(write_segment(staging, spool, settings))
    return Segments(names, _held(tombstones, kept))


def to_merge(segments: Sequence[Segment], added: int) -> list[Segment]:
    """Those that are to be written anew together with `added` vectors."""
    merged = [segment for segment in segments if segment.deleted > _MAX_DELETED_SHARE * segment.count]
    size = added + sum(segment.count - segment.deleted for segment in merged)
    others = sorted((s for s in segments if s not in merged), key=lambda s: s.count)
    for segment in others:
        too_many = len(segments) - len(merged) >= _MAX_SEGMENTS
        if size and (too_many or segment.count <= _GROWTH * size):
            merged.append(segment)
            size += segment.count - segment.deleted
    return merged


def _spool(spool: Spool, rows: Iterator[tuple[int, str, Vectors | None]], deleted: set[int]) -> None:
    ids: list[int] = []
    vectors: list[Vectors] = []

    def flush() -> None:
        if ids:
            spool.add(np.array(ids, dtype=np.int64), np.stack(vectors))
            ids.clear()
            vectors.clear()

    for chunk_id, _, vector in rows:
        if chunk_id in deleted:
            deleted.discard(chunk_id)
        elif vector is not None:
            ids.append(chunk_id)
            vectors.append(vector)
            if len(ids) == _ROWS_AT_ONCE:
                flush()
    flush()


def _held(tombstones: Ids, segments: Sequence[Segment]) -> set[int]:
    held = np.zeros(len(tombstones), dtype=bool)
    for segment in segments:
        held |= segment.holds(tombstones)
    return set(tombstones[held].tolist())
