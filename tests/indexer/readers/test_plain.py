"""Text files in the encodings that people have, and files that only claim to be text."""

import codecs
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import UnreadableDocument
from indexer.readers import read_document
from indexer.readers.plain import decode

JAPANESE = "在宅勤務規程\n在宅勤務は週に3日までとする。申請は前日の17時までに行う。データの持ち出しは禁止する。\n"
FRENCH = (
    "Règlement intérieur: les congés payés sont demandés à l'avance, au moins quatre semaines à l'avance.\n"
    "L'été, l'équipe se réunit à la cafétéria; un café coûte 2 € et le thé « maison » est offert.\n"
)


def text_of(data: bytes) -> str:
    return read_document("file.txt", data).text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "shift_jis", "cp932", "euc_jp"])
def test_japanese_is_read_in_every_encoding_it_is_written_in(encoding: str) -> None:
    assert text_of(JAPANESE.encode(encoding)) == JAPANESE.strip()


def test_iso_2022_jp_is_not_taken_for_ascii() -> None:
    """Its bytes are all valid ASCII; only the escape sequences give it away."""
    data = JAPANESE.encode("iso2022_jp")
    assert data.isascii()
    assert text_of(data) == JAPANESE.strip()


@pytest.mark.parametrize(("encoding", "bom"), [("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE)])
def test_both_byte_orders_are_read(encoding: str, bom: bytes) -> None:
    assert text_of(bom + JAPANESE.encode(encoding)) == JAPANESE.strip()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["no mark", JAPANESE, FRENCH])
def test_utf_16_is_read_without_a_mark(text: str, encoding: str) -> None:
    assert text_of(text.encode(encoding)) == text.strip()


def test_western_text_of_windows_is_read() -> None:
    assert text_of(FRENCH.encode("cp1252")) == FRENCH.strip()


def test_western_text_is_not_taken_for_half_width_katakana() -> None:
    """cp932 decodes é and à to katakana without complaint."""
    text = text_of("Überprüfung der Größe: Öl, Äpfel und Süßes für Gäste, täglich frisch gemäß Plan.".encode("cp1252"))
    assert "Größe" in text


def test_a_byte_order_mark_is_no_text() -> None:
    assert text_of(codecs.BOM_UTF8 + b"Leave") == "Leave"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\x03",
        b"MZ\x90\x00\x03",
        bytes(range(256)) * 4,
        b"text" * 1000 + b"\x00",
        b"text" * 1000 + b"\x00\x00",
    ],
)
def test_binary_data_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="binary"):
        text_of(data)


@pytest.mark.parametrize(
    "data", [codecs.BOM_UTF8 + b"abc\xff", codecs.BOM_UTF16_LE + b"a\x00\x00\xd8", codecs.BOM_UTF32_LE + b"abc"]
)
def test_a_file_damaged_behind_its_mark_is_refused_with_the_place(data: bytes) -> None:
    with pytest.raises(UnreadableDocument, match=r"damaged at byte \d"):
        text_of(data)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="the file is empty"):
        text_of(b"")


@pytest.mark.parametrize("data", [b"\n \t\r\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\x07\x08"])
def test_a_file_without_a_visible_character_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="no text"):
        text_of(data)


def test_line_breaks_are_kept_and_tabs_become_spaces() -> None:
    assert text_of(b"\n\nname\tlimit\r\nhotel\t165\r\r  end\n") == "name    limit\nhotel   165\n\n  end"


def test_control_characters_go() -> None:
    assert text_of(b"bell\x07 \x1b[31mred\x1b[0m") == "bell [31mred[0m"


def test_a_suffix_counts_in_any_case_and_an_unknown_one_is_named() -> None:
    assert read_document("NOTES.TXT", b"Leave").text == "Leave"
    with pytest.raises(UnreadableDocument, match=r"no reader for \.xyz"):
        read_document("notes.xyz", b"Leave")
    with pytest.raises(UnreadableDocument, match="without a suffix"):
        read_document("Makefile", b"all:")


@given(st.text())
def test_every_text_survives_utf_8(text: str) -> None:
    data = text.encode("utf-8")
    if b"\0" not in data and b"\x1b$" not in data and not text.startswith("\ufeff"):
        assert decode(data) == text


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_every_text_survives_utf_16(text: str) -> None:
    assert decode(text.encode("utf-16")) == text


@pytest.mark.parametrize("read", [decode, text_of])
@given(data=st.binary(max_size=400))
def test_any_bytes_give_text_or_a_reason(read: Callable[[bytes], str], data: bytes) -> None:
    try:
        text = read(data)
    except UnreadableDocument:
        return
    assert isinstance(text, str)
