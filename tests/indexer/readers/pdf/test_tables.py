"""Tables in PDF: each row a line with the names of its columns, each cell at its place; what only looks like one."""

import re
from collections.abc import Sequence
from itertools import pairwise

import pytest

from indexer.document import ExtractedDocument
from indexer.readers import read_document
from indexer.readers.pdf.rules import Rule, _joined
from tests.conftest import EXAMPLES
from tests.indexer.readers.handmade_pdf import make_pdf, text_at
from tests.indexer.readers.pdf.test_reader import check_layout

HEADER = ("Zone", "Days", "Fee")
FEES = (("Inner city", "1", "4.50"), ("Highlands", "3", "9.20"), ("Islands", "5", "17.00"))
NAMED = [f"Zone: {zone} | Days: {days} | Fee: {fee}" for zone, days, fee in FEES]
XS = (40.0, 160.0, 240.0, 320.0)
HEIGHT = 20.0
SIZE = (600, 400)


def written(*lines: str, left: float = 20, top: float = 350, size: float = 12, leading: float = 14) -> bytes:
    return text_at(*lines, left=left, top=top, size=size, leading=leading) + b" "


def rule(x1: float, y1: float, x2: float, y2: float) -> bytes:
    return b"%.1f %.1f m %.1f %.1f l S " % (x1, y1, x2, y2)


def ground(left: float, bottom: float, right: float, top: float, grey: float = 0.9) -> bytes:
    return b"q %.2f g %.1f %.1f %.1f %.1f re f Q " % (grey, left, bottom, right - left, top - bottom)


def cells(rows: Sequence[Sequence[str]], *, top: float = 300, xs: Sequence[float] = XS) -> bytes:
    return b"".join(
        written(cell, left=xs[column] + 4, top=top - HEIGHT * (row + 1) + 6, size=10)
        for row, texts in enumerate(rows)
        for column, cell in enumerate(texts)
        if cell
    )


def ruled(rows: Sequence[Sequence[str]], *, top: float = 300, xs: Sequence[float] = XS) -> bytes:
    bottom = top - HEIGHT * len(rows)
    lines = [rule(xs[0], top - HEIGHT * i, xs[-1], top - HEIGHT * i) for i in range(len(rows) + 1)]
    return b"".join([*lines, *(rule(x, bottom, x, top) for x in xs)]) + cells(rows, top=top, xs=xs)


def across(*ys: float) -> bytes:
    return b"".join(rule(XS[0], y, XS[-1], y) for y in ys)


def read(*pages: bytes) -> ExtractedDocument:
    document = read_document("a.pdf", make_pdf(pages, size=SIZE, title=b"()"))
    check_layout(document)
    return document


def lines_of(*pages: bytes) -> list[str]:
    return read(*pages).text.splitlines()


