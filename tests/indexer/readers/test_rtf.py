"""RTF: every way to write a letter, and the structure that it has."""

import pytest

from indexer.errors import UnreadableDocument
from indexer.readers import read_document


def read(body: bytes, head: bytes = rb"\ansi\ansicpg1252") -> str:
    return read_document("a.rtf", rb"{\rtf1" + head + b" " + body + b"}").text


def escaped(text: str, encoding: str) -> bytes:
    return b"".join(rb"\'%02x" % byte for byte in text.encode(encoding))


def test_letters_of_the_code_page_of_the_file() -> None:
    assert read(rb"caf\'e9 \u8364?5\par", rb"\ansi\ansicpg1252") == "café €5"
    assert read(escaped("在宅勤務", "cp932"), rb"\ansi\ansicpg932") == "在宅勤務"


def test_letters_of_the_code_page_of_a_font() -> None:
    fonts = rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset128 MS Mincho;}{\f2\fcharset204 Cyr;}}"
    body = fonts + rb"{\f1 " + escaped("規程", "cp932") + rb"} {\f2 " + escaped("Да", "cp1251") + rb"} \f0 \'e9"
    assert read(body) == "規程 Да é"


def test_the_second_byte_of_a_letter_may_stand_unescaped() -> None:
    assert "ア".encode("cp932") == b"\x83A"
    assert read(rb"\'83A", rb"\ansi\ansicpg932") == "ア"


def test_letters_by_number_hide_their_fallback() -> None:
    assert read(rb"\uc2\u22312\'8d\'dd\u23429\'91\'ee ok") == "在宅 ok"
    assert read(rb"{\uc0\u22312}\uc1\u-10179?\u-8704?x") == "在😀x"


def test_outline_levels_are_headings() -> None:
    data = rb"{\rtf1 \pard\outlinelevel1 Leave\par\pard Forty-five days.\par}"
    document = read_document("a.rtf", data)
    assert [(h.level, h.title) for h in document.headings] == [(2, "Leave")]
    assert document.text == "Leave\n\nForty-five days."


def test_rows_of_a_table_are_lines() -> None:
    rows = rb"\trowd\pard\intbl City\cell Season\cell Limit\cell\row\trowd\intbl London\cell all\cell 165\cell\row\pard"
    assert read(rows + rb" After.\par") == "City: London | Season: all | Limit: 165\n\nAfter."


def test_only_what_is_seen_is_read() -> None:
    body = (
        rb"{\stylesheet{\s1 heading 1;}}{\info{\author Bob}}{\*\generator X;}{\pict\bin4 }{}{x}{\v hidden}"
        rb"{\field{\*\fldinst HYPERLINK}{\fldrslt link}} a\~b \'96 c\emdash d{\*\unknown y}\par"
    )
    assert read(body) == "link a b – c—d"


def test_notes_headers_and_the_title() -> None:
    data = rb"{\rtf1{\info{\title The rules}}{\header Confidential\par}Words{\footnote A note.}.\par}"
    document = read_document("a.rtf", data)
    assert document.text == "Words.\n\nConfidential\n\nA note."
    assert document.title == "The rules"


def test_what_is_no_rtf_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="not RTF"):
        read_document("a.rtf", b"words")


def test_a_million_open_braces_are_refused() -> None:
    with pytest.raises(UnreadableDocument, match="nested too deeply"):
        read(b"{" * 1_000_000)
