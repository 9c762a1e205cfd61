"""Pages without text: read by OCR where Tesseract is installed, named where it is not; never silently empty."""

import zlib

import pypdfium2 as pdfium
import pytest

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers import ocr, read_document
from tests.conftest import EXAMPLES
from tests.indexer.readers.handmade_pdf import FIRST_FREE_OBJECT, make_pdf, text_at, vertical_pdf

needs_tesseract = pytest.mark.skipif(ocr.program() is None, reason="Tesseract is not installed")
PICTURE = b"q 200 0 0 400 0 0 cm /Im Do Q"


def scan(source: bytes, *, pages: tuple[bytes, ...] = (PICTURE,), scale: float = 3.0, entries: bytes = b"") -> bytes:
    """A PDF whose pages show the first page of `source` as a picture."""
    pdf = pdfium.PdfDocument(source)
    bitmap = pdf[0].render(scale=scale, grayscale=True)
    width, height = pdf[0].get_size()
    data, stride = bytes(bitmap.buffer), bitmap.stride
    rows = zlib.compress(b"".join(data[i * stride : i * stride + bitmap.width] for i in range(bitmap.height)))
    number = FIRST_FREE_OBJECT + 2 * len(pages)
    image = b"<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8" % (
        bitmap.width,
        bitmap.height,
    )
    image += b"/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(rows), rows)
    return make_pdf(
        [page.replace(b"200 0 0 400", b"%d 0 0 %d" % (width, height)) for page in pages],
        size=(round(width), round(height)),
        title=b"()",
        page_entries=b"/Resources<</Font<</F1 3 0 R>>/XObject<</Im %d 0 R>>>>" % number + entries,
        more_objects=[image],
    )


LETTER = make_pdf([text_at("The limit in London", "is 165 pounds.", size=14, leading=18)], size=(200, 400))


def read(data: bytes) -> ExtractedDocument:
    return read_document("a.pdf", data)


@needs_tesseract
def test_a_scanned_page_is_read_with_the_places_of_its_lines() -> None:
    document = read(scan(LETTER))
    assert " ".join(document.text.split()) == "The limit in London is 165 pounds."
    assert document.notes == ()
    first, _ = document.layout.lines
    [box] = read(LETTER).layout.lines[:1]
    assert (first.left, first.bottom, first.right, first.top) == pytest.approx(
        (box.left, box.bottom, box.right, box.top), abs=3
    )


@needs_tesseract
@pytest.mark.slow
def test_a_scanned_page_in_japanese_is_read() -> None:
    text = read(scan((EXAMPLES / "handbook" / "curlew-g40-hoshu.pdf").read_bytes(), scale=300 / 72)).text
    found = [phrase for phrase in ("定期点検", "校正証明書", "内蔵電池", "防水パッキン", "初期化") if phrase in text]
    assert len(found) >= 4, text


@needs_tesseract
def test_a_picture_without_words_is_noted_beside_pages_with_words() -> None:
    blank = make_pdf([b"0 0 m 10 10 l S"])
    document = read(scan(blank, pages=(text_at("Words"), PICTURE)))
    assert document.text == "Words\n"
    assert document.notes == ("no text found on page 2, not by OCR either",)
    with pytest.raises(UnreadableDocument, match="OCR has found none"):
        read(scan(blank))


def test_without_tesseract_such_pages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "program", lambda: None)
    document = read(scan(LETTER, pages=(PICTURE, text_at("Words"), PICTURE, b"")))
    assert document.text == "Words\n"
    [note] = document.notes
    assert note.startswith("pages 1, 3 hold(s) only pictures and needs OCR: install Tesseract")
    with pytest.raises(UnreadableDocument, match=r"no text on its 1 page\(s\), only pictures: needs OCR: install"):
        read(scan(LETTER))


def test_a_page_as_large_as_a_house_is_drawn_small() -> None:
    assert ocr._scale(595, 842) == pytest.approx(300 / 72)
    assert 0.9 * 20e6 < (50_000 * ocr._scale(50_000, 50_000)) ** 2 <= 20e6


COLUMNS = (
    "車両の鍵は業務が終わったのち営業所の保管庫に",
    "返却する。保管庫の鍵は所長が管理し毎日本数を",
    "確かめる。",
    "事故が起きたときは二時間以内に所長へ報告する。",
)


@pytest.fixture
def vertical_scan() -> bytes:
    source = vertical_pdf(*COLUMNS)
    pixels = bytes(pdfium.PdfDocument(source)[0].render(scale=1, grayscale=True).buffer)
    if min(pixels) > 100:
        pytest.skip("no Japanese font: install fonts-noto-cjk")
    return scan(source, scale=300 / 72)


needs_vertical = pytest.mark.skipif(not ocr.reads_vertical(), reason="tesseract-ocr-jpn-vert is not installed")


@needs_tesseract
@needs_vertical
def test_a_page_from_top_to_bottom_is_read_column_by_column(vertical_scan: bytes) -> None:
    document = read(vertical_scan)
    assert document.notes == ()
    # One sentence runs over two columns.
    places = [
        document.text.index(words) for words in ("が終わったのち営業所の保管庫に", "する。保管庫の", "事故が起きたとき")
    ]
    assert places == sorted(places)
    assert "\n" not in document.text[: places[1]]
    box = next(line for line in document.layout.lines if "事故が" in document.text[line.start : line.end])
    assert box.right == pytest.approx(360 - 26 * 3 + 8, abs=4)


@needs_tesseract
def test_what_ocr_is_not_sure_of_is_named_and_not_read(vertical_scan: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "_languages", lambda _: ("jpn", "eng"))
    monkeypatch.setattr(ocr, "reads_vertical", lambda: False)
    with pytest.raises(UnreadableDocument, match=r"cannot make out page 1: .* install tesseract-ocr-jpn-vert"):
        read(vertical_scan)


@needs_tesseract
def test_a_page_across_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []
    once = ocr._read

    def counted(command: list[str], picture: bytes) -> list[ocr._Word]:
        commands.append(command)
        return once(command, picture)

    monkeypatch.setattr(ocr, "_read", counted)
    read(scan(LETTER))
    assert len(commands) == 1


def test_a_page_that_is_in_doubt_is_noted_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "program", lambda: "tesseract")
    monkeypatch.setattr(ocr, "recognise", lambda _: ocr.Recognised([], 22.4))
    monkeypatch.setattr(ocr, "reads_vertical", lambda: True)
    document = read(scan(LETTER, pages=(text_at("Words"), PICTURE)))
    assert document.text == "Words\n"
    assert document.notes == ("OCR cannot make out page 2: it is sure of 22 % at best",)
