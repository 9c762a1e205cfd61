"""From ranked chunks to passages: exact text, no repetitions, neighbours joined."""

import hashlib
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from indexer.chunker import ChunkerSettings
from indexer.ingest import IngestSettings, Store
from indexer.tables import Chunk, Content, Document
from retriever.fusion import Candidate
from retriever.passages import Passage, PassageSettings, build_passages
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import index, write

pytestmark = pytest.mark.usefixtures("in_process_reader")
DEFAULTS = PassageSettings()
# One sentence a chunk: HashEmbedder counts terms.
SMALL = IngestSettings(chunker=ChunkerSettings(max_tokens=6))
# Characters of one to four bytes, and clusters of several characters: offsets count code points everywhere.
SENTENCES = [
    "Alpha 👩\u200d👩 leaves the depot. ",
    "Bravo ﬁles é his notes. ",
    "Charlie \U00020000 counts every box. ",
    "Delta 在宅。",
    "Echo signs the long form. ",
    "Foxtrot goes home now.",
]


def by_ordinal(store: Store, path: str = "a.txt") -> list[int]:
    """Ids of a document's chunks in reading order."""
    with store.sessions() as session:
        return list(
            session.scalars(
                select(Chunk.id)
                .join(Document, Document.content_id == Chunk.content_id)
                .where(Document.path == path)
                .order_by(Chunk.ordinal)
            )
        )


def passages(store: Store, *ranked: int, settings: PassageSettings = DEFAULTS) -> list[Passage]:
    candidates = [Candidate(chunk_id, 1.0 / rank, None, 1.0) for rank, chunk_id in enumerate(ranked, start=1)]
    with store.sessions() as session:
        return build_passages(session, candidates, settings)


def index_sentences(store: Store, embedder: HashEmbedder, folder: Path) -> list[int]:
    index(store, embedder, write(folder, a="".join(SENTENCES)), settings=SMALL)
    chunks = by_ordinal(store)
    assert len(chunks) == len(SENTENCES)
    return chunks


@pytest.fixture
def chunks(store: Store, embedder: HashEmbedder, tmp_path: Path) -> list[int]:
    return index_sentences(store, embedder, tmp_path / "docs")


def whole_text(store: Store) -> str:
    with store.sessions() as session:
        return session.scalars(select(Content.text)).one()


def test_text_is_exact_on_both_databases(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    """Joined text is cut by SQL, which must count characters as Python does."""
    chunks = index_sentences(any_store, embedder, tmp_path / "docs")
    whole = whole_text(any_store)
    assert whole == "".join(SENTENCES)
    for chunk_id, sentence in zip(chunks, SENTENCES, strict=True):
        [passage] = passages(any_store, chunk_id)
        assert passage.text == whole[passage.start : passage.end] == sentence.strip()
        assert passage.chunk_id == chunk_id
    for ranked in ((2, 1, 3), (0, 1), (4, 5, 3)):
        [passage] = passages(any_store, *(chunks[i] for i in ranked))
        assert passage.text == whole[passage.start : passage.end]
        assert passage.text == "".join(SENTENCES[min(ranked) : max(ranked) + 1]).strip()


def test_a_joined_passage_has_the_scores_of_its_best_chunk(store: Store, chunks: list[int]) -> None:
    candidates = [Candidate(chunks[4], 0.9, 0.7, 3.0), Candidate(chunks[3], 0.5, None, 8.0)]
    with store.sessions() as session:
        [passage] = build_passages(session, candidates, PassageSettings())
    assert (passage.chunk_id, passage.score, passage.dense, passage.lexical) == (chunks[4], 0.9, 0.7, 3.0)


def test_no_more_chunks_are_joined_than_allowed(store: Store, chunks: list[int]) -> None:
    found = passages(store, *chunks, settings=PassageSettings(max_joined=2))
    assert [p.text for p in found] == ["".join(SENTENCES[i : i + 2]).strip() for i in (0, 2, 4)]


def test_passages_never_overlap(store: Store, chunks: list[int]) -> None:
    found = passages(store, *(chunks[i] for i in (0, 2, 1, 5, 3, 4)))
    spans = sorted((p.start, p.end) for p in found)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert sum(end - start for start, end in spans) >= len(whole_text(store)) - 3


def test_chunks_apart_are_passages_in_the_order_of_their_rank(store: Store, chunks: list[int]) -> None:
    assert [p.chunk_id for p in passages(store, chunks[4], chunks[0], chunks[2])] == [
        chunks[4],
        chunks[0],
        chunks[2],
    ]


def test_there_are_no_more_passages_than_asked_for(store: Store, chunks: list[int]) -> None:
    found = passages(store, chunks[0], chunks[2], chunks[4], settings=PassageSettings(count=2))
    assert [p.chunk_id for p in found] == [chunks[0], chunks[2]]


def test_chunks_that_sql_does_not_have_are_dropped(store: Store, chunks: list[int]) -> None:
    assert [p.chunk_id for p in passages(store, 123, chunks[0], 456)] == [chunks[0]]
    assert passages(store, 123) == passages(store) == []


def test_chunks_that_no_path_leads_to_are_dropped(store: Store, chunks: list[int]) -> None:
    with store.sessions.begin() as session:
        session.delete(session.scalars(select(Document)).one())
    assert passages(store, *chunks) == []


def test_neighbours_of_different_documents_are_not_joined(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    index(store, embedder, write(tmp_path / "docs", a="Alpha one.", b="Bravo two."))
    found = passages(store, *by_ordinal(store, "a.txt"), *by_ordinal(store, "b.txt"))
    assert [p.text for p in found] == ["Alpha one.", "Bravo two."]


def test_near_duplicates_give_way_to_the_better_one(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    text = "Each parent gets 45 working days of paid parental leave when a child is born or adopted in the family"
    root = write(tmp_path / "docs", a=f"{text}.", b=f"{text}!", c="Each parent gets a car.")
    index(store, embedder, root)
    a, b, c = (by_ordinal(store, name)[0] for name in ("a.txt", "b.txt", "c.txt"))
    assert [p.chunk_id for p in passages(store, b, a, c)] == [b, c]
    kept = passages(store, b, a, c, settings=PassageSettings(max_similarity=1.0))
    assert [p.chunk_id for p in kept] == [b, a, c]


def test_texts_that_differ_in_what_matters_are_both_kept(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    index(store, embedder, write(tmp_path / "docs", a="Limit in London: 165 pounds.", b="Limit in Leeds: 90 pounds."))
    assert len(passages(store, *by_ordinal(store, "a.txt"), *by_ordinal(store, "b.txt"))) == 2


def test_a_source_names_every_path_and_the_hash_of_its_bytes(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", b="# words", a="# words")
    (root / "c.md").write_text("# Title\n\nOther words")
    index(store, embedder, root)
    [passage] = passages(store, *by_ordinal(store, "a.txt"))
    assert (passage.source.paths, passage.source.path) == (("a.txt", "b.txt"), "a.txt")
    assert passage.source.sha256 == hashlib.sha256(b"# words").hexdigest()
    [passage] = passages(store, *by_ordinal(store, "c.md"))
    assert (passage.source.title, passage.heading_path, passage.page) == ("Title", ("Title",), None)
