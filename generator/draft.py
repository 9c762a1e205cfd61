"""Reads what a language model writes, as it comes: claims with the ids and quotes that they name.

Two notations mean the same. Lines, for any model:

    The limit in London is 165 pounds a night. [4 "limit for a hotel in London is 165 pounds a night"]
    CALCULATE total = a * b | a: [4 "165 pounds"] | b: [7 "3 nights"]
    UNANSWERED: which hotels are near the office

and one JSON object, for servers that hold a model to a schema (`DRAFT_SCHEMA`). Pure text: nothing here is checked
against any source, and anything that does not parse is text like any other.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from generator.sentences import split_sentences

# A bracket that names a source: [4], [4 "words"], [4, 7], 【4】. Anything else in brackets is text.
_CITATION = re.compile(
    r"""[\[【]\s*S?(?P<ids>\d{1,4}(?:\s*[,、;]\s*S?\d{1,4})*)\s*(?:[:：,]?\s*["“«「](?P<quote>[^"”»」\]】]*)["”»」])?\s*[\]】]"""
)
_UNANSWERED = re.compile(r"^\s*(?:[-*]\s*)?UNANSWERED\s*[:：]\s*(?P<part>.+)$", re.IGNORECASE)
_CALCULATE = re.compile(r"^\s*(?:[-*]\s*)?CALCULATE\s+(?P<label>[^=|]*?)\s*=\s*(?P<rest>.+)$", re.IGNORECASE)
_VALUE = re.compile(r"^\s*(?P<name>[A-Za-z_]\w*)\s*[:=]\s*(?P<citation>.+)$")
_BULLET = re.compile(r"^\s*(?:[-*•・]|\d{1,2}[.)])\s+")
_MAX_LINE = 4000


@dataclass(frozen=True, slots=True)
class DraftCitation:
    """The id of a source sentence, and the words that the model says it holds (None if it gave none)."""

    id: int
    quote: str | None


@dataclass(frozen=True, slots=True)
class DraftClaim:
    """One sentence as the model wrote it, without its brackets."""

    text: str
    citations: tuple[DraftCitation, ...]


@dataclass(frozen=True, slots=True)
class DraftCalculation:
    """An expression over named values, each of which must stand in a source."""

    label: str
    expression: str
    values: tuple[tuple[str, DraftCitation], ...]


@dataclass(frozen=True, slots=True)
class DraftUnanswered:
    """A part of the question that the model found no source for."""

    part: str


DraftItem = DraftClaim | DraftCalculation | DraftUnanswered


def parse_draft(pieces: Iterable[str]) -> Iterator[DraftItem]:
    """Items as soon as they are complete; what stands unfinished at the end counts as far as it goes."""
    buffer = ""
    notation: str | None = None
    objects = _ObjectScanner()
    for piece in pieces:
        buffer += piece
        if notation is None:
            start = buffer.lstrip().removeprefix("```json").lstrip()
            if not start:
                continue
            notation = "json" if start.startswith("{") else "lines"
            if notation == "json":
                buffer = start
        if notation == "json":
            yield from objects.feed(buffer)
            buffer = ""
        else:
            *lines, buffer = re.split(r"\n|(?<=[\]】])(?=[^\[【(\s.。!?！？])", buffer)
            for line in lines:
                yield from parse_line(line)
            if len(buffer) > _MAX_LINE:  # a model that never ends its line is not waited for
                yield from parse_line(buffer)
                buffer = ""
    if notation == "lines" and buffer:
        yield from parse_line(buffer)


def parse_line(line: str) -> Iterator[DraftItem]:
    """The items of one line of the line notation."""
    if match := _UNANSWERED.match(line):
        yield DraftUnanswered(match["part"].strip())
    elif (match := _CALCULATE.match(line)) and (calculation := _calculation(match["label"], match["rest"])):
        yield calculation
    else:
        yield from _claims(_BULLET.sub("", line))


