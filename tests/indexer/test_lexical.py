"""BM25 over published folders that never change."""

import hashlib
from pathlib import Path

import pytest

from indexer.analysis import question_terms
from indexer.dense import Hit
from indexer.errors import IndexDamaged
from indexer.lexical import TantivyIndex, write_lexical

LARGEST_ID = (1 << 63) - 1
TEXTS = {
    1: "Parental leave is 45 working days",
    2: "Sick leave is paid",
    3: "在宅勤務は週に3日までとする",
    LARGEST_ID: "The hotel limit in London is 165 pounds",
}


def found(hits: list[Hit]) -> list[int]:
    return [hit.chunk_id for hit in hits]


def search(index: TantivyIndex, question: str, k: int = 10) -> list[int]:
    return found(index.search(question_terms(question), k))


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if not path.name.endswith(".lock")
    }


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write_lexical(tmp_path / "base", None, TEXTS.items(), [])
    return tmp_path / "base"


def test_the_chunk_with_the_rarer_term_comes_first(base: Path) -> None:
    index = TantivyIndex(base)
    assert search(index, "parental leave") == [1, 2]
    assert search(index, "leave paid") == [2, 1]
    assert search(index, "hotels in London") == [LARGEST_ID]


def test_japanese_is_found_by_pairs_of_characters(base: Path) -> None:
    assert search(TantivyIndex(base), "在宅勤務の日数") == [3]


def test_scores_fall_and_are_at_most_k(base: Path) -> None:
    hits = TantivyIndex(base).search(question_terms("parental sick leave"), 1)
    assert len(hits) == 1
    scores = [hit.score for hit in TantivyIndex(base).search(question_terms("parental paid leave hotel"), 10)]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0


def test_a_repeated_term_counts_as_often(base: Path) -> None:
    index = TantivyIndex(base)
    once, twice = index.search(["parent"], 1), index.search(["parent", "parent"], 1)
    assert twice[0].score == pytest.approx(2 * once[0].score)


def test_terms_that_nothing_holds_find_nothing(base: Path) -> None:
    assert search(TantivyIndex(base), "zebra") == []
    assert TantivyIndex(base).search([], 10) == []


def test_characters_of_query_languages_are_only_characters(base: Path) -> None:
    """Terms never pass a query parser."""
    assert TantivyIndex(base).search(["AND", "*", "body:leave", "(", '"'], 10) == []


def test_an_empty_index_can_be_opened_and_finds_nothing(tmp_path: Path) -> None:
    write_lexical(tmp_path / "empty", None, [], [])
    assert search(TantivyIndex(tmp_path / "empty"), "leave") == []


def test_equal_chunks_come_in_the_order_they_were_added(tmp_path: Path) -> None:
    write_lexical(tmp_path / "ties", None, [(i, "same words") for i in (5, 3, 9)], [])
    assert search(TantivyIndex(tmp_path / "ties"), "same words") == [5, 3, 9]


def test_the_next_index_holds_the_old_chunks_and_the_new(base: Path, tmp_path: Path) -> None:
    write_lexical(tmp_path / "next", base, [(7, "Parental leave for adoptions")], [])
    assert set(search(TantivyIndex(tmp_path / "next"), "parental leave")) == {1, 2, 7}


def test_the_next_index_lacks_what_was_deleted(base: Path, tmp_path: Path) -> None:
    write_lexical(tmp_path / "next", base, [], [1, LARGEST_ID])
    index = TantivyIndex(tmp_path / "next")
    assert search(index, "parental leave") == [2]
    assert search(index, "hotels in London") == []


def test_a_deleted_chunk_takes_no_place_from_others(base: Path, tmp_path: Path) -> None:
    write_lexical(tmp_path / "next", base, [], [1])
    assert search(TantivyIndex(tmp_path / "next"), "parental leave", k=1) == [2]


def test_a_chunk_that_comes_back_is_there_once(base: Path, tmp_path: Path) -> None:
    write_lexical(tmp_path / "without", base, [], [1])
    write_lexical(tmp_path / "again", tmp_path / "without", [(1, TEXTS[1])], [])
    assert search(TantivyIndex(tmp_path / "again"), "parental") == [1]


def test_everything_can_be_deleted(base: Path, tmp_path: Path) -> None:
    write_lexical(tmp_path / "next", base, [], TEXTS)
    assert search(TantivyIndex(tmp_path / "next"), "leave") == []


def test_a_published_folder_never_changes(base: Path, tmp_path: Path) -> None:
    """Its files are shared with the next generation by hard links, and readers have them mapped."""
    before = hashes(base)
    index = TantivyIndex(base)
    write_lexical(tmp_path / "next", base, [(7, "Parental leave for adoptions")], [1])
    write_lexical(tmp_path / "third", tmp_path / "next", [(8, "leave")], [2, 7])
    assert hashes(base) == before
    assert search(index, "parental leave") == search(TantivyIndex(base), "parental leave") == [1, 2]


def test_unchanged_files_are_shared_with_the_next_folder(base: Path, tmp_path: Path) -> None:
    write_lexical(tmp_path / "next", base, [(7, "more")], [])
    shared = [p for p in base.iterdir() if (tmp_path / "next" / p.name).exists() and p.stat().st_nlink == 2]
    assert shared


def test_a_folder_without_locks_is_published(base: Path) -> None:
    assert not list(base.glob("*.lock"))


def test_many_generations_do_not_pile_up_chunks(tmp_path: Path) -> None:
    """tantivy merges segments on its own after some commits; ids must survive that."""
    previous: Path | None = None
    for number in range(12):
        folder = tmp_path / str(number)
        write_lexical(folder, previous, [(number, f"common word{number}")], [number - 2] if number >= 2 else [])
        previous = folder
    assert previous is not None
    assert sorted(search(TantivyIndex(previous), "common")) == [10, 11]


def test_rarity_runs_from_every_chunk_to_none(tmp_path: Path) -> None:
    write_lexical(tmp_path / "index", None, [(i, "common" + (" rare" if i == 0 else "")) for i in range(8)], [])
    index = TantivyIndex(tmp_path / "index")
    assert index.rarity("common") == pytest.approx(0.0)
    assert 0.5 < index.rarity("rare") < 1.0
    assert index.rarity("absent") == pytest.approx(1.0)


def test_every_term_is_rare_in_an_empty_index(tmp_path: Path) -> None:
    write_lexical(tmp_path / "index", None, [], [])
    assert TantivyIndex(tmp_path / "index").rarity("common") == 1.0


@pytest.mark.parametrize("content", [b"", b"{}", b"not json"])
def test_a_folder_that_tantivy_cannot_open_is_damage(base: Path, content: bytes) -> None:
    (base / "meta.json").write_bytes(content)
    with pytest.raises(IndexDamaged, match="base"):
        TantivyIndex(base)
