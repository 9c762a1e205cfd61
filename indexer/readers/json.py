"""JSON: each value is a line with the path that leads to it, each record of a list one line.

Numbers stay as they are written.
"""

import json
from collections.abc import Mapping, Sequence

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.plain import decode

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_WORDS = {True: "true", False: "false", None: "null"}


def read_json(data: bytes) -> ExtractedDocument:
    """A .json file; one with a value on each line is read as .jsonl, which many such files are."""
    text = decode(data)
    try:
        values = [_DECODER.decode(text)]
    except ValueError as error:
        values = _each_line(text, error)
    return _build(values, "application/json")


def read_jsonl(data: bytes) -> ExtractedDocument:
    """A file with one JSON value on each line."""
    return _build(_each_line(decode(data), None), "application/jsonl")


def _each_line(text: str, whole: ValueError | None) -> list[object]:
    values: list[object] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                values.append(_DECODER.decode(line))
            except ValueError as error:
                raise UnreadableDocument(f"not JSON: {whole or f'line {number}: {error}'}") from error
    return values


def _build(values: Sequence[object], media_type: str) -> ExtractedDocument:
    builder = TextBuilder()
    for value in values:
        _add(builder, value, "")
    return builder.build(title=None, media_type=media_type)


def _add(builder: TextBuilder, root: object, path: str) -> None:
    """Depth first with a stack of its own, as `json` allows deeper nesting than Python's calls."""
    stack: list[tuple[object, str]] = [(root, path)]
    while stack:
        value, path = stack.pop()
        record = _as_record(value)
        if record is not None and not path.endswith("]") and path:
            for key, text in record.items():
                builder.block(f"{path}.{key}: {text}", tight=True)
        elif record is not None:  # the path says which list a record belongs to
            builder.table(["", *record], [[path, *record.values()]])
        elif isinstance(value, Mapping):
            stack.extend((value[key], f"{path}.{key}" if path else str(key)) for key in reversed(value))
        elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
            stack.extend((value[i], f"{path}[{i + 1}]") for i in reversed(range(len(value))))
        elif isinstance(value, list):
            builder.block(_labelled(path, ", ".join(map(_shown, value))), tight=True)
        else:
            builder.block(_labelled(path, _shown(value)), tight=True)


def _as_record(value: object) -> dict[str, str] | None:
    """An object of single values, or of lists of them, as texts."""
    if not isinstance(value, Mapping) or not value:
        return None
    record: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, Mapping) or (isinstance(item, list) and any(isinstance(i, Mapping | list) for i in item)):
            return None
        record[key] = ", ".join(map(_shown, item)) if isinstance(item, list) else _shown(item)
    return record


def _shown(value: object) -> str:
    return value if isinstance(value, str) else _WORDS[value]  # type: ignore[index]


def _labelled(path: str, text: str) -> str:
    return f"{path}: {text}" if path and text else text
