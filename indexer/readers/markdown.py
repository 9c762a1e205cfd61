"""Markdown, with the dialects that documentation sites put on top (front matter, admonitions, MDX comments).

The text is what a reader of the rendered page sees: no markup, links by their words, one line a paragraph.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from indexer.document import ExtractedDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.html import add_html
from indexer.readers.plain import decode

# YAML, that is: nothing, or a first line with a key. Between two rules at the top of a page stands text.
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n((?:(?:#[^\n]*|[ \t]*)\n)*(?:[\w\"'-][^\n:]*:(?:[ \t]|\n).*?\n)?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)",
    re.DOTALL,
)
_FRONT_MATTER_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
# Heading ids `{ #id }`, MDX comments `{/* … */}`, and the include and directive lines of MkDocs and Docusaurus.
_HEADING_SUFFIX = re.compile(r"^(#{1,6} .*?)[ \t]*\{(?:[ \t]*#[\w-]+[ \t]*|/\*.*?\*/)\}[ \t]*$", re.MULTILINE)
_DIRECTIVE_LINE = re.compile(r"^[ \t]*(?:\{\*.*\*\}|///(?: .*)?|:::.*)[ \t]*$", re.MULTILINE)

_MDX_COMMENT = re.compile(r"\{/\*.*?\*/\}", re.DOTALL)

_PARSER = MarkdownIt("commonmark", {"maxNesting": 50}).enable(["table", "strikethrough"])


def read_markdown(data: bytes) -> ExtractedDocument:
    """A Markdown file."""
    source = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    title = None
    front_matter = _FRONT_MATTER.match(source)
    if front_matter:
        source = source[front_matter.end() :]
        found = _FRONT_MATTER_TITLE.search(front_matter.group(1))
        title = found.group(1).strip("\"'") if found else None
    source = _without_directives(source)
    builder = TextBuilder()
    _add_blocks(builder, _PARSER.parse(source))
    if title and builder.is_empty:  # a page of front matter alone still says what it is called
        builder.block(title)
    return builder.build(title=title, media_type="text/markdown")


def _without_directives(source: str) -> str:
    """The source without heading ids, comments and directives; code keeps its lines, whatever they look like."""
    out: list[str] = []
    lines = re.findall(r"[^\n]*\n|[^\n]+", source)
    done = 0
    code = [token.map for token in _PARSER.parse(source) if token.type in ("fence", "code_block") and token.map]
    for start, end in [*code, [len(lines), len(lines)]]:
        outside = _MDX_COMMENT.sub("", _HEADING_SUFFIX.sub(r"\1", "".join(lines[done:start])))
        out += [_DIRECTIVE_LINE.sub("", outside), *lines[start:end]]
        done = end
    return "".join(out)


def _add_blocks(builder: TextBuilder, tokens: list[Token]) -> None:
    in_list = 0
    heading_level = 0
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.type in ("bullet_list_open", "ordered_list_open"):
            in_list += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            in_list -= 1
        elif token.type == "heading_open":
            heading_level = int(token.tag[1])
        elif token.type == "heading_close":
            heading_level = 0
        elif token.type in ("fence", "code_block"):
            builder.code(token.content)
        elif token.type == "html_block":
            add_html(builder, token.content)
        elif token.type == "table_open":
            i = _add_table(builder, tokens, i)
        elif token.type == "inline":
            _add_inline(builder, token, heading_level, tight=in_list > 0 and tokens[i - 1].hidden)
        i += 1


def _add_inline(builder: TextBuilder, token: Token, heading_level: int, *, tight: bool) -> None:
    text = inline_text(token)
    if heading_level:
        builder.heading(heading_level, text)
    else:
        builder.block(text, tight=tight)


def _add_table(builder: TextBuilder, tokens: list[Token], i: int) -> int:
    """Adds the table that opens at `i`; returns the index of its closing token."""
    header: list[str] = []
    rows: list[list[str]] = []
    row: list[str] = []
    while tokens[i].type != "table_close":
        token = tokens[i]
        if token.type == "tr_open":
            row = []
        elif token.type == "inline":
            row.append(inline_text(token))
        elif token.type == "thead_close":
            header = row
        elif token.type == "tr_close" and tokens[i + 1].type != "thead_close":
            rows.append(row)
        i += 1
    builder.table(header, rows)
    return i


def inline_text(token: Token) -> str:
    """The words of an inline token, without markup."""
    parts: list[str] = []
    for child in token.children or ():
        if child.type == "text" or child.type == "code_inline":
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type == "image":
            parts.append(inline_text(child))
        elif child.type == "html_inline" and child.content.lower().startswith("<br"):
            parts.append("\n")
    return "".join(parts)
