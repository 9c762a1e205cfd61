"""Word documents: what Word shows, in its order, with headings, numbers, tables and notes."""

from collections.abc import Mapping

import pytest

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers import read_document
from indexer.readers.docx_numbering import write_number
from tests.indexer.readers.handmade_office import make_docx, make_xlsx, paragraph, word_part, word_table

STYLES = word_part(
    "styles",
    '<w:style w:styleId="T"><w:name w:val="Title"/></w:style>'
    '<w:style w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>'
    '<w:style w:styleId="H2"><w:name w:val="heading 2"/></w:style>'
    '<w:style w:styleId="Own"><w:name w:val="Clause"/><w:basedOn w:val="H2"/></w:style>'
    '<w:style w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style>',
)
NUMBERING = word_part(
    "numbering",
    '<w:abstractNum w:abstractNumId="0">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="第%1条"/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl>'
    '</w:abstractNum><w:abstractNum w:abstractNumId="1">'
    '<w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="7"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="8"><w:abstractNumId w:val="1"/></w:num>',
)


def read(body: str, parts: Mapping[str, str] | None = None) -> ExtractedDocument:
    return read_document("a.docx", make_docx(body, parts))


def item(text: str, level: int = 0, number: int = 7) -> str:
    return paragraph(text, properties=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def test_headings_come_from_styles_and_those_they_are_based_on() -> None:
    body = (
        paragraph("Leave rules", style="T")
        + paragraph("Parental leave", style="H1")
        + paragraph("Length", style="Own")
        + paragraph("45 days.", style="Loop")
    )
    document = read(body, {"styles": STYLES})
    assert [(h.level, h.title) for h in document.headings] == [(1, "Leave rules"), (2, "Parental leave"), (3, "Length")]
    assert document.title == "Leave rules"
    assert document.text.endswith("\n\n45 days.")


def test_a_paragraph_may_have_a_level_of_its_own() -> None:
    body = paragraph("Clause", properties='<w:outlineLvl w:val="1"/>') + paragraph(
        "Body", style="H1", properties='<w:outlineLvl w:val="9"/>'
    )
    assert [(h.level, h.title) for h in read(body, {"styles": STYLES}).headings] == [(2, "Clause")]


def test_numbers_are_those_that_word_shows() -> None:
    body = item("目的") + item("first", 1) + item("second", 1) + item("適用") + item("first again", 1) + item("x", 0, 8)
    document = read(body, {"numbering": NUMBERING})
    assert document.text.splitlines() == [
        "第1条 目的",
        "1.a) first",
        "1.b) second",
        "第2条 適用",
        "2.a) first again",
        "x",
    ]


@pytest.mark.parametrize(
    ("number", "style", "shown"),
    [
        (4, "lowerRoman", "iv"),
        (1999, "upperRoman", "MCMXCIX"),
        (28, "upperLetter", "BB"),
        (12, "decimalFullWidth", "１２"),
        (3, "decimalEnclosedCircle", "③"),
        (25, "decimalEnclosedCircle", "25"),
        (2, "aiueo", "イ"),
        (25, "japaneseCounting", "二十五"),
        (10, "japaneseCounting", "十"),
        (5, "decimalZero", "05"),
        (0, "lowerRoman", "0"),
        (7, "unheardOf", "7"),
    ],
)
def test_each_style_of_number(number: int, style: str, shown: str) -> None:
    assert write_number(number, style) == shown


def test_each_row_of_a_table_can_be_understood_alone() -> None:
    table = word_table(("City", "Limit"), ("London", "165"), ("大阪", "90"), header=True)
    assert read(table).text == "City: London | Limit: 165\nCity: 大阪 | Limit: 90"


def test_names_and_values_side_by_side_get_no_header() -> None:
    assert read(word_table(("Name", "Bob"), ("Office", "Leeds"))).text == "Name | Bob\nOffice | Leeds"


def test_a_first_row_in_bold_is_a_header() -> None:
    bold = paragraph("Name", run="<w:b/>"), paragraph("Office", run="<w:b/>")
    assert read(word_table(bold, ("Bob", "Leeds"))).text == "Name: Bob | Office: Leeds"


def test_merged_cells_keep_their_columns() -> None:
    body = paragraph
    table = word_table(
        ("City", "Season", "Limit"),
        ("<w:tcPr><w:vMerge w:val='restart'/></w:tcPr>" + body("London"), "summer", "165"),
        ("<w:tcPr><w:vMerge/></w:tcPr>" + body(""), "winter", "140"),
        ("<w:tcPr><w:gridSpan w:val='2'/></w:tcPr>" + body("elsewhere"), "90"),
        header=True,
    )
    assert read(table).text.splitlines() == [
        "City: London | Season: summer | Limit: 165",
        "City: London | Season: winter | Limit: 140",
        "City: elsewhere | Limit: 90",
    ]


def test_a_table_of_one_cell_is_a_frame_around_text() -> None:
    document = read(word_table((paragraph("Inside", style="H1") + paragraph("Words."),)), {"styles": STYLES})
    assert document.text == "Inside\n\nWords."
    assert document.headings[0].title == "Inside"


def test_only_what_is_seen_is_read() -> None:
    body = (
        "<w:p><w:r><w:t>kept </w:t></w:r><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>inserted</w:t></w:r></w:ins><w:r><w:instrText>PAGE</w:instrText></w:r>"
        "<w:r><w:tab/><w:t>after</w:t><w:noBreakHyphen/><w:t>all</w:t></w:r>"
        "<w:r><w:ruby><w:rt><w:r><w:t>とう</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>東</w:t></w:r></w:rubyBase></w:ruby>"
        "</w:r></w:p><w:sdt><w:sdtContent>" + paragraph("In a control.") + "</w:sdtContent></w:sdt>"
    )
    assert read(body).text == "kept inserted after-all東\n\nIn a control."


def test_a_text_box_is_read_once() -> None:
    box = "<w:txbxContent>" + paragraph("In a box.") + "</w:txbxContent>"
    body = f"<w:p><w:r><w:t>Beside.</w:t></w:r><w:r><Choice>{box}</Choice><Fallback>{box}</Fallback></w:r></w:p>"
    assert read(body).text == "Beside.\n\nIn a box."


def test_a_fraction_keeps_its_bar_and_a_power_its_place() -> None:
    body = (
        "<w:p><f><num><t>a+b</t></num><den><t>2</t></den></f><w:r><w:t>, </w:t></w:r>"
        "<sSup><e><t>10</t></e><sup><t>6</t></sup></sSup></w:p>"
    )
    assert read(body).text == "(a+b)/2, 10^6"


def test_notes_comments_headers_and_footers_follow_the_text() -> None:
    parts = {
        "footnotes": word_part(
            "footnotes",
            f'<w:footnote w:type="separator">{paragraph("---")}</w:footnote>'
            f"<w:footnote>{paragraph('A note.')}</w:footnote>",
        ),
        "comments": word_part("comments", f"<w:comment>{paragraph('Is it so?')}</w:comment>"),
        "header1": word_part("hdr", paragraph("Confidential")),
        "header2": word_part("hdr", paragraph("Confidential")),
        "footer1": word_part("ftr", paragraph("LBK-7")),
    }
    text = read(paragraph("Words."), parts).text
    assert text.split("\n\n") == ["Words.", "A note.", "Comment: Is it so?", "Confidential", "LBK-7"]


def test_another_kind_of_office_file_is_named() -> None:
    with pytest.raises(UnreadableDocument, match=r"another kind than its suffix says \(workbook\)"):
        read_document("a.docx", make_xlsx({}))


def test_a_table_inside_a_cell_belongs_to_the_cell() -> None:
    inner = word_table(("x", "y"), ("1", "2"))
    table = word_table(("City", "Limits"), ("Bath", inner), header=True)
    assert read(table).text == "City: Bath | Limits: x y 1 2"


def test_a_long_table_takes_time_in_proportion() -> None:
    table = word_table(*((f"row {i}", "a", "b") for i in range(10_000)))
    assert read(table).text.count("\n") >= 9_998
