"""Files made to do harm: each ends with its reason, in bounded time and memory, and the next file is read."""

import io
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.errors import UnreadableDocument
from indexer.readers import archive, read_document
from indexer.sandbox import ReaderProcess, SandboxSettings
from tests.indexer.readers.handmade_office import make_docx, make_epub, make_odf, make_xlsx, make_zip, paragraph
from tests.indexer.readers.handmade_pdf import make_pdf, text_at

MIB = 1 << 20
SECONDS = 20.0


@pytest.fixture(scope="module")
def reader() -> Iterator[ReaderProcess]:
    with ReaderProcess(SandboxSettings(seconds=SECONDS, memory_bytes=1 << 30)) as process:
        process.read("a.txt", b"words")  # a child needs a while to start
        yield process


def refused(reader: ReaderProcess, name: str, data: bytes) -> str:
    """The reason for refusing a file; afterwards the reader still reads."""
    started = time.monotonic()
    with pytest.raises(UnreadableDocument) as caught:
        reader.read(name, data)
    assert time.monotonic() - started < SECONDS + 5
    assert reader.read("a.txt", b"words").text == "words"
    return str(caught.value)


def with_sizes(data: bytes, size: int) -> bytes:
    """The same archive, whose directory says that each member unpacks to `size` bytes."""
    changed = bytearray(data)
    at = changed.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<I", changed, at + 24, size)
        at = changed.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


CONTAINERS = {
    "a.docx": make_docx(paragraph("x")),
    "a.xlsx": make_xlsx({"S": "<row/>"}),
    "a.odt": make_odf("<text:p>x</text:p>"),
    "a.epub": make_epub("<p>x</p>"),
}


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_an_archive_bomb_is_refused_before_it_is_unpacked(reader: ReaderProcess, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(CONTAINERS[name])) as whole:
        parts = {part: whole.read(part) for part in whole.namelist()}
    main = max(parts, key=lambda part: len(parts[part]))
    data = make_zip({**parts, main: parts[main] + b" " * (300 * MIB)})
    assert len(data) < MIB
    assert "an archive bomb" in refused(reader, name, data)


def test_an_archive_that_lies_about_its_sizes_is_damaged(reader: ReaderProcess) -> None:
    data = make_docx(paragraph("x" * 100_000))
    assert "damaged" in refused(reader, "a.docx", with_sizes(data, 1000))
    assert "an archive bomb" in refused(reader, "a.docx", with_sizes(data, 0xFFFFFFF0))


def test_an_archive_of_too_many_parts_is_refused(reader: ReaderProcess) -> None:
    data = make_zip({f"p{i}": "" for i in range(archive.MAX_ENTRIES + 1)})
    assert "20001 parts" in refused(reader, "a.docx", data)


def test_a_string_that_a_sheet_repeats_without_end_is_refused(reader: ReaderProcess) -> None:
    """Small in the archive and small unpacked, but gigabytes as text."""
    rows = '<row><c t="s"><v>0</v></c></row>' * 20_000
    data = make_xlsx({"S": rows}, strings=f"<si><t>{'x' * (MIB // 4)}</t></si>")
    assert "more than 30 million characters" in refused(reader, "a.xlsx", data)


