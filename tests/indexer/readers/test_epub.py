"""E-books: chapters in reading order, without navigation and without protected ones."""

import pytest

from indexer.errors import UnreadableDocument
from indexer.readers import read_document
from tests.indexer.readers.handmade_office import make_epub, make_zip

ENCRYPTION = "META-INF/encryption.xml"


def test_chapters_come_in_order_without_the_table_of_contents() -> None:
    document = read_document(
        "a.epub", make_epub("<h1>One</h1><p>First.</p>", "<h1>二</h1><p>次。</p>", title="The book")
    )
    assert document.text == "One\n\nFirst.\n\n二\n\n次。"
    assert [h.title for h in document.headings] == ["One", "二"]
    assert document.title == "The book"


def test_a_protected_book_is_refused_but_not_one_with_hidden_fonts() -> None:
    def method(uri: str) -> dict[str, str]:
        return {ENCRYPTION: f'<encryption><EncryptionMethod Algorithm="{uri}"/></encryption>'}

    assert read_document("a.epub", make_epub("<p>x</p>", more=method("http://www.idpf.org/2008/embedding"))).text == "x"
    with pytest.raises(UnreadableDocument, match="copy-protected"):
        read_document("a.epub", make_epub("<p>x</p>", more=method("http://www.w3.org/2001/04/xmlenc#aes128-cbc")))


@pytest.mark.parametrize("path", ["../../../../etc/passwd", "/etc/passwd", "../text/../../../etc/passwd"])
def test_a_chapter_outside_of_the_archive_is_none(path: str) -> None:
    parts = {
        "META-INF/container.xml": '<c><rootfile full-path="OPS/book.opf"/></c>',
        "OPS/book.opf": f'<package><manifest><item id="a" href="{path}" media-type="text/html"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>',
    }
    with pytest.raises(UnreadableDocument, match="no text in it"):
        read_document("a.epub", make_zip(parts))


def test_a_zip_file_of_another_kind_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match="not an e-book"):
        read_document("a.epub", make_zip({"a": "b"}))
