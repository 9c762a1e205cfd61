"""reStructuredText: words without markup, structure kept, no directive carried out."""

import pytest

from indexer.readers import read_document
from indexer.readers.rst import inline_text


def read(source: str) -> str:
    return read_document("a.rst", source.encode()).text


def test_underlines_make_levels_in_the_order_in_which_they_appear() -> None:
    document = read_document("a.rst", b"=====\nTitle\n=====\n\nOne\n===\n\nText.\n\nTwo\n~~~\n\nThree\n=====\n")
    assert [(h.level, h.title) for h in document.headings] == [(1, "Title"), (2, "One"), (3, "Two"), (2, "Three")]
    assert document.title == "Title"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("``x * y * z``", "x * y * z"),
        ("*one* and **two**", "one and two"),
        (":ref:`the page <target>`", "the page"),
        (":class:`~a.b.C` and :py:func:`f`", "a.b.C and f"),
        ("`Site <https://example.org>`_ and `other`_", "Site and other"),
        ("a reference_ here", "a reference here"),
        ("2 * 3 * 4 and a_b_c and f(*args)", "2 * 3 * 4 and a_b_c and f(*args)"),
        ("noted [#]_ twice [#n]_", "noted twice"),
        (r"a \*star\*", "a *star*"),
    ],
)
def test_inline_markup_goes_and_its_words_stay(source: str, words: str) -> None:
    assert inline_text(source) == words


def test_lists_are_items_of_their_own() -> None:
    assert read("Before:\n\n- one\n  goes on\n- two\n\n  more\n\n1. first\n2. second\n") == (
        "Before:\none goes on\ntwo\n\nmore\nfirst\nsecond"
    )


def test_code_keeps_its_form() -> None:
    document = read_document(
        "a.rst", b"Try::\n\n  def f():\n      return 1\n\n.. code-block:: sh\n   :caption: x\n\n   ls -l\n"
    )
    assert document.text == "Try:\n\ndef f():\n    return 1\n\nls -l"
    assert [document.text[s.start : s.end] for s in document.layout.code] == ["def f():\n    return 1", "ls -l"]


def test_what_a_directive_frames_is_read_and_the_rest_is_not() -> None:
    source = (
        ".. note:: Careful.\n\n   With *it*.\n\n.. toctree::\n   :maxdepth: 2\n\n   intro\n\n.. a comment\n\nEnd.\n"
    )
    assert read(source) == "Careful.\n\nWith it.\n\nEnd."


def test_nothing_is_included() -> None:
    text = read(
        "Words.\n\n.. include:: /etc/passwd\n\n.. raw:: html\n   :file: /etc/passwd\n\n"
        ".. csv-table:: T\n   :file: /etc/passwd\n"
    )
    assert text == "Words.\n\nT"


@pytest.mark.parametrize(
    "table",
    [
        "+------+-------+\n| City | Limit |\n+======+=======+\n| Bath | 90    |\n+------+-------+\n",
        "====  =====\nCity  Limit\n====  =====\nBath  90\n====  =====\n",
        ".. list-table::\n   :header-rows: 1\n\n   * - City\n     - Limit\n   * - Bath\n     - 90\n",
    ],
    ids=["grid", "simple", "list"],
)
def test_rows_of_every_kind_of_table_carry_their_column_names(table: str) -> None:
    assert read(table) == "City: Bath | Limit: 90"


def test_fields_and_definitions() -> None:
    assert read(":param x: the value\n:returns: nothing\n\nterm\n   What it means.\n") == (
        "param x: the value\n\nreturns: nothing\n\nterm\n\nWhat it means."
    )


def test_deep_indentation_comes_to_an_end() -> None:
    source = "\n\n".join(" " * i + f"w{i}" for i in range(200))
    assert "w199" in read(source)


def test_many_tables_take_time_in_proportion() -> None:
    table = "====  ====\nA     B\n====  ====\nx     1\n====  ====\n\nText.\n\n"
    assert read(table * 3_000).count("A: x | B: 1") == 3_000
