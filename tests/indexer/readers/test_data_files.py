"""csv, tsv, json, jsonl, xml and xls: each record can be found and understood alone."""

from pathlib import Path

import pytest

from indexer.errors import UnreadableDocument
from indexer.readers import read_document


def read(suffix: str, text: str | bytes) -> str:
    return read_document(f"a.{suffix}", text if isinstance(text, bytes) else text.encode()).text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_of_a_table_is_found(delimiter: str) -> None:
    rows = [["City", "Limit"], ["London, UK" if delimiter != "," else '"London, UK"', "165"], ["大阪", "90"]]
    text = read("csv", "\n".join(delimiter.join(row) for row in rows))
    assert text == "City: London, UK | Limit: 165\nCity: 大阪 | Limit: 90"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp932"])
def test_a_table_is_read_in_the_encodings_that_excel_writes(encoding: str) -> None:
    data = "氏名,部署,内線\r\n佐藤,総務のみなさま,12\r\nすずき,けいり,34\r\n".encode(encoding)
    assert read("csv", data) == "氏名: 佐藤 | 部署: 総務のみなさま | 内線: 12\n氏名: すずき | 部署: けいり | 内線: 34"


def test_cells_may_hold_line_breaks_and_a_title_may_stand_above() -> None:
    text = read("csv", 'Limits\nCity,Note\nLondon,"two\nlines"\nLeeds,one\n')
    assert text == "Limits\n\nCity: London | Note: two lines\nCity: Leeds | Note: one"


def test_a_table_of_numbers_has_no_header() -> None:
    assert read("csv", "1,2\n3,4\n") == "1 | 2\n3 | 4"


def test_one_column_is_a_list() -> None:
    assert read("csv", "apples\npears\n") == "apples\npears"


def test_tsv_knows_its_delimiter() -> None:
    assert read("tsv", "a, b\tc\n1\t2\n") == "a, b: 1 | c: 2"


def test_each_value_of_json_comes_with_its_path() -> None:
    text = read("json", '{"hotel": {"London": 165.50, "open": true}, "tags": ["a", "b"], "none": null}')
    assert text == "hotel.London: 165.50\nhotel.open: true\ntags: a, b\nnone: null"


def test_a_record_of_a_list_is_one_line() -> None:
    text = read("json", '{"staff": [{"name": "佐藤", "age": 30}, {"name": "Bob", "skills": ["x", "y"]}]}')
    assert text == "staff[1] | name: 佐藤 | age: 30\n\nstaff[2] | name: Bob | skills: x, y"


def test_records_line_by_line() -> None:
    assert read("jsonl", '{"q": "a?", "n": 1}\n\n{"q": "b?", "n": 2}\n') == "q: a? | n: 1\n\nq: b? | n: 2"
    assert read("json", '{"q": "a?"}\n{"q": "b?"}\n') == "q: a?\n\nq: b?"


def test_numbers_stay_as_they_are_written() -> None:
    assert read("json", "[1.10, 1e3, 123456789012345678901234567890, NaN]") == (
        "1.10, 1e3, 123456789012345678901234567890, NaN"
    )
    assert read("json", '{"n": ' + "9" * 10_000 + "}").endswith("9" * 10_000)


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_what_is_no_json_is_refused_with_the_place(suffix: str) -> None:
    with pytest.raises(UnreadableDocument, match=r"not JSON: .*line 1"):
        read(suffix, "{'a': 1}")


def test_json_nested_without_end_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="nested too deeply"):
        read("json", "[" * 100_000)


def test_a_feed_is_read_item_by_item() -> None:
    feed = (
        '<?xml version="1.0" encoding="euc-jp"?><rss><channel><title>お知らせ</title>'
        "<item><title>休業</title><description>&lt;p&gt;8月は&lt;b&gt;休み&lt;/b&gt;。&lt;/p&gt;</description></item>"
        "<item><title>再開</title><description>9月から。</description></item></channel></rss>"
    ).encode("euc-jp")
    document = read_document("a.xml", feed)
    assert document.text == (
        "お知らせ\n\ntitle: 休業 | description: 8月は 休み 。\n\ntitle: 再開 | description: 9月から。"
    )
    assert document.title == "お知らせ"


def test_running_text_of_xml_is_a_paragraph() -> None:
    assert read("xml", "<doc><p>One <b>bold</b> word.</p><p>Two.</p></doc>") == "One bold word.\nTwo."


def test_html_under_another_name_is_html() -> None:
    assert read_document("a.xml", b"<!DOCTYPE HTML><p>words<br>more").media_type == "text/html"


@pytest.mark.parametrize("text", ["<a>", "words", "<a><b></a></b>", "<a>&undefined;</a>"])
def test_what_is_no_xml_is_refused(text: str) -> None:
    with pytest.raises(UnreadableDocument, match="not well-formed"):
        read("xml", text)


def test_what_is_no_workbook_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="not a workbook"):
        read("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)


def test_an_old_workbook_is_read(corpora: Path) -> None:
    document = read_document("a.xls", (corpora / "office" / "markitdown__test.xls").read_bytes())
    assert "Alpha: 89 | Beta: 82 | Gamma: 100 | Delta: 12\n" in document.text
