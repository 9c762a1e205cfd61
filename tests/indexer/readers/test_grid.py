"""Where a table has its header, and what covers several rows or columns."""

import pytest

from indexer.readers.grid import Cell, is_number, looks_like_header, spread


@pytest.mark.parametrize(
    "cell", ["165", "1,234.50", "-3", "12 %", "¥2,000", "2026-11-22", "17:00", "(5)", "1e6", "３０", "£ 1.5"]
)
def test_amounts_dates_and_times_are_numbers(cell: str) -> None:
    assert is_number(cell)


@pytest.mark.parametrize("cell", ["", "B2", "30 days", "第3条", "-", "G40-X", "3日"])
def test_what_holds_a_word_is_none(cell: str) -> None:
    assert not is_number(cell)


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([["City", "Limit", "Season"], ["Bath", "90", "all"]], True),
        ([["City", "Limit"], ["Bath", "90"], ["Leeds", "80"]], True),
        ([["Name", "Bob"], ["Office", "Leeds"], ["Desk", "4a"]], False),
        ([["City", "2025", "2026"], ["Bath", "90", "95"]], False),
        ([["City", "City", "Limit"], ["a", "b", "c"]], False),
        ([["City", "", "Limit"], ["a", "b", "c"]], False),
        ([["City", "Limit", "Season"]], False),
        ([["one"], ["two"]], False),
    ],
)
def test_a_header_is_all_words_and_all_different(rows: list[list[str]], *, header: bool) -> None:
    assert looks_like_header(rows) == header


def test_a_cell_over_several_rows_is_repeated_in_each() -> None:
    rows = [
        [Cell("City"), Cell("Limit", columns=2)],
        [Cell("Bath", rows=2), Cell("90"), Cell("a")],
        [Cell("80"), Cell("b")],
    ]
    assert list(spread(rows)) == [["City", "Limit", "Limit"], ["Bath", "90", "a"], ["Bath", "80", "b"]]


def test_absurd_spans_are_cut() -> None:
    [row] = spread([[Cell("x", columns=10**9, rows=10**9)]])
    assert len(row) == 1000
