"""Slides are pages; their titles are headings."""

from indexer.readers import read_document
from tests.indexer.readers.handmade_office import make_pptx, shape, slide_table


def test_slides_come_in_the_order_of_the_show_with_their_numbers() -> None:
    first = shape("Prices", kind="ctrTitle")
    document = read_document("a.pptx", make_pptx(first, shape("Words", top=2) + shape("Terms", kind="title", top=1)))
    assert document.text == "Prices\n\nTerms\n\nWords"
    assert [(h.level, h.title) for h in document.headings] == [(1, "Prices"), (1, "Terms")]
    assert document.layout.page_at(document.text.index("Prices")) == 1
    assert document.layout.page_at(document.text.index("Words")) == 2
    assert (document.layout.pages[0].width, document.layout.pages[0].height) == (720, 540)
    assert document.title == "Prices"


def test_shapes_are_read_from_the_top() -> None:
    below, above = shape("below", top=900), shape("left", "more", top=100, left=1) + shape("right", top=100, left=9)
    group = f"<p:grpSp>{above}</p:grpSp>"
    assert read_document("a.pptx", make_pptx(below + group)).text == "left\nmore\n\nright\n\nbelow"


def test_furniture_is_left_out_and_notes_are_read() -> None:
    slide = shape("Words") + shape("7", kind="sldNum") + shape("ACME", kind="ftr") + shape("May", kind="dt")
    data = make_pptx(slide, notes={1: shape("Say this.", "Then that.", kind="body") + shape("3", kind="sldNum")})
    assert read_document("a.pptx", data).text == "Words\n\nNotes: Say this.\nThen that."


def test_rows_of_a_table_carry_their_column_names() -> None:
    data = make_pptx(slide_table(("City", "Limit"), ("London", "165")))
    assert read_document("a.pptx", data).text == "City: London | Limit: 165"


def test_a_slide_without_words_keeps_the_count() -> None:
    document = read_document("a.pptx", make_pptx(shape("one"), "", shape("three")))
    assert [page.number for page in document.layout.pages] == [1, 2, 3]
    assert document.layout.page_at(document.text.index("three")) == 3
