"""E-books: the chapters in reading order, each by the HTML reader."""

from urllib.parse import unquote
from xml.etree.ElementTree import Element

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers.archive import Archive, resolve
from indexer.readers.builder import TextBuilder
from indexer.readers.html import add_page
from indexer.readers.xmltree import attribute

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONT_SCHEMES = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_PAGE_TYPES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read_epub(data: bytes) -> ExtractedDocument:
    """A .epub file of version 2 or 3. Books with copy protection are refused as encrypted."""
    archive = Archive(data)
    if _CONTAINER not in archive:
        raise UnreadableDocument("a zip file, but not an e-book")
    if _ENCRYPTION in archive:
        methods = [attribute(m, "Algorithm") for m in archive.xml(_ENCRYPTION).iter("EncryptionMethod")]
        if any(method not in _FONT_SCHEMES for method in methods):
            raise UnreadableDocument("encrypted: it is copy-protected")
    rootfile = archive.xml(_CONTAINER).find(".//rootfile")
    part = "" if rootfile is None else resolve("", rootfile.get("full-path", ""))
    package = archive.xml(part)
    builder = TextBuilder()
    for page in _spine(package):
        name = resolve(part, unquote(page))
        if name in archive:
            add_page(builder, archive.read(name))
    title = next((element.text for element in package.iter("title") if (element.text or "").strip()), None)
    return builder.build(title=title, media_type="application/epub+zip")


def _spine(package: Element) -> list[str]:
    """Where the chapters lie, in reading order; the table of contents is navigation and stays out."""
    items = {item.get("id"): item for item in package.iterfind("manifest/item")}
    pages = [items[ref.get("idref")] for ref in package.iterfind("spine/itemref") if ref.get("idref") in items]
    return [
        item.get("href", "")
        for item in pages
        if item.get("media-type") in _PAGE_TYPES and "nav" not in item.get("properties", "").split()
    ]
