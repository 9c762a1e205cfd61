"""Chunks: spans of the text that fit the model, in order, with nothing but white space between them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.chunker import Chunk, ChunkerSettings, CountTokens, chunk_document
from indexer.document import ExtractedDocument
from indexer.readers.builder import TextBuilder
from tests.fakes import HashEmbedder

WORDS = st.text(st.sampled_from("ab cd.\n!?,;、。！？あいう在宅ー\u3000\u00a0é👩\u200d"), max_size=120) | st.text(
    max_size=60
)
BLOCKS = st.lists(st.tuples(st.integers(0, 3), WORDS), max_size=12)
# Characters are tokens whose counts add up, so the limit must hold exactly.
SETTINGS = st.builds(ChunkerSettings, max_tokens=st.integers(1, 60), heading_tokens=st.integers(0, 30))


def words(text: str) -> int:
    return len(text.split())


def hashed_terms(text: str) -> int:
    return HashEmbedder().count_tokens([text])[0]


def plain(text: str, title: str | None = None) -> ExtractedDocument:
    return ExtractedDocument(text=text, title=title, media_type="text/plain")


def document_of(blocks: list[tuple[int, str]], title: str | None = None) -> ExtractedDocument:
    """Level 0 is a paragraph, any other a heading."""
    builder = TextBuilder()
    for level, text in blocks:
        if level:
            builder.heading(level, text)
        else:
            builder.block(text)
    return builder.build(title=title, media_type="text/markdown")


def texts(chunks: list[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


@given(BLOCKS, SETTINGS, st.sampled_from([len, words, hashed_terms]))
def test_chunks_are_spans_in_order_and_lose_only_white_space(
    blocks: list[tuple[int, str]], chosen: ChunkerSettings, count: CountTokens
) -> None:
    document = document_of(blocks)
    at = 0
    for ordinal, chunk in enumerate(chunk_document(document, count, chosen)):
        assert chunk.ordinal == ordinal
        assert chunk.start >= at
        assert document.text[at : chunk.start].strip() == ""
        assert chunk.text == document.text[chunk.start : chunk.end] == chunk.text.strip() != ""
        at = chunk.end
    assert document.text[at:].strip() == ""


@given(
    st.text(max_size=300) | st.text("ab   \n\n-.。", max_size=150),
    SETTINGS,
    st.sampled_from([len, words, hashed_terms]),
)
def test_any_text_at_all_is_covered(text: str, chosen: ChunkerSettings, count: CountTokens) -> None:
    """Plain text, unlike what the builder joins, holds runs of spaces: pieces without a single token."""
    chunks = chunk_document(plain(text), count, chosen)
    assert "".join("".join(texts(chunks)).split()) == "".join(text.split())


@given(BLOCKS, SETTINGS)
def test_no_chunk_is_longer_than_the_limit(blocks: list[tuple[int, str]], chosen: ChunkerSettings) -> None:
    for chunk in chunk_document(document_of(blocks), len, chosen):
        assert len(chunk.text) <= chosen.max_tokens
        assert len(chunk.embedded_text) <= chosen.max_tokens + chosen.heading_tokens


@given(BLOCKS, SETTINGS)
def test_the_embedded_text_is_the_innermost_headings_and_the_chunk(
    blocks: list[tuple[int, str]], chosen: ChunkerSettings
) -> None:
    for chunk in chunk_document(document_of(blocks), len, chosen):
        assert chunk.embedded_text.endswith(chunk.text)
        context = chunk.embedded_text.removesuffix(chunk.text)
        lines = [" > ".join(chunk.heading_path[i:]) + "\n" for i in range(len(chunk.heading_path))]
        fitting = [line for line in lines if len(line) <= chosen.heading_tokens]
        assert context == (fitting[0] if fitting else "")


def test_a_short_document_is_one_chunk() -> None:
    [chunk] = chunk_document(plain("  One line.\n\nAnother.\n"), words, ChunkerSettings())
    assert (chunk.start, chunk.text) == (2, "One line.\n\nAnother.")


@pytest.mark.parametrize("text", ["", " \n\n\t "])
def test_a_document_without_words_has_no_chunks(text: str) -> None:
    assert chunk_document(plain(text), len, ChunkerSettings()) == []


def test_columns_of_a_plain_table_are_covered() -> None:
    chunks = chunk_document(plain("one two   three four"), words, ChunkerSettings(max_tokens=2))
    assert texts(chunks) == ["one two", "three four"]


def test_japanese_is_cut_after_full_stops() -> None:
    text = "在宅勤務は週に3日までとする。申請は前日の17時までに行う。通信費として月額2000円を支給する。"
    chunks = chunk_document(plain(text), len, ChunkerSettings(max_tokens=20))
    assert texts(chunks) == [
        "在宅勤務は週に3日までとする。",
        "申請は前日の17時までに行う。",
        "通信費として月額2000円を支給する。",
    ]


def test_a_long_japanese_sentence_is_cut_after_commas() -> None:
    text = "申請書を提出し、上長の承認を得て、総務課に届け出る"
    chunks = chunk_document(plain(text), len, ChunkerSettings(max_tokens=12))
    assert texts(chunks) == ["申請書を提出し、", "上長の承認を得て、", "総務課に届け出る"]


def test_paragraphs_are_cut_before_sentences_and_sentences_before_words() -> None:
    text = "One two. Three four.\n\nFive six seven eight nine."
    assert texts(chunk_document(plain(text), words, ChunkerSettings(max_tokens=4))) == [
        "One two. Three four.",
        "Five six seven eight",
        "nine.",
    ]
    assert texts(chunk_document(plain(text), words, ChunkerSettings(max_tokens=2)))[:2] == ["One two.", "Three four."]


def test_a_decimal_point_ends_no_sentence() -> None:
    text = "Use 3.5 volts. Then wait."
    assert texts(chunk_document(plain(text), words, ChunkerSettings(max_tokens=3))) == ["Use 3.5 volts.", "Then wait."]


def test_every_heading_opens_a_chunk_with_its_path() -> None:
    document = document_of([(1, "Leave"), (0, "Intro."), (2, "Sick"), (0, "20 days."), (1, "Travel"), (0, "By rail.")])
    chunks = chunk_document(document, words, ChunkerSettings())
    assert [(c.heading_path, c.text) for c in chunks] == [
        (("Leave",), "Leave\n\nIntro."),
        (("Leave", "Sick"), "Sick\n\n20 days."),
        (("Travel",), "Travel\n\nBy rail."),
    ]
    assert chunks[1].embedded_text == "Leave > Sick\nSick\n\n20 days."


def test_text_before_the_first_heading_has_no_path() -> None:
    chunks = chunk_document(document_of([(0, "Before."), (1, "Title"), (0, "After.")]), words, ChunkerSettings())
    assert [c.heading_path for c in chunks] == [(), ("Title",)]


def test_a_heading_without_text_goes_with_the_section_below() -> None:
    document = document_of([(1, "Handbook"), (2, "Leave"), (0, "45 days.")])
    [chunk] = chunk_document(document, words, ChunkerSettings())
    assert (chunk.heading_path, chunk.text) == (("Handbook", "Leave"), "Handbook\n\nLeave\n\n45 days.")


def test_a_heading_at_the_end_is_not_lost() -> None:
    document = document_of([(1, "Leave"), (0, "45 days."), (2, "Appendix")])
    assert "Appendix" in "\n".join(texts(chunk_document(document, words, ChunkerSettings())))


def test_a_level_that_is_left_out_does_not_break_the_path() -> None:
    document = document_of([(3, "Deep"), (0, "a"), (1, "Top"), (0, "b"), (3, "Deep again"), (0, "c")])
    assert [c.heading_path for c in chunk_document(document, words, ChunkerSettings())] == [
        ("Deep",),
        ("Top",),
        ("Top", "Deep again"),
    ]


def test_the_title_stands_above_all_headings_unless_it_is_one() -> None:
    blocks = [(1, "Leave"), (0, "45 days.")]
    [chunk] = chunk_document(document_of(blocks, title="Handbook"), words, ChunkerSettings())
    assert chunk.heading_path == ("Handbook", "Leave")
    [chunk] = chunk_document(document_of(blocks, title="Leave"), words, ChunkerSettings())
    assert chunk.heading_path == ("Leave",)


def test_headings_that_exceed_their_budget_go_from_the_outside() -> None:
    document = document_of([(1, "A very long outermost heading"), (2, "Sick leave"), (0, "20 days.")])
    [chunk] = chunk_document(document, words, ChunkerSettings(heading_tokens=2))
    assert chunk.embedded_text == "Sick leave\n" + chunk.text
    assert chunk.heading_path == ("A very long outermost heading", "Sick leave")
    [chunk] = chunk_document(document, words, ChunkerSettings(heading_tokens=1))
    assert chunk.embedded_text == chunk.text


def test_a_line_without_any_boundary_is_cut_by_characters() -> None:
    chunks = chunk_document(plain("x" * 95), len, ChunkerSettings(max_tokens=30))
    assert [len(chunk.text) for chunk in chunks] == [30, 30, 30, 5]


@settings(max_examples=5)
@given(st.integers(2_000, 4_000))
def test_cutting_stays_linear_in_the_length_of_a_document(sentences: int) -> None:
    """A quadratic splitter would need minutes here, and ingestion with it."""
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return words(text)

    text = "One short sentence. " * sentences
    chunk_document(plain(text), count, ChunkerSettings())
    assert counted < 20 * len(text)
