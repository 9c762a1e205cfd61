"""Arithmetic that a draft asks for: every input is looked up in its source, and plain code computes the result."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from generator.calculate import CalculationProblem, evaluate
from generator.draft import DraftCalculation
from generator.evidence import Sentence
from generator.gate import Cited
from generator.quantities import parse_value_at
from generator.wording import in_words_of

_LABEL = re.compile(r"[^\w\s()/%・ー-]")


@dataclass(frozen=True, slots=True)
class Calculated:
    """A result with its inputs: `expression` has the values in place of their names."""

    text: str
    expression: str
    result: str
    cited: tuple[Cited, ...]


def compute(item: DraftCalculation, evidence: Sequence[Sentence], question: str) -> Calculated:
    """The result under its label, if that is in words of the question or the sources, else without one.

    Raises CalculationProblem if an input is not in its source, or the expression is none.
    """
    values: dict[str, Decimal | date] = {}
    cited: list[Cited] = []
    for name, citation in item.values:
        if not 1 <= citation.id <= len(evidence) or not citation.quote:
            raise CalculationProblem(f"{name} names no source")
        sentence = evidence[citation.id - 1]
        at = sentence.text.find(citation.quote)
        if at < 0:
            raise CalculationProblem(f"{name} is not in source {citation.id}: {citation.quote}")
        value = parse_value_at(sentence.text, at, at + len(citation.quote))
        if value is None:
            raise CalculationProblem(f"{name} is not one whole number or date: {citation.quote}")
        values[name] = value
        cited.append(Cited(citation.id, sentence.start + at, sentence.start + at + len(citation.quote)))
    if len({isinstance(value, date) for value in values.values()}) > 1:
        # "45 working days" after a date are not 45 days of the calendar; no calendar is at hand.
        raise CalculationProblem("a date and a number cannot be combined safely")
    result = _format(evaluate(item.expression, values))
    shown = re.sub(r"[A-Za-z_]\w*", lambda m: _format(values[m[0]]), item.expression)
    shown = shown.replace("*", "×").replace("/", "÷")
    sources = [evidence[c.evidence - 1].text for c in cited]
    label = _LABEL.sub("", in_words_of(item.label, question, *sources)).strip()
    text = f"{label}: {shown} = {result}" if label else f"{shown} = {result}"
    return Calculated(text, shown, result, tuple(cited))


def _format(value: Decimal | date | int) -> str:
    if isinstance(value, date):
        return value.isoformat()
    number = Decimal(value)
    rounded = round(number, 6).normalize()
    return f"{rounded:,f}" if rounded == number else f"≈ {rounded:,f}"
