"""Builds generations of made-up chunks, so that tests of the index need no documents and no SQL."""

from collections.abc import Iterable
from pathlib import Path

from indexer.dense import Hit
from indexer.generation import Changes, ChunkRows, Generation, Published, open_generation, publish
from tests.fakes import HashEmbedder

EMBEDDER = "hash@1"
_FAKE = HashEmbedder()


def text_of(chunk_id: int) -> str:
    return f"chunk{chunk_id} of the common text"


def rows(*chunk_ids: int, unread: Iterable[int] = ()) -> ChunkRows:
    """The chunks with these ids; the ones in `unread` have no vector, as Japanese has none in an English model."""
    without = set(unread)
    return lambda: ((i, text_of(i), None if i in without else _FAKE.embed_query(text_of(i))) for i in sorted(chunk_ids))


class Line:
    """A line of generations: each `step` publishes the next one from what is added and deleted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.current: set[int] = set()
        self.published = Published(0, "")

    def step(self, added: Iterable[int] = (), deleted: Iterable[int] = (), *, from_scratch: bool = False) -> Published:
        new, gone = set(added), set(deleted)
        current = (self.current - gone) | new
        changes = Changes(rows(*new), gone, rows(*current), len(current))
        number = self.published.number
        self.published = publish(self.root, number, EMBEDDER, changes, from_scratch=from_scratch)
        self.current = current
        return self.published

    def open(self, *, every_byte: bool = True) -> Generation:
        number, manifest = self.published.number, self.published.manifest_sha256
        return open_generation(self.root, number, manifest, EMBEDDER, every_byte=every_byte)

    @property
    def folder(self) -> Path:
        return self.root / f"gen-{self.published.number:08d}"


def ids_in_dense(generation: Generation, k: int = 1000) -> list[int]:
    return sorted(_ids(generation.dense.search(_FAKE.embed_query("common text"), k)))


def ids_in_lexical(generation: Generation, k: int = 1000) -> list[int]:
    return sorted(_ids(generation.lexical.search(["common"], k)))


def nearest(generation: Generation, chunk_id: int) -> int:
    return generation.dense.search(_FAKE.embed_query(text_of(chunk_id)), 1)[0].chunk_id


def _ids(hits: list[Hit]) -> list[int]:
    return [hit.chunk_id for hit in hits]