def _calculation(label: str, rest: str) -> DraftCalculation | None:
    expression, *parts = rest.split("|")
    values = []
    for part in parts:
        value = _VALUE.match(part)
        cited = _CITATION.search(value["citation"]) if value else None
        if value is None or cited is None:
            return None
        values.append((value["name"], _citations(cited)[0]))
    return DraftCalculation(label.strip(), expression.strip(), tuple(values)) if values else None


def _claims(line: str) -> Iterator[DraftClaim]:
    """Sentences of a line. A bracket belongs to the sentence before it, or to the one that it stands in."""
    text = ""
    marks: list[tuple[int, DraftCitation]] = []
    last = 0
    for match in _CITATION.finditer(line):
        text += line[last : match.start()].rstrip() if not line[match.end() :].strip() else line[last : match.start()]
        at = len(text.rstrip())
        marks.extend((at, citation) for citation in _citations(match))
        last = match.end()
    text += line[last:]
    spans = split_sentences(text)
    for i, span in enumerate(spans):
        until = spans[i + 1].start if i + 1 < len(spans) else len(text) + 1
        sentence = re.sub(r"\s+([.。!?！？,、])", r"\1", text[span.start : span.end]).strip()
        citations = tuple(c for at, c in marks if (span.start < at <= until if i else at <= until))
        if any(char.isalnum() for char in sentence):
            yield DraftClaim(sentence, citations)


def _citations(match: re.Match[str]) -> list[DraftCitation]:
    quote = (match["quote"] or "").strip() or None
    ids = [int(number) for number in re.findall(r"\d+", match["ids"])]
    return [DraftCitation(number, quote if len(ids) == 1 else None) for number in ids]


class _ObjectScanner:
    """Finds the objects of the arrays "claims", "calculations" and "unanswered" in a growing JSON text."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._array: str | None = None

    def feed(self, piece: str) -> Iterator[DraftItem]:
        """Items that have become complete."""
        self._text += piece
        while True:
            if self._array is None:
                opening = re.compile(r'"(claims|calculations|unanswered)"\s*:\s*\[').search(self._text, self._at)
                if opening is None:
                    return
                self._array, self._at = opening[1], opening.end()
            rest = re.compile(r"[\s,]*").match(self._text, self._at)
            assert rest is not None
            start = rest.end()
            if start >= len(self._text):
                return
            if self._text[start] == "]":
                self._array, self._at = None, start + 1
                continue
            try:
                value, self._at = json.JSONDecoder().raw_decode(self._text, start)
            except ValueError:
                return  # not complete yet, or never
            item = _item(self._array, value)
            if item is not None:
                yield item


def _item(array: str, value: Any) -> DraftItem | None:
    """The item that a decoded value stands for; None if it has not the schema's shape."""
    try:
        if array == "unanswered":
            return DraftUnanswered(str(value).strip())
        if array == "claims":
            citations = tuple(_json_citation(c) for c in value["citations"])
            text = _CITATION.sub("", str(value["text"])).strip()
            return DraftClaim(text, citations) if text else None
        values = tuple((str(v["name"]), _json_citation(v)) for v in value["values"])
        return DraftCalculation(str(value["label"]), str(value["expression"]), values)
    except (KeyError, TypeError, ValueError):
        return None


def _json_citation(value: Any) -> DraftCitation:
    return DraftCitation(int(value["id"]), str(value.get("quote") or "").strip() or None)


def draft_schema(ids: Iterable[int]) -> dict[str, Any]:
    """The JSON schema of a draft in which only these ids can be cited."""
    cited = {"id": {"type": "integer", "enum": sorted(ids)}, "quote": {"type": "string"}}
    value = {"name": {"type": "string"}, **cited}
    claim = {"text": {"type": "string"}, "citations": _array(_object(cited))}
    calculation = {"label": {"type": "string"}, "expression": {"type": "string"}, "values": _array(_object(value))}
    return _object(
        {
            "claims": _array(_object(claim)),
            "unanswered": _array({"type": "string"}),
            "calculations": _array(_object(calculation)),
        }
    )


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
