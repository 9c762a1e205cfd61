"""Arithmetic over cited values: what is computed is right, and nothing else is computed."""

import re
import time
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from generator.calculate import CONVERSIONS, CalculationProblem, evaluate

D = Decimal
START, END = date(2026, 4, 1), date(2026, 5, 16)


@pytest.mark.parametrize(
    ("expression", "values", "result"),
    [
        ("a + b", {"a": D(165), "b": D("0.5")}, D("165.5")),
        ("price * nights", {"price": D(165), "nights": D(3)}, D(495)),
        ("(a - b) / b * 100", {"a": D(120), "b": D(100)}, D(20)),
        ("-a", {"a": D(3)}, D(-3)),
        ("a / b", {"a": D(1), "b": D(8)}, D("0.125")),
        ("単価 × 個数 ÷ 12", {"単価": D(2000), "個数": D(6)}, D(1000)),
        ("（a － b）", {"a": D(5), "b": D(2)}, D(3)),
        ("end - start", {"start": START, "end": END}, 45),
        ("start - end", {"start": START, "end": END}, -45),
        ("(end - start) / 7", {"start": START, "end": date(2026, 4, 15)}, D(2)),
        ("(end - start) * fee", {"start": START, "end": END, "fee": D(10)}, D(450)),
        ("(end - start) - (end - start)", {"start": START, "end": END}, 0),
        ("start + days", {"start": START, "days": D(45)}, END),
        ("7 * weeks + start", {"start": START, "weeks": D(1)}, date(2026, 4, 8)),
        ("end - days", {"end": END, "days": D(45)}, START),
    ],
)
def test_it_computes(expression: str, values: dict[str, Decimal | date], result: object) -> None:
    computed = evaluate(expression, values)
    assert computed == result
    assert type(computed) is type(result)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a ** b", "only"),
        ("9 ** 9 ** 9", "no cited value"),
        ("a ** a ** a ** a", "only"),
        ("a // b", "only"),
        ("a % b", "only"),
        ("a << b", "only"),
        ("a if b else a", "only"),
        ("[a for a in (a, b)]", "only"),
        ("(lambda: a)()", "only"),
        ("__import__('os').system('id')", "no cited value is named __import__"),
        ("a.real", "only"),
        ("a[0]", "only"),
        ("a < b", "only"),
        ("a and b", "only"),
        ("~a", "only"),
        ("+a", "only"),
        ("f'{a}'", "only"),
        ("(c := a)", "named c"),
        ("a = b", "not arithmetic"),
        ("a; b", "not arithmetic"),
        ("", "not arithmetic"),
        ("a +", "not arithmetic"),
        ("a \0", "not arithmetic"),
        ("(" * 150 + "a" + ")" * 150, "more than 200"),
        ("(" * 99 + "a" + ")" * 99 + "*", "not arithmetic"),
        ("-" * 150 + "a", "too long"),
        ("+".join("a" * 90), "too long"),
        ("a * 2", "the number 2 is not a cited value"),
        ("a * 1.5", "only"),
        ("a * True", "only"),
        ("a * 1j", "only"),
        ("a + 'b'", "only"),
        ("a * 99999999999999999999999999999", "the number 99999999999999999999 is not"),
        ("60 * 24", "uses no cited value"),
        ("a + missing", "no cited value is named missing"),
        ("a / (a - a)", "division by zero"),
        ("(a - a) / (a - a)", "divide"),
        ("huge * huge", "out of range"),
        ("-day", "no negative"),
        ("day * a", "only days"),
        ("a - day", "only days"),
        ("day + day", "only the difference"),
        ("day + half", "whole days"),
        ("day + huge", "too large"),
        ("day + millennia", "too large"),
    ],
)
def test_it_refuses(expression: str, message: str) -> None:
    values: dict[str, Decimal | date] = {
        "a": D(3),
        "b": D(4),
        "day": START,
        "half": D("0.5"),
        "huge": D(10) ** 17,
        "millennia": D(10) ** 7,
    }
    started = time.perf_counter()
    with pytest.raises(CalculationProblem, match=message):
        evaluate(expression, values)
    assert time.perf_counter() - started < 0.2


@pytest.mark.parametrize("value", [D("NaN"), D("Infinity"), D("1e31"), D("1e-31"), D("1" * 31), datetime(2026, 4, 1)])
def test_it_refuses_odd_values(value: Decimal | date) -> None:
    with pytest.raises(CalculationProblem):
        evaluate("a", {"a": value})


def test_two_names_that_read_the_same_are_refused() -> None:
    with pytest.raises(CalculationProblem, match="same name"):
        evaluate("a", {"a": D(1), "ａ": D(2)})


NUMBERS = st.integers(-10_000, 10_000).map(lambda n: D(n) / 4)
LEAVES = st.sampled_from(["a", "b", "c", *map(str, sorted(CONVERSIONS))])
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | inner.map(lambda e: f"-{e}")
    ),
    max_leaves=6,
)


@given(TREES, NUMBERS, NUMBERS, NUMBERS)
def test_it_agrees_with_exact_fractions(expression: str, a: Decimal, b: Decimal, c: Decimal) -> None:
    assume(any(name in expression for name in "abc"))
    names = {"a": Fraction(a), "b": Fraction(b), "c": Fraction(c)}
    try:
        exact = eval(_as_fractions(expression), {"F": Fraction}, names)
    except ZeroDivisionError:
        with pytest.raises(CalculationProblem):
            evaluate(expression, {"a": a, "b": b, "c": c})
        return
    if _leaves_the_range(expression, {"a": a, "b": b, "c": c}):
        return
    computed = evaluate(expression, {"a": a, "b": b, "c": c})
    assert isinstance(computed, Decimal)
    scale = max(abs(exact), Fraction(1))
    assert abs(Fraction(computed) - exact) <= scale * Fraction(1, 10**12)


def _leaves_the_range(expression: str, values: dict[str, Decimal | date]) -> bool:
    """Some step is beyond 10^18; with a difference that only rounding keeps from zero, this may be a division by it."""
    try:
        evaluate(expression, values)
    except CalculationProblem as problem:
        return "range" in str(problem)
    return False


def _as_fractions(expression: str) -> str:
    return re.sub(r"\d+", r"F(\g<0>)", expression)


@given(st.text(max_size=80) | st.text(alphabet="ab0123456789+-*/()., \n_[]'\"", max_size=80))
def test_no_text_raises_anything_else(expression: str) -> None:
    with suppress(CalculationProblem):
        evaluate(expression, {"a": D(2), "b": START})


@given(st.dates(), st.dates())
def test_a_difference_added_again_gives_the_date(start: date, end: date) -> None:
    values: dict[str, Decimal | date] = {"start": start, "end": end}
    assert evaluate("end - start", values) == (end - start).days
    assert evaluate("start + (end - start)", values) == end
