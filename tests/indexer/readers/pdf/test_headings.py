"""Headings of a PDF: by type, and only where type says it."""

import pytest

from indexer.document import ExtractedDocument
from indexer.readers import read_document
from tests.conftest import EXAMPLES
from tests.indexer.readers.handmade_pdf import make_pdf, text_at

BODY = text_at(
    "The limit for a hotel in London is 165 pounds a night and",
    "receipts must be handed in within thirty days of the end",
    "of the journey, together with the form for travel expenses.",
    top=300,
    size=10,
)
WIDE = (600, 400)


def headings(document: ExtractedDocument) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for heading in document.headings]


def read(*pages: bytes) -> ExtractedDocument:
    return read_document("a.pdf", make_pdf(pages, size=WIDE, title=b"()"))


def test_the_handbook_has_its_headings() -> None:
    document = read_document("a.pdf", (EXAMPLES / "handbook" / "curlew-g40-datasheet.pdf").read_bytes())
    assert headings(document)[:3] == [
        (1, "Curlew G40 Cold-Chain Gateway"),
        (2, "Overview"),
        (2, "Sensors and measurement"),
    ]
    assert len(document.headings) == 9
    for heading in document.headings:
        assert document.text[heading.start : heading.end] == heading.title


def test_larger_type_is_a_heading_and_the_first_is_the_title() -> None:
    page = text_at("Travel expenses", top=380, size=20) + text_at("1. Hotels", top=340, size=14) + BODY
    document = read(page)
    assert headings(document) == [(1, "Travel expenses"), (2, "1. Hotels")]
    assert document.title == "Travel expenses"
    assert document.text.startswith("Travel expenses\n1. Hotels\nThe limit")


def test_a_heading_of_two_lines_is_one() -> None:
    page = text_at("Rules for the use of the", "company's vehicles", top=390, size=18, leading=20) + BODY
    assert headings(read(page)) == [(1, "Rules for the use of the company's vehicles")]


@pytest.mark.parametrize(
    "text",
    ["Read this first, please.", "42", "...", "first, of all;"],
    ids=["a sentence", "a number", "dots", "a clause"],
)
def test_large_type_alone_is_not_enough(text: str) -> None:
    assert headings(read(text_at(text, top=380, size=20) + BODY)) == []


def test_running_heads_are_none() -> None:
    page = text_at("Handbook", top=390, size=14) + BODY
    assert headings(read(page, page)) != []
    assert headings(read(page, page, page)) == []


def test_a_list_in_large_type_is_none() -> None:
    names = b"".join(text_at(f"Person {name}", top=390 - 25 * i, size=12) for i, name in enumerate("ABC"))
    assert headings(read(names + BODY)) == []


def test_a_poster_has_no_headings() -> None:
    """Where much of the text is large, size says nothing."""
    page = text_at("A sale of all that is left", top=390, size=20) + text_at("of the summer now", top=200, size=10)
    assert headings(read(page)) == []
