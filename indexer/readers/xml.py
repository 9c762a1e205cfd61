"""XML of any vocabulary, feeds among them: an element of simple elements is a row, running text is a paragraph."""

import re
from xml.etree.ElementTree import Element

from selectolax.lexbor import LexborHTMLParser

from indexer.document import ExtractedDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.html import read_html
from indexer.readers.xmltree import parse_xml

_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<(?:!DOCTYPE\s+html|html)\b", re.IGNORECASE)
_TITLE_PATHS = ("title", "channel/title", "head/title", "info/title", "metadata/title")


def read_xml(data: bytes) -> ExtractedDocument:
    """An XML file. Attributes are left out: they say how, and rarely what."""
    if _HTML.match(data):
        return read_html(data)
    root = parse_xml(data)
    builder = TextBuilder()
    stack = [root]
    while stack:
        element = stack.pop()
        if _is_record(element):
            children = [child for child in element if _text(child)]
            builder.table([child.tag for child in children], [[_text(child) for child in children]])
        elif len(element) == 0 or _is_mixed(element):
            builder.block(_text(element), tight=len(element) == 0)
        else:
            stack.extend(reversed(element))
    title = next((found for path in _TITLE_PATHS if (found := root.findtext(path, "").strip())), None)
    return builder.build(title=title, media_type="application/xml")


def _is_record(element: Element) -> bool:
    return len(element) > 0 and not _is_mixed(element) and all(len(child) == 0 for child in element)


def _is_mixed(element: Element) -> bool:
    """Whether words stand beside its elements."""
    return bool((element.text or "").strip() and len(element)) or any((child.tail or "").strip() for child in element)


def _text(element: Element) -> str:
    text = "".join(element.itertext()).strip()
    if "<" in text and ">" in text:  # feeds carry HTML as text
        text = LexborHTMLParser(text).text(separator=" ").strip() or text
    return text
