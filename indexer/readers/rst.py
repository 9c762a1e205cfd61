"""reStructuredText as documentation sites use it: sections, lists, tables, code, admonitions; roles by their words.

No directive is carried out: nothing is included, evaluated or fetched. What a directive holds is read like the rest,
because most of them (note, versionadded, list-table …) only frame text.
"""

import re
from collections.abc import Sequence

from indexer.document import ExtractedDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.grid import add_grid
from indexer.readers.plain import decode

_UNDERLINE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")
_DIRECTIVE = re.compile(r"\.\. +(?:\|[^|]+\| +)?([\w:+.-]+?)\s*::(?:\s+(.*))?$")
_OPTION = re.compile(r":[\w -]+:(?:\s|$)")
_FIELD = re.compile(r":([^:`]+):\s+(.*)$")
_ITEM = re.compile(r"(?:[-*+•]|\(?(?:\d{1,3}|[a-zA-Z#])[.)])\s+(?=\S)")
_GRID_EDGE = re.compile(r"\+(?:[-=]+\+)+\s*")
_SIMPLE_EDGE = re.compile(r"=+(?: +=+)+\s*")
_CODE = frozenset("code code-block sourcecode parsed-literal prompt doctest testcode literalinclude math".split())
# Nothing for people to read: settings, includes, pictures, tables of contents.
_SILENT = frozenset(
    "toctree contents include raw image figure index highlight currentmodule module automodule autoclass autofunction "
    "automethod role default-role meta only tags sectnum class replace unicode container".split()
) - {"figure", "only", "container", "class"}
_MAX_DEPTH = 20
_RULE = 4

_ROLE_TARGET = re.compile(r":[\w:+.-]+:`([^`<]*?)\s*<[^`>]*>`|`([^`<]+?)\s*<[^`>]*>`__?")
_ROLE = re.compile(r":[\w:+.-]+:`[~!]?([^`]*)`")
_LITERAL = re.compile(r"``(.+?)``", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\w*\\])(\*\*|\*)(?=\S)(.+?)(?<=\S)\1(?![\w*])", re.DOTALL)
_INTERPRETED = re.compile(r"(?<![\w`])`([^`\n]+)`_{0,2}(?!\w)")
_FOOTNOTE = re.compile(r"\s?\[(?:#[\w-]*|\*)\]_")
_REFERENCE = re.compile(r"(?<=\w)__?(?=[\s.,;:!?)]|$)")


def read_rst(data: bytes) -> ExtractedDocument:
    """An .rst file."""
    source = decode(data).replace("\r\n", "\n").replace("\r", "\n").expandtabs(8)
    builder = TextBuilder()
    _Blocks(builder).add(source.split("\n"), 0)
    return builder.build(title=None, media_type="text/x-rst")


