"""Text files: decoding, nothing else. Also the decoder that the other text formats share."""

import codecs
import unicodedata

from charset_normalizer import from_bytes

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers.builder import clean_text

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 65536
_JAPANESE_ENCODINGS = ("iso2022_jp", "cp932", "euc_jp")


def decode(data: bytes) -> str:
    """Text of a file of unknown encoding: byte order mark, then UTF-8, then detection.

    Raises UnreadableDocument for binary data and for bytes that fit no encoding.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                raise UnreadableDocument(f"starts as {encoding} but is damaged at byte {error.start}") from error
    if b"\x00" in data[:65536]:
        text = _unmarked_utf_16(data)
        if text is None:
            raise UnreadableDocument("binary data, not text")
        return text
    try:
        if b"\x1b$" not in data:
            return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    return _decode_legacy(data)


def _unmarked_utf_16(data: bytes) -> str | None:
    """UTF-16 without a byte order mark: one order gives letters that belong together, the other none of them."""
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        sample = text[:_SAMPLE]
        common = sum(c in "\n\r\t" or " " <= c <= "~" or "\u3000" <= c <= "\u30ff" for c in sample)
        strange = sum(unicodedata.category(c) in ("Cc", "Cn", "Co") and c not in "\n\r\t" for c in sample)
        if common * 10 > len(sample) and strange * 50 < len(sample):
            return text
    return None


def _decode_legacy(data: bytes) -> str:
    for encoding in _JAPANESE_ENCODINGS:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        kana = sum("\u3041" <= c <= "\u30ff" for c in text)
        # Western text decodes as cp932 too, but yields no kana; half-width katakana are its false friend.
        if kana * 20 > len(text):
            return text
    best = from_bytes(data).best()
    if best is None:
        raise UnreadableDocument("neither UTF-8 nor any encoding that could be detected; save the file as UTF-8")
    return str(best)


def read_plain(data: bytes) -> ExtractedDocument:
    """A text file; line breaks are kept as they are."""
    text = clean_text(decode(data)).expandtabs(4).strip("\n")
    return ExtractedDocument(text=text, title=None, media_type="text/plain")
