"""Source code: everything stays; comments are text, the rest is code."""

import pytest

from indexer.document import ExtractedDocument
from indexer.readers import read_document


def code_of(document: ExtractedDocument) -> list[str]:
    return [document.text[span.start : span.end] for span in document.layout.code]


def test_comments_and_docstrings_are_text() -> None:
    source = (
        '#!/usr/bin/env python\n"""What it\nis for."""\nimport os\n\n'
        '# why\nx = 1  # here\n\n\ndef f():\n    """Say f."""\n'
    )
    document = read_document("a.py", source.encode())
    assert document.text == source.rstrip("\n")
    assert code_of(document) == ["#!/usr/bin/env python", "import os", "x = 1  # here\n\n\ndef f():"]


def test_block_comments_are_text() -> None:
    document = read_document("a.c", b"#include <x.h>\n/* Limits\n   of travel. */\nint x;\n// one\n")
    assert code_of(document) == ["#include <x.h>", "int x;"]


@pytest.mark.parametrize("name", ["A.TS", "b.go", "c.sql", "d.yaml", "e.sh", "f.rs"])
def test_many_languages_are_known(name: str) -> None:
    assert read_document(name, b"x = 1\n").media_type == "text/x-source"
