"""Chunks of a folder of Markdown files, as the product makes them."""

from collections.abc import Callable, Iterator
from pathlib import Path

from indexer.chunker import Chunk, ChunkerSettings, chunk_document
from indexer.readers import read_document


def chunks_by_file(folder: Path, count_tokens: Callable[[str], int]) -> Iterator[tuple[Path, list[Chunk]]]:
    """Each file with its chunks, in the order of names."""
    for file in sorted(folder.rglob("*.md")):
        document = read_document(file.name, file.read_bytes())
        yield file, chunk_document(document, count_tokens, ChunkerSettings())
