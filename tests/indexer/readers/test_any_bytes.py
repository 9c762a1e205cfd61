"""Whatever the bytes, every reader gives a sound document or a reason, and nothing else."""

import io
import unicodedata
import zipfile
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers import READERS, read_document
from tests.indexer.readers.handmade_office import (
    make_docx,
    make_epub,
    make_odf,
    make_pptx,
    make_xlsx,
    make_zip,
    paragraph,
    shape,
    sheet_row,
    slide_table,
    word_table,
)

ONE_SUFFIX_PER_READER = sorted({reader.name: suffix for suffix, reader in READERS.items()}.values())
FRAGMENTS = st.sampled_from(
    "# |## |\n|\n\n|\r\n|- |1. |> |```\n|    |\t|---\n|title: x\n|{ #id }|{/* x */}|/// note\n|:::\n"
    "|*|**|`|[a](b)|![x](y)"
    "|<div>|</div>|<p>|<h1>|</h1>|<table>|<tr>|<td>|<th>|</table>|<pre>|</pre>|<br>|<li>|<ul>|<main>|</main>|<nav>"
    "|<script>|</script>|<style>|<title>|<!--|-->|<![CDATA[|<svg>|<math>|<template>|<select>|<form>|<body hidden>"
    "|<meta charset=shift_jis>|&amp;|&#xD800;|&#0;|&nbsp;|&#x202e;"
    "|..|::|=====|:a: |+--+|[|{|}|],|\"|,|;|1|<a>|</a>|<?xml version='1.0'?>"
    "|Subject: x|\\par |\\u22312? |\\'8d|{\\rtf1 "
    "|\0|\u202e|\ufeff|\u3000|。|在宅|é|👩\u200d👩|\x0c|\x1b$B".split("|")
)  # fmt: skip
MARKUP = st.lists(FRAGMENTS | st.text(max_size=8), max_size=25).map("".join)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp932", "euc_jp", "iso2022_jp", "cp1252"])
DATA = st.binary(max_size=300) | st.builds(lambda text, name: text.encode(name, "ignore"), MARKUP, ENCODINGS)


def check_document(document: ExtractedDocument) -> None:
    """What all rooms above rely on."""
    text = document.text
    assert text.strip()
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") for c in text + (document.title or ""))
    assert document.title is None or document.title == " ".join(document.title.split("\n")) != ""
    for heading in document.headings:
        assert text[heading.start : heading.end] == heading.title
        assert 1 <= heading.level <= 6
    assert [(h.start, h.end) for h in document.headings] == [(s.start, s.end) for s in document.layout.headings]
    for spans in (document.layout.headings, document.layout.code, document.layout.lines):
        places = [(span.start, span.end) for span in spans]
        assert all(0 <= start < end <= len(text) for start, end in places)
        assert all(before[1] <= after[0] for before, after in pairwise(places))


@pytest.mark.parametrize("suffix", ONE_SUFFIX_PER_READER)
@given(data=DATA)
@settings(max_examples=40)
def test_any_bytes_give_a_sound_document_or_a_reason(suffix: str, data: bytes) -> None:
    try:
        document = read_document(f"file{suffix}", data)
    except UnreadableDocument:
        return
    check_document(document)


@given(MARKUP)
@settings(max_examples=150)
def test_reading_is_deterministic(source: str) -> None:
    """The id of a content is the hash of its bytes: two readings must give the same chunks."""
    data = source.encode("utf-8", "ignore")
    for suffix in (".md", ".html"):
        try:
            first = read_document(f"file{suffix}", data)
        except UnreadableDocument:
            continue
        assert read_document(f"file{suffix}", data) == first


@pytest.mark.parametrize("suffix", ONE_SUFFIX_PER_READER)
def test_an_empty_file_is_refused_by_every_reader(suffix: str) -> None:
    with pytest.raises(UnreadableDocument, match="empty"):
        read_document(f"file{suffix}", b"")


def test_every_reader_is_among_those_tested() -> None:
    assert {READERS[suffix].name for suffix in ONE_SUFFIX_PER_READER} == {reader.name for reader in READERS.values()}
    assert len(ONE_SUFFIX_PER_READER) >= 17


WORDS = paragraph("Each parent gets 45 days.") + word_table(("City", "Limit"), ("Bath", "90"))
WHOLE = {
    ".docx": make_docx(WORDS),
    ".pptx": make_pptx(shape("Title", kind="title") + slide_table(("a", "b"), ("1", "2"))),
    ".xlsx": make_xlsx({"S": sheet_row("City", "Limit") + sheet_row("Bath", 90)}, strings="<si><t>x</t></si>"),
    ".odt": make_odf("<text:h>Title</text:h><text:p>Words.</text:p>"),
    ".epub": make_epub("<h1>One</h1><p>Words.</p>"),
    ".rtf": rb"{\rtf1\ansi\ansicpg932{\fonttbl{\f1\fcharset128 M;}}\f1 \'8d\'dd \u22312?\par"
    rb"\trowd\intbl a\cell b\cell\row}",
    ".eml": b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>Hi\n--b--\n",
    ".rst": b"Title\n=====\n\n- one\n\n.. note:: x\n\n   y::\n\n     z\n\n"
    b"+--+--+\n|a |b |\n+==+==+\n|1 |2 |\n+--+--+\n",
}


@pytest.mark.parametrize("suffix", sorted(WHOLE))
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6), keep=st.floats(0.2, 1))
@settings(max_examples=40)
def test_a_damaged_file_is_read_or_refused(suffix: str, changes: list[tuple[float, int]], keep: float) -> None:
    data = bytearray(WHOLE[suffix])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    if keep < 0.5:
        del data[int(2 * keep * len(data)) :]
    try:
        document = read_document(f"file{suffix}", bytes(data))
    except UnreadableDocument:
        return
    check_document(document)


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx", ".odt", ".epub"])
@given(
    place=st.floats(0, 1), inserted=st.sampled_from(["<", ">", "<p>", "</w:p>", "\0", "&", "&#1;", "9" * 30, " ", '"'])
)
@settings(max_examples=40)
def test_a_container_with_odd_xml_is_read_or_refused(suffix: str, place: float, inserted: str) -> None:
    with zipfile.ZipFile(io.BytesIO(WHOLE[suffix])) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    name = sorted(parts)[int(place * (len(parts) - 1))]
    at = int((place * 7919) % 1 * len(parts[name]))
    parts[name] = parts[name][:at] + inserted + parts[name][at:]
    try:
        document = read_document(f"file{suffix}", make_zip(parts))
    except UnreadableDocument:
        return
    check_document(document)
