"""The lexical index: BM25 over pre-tokenised terms, in tantivy (memory mapped).

A published folder never changes: the next generation starts as hard links to its files, which tantivy itself never
rewrites, and adds or deletes from there. Knows no SQL and no vectors.
"""

import math
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import tantivy

from indexer.analysis import terms
from indexer.dense import Hit
from indexer.errors import IndexDamaged, StorageProblem

_ANALYZER = "terms"
_WRITER_HEAP = 64_000_000
_REWRITTEN_FILES = frozenset(("meta.json", ".managed.json"))
_LOCK_FILES = frozenset((".tantivy-writer.lock", ".tantivy-meta.lock"))


class LexicalIndex(Protocol):
    """Chunks by BM25."""

    def search(self, question_terms: Sequence[str], k: int) -> list[Hit]:
        """At most k hits, best first, for terms made by `indexer.analysis.question_terms`."""

    def rarity(self, term: str) -> float:
        """0 for a term that every chunk holds, 1 for one that none holds."""


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", stored=False, indexed=True, fast=True)
    builder.add_text_field("body", stored=False, tokenizer_name=_ANALYZER, index_option="freq")
    return builder.build()


def _open(folder: Path) -> tantivy.Index:
    try:
        index = tantivy.Index(_schema(), str(folder), reuse=True)
    except (ValueError, OSError) as error:
        raise IndexDamaged(f"the term index in {folder} cannot be opened: {error}") from error
    index.register_tokenizer(_ANALYZER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    return index


def write_lexical(folder: Path, base: Path | None, added: Iterable[tuple[int, str]], deleted: Iterable[int]) -> None:
    """Writes a new term index: that of `base` (None = empty), without the ids `deleted`, with (id, text) `added`.

    Raises StorageProblem, or OSError.
    """
    folder.mkdir(parents=True)
    if base is not None:
        _link_files(base, folder)
    index = _open(folder)
    try:
        _write(index, added, deleted)
    except ValueError as error:  # tantivy has no other kind
        raise StorageProblem(f"the term index in {folder} cannot be written: {error}") from error
    for name in _LOCK_FILES:
        (folder / name).unlink(missing_ok=True)


def _write(index: tantivy.Index, added: Iterable[tuple[int, str]], deleted: Iterable[int]) -> None:
    # One thread: the order of documents, and so of ties, is the order given.
    writer = index.writer(heap_size=_WRITER_HEAP, num_threads=1)
    for chunk_id in deleted:
        # delete_documents_by_term takes a Python int for a signed one, and matches nothing.
        writer.delete_documents_by_query(tantivy.Query.term_query(_schema(), "id", chunk_id))
    for chunk_id, text in added:
        document = tantivy.Document()
        document.add_unsigned("id", chunk_id)
        document.add_text("body", " ".join(terms(text)))
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()


def _link_files(source: Path, target: Path) -> None:
    for file in source.iterdir():
        if file.name in _REWRITTEN_FILES:
            shutil.copyfile(file, target / file.name)
        elif file.name not in _LOCK_FILES:
            link_or_copy(file, target / file.name)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system has them, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


class TantivyIndex:
    """A `LexicalIndex` over one published folder."""

    def __init__(self, folder: Path) -> None:
        index = _open(folder)
        self._schema = _schema()
        index.config_reader("manual")
        index.reload()
        self._searcher = index.searcher()

    def search(self, question_terms: Sequence[str], k: int) -> list[Hit]:
        """BM25 (k1 = 1.2, b = 0.75); a term that the question repeats counts as often."""
        if not question_terms or not self._searcher.num_docs:
            return []
        clauses = []
        for term, count in Counter(question_terms).items():
            query = tantivy.Query.term_query(self._schema, "body", term, index_option="freq")
            clauses.append(
                (tantivy.Occur.Should, tantivy.Query.boost_query(query, float(count)) if count > 1 else query)
            )
        result = self._searcher.search(tantivy.Query.boolean_query(clauses), k, count=False)
        ids = self._searcher.fast_field_values("id", [address for _, address in result.hits])
        return [
            Hit(int(chunk_id), float(score))
            for chunk_id, (score, _) in zip(ids, result.hits, strict=True)
            if chunk_id is not None
        ]

    def ids(self) -> list[int]:
        """Of every chunk, in no order."""
        count = self._searcher.num_docs
        hits = self._searcher.search(tantivy.Query.all_query(), count, count=False).hits if count else []
        found = self._searcher.fast_field_values("id", [address for _, address in hits])
        return [int(chunk_id) for chunk_id in found if chunk_id is not None]

    def rarity(self, term: str) -> float:
        """Inverse document frequency, scaled to [0, 1]."""
        count = self._searcher.num_docs
        return (
            math.log((count + 1) / (self._searcher.doc_freq("body", term) + 1)) / math.log(count + 1) if count else 1.0
        )