LAUGHS = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(12))
ENTITIES = {
    "billion laughs": f'<!DOCTYPE d [<!ENTITY l0 "ha">{LAUGHS}]><d>&l12;</d>',
    "quadratic": f'<!DOCTYPE d [<!ENTITY a "{"a" * 100_000}">]><d>{"&a;" * 100_000}</d>',
    "a file": '<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]><d>&f;</d>',
    "the network": '<!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x">%p;]><d/>',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("kind", sorted(ENTITIES))
def test_entities_are_refused(reader: ReaderProcess, kind: str, encoding: str) -> None:
    assert "declares XML entities" in refused(reader, "a.xml", ENTITIES[kind].encode(encoding))


@pytest.mark.parametrize(("name", "part"), [("a.docx", "word/document.xml"), ("a.odt", "content.xml")])
def test_entities_inside_of_containers_are_refused(reader: ReaderProcess, name: str, part: str) -> None:
    with zipfile.ZipFile(io.BytesIO(CONTAINERS[name])) as whole:
        parts = {member: whole.read(member) for member in whole.namelist()}
    data = make_zip({**parts, part: ENTITIES["billion laughs"]})
    assert "declares XML entities" in refused(reader, name, data)


def test_a_dtd_elsewhere_is_not_fetched(reader: ReaderProcess) -> None:
    text = '<!DOCTYPE d SYSTEM "file:///etc/passwd"><d>words</d>'
    assert reader.read("a.xml", text.encode()).text == "words"


def test_xml_nested_without_end_is_refused(reader: ReaderProcess) -> None:
    assert "nested too deeply" in refused(reader, "a.xml", b"<a>" * 1_000_000)
    assert "nested too deeply" in refused(reader, "a.odt", make_odf("<text:p>" * 5000 + "</text:p>" * 5000))


@pytest.mark.parametrize("path", ["../../../../../../etc/passwd", "/etc/passwd", "..\\..\\etc\\passwd"])
def test_paths_inside_of_an_archive_lead_nowhere(
    reader: ReaderProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    parts = {
        "_rels/.rels": f'<R><Relationship Id="m" Type="x/officeDocument" Target="{path}"/></R>',
        path: "<w:document xmlns:w='w'><w:body><w:p><w:r><w:t>inside</w:t></w:r></w:p></w:body></w:document>",
    }
    try:
        text = reader.read("a.docx", make_zip(parts)).text
    except UnreadableDocument:
        text = "inside"
    assert text == "inside"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "kids", [b"[2 0 R]", b"[5 0 R 2 0 R]", b"[1 0 R]"], ids=["itself", "page and itself", "catalog"]
)
def test_a_page_tree_that_contains_itself_ends(reader: ReaderProcess, kids: bytes) -> None:
    data = make_pdf([b""]).replace(b"/Kids[5 0 R]/Count 1", b"/Kids" + kids + b"/Count 9")
    refused(reader, "a.pdf", data)


HOSTILE_LINES = {
    "boxes": b"20 20 9 9 re S " * 100_000,
    "one path": b"20 20 m " + b"20 380 l 180 20 l " * 100_000 + b"S ",
    "a fine grid": b"".join(b"0 %.2f m 200 %.2f l S %.2f 0 m %.2f 400 l S " % (i, i, i, i) for i in range(4, 398, 4)),
    "lines everywhere": b"".join(b"%d 20 m %d 380 l S 0 %d m 200 %d l S " % (i, i, i, i) for i in range(1, 398)) * 20,
}


@pytest.mark.parametrize("kind", HOSTILE_LINES)
def test_a_page_of_lines_without_end_is_read_in_time(reader: ReaderProcess, kind: str) -> None:
    words = [f"Word {i} of this page" for i in range(300)]
    page = HOSTILE_LINES[kind] + text_at(*words, size=1, leading=1.2, top=390)
    started = time.monotonic()
    document = reader.read("a.pdf", make_pdf([page] * 3))
    assert time.monotonic() - started < SECONDS
    assert all(word in document.text for word in ("Word 0 of", "Word 299 of"))


@pytest.mark.slow
def test_a_form_that_draws_itself_ends(reader: ReaderProcess) -> None:
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 7 0 R>>>>/Length 11>>stream\n"
    form += b"/X Do /X Do\nendstream"
    data = make_pdf([b"/X Do"], page_entries=b"/Resources<</XObject<</X 7 0 R>>>>", more_objects=[form])
    refused(reader, "a.pdf", data)


def test_a_picture_that_says_it_is_large_is_survived(reader: ReaderProcess) -> None:
    image = b"<</Type/XObject/Subtype/Image/Width 50000/Height 50000/ColorSpace/DeviceRGB/BitsPerComponent 8"
    image += b"/Length 3>>stream\n\0\0\0\nendstream"
    entries = b"/Resources<</XObject<</Im 7 0 R>>>>"
    page = b"q 200 0 0 400 0 0 cm /Im Do Q"
    refused(reader, "a.pdf", make_pdf([page], page_entries=entries, more_objects=[image]))


def test_a_page_that_is_its_own_parent_ends(reader: ReaderProcess) -> None:
    refused(reader, "a.pdf", make_pdf([b""]).replace(b"/Parent 2 0 R", b"/Parent 5 0 R"))


@pytest.mark.slow
@pytest.mark.parametrize("side", [50_000, 2_000_000_000])
def test_a_picture_as_large_as_a_house_is_survived(reader: ReaderProcess, side: int) -> None:
    """50,000 x 50,000 grey pixels are 2.5 GB in memory and 2.4 MB in the file."""
    squeezer = zlib.compressobj(9)
    row = b"\0" * (MIB * 25)
    pixels = b"".join(squeezer.compress(row) for _ in range(100)) + squeezer.flush()
    image = b"<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8" % (side, side)
    image += b"/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(pixels), pixels)
    entries = b"/Resources<</XObject<</Im 7 0 R>>>>"
    data = make_pdf([b"q 200 0 0 400 0 0 cm /Im Do Q"], page_entries=entries, more_objects=[image])
    refused(reader, "a.pdf", data)


@pytest.mark.slow
def test_a_page_as_large_as_a_country_is_survived(reader: ReaderProcess) -> None:
    refused(reader, "a.pdf", make_pdf([b"0 0 m 9 9 l S"], size=(1_000_000, 1_000_000)))


@pytest.mark.slow
def test_a_pdf_of_300_000_pages_ends(reader: ReaderProcess) -> None:
    data = make_pdf([b""]).replace(b"/Kids[5 0 R]/Count 1", b"/Kids[" + b"5 0 R " * 300_000 + b"]/Count 300000")
    refused(reader, "a.pdf", data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'"' + b"x," * (10 * MIB)),
        ("a.json", b'{"a":' * 200_000),
        ("a.rtf", rb"{\rtf1" + rb"\u1" * MIB + rb"\bin99999999999 }"),
        ("a.rst", b".. note::\n" + b"".join(b" " * i + b".. x::\n" for i in range(2000))),
        ("a.eml", b"A: b\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n" * 200_000),
        ("a.odt", make_odf('<text:p><text:s text:c="999999999"/>x</text:p>')),
        ("a.py", b"/*" * MIB),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_tricks_end_in_a_document_or_a_reason(reader: ReaderProcess, name: str, data: bytes) -> None:
    started = time.monotonic()
    try:
        reader.read(name, data)
    except UnreadableDocument as error:
        assert "crashed" not in str(error)
    assert time.monotonic() - started < SECONDS + 5
    assert reader.read("a.txt", b"words").text == "words"


def test_a_reader_that_meets_them_all_still_reads(reader: ReaderProcess) -> None:
    assert read_document("a.docx", CONTAINERS["a.docx"]).text == reader.read("a.docx", CONTAINERS["a.docx"]).text
