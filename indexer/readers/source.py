"""Source code: kept as it is. Comments and docstrings are text that can be cited; all else counts as code."""

import re

from indexer.document import ExtractedDocument, Layout, Span
from indexer.readers.builder import clean_text
from indexer.readers.plain import decode

SUFFIXES = tuple(
    (
        ".py .pyi .js .mjs .cjs .jsx .ts .tsx .vue .svelte .java .kt .kts .scala .groovy .c .h .cc .cpp .cxx .hpp .hh "
        ".cs .go .rs .rb .php .pl .pm .swift .m .mm .lua .r .jl .ex .exs .erl .hs .ml .clj .dart .sh .bash .zsh .ps1 "
        ".bat .sql .css .scss .less .proto .graphql .tf .cmake .gradle .toml .yaml .yml .ini .cfg .conf .properties "
        ".el .lisp .vb .f90"
    ).split()
)
# The line comments of all these languages; a hash is one almost everywhere that "//" is not.
_DIRECTIVES = "include|define|if|ifdef|ifndef|endif|else|elif|pragma|undef"
_COMMENT = re.compile(rf"\s*(?://|#(?!!|\s*(?:{_DIRECTIVES})\b)|--\s|;;|%\s|\"\"\"|''')")
_OPENERS = (("/*", "*/"), ('"""', '"""'), ("'''", "'''"), ("<!--", "-->"), ("--[[", "]]"), ("=begin", "=end"))


def read_source(data: bytes) -> ExtractedDocument:
    """A file of any programming language, by the marks of comments that most of them share."""
    text = clean_text(decode(data)).expandtabs(4).strip("\n")
    code: list[Span] = []
    offset = 0
    closer = ""
    start: int | None = None
    for line in text.split("\n"):
        stripped = line.strip()
        if closer:
            is_comment = True
            if closer in stripped:
                closer = ""
        else:
            closer = next((end for mark, end in _OPENERS if _is_left_open(stripped, mark, end)), "")
            is_comment = bool(closer) or bool(_COMMENT.match(line)) or stripped.startswith(("/*", "<!--"))
        if stripped and not is_comment:
            start = offset if start is None else start
            end = offset + len(line)
        elif is_comment and start is not None:
            code.append(Span(start, end))
            start = None
        offset += len(line) + 1
    if start is not None:
        code.append(Span(start, end))
    return ExtractedDocument(text=text, title=None, media_type="text/x-source", layout=Layout(code=tuple(code)))


def _is_left_open(line: str, mark: str, end: str) -> bool:
    """Whether the line begins a comment that goes on below; prefixes of string literals may stand before it."""
    bare = line.lstrip("rRbBuUfF") if mark in ('"""', "'''") else line
    return bare.startswith(mark) and end not in bare[len(mark) :]
