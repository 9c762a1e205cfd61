"""Workbooks: rows with the names of their columns, values as people see them."""

import pytest

from indexer.readers import read_document
from indexer.readers.number_format import BUILT_IN, format_number
from tests.indexer.readers.handmade_office import make_xlsx, sheet_row


def test_each_row_carries_the_names_of_its_columns_and_each_sheet_its_own() -> None:
    data = make_xlsx(
        {
            "Limits": sheet_row("City", "Limit") + sheet_row("London", 165) + sheet_row("大阪", 90.5),
            "Empty": "",
            "Staff": sheet_row("Name", "Office", "Desk") + sheet_row("Bob", "Leeds", "4a"),
        }
    )
    document = read_document("a.xlsx", data)
    assert document.text.splitlines() == [
        "Limits", "", "City: London | Limit: 165", "City: 大阪 | Limit: 90.5",
        "", "Staff", "", "Name: Bob | Office: Leeds | Desk: 4a",
    ]  # fmt: skip
    assert [h.title for h in document.headings] == ["Limits", "Staff"]
    assert document.title is None


def test_titles_above_a_table_and_empty_rows_part_what_a_sheet_holds() -> None:
    rows = sheet_row("Hotel limits 2026", number=1) + sheet_row("City", "Season", "Limit", number=2)
    rows += sheet_row("London", "all", 165, number=3) + sheet_row("A note below.", number=6)
    text = read_document("a.xlsx", make_xlsx({"S": rows})).text
    assert text.split("\n\n")[1:] == ["Hotel limits 2026", "City: London | Season: all | Limit: 165", "A note below."]


def test_strings_are_shared_without_their_phonetic_guides() -> None:
    strings = "<si><r><t>東</t></r><r><t>京</t></r><rPh><t>トウキョウ</t></rPh></si><si><t>a_x000A_b</t></si>"
    rows = (
        '<row><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c><c t="s"><v>99</v></c><c t="b"><v>1</v></c></row>'
    )
    assert read_document("a.xlsx", make_xlsx({"S": rows}, strings=strings)).text == "S\n\n東京 | a b | TRUE"


def test_formats_of_styles_are_applied() -> None:
    styles = '<numFmts><numFmt numFmtId="164" formatCode="yyyy/m/d"/></numFmts><cellXfs><xf/><xf numFmtId="9"/>'
    styles += '<xf numFmtId="164"/></cellXfs>'
    rows = '<row><c s="1"><v>0.15</v></c><c s="2"><v>46348</v></c><c s="0"><v>46348</v></c><c s="9"><v>1</v></c></row>'
    assert read_document("a.xlsx", make_xlsx({"S": rows}, styles=styles)).text == "S\n\n15% | 2026-11-22 | 46348 | 1"
    old = make_xlsx({"S": rows}, styles=styles, workbook='<workbookPr date1904="1"/>')
    assert "2030-11-23" in read_document("a.xlsx", old).text


@pytest.mark.parametrize(
    ("stored", "code", "shown"),
    [
        ("165", "General", "165"),
        ("0.30000000000000004", "General", "0.3"),
        ("1.5E-3", "General", "0.0015"),
        ("1E+30", "General", "1E+30"),
        ("0.175", "0.0%", "17.5%"),
        ("2000", '#,##0"円"', "2000"),
        ("46348.75", "yyyy-mm-dd hh:mm", "2026-11-22 18:00"),
        ("0.5", "h:mm", "12:00"),
        ("46348", '[$-411]ggge"年"m"月"d"日"', "2026-11-22"),
        ("-5", "yyyy-mm-dd", "-5"),
        ("1e400", "0%", "1E+402%"),
        ("NaN", "0%", "NaN"),
        ("words", "0%", "words"),
        ("0", "General", "0"),
    ],
)
def test_a_number_is_shown_as_its_format_says(stored: str, code: str, shown: str) -> None:
    assert format_number(stored, code) == shown


def test_the_built_in_date_is_a_date() -> None:
    assert format_number("46348", BUILT_IN["14"]) == "2026-11-22"


def test_a_cell_far_away_costs_no_more_than_its_row() -> None:
    far = '<row><c r="XFD1" t="inlineStr"><is><t>far</t></is></c><c t="inlineStr"><is><t>out</t></is></c></row>'
    text = read_document("a.xlsx", make_xlsx({"S": far + sheet_row("a", 1) * 5_000})).text
    assert text.startswith("S\n\nfar | out\na | 1\n")
    assert text.count("a | 1") == 5_000
