"""Every file of other projects' test sets ends as read or as refused with the right reason, within the limits."""

import resource
import time
from pathlib import Path

import pytest

from indexer.errors import UnreadableDocument
from indexer.readers import ocr, read_document, reader_for
from indexer.sandbox import ReaderProcess, SandboxSettings
from tests.indexer.readers.test_any_bytes import check_document

ENCRYPTED = {
    "bug1782186.pdf", "issue15893_reduced.pdf", "issue3371.pdf", "issue6010_1.pdf", "print_protection.pdf",
    "unstructured__password_protected.xlsx",
}  # fmt: skip
DAMAGED = {
    "REDHAT-1531897-0.pdf", "bug1020226.pdf", "bug1250079.pdf", "poppler-395-0-fuzzed.pdf",
    "PDFBOX-3148-2-fuzzed.pdf", "poppler-85140-0.pdf",
}  # fmt: skip
EMPTY = {"pptx__shp-groupshape.pptx"}


@pytest.mark.slow
def test_every_file_ends_as_read_or_with_the_right_reason(corpora: Path) -> None:
    settings = SandboxSettings()
    files = sorted(p for name in ("pdf", "office") for p in (corpora / name).iterdir() if reader_for(p.name))
    assert len(files) > 95
    refused: dict[str, str] = {}
    with ReaderProcess(settings) as reader:
        for file in files:
            started = time.monotonic()
            try:
                check_document(reader.read(file.name, file.read_bytes()))
            except UnreadableDocument as error:
                refused[file.name] = str(error)
            assert time.monotonic() - started < settings.seconds
    assert refused.keys() == ENCRYPTED | DAMAGED | EMPTY
    assert all("needs a password" in refused[name] for name in ENCRYPTED)
    assert all("damaged" in refused[name] for name in DAMAGED)
    assert all("no text" in refused[name] for name in EMPTY)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10 < settings.memory_bytes


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chardet__CP932__www2.chuo-u.ac.jp-suishin.xml", "半角カナ以外の漢字は、1983年度版のJIS X 0208"),
        ("chardet__EUC-JP__siesta.co.jp.aozora.xml", "title: 蛸博士 | link: http://www.siesta.co.jp/aozora/"),
        ("chardet__UTF-16LE__nobom-utf16le.txt", "07/19/2015 21:00:15.469,1.083,1.08332"),
        ("chardet__iso-2022-jp__ude_1.txt", "コンソール アプリケーション"),
        ("chardet__SHIFT_JIS__chromium_Shift-JIS_with_no_encoding_specified.html", "衆院議院運営委員会は９日午後の"),
        ("markitdown__test.docx", "AutoGen is an open-source framework"),
        ("markitdown__test.pptx", "ColA: 1 | ColB: 2 | ColC: 3"),
        ("markitdown__test_mskanji.csv", "名前: 髙橋淳 | 年齢: 35 | 住所: 名古屋"),
        ("tika__testEXCEL_phonetic.xlsx", "RecordSpec: 1 | Name: 豊田 | CompanyName: 豊田車会社"),
        ("tika__testRTF-ms932.rtf", "こんにちは"),
        ("tika__testRTFJapanese.rtf", "古書店で処刑記録見つかる"),
        ("unstructured__fake-email-utf-16.eml", "- Roses are red"),
        ("unstructured__semicolon-delimited.csv", "Lorem, ipsum: consectetur | dolor sit: adipiscing | amet: elit"),
    ],
)
def test_the_words_that_a_person_sees_are_there(corpora: Path, name: str, words: str) -> None:
    document = read_document(name, (corpora / "office" / name).read_bytes())
    check_document(document)
    assert words in document.text


def test_navigation_is_left_out_of_a_long_page(corpora: Path) -> None:
    text = read_document("a.html", (corpora / "office" / "markitdown__test_wikipedia.html").read_bytes()).text
    assert "Founded | April 4, 1975" in text
    assert "Alemannisch" not in text
    assert "Jump to content" not in text


@pytest.mark.skipif(ocr.program() is None, reason="Tesseract is not installed")
@pytest.mark.slow
def test_pages_that_stay_unread_are_noted(corpora: Path) -> None:
    document = read_document("a.pdf", (corpora / "pdf" / "vertical.pdf").read_bytes())
    assert document.notes == ("no text found on pages 2, 3, not by OCR either",)
