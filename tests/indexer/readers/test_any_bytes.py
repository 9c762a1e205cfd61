"""Whatever the bytes, every reader gives a sound document or a reason, and nothing else."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers import READERS, read_document

ONE_SUFFIX_PER_READER = sorted({reader.name: suffix for suffix, reader in READERS.items()}.values())
FRAGMENTS = st.sampled_from(
    "# |## |\n|\n\n|\r\n|- |1. |> |```\n|    |\t|---\n|title: x\n|{ #id }|{/* x */}|/// note\n|:::\n"
    "|*|**|`|[a](b)|![x](y)"
    "|<div>|</div>|<p>|<h1>|</h1>|<table>|<tr>|<td>|<th>|</table>|<pre>|</pre>|<br>|<li>|<ul>|<main>|</main>|<nav>"
    "|<script>|</script>|<style>|<title>|<!--|-->|<![CDATA[|<svg>|<math>|<template>|<select>|<form>|<body hidden>"
    "|<meta charset=shift_jis>|&amp;|&#xD800;|&#0;|&nbsp;|&#x202e;"
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
@settings(max_examples=150)
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
    assert {READERS[suffix].name for suffix in ONE_SUFFIX_PER_READER} == {"html", "markdown", "pdf", "plain"}
