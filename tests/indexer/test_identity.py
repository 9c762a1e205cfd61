"""Ids: stable, unambiguous, and only ever written in one form."""

from hypothesis import given
from hypothesis import strategies as st

from indexer.identity import format_id, parse_id, stable_id

IDS = st.integers(min_value=0, max_value=(1 << 63) - 1)
PARTS = st.lists(st.text() | st.integers(), max_size=4)


@given(IDS)
def test_an_id_survives_being_written_and_read(value: int) -> None:
    assert parse_id(format_id(value)) == value


@given(st.text(max_size=20) | st.text("0123456789abcdefABCDEFx -+_", min_size=14, max_size=18))
def test_only_what_format_id_writes_is_an_id(text: str) -> None:
    value = parse_id(text)
    assert value is None or format_id(value) == text


def test_other_spellings_of_a_number_are_no_ids() -> None:
    assert parse_id("00000000000000ff") == 255
    for text in ("ff", "00000000000000FF", "0x000000000000ff", "+00000000000000f", "0_0000000000000f", "", " " * 16):
        assert parse_id(text) is None
    # Full-width digits are digits to int(); ids above 63 bits fit no column.
    assert parse_id("\uff10" * 16) is None
    assert parse_id("8000000000000000") is None


@given(PARTS)
def test_stable_ids_fit_a_signed_column(parts: list[str | int]) -> None:
    assert 0 <= stable_id(*parts) < 1 << 63


def test_an_id_never_changes_between_releases() -> None:
    """Stored ids would otherwise lead nowhere after an upgrade."""
    assert format_id(stable_id("collection", "default")) == "5aa4e7018e3d6148"


@given(st.lists(st.text(), min_size=1, max_size=4), st.data())
def test_moving_a_boundary_between_parts_changes_the_id(parts: list[str], data: st.DataObject) -> None:
    joined = "".join(parts)
    cut = data.draw(st.integers(0, len(joined)))
    other = [joined[:cut], joined[cut:]]
    if other != parts:
        assert stable_id(*other) != stable_id(*parts)


def test_parts_without_text_count() -> None:
    assert len({stable_id(), stable_id(""), stable_id("", "")}) == 3
