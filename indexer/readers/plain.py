"""Text files: decoding, nothing else. Also the decoder that the other text formats share."""

import codecs

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
        raise UnreadableDocument("binary data, not text")
    try:
        if b"\x1b$" not in data:
            return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    return _decode_legacy(data)


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
