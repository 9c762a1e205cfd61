"""PDF: the words in reading order, each line with its page and its place on it."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.document import ExtractedDocument, LineBox
from indexer.errors import UnreadableDocument
from indexer.readers import read_document
from tests.conftest import EXAMPLES
from tests.indexer.readers.handmade_pdf import encrypted_pdf, make_pdf, text_at, vertical_pdf

HANDBOOK = sorted((EXAMPLES / "handbook").glob("*.pdf"))
# Glyphs may reach over the edge of their line's box by the rounding of their outlines.
TOLERANCE = 1.0


def read(data: bytes) -> ExtractedDocument:
    return read_document("file.pdf", data)


def line_text(document: ExtractedDocument, line: LineBox) -> str:
    return document.text[line.start : line.end]


def check_layout(document: ExtractedDocument) -> None:
    """What every viewer relies on."""
    pages = {page.number: page for page in document.layout.pages}
    assert document.layout.pages[0].start == 0
    assert document.layout.pages[-1].end == len(document.text)
    for before, after in pairwise(document.layout.pages):
        assert before.end == after.start
        assert before.number < after.number
    for line, following in pairwise(document.layout.lines):
        assert line.end <= following.start
    for line in document.layout.lines:
        page = pages[line.page]
        assert page.start <= line.start < line.end <= page.end
        assert document.layout.page_at(line.start) == line.page
        text = line_text(document, line)
        assert "\n" not in text
        assert text == text.strip() != ""
        assert -TOLERANCE <= line.left < line.right <= page.width + TOLERANCE
        assert -TOLERANCE <= line.bottom < line.top <= page.height + TOLERANCE


@pytest.mark.parametrize("path", HANDBOOK, ids=lambda path: path.stem)
def test_the_handbook_is_read_with_pages_and_boxes(path: Path) -> None:
    document = read(path.read_bytes())
    check_layout(document)
    assert document.title
    assert [page.number for page in document.layout.pages] == [1, 2]
    assert (document.layout.pages[0].width, document.layout.pages[0].height) == pytest.approx((595.3, 841.9), abs=1)
    covered = sum(line.end - line.start for line in document.layout.lines)
    words = document.text.replace(" | ", "").replace(": ", "").replace("\n", "")  # between cells stands nothing
    assert covered > 0.95 * len(words)


def test_the_handbook_is_among_the_examples() -> None:
    assert len(HANDBOOK) == 3


def test_sentences_that_run_over_lines_are_whole() -> None:
    english = read((EXAMPLES / "handbook" / "curlew-g40-datasheet.pdf").read_bytes()).text
    assert "adds the position of the vehicle and sends both to Curlew Dispatch over the mobile network." in english
    japanese = read((EXAMPLES / "handbook" / "curlew-g40-hoshu.pdf").read_bytes()).text
    assert "作業の前に、必ず車両の電源を切り、保護手袋を着用してください。" in japanese


def test_lines_of_a_paragraph_are_joined_and_keep_their_boxes() -> None:
    document = read(make_pdf([text_at("Each parent gets forty-five", "working days of paid leave.")]))
    check_layout(document)
    assert document.text == "Each parent gets forty-five working days of paid leave.\n"
    first, second = document.layout.lines
    assert line_text(document, first) == "Each parent gets forty-five"
    assert line_text(document, second) == "working days of paid leave."
    assert first.left == pytest.approx(20, abs=2)
    assert first.bottom == pytest.approx(350, abs=4)
    assert second.top < first.bottom


def test_paragraphs_are_lines_of_their_own() -> None:
    stream = text_at("Leave ends.") + b" " + text_at("Travel begins.", top=250)
    assert read(make_pdf([stream])).text == "Leave ends.\nTravel begins.\n"


def test_items_of_a_list_are_not_joined() -> None:
    lines = ("1. Switch the vehicle off first", "2. Put your gloves on", "- Open the cover carefully now")
    assert read(make_pdf([text_at(*lines)])).text.splitlines() == list(lines)


def test_a_word_that_was_hyphenated_is_whole_again() -> None:
    document = read(make_pdf([text_at("The maxi-", "mum weight of a parcel.")]))
    check_layout(document)
    assert document.text == "The maximum weight of a parcel.\n"


def test_every_character_lies_on_its_page() -> None:
    document = read(make_pdf([text_at("On the first page"), b"", text_at("On the third page")]))
    check_layout(document)
    assert [page.number for page in document.layout.pages] == [1, 2, 3]
    assert document.layout.page_at(document.text.index("first")) == 1
    assert document.layout.page_at(document.text.index("third")) == 3


def test_the_title_comes_from_the_metadata() -> None:
    page = [text_at("Words")]
    assert read(make_pdf(page, title=b"(  Data\n sheet )")).title == "Data sheet"
    assert read(make_pdf(page, title=b"<FEFF898F7A0B>")).title == "規程"
    assert read(make_pdf(page, title=b"()")).title is None


def test_a_broken_title_does_not_cost_the_document() -> None:
    """Half a surrogate pair in the metadata; pypdfium2 raises UnicodeDecodeError."""
    assert read(make_pdf([text_at("Words")], title=b"<FEFFD8000041>")).text == "Words\n"


@pytest.mark.parametrize("degrees", [90, 270])
def test_boxes_of_a_turned_page_lie_inside_it(degrees: int) -> None:
    """Width and height are those of the page as shown; boxes must speak of the same page."""
    document = read(make_pdf([text_at("At the top of a tall page", top=380)], page_entries=b"/Rotate %d" % degrees))
    assert "At the top of a tall page" in document.text
    check_layout(document)


@pytest.mark.parametrize("entry", [b"/MediaBox[100 100 300 500]", b"/CropBox[100 100 300 500]"])
def test_boxes_are_counted_from_the_corner_of_the_page(entry: bytes) -> None:
    """A page need not start at (0, 0); what is shown at its lower left must be near the origin all the same."""
    document = read(make_pdf([text_at("Lower left", left=110, top=110)], page_entries=entry, size=(600, 600)))
    [line] = document.layout.lines
    [page] = document.layout.pages
    assert (page.width, page.height) == (200, 400)
    assert (line.left, line.bottom) == pytest.approx((10, 10), abs=4)


@pytest.mark.parametrize("size", [1, 4, 72])
def test_any_size_of_type_is_read(size: int) -> None:
    document = read(make_pdf([text_at("Tiny or huge", size=size)], size=(800, 800)))
    check_layout(document)
    assert document.text == "Tiny or huge\n"


@pytest.mark.parametrize("handler", [b"Standard", b"Adobe.PubSec"])
def test_an_encrypted_file_is_refused_as_such(handler: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="encrypted"):
        read(encrypted_pdf(handler))


def test_an_empty_file_is_no_scan() -> None:
    with pytest.raises(UnreadableDocument, match=r"no text on its 2 page\(s\): they are empty"):
        read(make_pdf([b"", b""]))


@pytest.mark.parametrize(
    "data",
    [b"%PDF-1.7", b"not a pdf at all", b"\x00" * 100, make_pdf([text_at("x")])[:200], make_pdf([])],
    ids=["header", "text", "zeros", "truncated", "no pages"],
)
def test_what_is_no_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocument):
        read(data)


WHOLE = make_pdf([text_at("Each parent gets", "45 days."), b"", text_at("Page (three)", size=30)])


@given(st.integers(0, len(WHOLE)))
@settings(max_examples=60)
def test_a_truncated_file_is_read_or_refused(end: int) -> None:
    try:
        document = read(WHOLE[:end])
    except UnreadableDocument:
        return
    check_layout(document)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=150)
def test_a_damaged_file_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    try:
        document = read(bytes(data))
    except UnreadableDocument:
        return
    assert document.text.strip()
    for line in document.layout.lines:
        assert 0 <= line.start < line.end <= len(document.text)


def test_columns_from_top_to_bottom_are_read_from_the_right() -> None:
    first, second = "車両の鍵は業務が終わったのち営業所の保管庫に", "返却する。保管庫の鍵は所長が管理する。"
    document = read(vertical_pdf(first, second, "事故が起きたときは所長へ報告する。"))
    assert document.text == f"{first}{second}\n事故が起きたときは所長へ報告する。\n"
    boxes = document.layout.lines
    assert [line_text(document, box) for box in boxes[:2]] == [first, second]
    assert boxes[0].left > boxes[1].right > boxes[2].right
