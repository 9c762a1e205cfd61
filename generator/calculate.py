"""Arithmetic over values that sources state. Plain code computes; a model only says what is to be computed.

An expression has names, + - * /, parentheses, unary minus, and constants that convert units. Any other number would be
one that no source states, so it has to be a cited value. There is no power, no call, no attribute: nothing whose cost
or effect could surprise. What a quote says is read in generator/quantities.py.
"""

import ast
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow

from generator.quantities import parse_value

__all__ = ["CONVERSIONS", "CalculationProblem", "Result", "evaluate", "parse_value"]

# days a week, months or hours, hours, seconds or minutes, percent, days a year, kilo. Not 2: an average of two cited
# values would be fair, but so would be a doubled fee that no source knows of.
CONVERSIONS = frozenset({7, 12, 24, 60, 100, 365, 1000})

# Decimal, or a date, or an int: the days from one date to another.
Result = Decimal | date | int

_MAX_CHARACTERS = 200
_MAX_NODES = 60
_LARGEST = Decimal("1e18")
_CONTEXT = Context(prec=34, Emax=60, Emin=-60, traps=[InvalidOperation, DivisionByZero, Overflow])
_SIGNS = str.maketrans("×÷−–（）＋－＊／", "*/--()+-*/")


class CalculationProblem(Exception):
    """The expression cannot be computed; the message says why."""


def evaluate(expression: str, values: Mapping[str, Decimal | date]) -> Result:
    """The value of an expression over cited values, exact to 34 digits.

    Two dates have a difference, an int of days; a date and a whole number, taken as days, have a sum. Raises
    CalculationProblem for anything else than described above, an unknown name, a division by zero, a result beyond
    10^18, and an expression that uses no cited value.
    """
    known = {unicodedata.normalize("NFKC", name): value for name, value in values.items()}
    if len(known) != len(values):
        raise CalculationProblem("two values have the same name")
    tree = _parse(expression)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if not used:
        raise CalculationProblem("the expression uses no cited value")
    if unknown := sorted(used - known.keys()):
        raise CalculationProblem(f"no cited value is named {', '.join(unknown)}")
    try:
        return _bounded(_value(tree, known))
    except ZeroDivisionError:  # decimal.DivisionByZero too
        raise CalculationProblem("division by zero") from None
    except (DecimalException, OverflowError):
        raise CalculationProblem("the numbers are too large, or divide by nothing") from None


def _parse(expression: str) -> ast.expr:
    if len(expression) > _MAX_CHARACTERS:
        raise CalculationProblem(f"the expression has more than {_MAX_CHARACTERS} characters")
    try:
        tree = ast.parse(expression.translate(_SIGNS).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise CalculationProblem("the expression is not arithmetic") from None
    if sum(1 for _ in ast.walk(tree)) > _MAX_NODES:
        raise CalculationProblem("the expression is too long")
    return tree


def _value(node: ast.expr, values: Mapping[str, Decimal | date]) -> Result:
    match node:
        case ast.Name(id=name):
            return _given(name, values[name])
        case ast.Constant(value=int(number)) if type(number) is int:
            if number not in CONVERSIONS:
                raise CalculationProblem(f"the number {str(number)[:20]} is not a cited value")
            return Decimal(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _value(operand, values)
            if isinstance(value, date):
                raise CalculationProblem("a date has no negative")
            return _CONTEXT.minus(value) if isinstance(value, Decimal) else -value
        case ast.BinOp(left=left, op=operator, right=right):
            return _bounded(_combine(operator, _value(left, values), _value(right, values)))
    raise CalculationProblem("only names, + - * /, parentheses and minus can stand in an expression")


def _given(name: str, value: Decimal | date) -> Decimal | date:
    """A cited value as it may be used."""
    if isinstance(value, Decimal):
        if not value.is_finite() or len(value.as_tuple().digits) > 30 or abs(value.adjusted()) > 30:
            raise CalculationProblem(f"the number {name} is out of range")
        return value
    if isinstance(value, datetime):
        raise CalculationProblem(f"{name} is a time of day, not a date")
    return value


def _combine(operator: ast.operator, left: Result, right: Result) -> Result:
    if isinstance(left, date) or isinstance(right, date):
        return _combine_dates(operator, left, right)
    if isinstance(left, int) and isinstance(right, int) and isinstance(operator, ast.Add | ast.Sub):
        return left + right if isinstance(operator, ast.Add) else left - right
    a, b = Decimal(left), Decimal(right)
    match operator:
        case ast.Add():
            return _CONTEXT.add(a, b)
        case ast.Sub():
            return _CONTEXT.subtract(a, b)
        case ast.Mult():
            return _CONTEXT.multiply(a, b)
        case ast.Div():
            return _CONTEXT.divide(a, b)
    raise CalculationProblem("only + - * / can stand in an expression")


def _combine_dates(operator: ast.operator, left: Result, right: Result) -> date | int:
    if isinstance(left, date) and isinstance(right, date):
        if isinstance(operator, ast.Sub):
            return (left - right).days
        raise CalculationProblem("of two dates only the difference can be taken")
    if isinstance(left, date) and not isinstance(right, date) and isinstance(operator, ast.Add | ast.Sub):
        return left + _days(right) if isinstance(operator, ast.Add) else left - _days(right)
    if isinstance(right, date) and not isinstance(left, date) and isinstance(operator, ast.Add):
        return right + _days(left)
    raise CalculationProblem("to a date only days can be added")


def _days(value: Decimal | int) -> timedelta:
    if value != int(value):
        raise CalculationProblem("to a date only whole days can be added")
    return timedelta(days=int(value))


def _bounded(value: Result) -> Result:
    if not isinstance(value, date) and abs(Decimal(value)) > _LARGEST:
        raise CalculationProblem("the result is out of range")
    return value
