"""XML as a tree, without what XML can do to its readers: no entities of its own, nothing fetched.

expat never loads an external DTD or entity; entities declared inside are refused before it sees them. Tags lose their
namespaces, because the same format comes with several of them (transitional and strict OOXML, for one).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from indexer.errors import UnreadableDocument
from indexer.readers.plain import decode

_DECLARED = re.compile(rb"\A\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]+)[\"']")
_FEED_CHARACTERS = 1 << 16
# Python frees a tree recursively in C; real documents stay below 100.
_MAX_DEPTH = 1000


def parse_xml(data: bytes) -> Element:
    """The root element. Raises UnreadableDocument for what is not well-formed or declares entities."""
    root = None
    for element in _events(data, None):
        root = element
    if root is None:
        raise UnreadableDocument("not well-formed XML: no element")
    return root


def iterate_xml(data: bytes, tag: str) -> Iterator[Element]:
    """Each element `tag` as soon as it is complete; what has been yielded is then forgotten, to save memory."""
    return _events(data, tag)


def attribute(element: Element, name: str, default: str = "") -> str:
    """An attribute by its local name, whatever its namespace."""
    if name in element.attrib:
        return element.attrib[name]
    return next((value for key, value in element.attrib.items() if key.endswith("}" + name)), default)


def local_name(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


def _events(data: bytes, wanted: str | None) -> Iterator[Element]:
    """Complete elements called `wanted`; without one, the root alone."""
    text = decode_xml(data)
    if "<!ENTITY" in text:
        raise UnreadableDocument("it declares XML entities, which could expand without bound")
    parser: ElementTree.XMLPullParser[Element] = ElementTree.XMLPullParser(["start", "end"])
    open_elements: list[Element] = []
    try:
        for start in range(0, len(text) + 1, _FEED_CHARACTERS):
            parser.feed(text[start : start + _FEED_CHARACTERS])
            yield from _completed(parser, open_elements, wanted)
        parser.close()
        yield from _completed(parser, open_elements, wanted)
    except ElementTree.ParseError as error:
        raise UnreadableDocument(f"not well-formed XML: {error}") from error


def _completed(
    parser: ElementTree.XMLPullParser[Element], open_elements: list[Element], wanted: str | None
) -> Iterator[Element]:
    for event, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
        if event == "start":
            element.tag = local_name(element.tag)
            open_elements.append(element)
            if len(open_elements) > _MAX_DEPTH:
                raise UnreadableDocument("it is nested too deeply")
        else:
            open_elements.pop()
            if wanted is None and not open_elements:
                yield element
            elif element.tag == wanted:
                yield element
                if open_elements:
                    open_elements[-1].clear()


def decode_xml(data: bytes) -> str:
    """XML text by its mark, its first bytes, its declaration, or detection, in this order."""
    declared = _DECLARED.match(data)
    if declared and not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        try:
            return data.decode(declared.group(1).decode("ascii"))
        except (LookupError, UnicodeError):
            pass  # a wrong declaration is common; the bytes decide
    return decode(data)
