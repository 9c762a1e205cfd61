"""Questions in, passages out: which index is asked, which generation answers, what is said when none can."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from indexer.embedder import Vectors
from indexer.errors import IndexDamaged
from indexer.ingest import Store
from indexer.repair import repair
from retriever.errors import EmbedderMismatch, UnknownCollection
from retriever.passages import PassageSettings
from retriever.search import Retrieval, Retriever, RetrieverSettings
from tests.conftest import EXAMPLES
from tests.fakes import HashEmbedder
from tests.indexer.ingesting import COLLECTION, index, write

pytestmark = pytest.mark.usefixtures("in_process_reader")


def texts(retrieval: Retrieval) -> list[str]:
    return [passage.text for passage in retrieval.passages]


def paths(retrieval: Retrieval) -> set[str]:
    return {path for passage in retrieval.passages for path in passage.source.paths}


@pytest.fixture
def retriever(store: Store, embedder: HashEmbedder, folder: Path) -> Retriever:
    index(store, embedder, folder)
    return Retriever(store, embedder)


def test_an_english_question_is_asked_of_both_indexes(retriever: Retriever) -> None:
    found = retriever.retrieve("How many days of parental leave does a parent get?", COLLECTION)
    best = found.passages[0]
    assert "45 working days" in best.text
    assert (best.source.path, best.source.title) == ("leave.md", "Leave policy")
    assert best.heading_path == ("Leave policy", "Parental leave")
    assert best.dense is not None
    assert best.lexical is not None
    assert found.coverage == 1.0
    assert {"embed", "dense", "lexical", "passages"} <= set(found.timings_ms)


def test_a_japanese_question_is_asked_of_bm25_alone(retriever: Retriever) -> None:
    """The vectors of an English model are noise here, with confident scores."""
    found = retriever.retrieve("在宅勤務は週に何日までですか?", COLLECTION)
    assert found.coverage == 0.0
    assert "週に3日" in found.passages[0].text
    assert all(passage.dense is None for passage in found.passages)
    assert not {"embed", "dense"} & set(found.timings_ms)


def test_the_model_is_not_asked_what_it_cannot_read(store: Store, folder: Path) -> None:
    class Proud(HashEmbedder):
        def embed_query(self, text: str) -> Vectors:
            assert text.isascii(), "an English model was asked for a vector of Japanese"
            return super().embed_query(text)

    index(store, Proud(), folder)
    assert Retriever(store, Proud()).retrieve("通信費の月額", COLLECTION).passages


def test_passages_come_best_first_and_as_many_as_asked_for(store: Store, embedder: HashEmbedder) -> None:
    index(store, embedder, EXAMPLES / "handbook")
    settings = RetrieverSettings(passages=PassageSettings(count=3))
    found = Retriever(store, embedder, settings).retrieve("What is the limit for a hotel?", COLLECTION)
    scores = [passage.score for passage in found.passages]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_a_passage_of_a_pdf_knows_its_page(store: Store, embedder: HashEmbedder) -> None:
    index(store, embedder, EXAMPLES / "handbook" / "dispatch-service-terms.pdf")
    for question in ("Who are Larkbeck Systems and the Customer?", "Standard terms Page 2"):
        for passage in Retriever(store, embedder).retrieve(question, COLLECTION).passages:
            page = next(p for p in passage.source.layout.pages if p.number == passage.page)
            assert page.start <= passage.start < page.end
            assert passage.source.layout.lines


def test_a_question_that_nothing_answers_finds_nothing_by_its_words(retriever: Retriever) -> None:
    found = retriever.retrieve("xylophone", COLLECTION)
    assert all(passage.lexical is None for passage in found.passages)
    assert found.rarity == {"xylophon": pytest.approx(1.0)}


def test_any_question_can_be_asked(retriever: Retriever) -> None:
    for question in ("", "?!", "\n", "the", "🙂", "a" * 10_000, "\u0000", '"AND (OR* ~x^2'):
        found = retriever.retrieve(question, COLLECTION)
        assert len(found.passages) <= 10
        assert all(0.0 <= weight <= 1.0 for weight in found.rarity.values())


def test_rare_terms_weigh_more_than_common_ones(retriever: Retriever) -> None:
    rarity = retriever.retrieve("parental leave", COLLECTION).rarity
    assert 0.0 < rarity["leav"] < rarity["parent"] < 1.0


GLOBS: dict[str, set[str]] = {
    "*.md": {"leave.md", "hr/leave.md", "hr/deep/leave.md"},
    "hr/*": {"hr/leave.md", "hr/deep/leave.md"},
    "hr/deep/*.md": {"hr/deep/leave.md"},
    "leave.md": {"leave.md"},
    "[!l]*": {"hr/leave.md", "hr/deep/leave.md"},
    "LEAVE.md": set(),
    "*.pdf": set(),
}


def test_a_glob_limits_the_paths(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = tmp_path / "docs"
    for i, name in enumerate(("leave.md", "hr/leave.md", "hr/deep/leave.md")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"Leave is {i} days for group{i}.")
    index(any_store, embedder, root)
    retriever = Retriever(any_store, embedder)
    found = {glob: paths(retriever.retrieve("How long is leave?", COLLECTION, glob)) for glob in GLOBS}
    assert found == GLOBS


def test_a_glob_finds_what_lies_far_down_the_ranking(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    """The limit is applied inside the search, not to the few best that are left of it."""
    files = {f"other{i}": f"Leave leave leave, number{i} and word{i}." for i in range(60)}
    root = write(tmp_path / "docs", **files, wanted="A page that says leave once among other words.")
    index(store, embedder, root)
    settings = RetrieverSettings(candidates=5)
    for question in ("leave", "休暇休暇休暇 leave"):
        found = Retriever(store, embedder, settings).retrieve(question, COLLECTION, "wanted*")
        assert paths(found) == {"wanted.txt"}


def test_an_identical_file_elsewhere_does_not_hide_one_that_matches(
    any_store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="Leave is 45 days.", b="Leave is 45 days.")
    index(any_store, embedder, root)
    found = Retriever(any_store, embedder).retrieve("leave", COLLECTION, "b*")
    assert texts(found) == ["Leave is 45 days."]


def test_collections_do_not_see_each_other(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    index(store, embedder, write(tmp_path / "one", a="Leave is 45 days."), collection="one")
    index(store, embedder, write(tmp_path / "two", a="Leave is 30 days."), collection="two")
    retriever = Retriever(store, embedder)
    assert texts(retriever.retrieve("leave", "one")) == ["Leave is 45 days."]
    assert texts(retriever.retrieve("leave", "two", "a*")) == ["Leave is 30 days."]


def test_an_unknown_collection_names_the_known_ones(store: Store, embedder: HashEmbedder, folder: Path) -> None:
    retriever = Retriever(store, embedder)
    with pytest.raises(
        UnknownCollection, match="there is no collection 'handbok'; there is: none yet: run `tenkyo index"
    ):
        retriever.retrieve("leave", "handbok")
    index(store, embedder, folder)
    index(store, embedder, folder, collection="archive")
    with pytest.raises(UnknownCollection, match="'handbok'; there is: archive, handbook"):
        retriever.retrieve("leave", "handbok")


def test_a_collection_whose_first_run_failed_is_not_known_yet(store: Store, folder: Path) -> None:
    class Failing(HashEmbedder):
        def embed_documents(self, texts: Sequence[str]) -> Vectors:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        index(store, Failing(), folder)
    with pytest.raises(UnknownCollection, match="none yet"):
        Retriever(store, HashEmbedder()).retrieve("leave", COLLECTION)


def test_another_embedder_is_refused_with_the_way_out(store: Store, retriever: Retriever) -> None:
    other = Retriever(store, HashEmbedder("other@2"))
    with pytest.raises(EmbedderMismatch, match=rf"hash@1.*other@2.*--rebuild … --collection {COLLECTION}"):
        other.retrieve("leave", COLLECTION)


def test_a_new_generation_is_served_without_a_restart(any_store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="Leave is 45 days.")
    index(any_store, embedder, root)
    retriever = Retriever(any_store, embedder)
    first = retriever.retrieve("leave", COLLECTION)
    assert retriever.open(COLLECTION) is retriever.open(COLLECTION)
    write(root, a="Leave is 50 days.")
    index(any_store, embedder, root)
    second = retriever.retrieve("leave", COLLECTION)
    assert (texts(first), first.generation) == (["Leave is 45 days."], 1)
    assert (texts(second), second.generation) == (["Leave is 50 days."], 2)


def test_a_document_that_is_gone_is_not_shown_even_before_its_index_is(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    root = write(tmp_path / "docs", a="Leave is 45 days.", b="Travel is by rail.")
    index(store, embedder, root)
    retriever = Retriever(store, embedder)
    retriever.open(COLLECTION)
    (root / "a.txt").unlink()
    index(store, embedder, root)
    assert "Leave is 45 days." not in texts(retriever.retrieve("leave", COLLECTION))


def test_removed_documents_leave_the_whole_result_to_the_others(
    store: Store, embedder: HashEmbedder, tmp_path: Path
) -> None:
    """If a removed chunk kept its place in an index, a short list of candidates would end up empty."""
    root = write(tmp_path / "docs", **{f"old{i}": f"Leave leave leave number{i}." for i in range(9)})
    write(root, new="A page that says leave once among quite a few other words, such as these.")
    write(root, **{f"rest{i}": f"Travel number{i} is by rail." for i in range(50)})
    index(store, embedder, root)
    for file in root.glob("old*"):
        file.unlink()
    index(store, embedder, root)
    found = Retriever(store, embedder, RetrieverSettings(candidates=3)).retrieve("休暇休暇休暇 leave", COLLECTION)
    assert paths(found) == {"new.txt"}


def test_a_damaged_index_says_how_to_repair_it(store: Store, embedder: HashEmbedder, folder: Path) -> None:
    index(store, embedder, folder)
    file = next(store.index_root(COLLECTION).rglob("*.faiss"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    retriever = Retriever(store, embedder)
    for _ in range(2):  # a failure is not remembered as an index
        with pytest.raises(IndexDamaged, match=f"run `tenkyo repair --collection {COLLECTION}`"):
            retriever.retrieve("leave", COLLECTION)
    repair(store, COLLECTION)
    assert retriever.retrieve("leave", COLLECTION).passages


def test_threads_may_ask_while_generations_change(store: Store, embedder: HashEmbedder, tmp_path: Path) -> None:
    root = write(tmp_path / "docs", a="Leave is 0 days.")
    index(store, embedder, root)
    retriever = Retriever(store, embedder)
    done, problems = threading.Event(), list[object]()

    def ask() -> None:
        while not done.is_set():
            found = texts(retriever.retrieve("leave", COLLECTION))
            if len(found) != 1 or not found[0].startswith("Leave is"):
                problems.append(found)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(1, 6):
        index(store, embedder, write(root, a=f"Leave is {number} days."))
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert texts(retriever.retrieve("leave", COLLECTION)) == ["Leave is 5 days."]


def test_ranking_gives_chunks_before_anything_is_joined(retriever: Retriever) -> None:
    ranked = retriever.rank("How long is parental leave?", COLLECTION)
    assert len(ranked) == 4  # the chunks with a vector; the Japanese one holds no term of the question either
    assert [c.score for c in ranked] == sorted((c.score for c in ranked), reverse=True)