TABLE = (HEADER, *FEES)
EVERY_ROW = [300 - HEIGHT * i for i in range(5)]
STYLES = {
    "all lines": ruled(TABLE),
    "boxes of cells": b"".join(
        b"%.1f %.1f %.1f %.1f re S " % (a, 300 - HEIGHT * (row + 1), b - a, HEIGHT)
        for row in range(4)
        for a, b in pairwise(XS)
    )
    + cells(TABLE),
    "lines as thin rectangles": b"".join(b"40 %.1f 280 0.7 re f " % y for y in EVERY_ROW)
    + b"".join(b"%.1f 220 0.7 80 re f " % x for x in XS)
    + cells(TABLE),
    "between rows": across(*EVERY_ROW) + cells(TABLE),
    "below rows": across(*EVERY_ROW[1:]) + cells(TABLE),
    "above rows": across(*EVERY_ROW[:-1]) + cells(TABLE),
    "three lines": across(300, 280, 220) + cells(TABLE),
    "every other row grey": ground(40, 280, 320, 300, 0.2) + ground(40, 240, 320, 260) + across(220) + cells(TABLE),
    "between columns and below the header": across(280)
    + b"".join(rule(x, 220, x, 300) for x in XS[1:-1])
    + cells(TABLE),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_row_carries_the_names_of_its_columns(style: str) -> None:
    above, below = written("Fees of the depot", top=370), written("All fees in euros.", top=150)
    assert lines_of(above + STYLES[style] + below) == ["Fees of the depot", *NAMED, "All fees in euros."]


def test_names_and_cells_keep_their_places() -> None:
    document = read(ruled(TABLE))
    row = document.text.index(NAMED[1])
    found = {document.text[box.start : box.end]: box for box in document.layout.lines if box.start >= row}
    assert (found["9.20"].left, found["9.20"].bottom) == pytest.approx((244, 246), abs=3)
    first_row = {document.text[box.start : box.end]: box for box in document.layout.lines if box.end <= row}
    assert (first_row["Fee"].left, first_row["Fee"].bottom) == pytest.approx((244, 286), abs=3)


@pytest.mark.parametrize("repeated", [True, False])
def test_a_table_that_goes_on_over_the_page_keeps_its_header(repeated: bool) -> None:
    foot = written("Page 1", top=20)
    more = (("Harbour", "2", "6.10"), ("Airport", "2", "6.90"))
    second = ruled((HEADER, *more) if repeated else more, top=380)
    document = read(ruled(TABLE) + foot, second + written("Other text", top=200))
    assert document.text.splitlines() == [
        *NAMED,
        "Page 1",
        "Zone: Harbour | Days: 2 | Fee: 6.10",
        "Zone: Airport | Days: 2 | Fee: 6.90",
        "Other text",
    ]
    assert all(box.page == 2 for box in document.layout.lines if box.start >= document.text.index("Harbour"))


def test_a_table_of_other_columns_does_not_go_on() -> None:
    other = ruled((("Harbour", "open"), ("Airport", "shut")), top=380, xs=(40, 160, 240))
    assert lines_of(ruled(TABLE), other)[-2:] == ["Harbour | open", "Airport | shut"]


def test_text_after_a_table_ends_it() -> None:
    prose = written(*("Deliveries to islands depend on the weather." for _ in range(4)), top=150)
    other = ruled((("Harbour", "2", "6.10"), ("Airport", "2", "6.90")), top=380)
    assert lines_of(ruled(TABLE) + prose, other)[-2:] == ["Harbour | 2 | 6.10", "Airport | 2 | 6.90"]


def test_a_name_over_two_columns_stands_before_theirs() -> None:
    rows = (("", "2026", ""), ("Depot", "Parcels", "Loss"), ("Leeds", "1,390", "0.3 %"), ("York", "911", "0.2 %"))
    lines = [across(300, 260, 240, 220), rule(160, 280, 320, 280), *(rule(x, 220, x, 300) for x in (40, 160, 320))]
    page = b"".join(lines) + rule(240, 220, 240, 280) + cells(rows)
    assert lines_of(page) == [
        "Depot: Leeds | 2026 Parcels: 1,390 | 2026 Loss: 0.3 %",
        "Depot: York | 2026 Parcels: 911 | 2026 Loss: 0.2 %",
    ]


def test_a_cell_over_two_rows_stands_in_both() -> None:
    rows = (HEADER, ("Islands", "3", "9.20"), ("", "5", "17.00"))
    page = across(300, 280, 240) + rule(160, 260, 320, 260) + b"".join(rule(x, 240, x, 300) for x in XS) + cells(rows)
    assert lines_of(page) == ["Zone: Islands | Days: 3 | Fee: 9.20", "Zone: Islands | Days: 5 | Fee: 17.00"]


def test_lines_of_a_cell_are_joined() -> None:
    rows = (("Clause", "Duty"), ("4.1", ""), ("4.2", "Pay"), ("4.3", "Go"))
    page = ruled(rows, xs=(40, 100, 320)) + written("Keep the", "records", left=104, top=273, size=8, leading=9)
    assert lines_of(page)[0] == "Clause: 4.1 | Duty: Keep the records"


def test_names_in_the_left_column_are_no_header() -> None:
    rows = (("Name", "Larkbeck"), ("Town", "Leeds"), ("Founded", "2009"))
    grounds = ground(40, 240, 160, 300)
    assert lines_of(grounds + ruled(rows, xs=XS[:3])) == ["Name | Larkbeck", "Town | Leeds", "Founded | 2009"]


def test_the_tables_of_the_handbook() -> None:
    terms = read_document("a.pdf", (EXAMPLES / "handbook" / "dispatch-service-terms.pdf").read_bytes()).text
    [row] = [line for line in terms.splitlines() if line.startswith("Priority: 2")]
    assert row.endswith("Important function fails | First response: 2 hours | Target for a fix: 1 working day")
    care = read_document("a.pdf", (EXAMPLES / "handbook" / "curlew-g40-hoshu.pdf").read_bytes()).text
    assert "コード: E31 | 内容: 通信モジュールが応答しない | 対処: 再起動し、改善しなければ修理" in care.splitlines()


PROSE = (
    "The carrier shall deliver",
    "each parcel to the address",
    "on its label in the time",
    "agreed and shall keep a",
)
COLUMNS = written(*PROSE * 4, left=42, top=290, size=9, leading=11) + written(
    *PROSE * 4, left=182, top=290, size=9, leading=11
)
LOOK_ALIKES = {
    "two columns between rules": across(310, 110) + COLUMNS,
    "two columns below a ruled title": across(330, 310, 110) + written("Terms of use", left=42, top=316) + COLUMNS,
    "two boxes of text": across(310, 202, 110) + b"".join(rule(x, 110, x, 310) for x in (40, 178, 320)) + COLUMNS,
    "a chart": b"".join(rule(60, y, 300, y) for y in range(100, 300, 40))
    + b"".join(rule(x, 100, x, 260) for x in range(60, 301, 60))
    + b"".join(written(str(y), left=42, top=y, size=8) for y in range(100, 300, 40)),
    "a frame": b"40 40 500 300 re S 45 45 490 290 re S " + COLUMNS,
    "underlined words": across(*range(120, 300, 20)) + written(*PROSE, *PROSE, top=303, left=40, leading=20, size=12),
    "lines across words": ruled((("a", "b"), ("c", "d")), xs=(70, 130, 190)) + COLUMNS,
}


@pytest.mark.parametrize("kind", LOOK_ALIKES)
def test_what_only_looks_like_a_table_stays_text(kind: str) -> None:
    text = b" ".join(re.findall(rb"BT .*? ET", LOOK_ALIKES[kind]))
    assert lines_of(LOOK_ALIKES[kind]) == lines_of(text)


def test_rules_that_touch_are_one() -> None:
    rules = [Rule(100, 0, 50), Rule(101, 51, 90), Rule(100, 200, 300), Rule(140, 0, 3)]
    assert [(rule.start, rule.end) for rule in _joined(rules)] == [(0, 90), (200, 300)]