class _Blocks:
    """Adds blocks; the order in which underlines appear decides their level."""

    def __init__(self, builder: TextBuilder) -> None:
        self._builder = builder
        self._levels: list[str] = []

    def add(self, lines: Sequence[str], depth: int) -> None:
        i = 0
        while i < len(lines):
            line = lines[i]
            if not line.strip():
                i += 1
            elif (end := self._add_heading(lines, i)) or (end := self._add_table(lines, i)):
                i = end
            elif line.startswith(".. ") or line.strip() == "..":
                i = self._add_explicit(lines, i, depth)
            elif _ITEM.match(line):
                i = self._add_item(lines, i, depth)
            elif line.startswith(" "):
                end = _indented(lines, i)
                self._deeper(_dedent(lines[i:end]), depth)
                i = end
            else:
                i = self._add_paragraph(lines, i, depth)

    def _deeper(self, lines: Sequence[str], depth: int) -> None:
        if depth >= _MAX_DEPTH:
            self._builder.block("\n".join(lines))
        else:
            self.add(lines, depth + 1)

    def _add_heading(self, lines: Sequence[str], i: int) -> int | None:
        """The index behind a heading at `i`, if there is one."""
        title = lines[i].rstrip()
        following, after = (lines[k].rstrip() if k < len(lines) else "" for k in (i + 1, i + 2))
        if _UNDERLINE.fullmatch(title):
            if following and after == title:
                self._heading(title[0] * 2, following)
                return i + 3
            return i + 1 if len(title) >= _RULE else None
        if _UNDERLINE.fullmatch(following) and not title.startswith(" ") and len(following) >= min(len(title), _RULE):
            self._heading(following[0], title)
            return i + 2
        return None

    def _heading(self, style: str, title: str) -> None:
        if style not in self._levels:
            self._levels.append(style)
        self._builder.heading(min(self._levels.index(style) + 1, 6), inline_text(title))

    def _add_table(self, lines: Sequence[str], i: int) -> int | None:
        """The index behind a grid or simple table at `i`, if there is one."""
        if _GRID_EDGE.fullmatch(lines[i]):
            end = next((k for k in range(i, len(lines)) if not lines[k].strip()), len(lines))
            rows, header = _grid_rows(lines[i:end])
        elif _SIMPLE_EDGE.fullmatch(lines[i]):
            ends = (
                k + 1
                for k in range(i + 1, len(lines))
                if _SIMPLE_EDGE.fullmatch(lines[k]) and (k + 1 == len(lines) or not lines[k + 1].strip())
            )
            found = next(ends, None)
            if found is None:
                return None
            end = found
            rows, header = _simple_rows(lines[i:end])
        else:
            return None
        add_grid(self._builder, [[inline_text(cell) for cell in row] for row in rows], header=header)
        return end

    def _add_explicit(self, lines: Sequence[str], i: int, depth: int) -> int:
        end = _indented(lines, i + 1)
        found = _DIRECTIVE.match(lines[i])
        if found is None:
            note = re.match(r"\.\. \[[#\w*-]*\]\s+(.*)", lines[i])  # a footnote; all else is a comment or a target
            if note:
                self._builder.block(inline_text("\n".join([note.group(1), *lines[i + 1 : end]])))
            return end
        name, argument = found.group(1).rpartition(":")[2].lower(), found.group(2) or ""
        body = _dedent(lines[i + 1 : end])
        while body and (_OPTION.match(body[0]) or (not body[0].strip() and len(body) > 1)):
            body = body[1:]
        if name in _CODE:
            self._builder.code("\n".join(body))
        elif name == "list-table":
            self._builder.block(inline_text(argument))
            self._add_list_table(body, header=any(":header-rows:" in line for line in lines[i + 1 : end]))
        elif name == "csv-table" or name not in _SILENT:
            self._builder.block(inline_text(argument))
            self._deeper(body, depth)
        return end

    def _add_list_table(self, body: Sequence[str], *, header: bool) -> None:
        rows: list[list[str]] = []
        for line in body:
            text = line.strip()
            starts = re.match(r"\*\s+-\s*(.*)", text)
            if starts:
                rows.append([starts.group(1)])
            elif rows and re.match(r"-(\s|$)", text):
                rows[-1].append(text[1:].strip())
            elif rows:
                rows[-1][-1] += " " + text
        add_grid(self._builder, [[inline_text(cell) for cell in row] for row in rows], header=header or None)

    def _add_item(self, lines: Sequence[str], i: int, depth: int) -> int:
        match = _ITEM.match(lines[i])
        indent = match.end() if match else 2
        end = i + 1
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" " * min(indent, 2))):
            end += 1
        body = [lines[i][indent:], *_dedent(lines[i + 1 : end])]
        stop = next((k for k, line in enumerate(body) if not line.strip() or (k and _ITEM.match(line))), len(body))
        self._paragraph(body[:stop], body[stop:], depth, tight=True)
        return end

    def _add_paragraph(self, lines: Sequence[str], i: int, depth: int) -> int:
        end = i + 1
        while (
            end < len(lines) and lines[end].strip() and not lines[end].startswith(" ") and not _FIELD.match(lines[end])
        ):
            end += 1
        indented = (
            end
            if end < len(lines) and lines[end].strip()
            else next((k for k in range(end, len(lines)) if lines[k].strip()), len(lines))
        )
        is_literal = lines[end - 1].rstrip().endswith("::")
        if is_literal or (end < len(lines) and lines[end].startswith(" ")):
            stop = _indented(lines, indented)
            self._paragraph(lines[i:end], lines[end:stop], depth)
            return max(stop, end)
        self._paragraph(lines[i:end], (), depth)
        return end

    def _paragraph(self, words: Sequence[str], rest: Sequence[str], depth: int, *, tight: bool = False) -> None:
        """A paragraph and what is indented below it: code after "::", else a definition or more of an item."""
        text = "\n".join(words).rstrip()
        if text.startswith(">>> "):
            self._builder.code(text)
        elif text.endswith("::"):
            self._builder.block(inline_text(text[:-2].rstrip() + ":" if text != "::" else ""), tight=tight)
            self._builder.code("\n".join(_dedent(rest)))
            return
        else:
            field = _FIELD.match(text)
            text = f"{field.group(1)}: {text[field.start(2) :]}" if field else text
            self._builder.block(inline_text(text), tight=tight)
        self._deeper(_dedent(rest), depth)


def inline_text(text: str) -> str:
    """Words without inline markup; literals keep whatever they hold."""
    parts = _LITERAL.split(text)
    for i in range(0, len(parts), 2):
        part = _ROLE_TARGET.sub(lambda m: m.group(1) or m.group(2) or "", parts[i])
        part = _ROLE.sub(r"\1", part)
        part = _EMPHASIS.sub(r"\2", part)
        part = _INTERPRETED.sub(r"\1", part)
        part = _REFERENCE.sub("", _FOOTNOTE.sub("", part))
        parts[i] = re.sub(r"\\(.)", r"\1", re.sub(r"\\\s", "", part))
    return "".join(parts)


def _indented(lines: Sequence[str], i: int) -> int:
    """The index behind the indented (or empty) lines that start at `i`."""
    while i < len(lines) and (lines[i].startswith(" ") or not lines[i].strip()):
        i += 1
    return i


def _dedent(lines: Sequence[str]) -> list[str]:
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[margin:] for line in lines]


def _grid_rows(lines: Sequence[str]) -> tuple[list[list[str]], bool]:
    rows: list[list[str]] = []
    header = False
    fresh = True
    for line in lines:
        if line.startswith("+"):
            header = header or "=" in line
            fresh = True
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if fresh or len(cells) != len(rows[-1]):
            rows.append(cells)
        else:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
        fresh = False
    return rows, header


def _simple_rows(lines: Sequence[str]) -> tuple[list[list[str]], bool]:
    starts = [match.start() for match in re.finditer("=+", lines[0])]
    rows: list[list[str]] = []
    edges = 0
    for line in lines[1:-1]:
        if _SIMPLE_EDGE.fullmatch(line):
            edges += 1
            continue
        ends = [*starts[1:], None]
        cells = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        if rows and not cells[0] and any(cells):  # goes on with the row above
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    return rows, edges > 0
