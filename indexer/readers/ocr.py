"""Text in pictures of pages, by Tesseract where it is installed. A program of its own, fed through a pipe: no files.

Debian: tesseract-ocr with tesseract-ocr-jpn, and tesseract-ocr-jpn-vert for Japanese from top to bottom. A page of
which Tesseract itself is not sure is not read at all: noise would be indexed and cited.
"""

import math
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pypdfium2 as pdfium

from indexer.errors import UnreadableDocument
from indexer.readers.builder import clean_text, join_lines
from indexer.readers.pdf.lines import Line, paragraphs

ADVICE = "install Tesseract (Debian: tesseract-ocr, tesseract-ocr-jpn, tesseract-ocr-jpn-vert) and index again"
VERTICAL_ADVICE = "if it is Japanese from top to bottom, install tesseract-ocr-jpn-vert and index again"
_WANTED = ("jpn", "eng")
_VERTICAL = "jpn_vert"
_ONE_VERTICAL_BLOCK = "5"
_DATA_FOLDERS = ("tesseract-ocr/*/tessdata", "tessdata", "tesseract/tessdata")
# Mean confidence in percent. Why these: docs/decisions.md.
_POOR = 60.0
_UNSURE = 40.0
_NOISE = 25.0  # of a line: specks, rules, the edge of the paper
_POINTS_PER_INCH = 72
_DOTS_PER_INCH = 300
# An A3 page at 300 dots per inch has 17 million; whatever a page says of its size, no more are drawn.
_MOST_PIXELS = 20_000_000
_SECONDS_A_PAGE = 60

before_each_page: Callable[[], None] = lambda: None  # noqa: E731
"""Called before each page; the reader process tells its parent here that it is still at work."""


class _Word(NamedTuple):
    paragraph: tuple[str, ...]
    line: str
    left: int
    top: int
    width: int
    height: int
    confidence: float
    text: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """Paragraphs of a page; none if there is nothing to read or, with a `confidence` in percent, nothing but noise."""

    paragraphs: list[list[Line]]
    confidence: float | None = None


@cache
def program() -> str | None:
    """Where Tesseract is, among the system's own programs."""
    return shutil.which("tesseract", path=os.defpath)


@cache
def reads_vertical() -> bool:
    """Whether Tesseract has data for Japanese from top to bottom, where distributions put it: asking takes longer."""
    share = Path("/usr/share")
    return any(next(share.glob(f"{folder}/{_VERTICAL}.traineddata"), None) for folder in _DATA_FOLDERS)


@cache
def _languages(tesseract: str) -> tuple[str, ...]:
    listed = subprocess.run([tesseract, "--list-langs"], capture_output=True, text=True, timeout=30, check=False)
    installed = listed.stdout.split()
    return tuple(language for language in (*_WANTED, _VERTICAL) if language in installed)


def recognise(page: pdfium.PdfPage) -> Recognised:
    """What stands on a page: read in lines, and where that gives little sense also in columns, if there is data for it.

    Raises UnreadableDocument if Tesseract fails.
    """
    tesseract = program()
    if tesseract is None:
        raise UnreadableDocument(f"it needs OCR: {ADVICE}")
    languages = _languages(tesseract)
    across = "+".join(language for language in languages if language in _WANTED)
    if not across:
        raise UnreadableDocument(f"Tesseract has neither of its languages {' and '.join(_WANTED)}: {ADVICE}")
    width, height = page.get_size()
    scale = _scale(width, height)
    picture = _picture(page, scale)
    command = [tesseract, "stdin", "stdout", "--dpi", str(round(scale * _POINTS_PER_INCH))]
    words = _read([*command, "-l", across, "tsv"], picture)
    if words and _confidence(words) < _POOR and _VERTICAL in languages:
        down = _read([*command, "-l", _VERTICAL, "--psm", _ONE_VERTICAL_BLOCK, "tsv"], picture)
        if _certain_characters(down) > _certain_characters(words):
            columns = [line for paragraph in _paragraphs(down, scale, height) for line in paragraph]
            return _sure(down, paragraphs(columns, 0.0))
    return _sure(words, _paragraphs(words, scale, height))


def _sure(words: list[_Word], found: list[list[Line]]) -> Recognised:
    if words and _confidence(words) < _UNSURE:
        return Recognised([], _confidence(words))
    return Recognised(found)


def _confidence(words: list[_Word]) -> float:
    return _certain_characters(words) / sum(len(word.text) for word in words)


def _certain_characters(words: list[_Word]) -> float:
    return sum(word.confidence * len(word.text) for word in words)


def _read(command: list[str], picture: bytes) -> list[_Word]:
    before_each_page()
    try:
        done = subprocess.run(
            command,
            input=picture,
            capture_output=True,
            timeout=_SECONDS_A_PAGE,
            check=False,
            env={"LANG": "C.UTF-8", "OMP_THREAD_LIMIT": "1"},  # it slows itself down with more
        )
    except subprocess.TimeoutExpired:
        raise UnreadableDocument(f"OCR of one of its pages took more than {_SECONDS_A_PAGE} s") from None
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()[-200:]
        raise UnreadableDocument(f"Tesseract failed on one of its pages (exit {done.returncode}): {message}")
    return _words(done.stdout.decode(errors="replace"))


def _scale(width: float, height: float) -> float:
    """Pixels a point."""
    return min(_DOTS_PER_INCH / _POINTS_PER_INCH, math.sqrt(_MOST_PIXELS / max(width * height, 1.0)))


def _picture(page: pdfium.PdfPage, scale: float) -> bytes:
    """The page as it is shown, as a grey PNM picture."""
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        data, width, stride = bytes(bitmap.buffer), bitmap.width, bitmap.stride
        rows = b"".join(data[i * stride : i * stride + width] for i in range(bitmap.height))
        return b"P5 %d %d 255\n" % (width, bitmap.height) + rows
    finally:
        bitmap.close()


def _words(table: str) -> list[_Word]:
    """https://tesseract-ocr.github.io/tessdoc/Command-Line-Usage.html: level, page, block, paragraph, line, word, …"""
    words = []
    for row in table.splitlines():
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
            left, top, width, height = map(int, cells[6:10])
            confidence = max(float(cells[10]), 0.0)
            words.append(_Word(tuple(cells[1:4]), cells[4], left, top, width, height, confidence, cells[11]))
    return words


def _paragraphs(words: list[_Word], scale: float, height: float) -> list[list[Line]]:
    found = []
    for _, paragraph in groupby(words, key=lambda word: word.paragraph):
        by_line = [list(line) for _, line in groupby(paragraph, key=lambda word: word.line)]
        lines = [_line(line, scale, height) for line in by_line if _confidence(line) >= _NOISE]
        found.append([line for line in lines if line.text])
    return [paragraph for paragraph in found if paragraph]


def _line(words: list[_Word], scale: float, height: float) -> Line:
    # Japanese comes in words too; joined as lines are, they get no spaces between them.
    text = join_lines(clean_text("\n".join(word.text for word in words)))
    top, bottom = min(w.top for w in words), max(w.top + w.height for w in words)
    return Line(
        text,
        min(w.left for w in words) / scale,
        height - bottom / scale,
        max(w.left + w.width for w in words) / scale,
        height - top / scale,
        font_size=max((bottom - top) / scale, 1.0),
    )
