"""The layout of a document survives being stored as JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from indexer.catalog import pack_layout, unpack_layout
from indexer.document import Layout, LineBox, Page, Span

OFFSETS = st.integers(0, 1 << 40)
POINTS = st.integers(-100_000, 100_000).map(lambda tenths: tenths / 10)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    def span() -> tuple[int, int]:
        start = draw(OFFSETS)
        return start, start + draw(st.integers(0, 1000))

    return Layout(
        pages=tuple(
            Page(number, *span(), draw(POINTS), draw(POINTS)) for number in range(1, draw(st.integers(0, 3)) + 1)
        ),
        lines=tuple(
            LineBox(*span(), draw(st.integers(1, 9)), *draw(st.tuples(POINTS, POINTS, POINTS, POINTS)))
            for _ in range(draw(st.integers(0, 4)))
        ),
        code=tuple(Span(*span()) for _ in range(draw(st.integers(0, 3)))),
        headings=tuple(Span(*span()) for _ in range(draw(st.integers(0, 3)))),
    )


@given(layouts())
def test_a_layout_survives_json(layout: Layout) -> None:
    assert unpack_layout(json.loads(json.dumps(pack_layout(layout)))) == layout


def test_boxes_are_stored_to_a_tenth_of_a_point() -> None:
    box = LineBox(0, 5, 1, 20.92399, 349.832, 78.65599, 358.616)
    [line] = unpack_layout(pack_layout(Layout(lines=(box,)))).lines
    assert line == LineBox(0, 5, 1, 20.9, 349.8, 78.7, 358.6)


def test_a_page_is_found_by_any_of_its_characters() -> None:
    layout = Layout(pages=(Page(1, 0, 10, 1, 1), Page(2, 10, 10, 1, 1), Page(3, 10, 12, 1, 1)))
    assert [layout.page_at(offset) for offset in (0, 9, 10, 11, 12)] == [1, 1, 3, 3, None]
