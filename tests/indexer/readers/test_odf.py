"""OpenDocument: texts, and the sheets and slides that share their vocabulary."""

import pytest

from indexer.errors import UnreadableDocument
from indexer.readers import read_document
from tests.indexer.readers.handmade_office import make_odf, make_zip


def cell(text: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"


def test_headings_lists_and_notes_of_a_text() -> None:
    content = (
        '<text:h text:outline-level="1">Leave</text:h><text:p>Paid<text:s text:c="2"/>leave<text:note>'
        "<text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body>"
        "</text:note>"
        " <text:span>for <text:span>all</text:span></text:span>.</text:p>"
        "<text:list><text:list-item><text:p>one</text:p></text:list-item><text:list-item><text:p>two</text:p>"
        "</text:list-item></text:list><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
    )
    document = read_document("a.odt", make_odf(content, title="規程"))
    assert document.text == "Leave\n\nPaid leave for all.\n\nA note.\none\ntwo"
    assert [(h.level, h.title) for h in document.headings] == [(1, "Leave")]
    assert document.title == "規程"


def test_rows_of_a_table_carry_their_column_names() -> None:
    rows = f"<table:table-row>{cell('City')}{cell('Limit')}</table:table-row>"
    body = f"<table:table-row>{cell('London')}{cell('165')}</table:table-row>"
    table = f"<table:table><table:table-header-rows>{rows}</table:table-header-rows>{body}</table:table>"
    assert read_document("a.odt", make_odf(table)).text == "City: London | Limit: 165"


def test_sheets_have_names_and_repeated_cells_stay_within_reason() -> None:
    first = f"<table:table-row>{cell('A')}{cell('B')}{cell('C')}</table:table-row>"
    twice = 'table:number-columns-repeated="2"'
    second = f"<table:table-row>{cell('x', twice)}{cell('7')}</table:table-row>"
    empty = '<table:table-row table:number-rows-repeated="1048570">'
    empty += '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    content = f'<table:table table:name="Limits">{first}{second}{empty}</table:table>'
    assert read_document("a.ods", make_odf(content, kind="spreadsheet")).text == "Limits\n\nA: x | B: x | C: 7"


def test_slides_are_pages() -> None:
    content = (
        '<draw:page xmlns:draw="d"><draw:frame><draw:text-box><text:p>one</text:p></draw:text-box></draw:frame>'
        '</draw:page><draw:page xmlns:draw="d"><text:p>two</text:p></draw:page>'
    )
    document = read_document("a.odp", make_odf(content, kind="presentation"))
    assert document.layout.page_at(document.text.index("two")) == 2


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"a": "b"}, "not an OpenDocument"),
        ({"content.xml": "<a/>"}, "no body"),
        ({"content.xml": "x", "META-INF/manifest.xml": "<m><f><encryption-data/></f></m>"}, "needs a password"),
    ],
)
def test_what_is_none_is_refused(parts: dict[str, str], reason: str) -> None:
    with pytest.raises(UnreadableDocument, match=reason):
        read_document("a.odt", make_zip(parts))
