"""HTML: the main text without navigation, by element roles. Scripts are never run and nothing is fetched."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from indexer.document import ExtractedDocument
from indexer.readers.builder import TextBuilder
from indexer.readers.grid import Cell, add_grid, spread
from indexer.readers.plain import decode

_SKIPPED = frozenset(
    "script style noscript template nav footer aside form button select textarea svg math iframe object "
    "canvas audio video head dialog menu".split()
)
_NAVIGATION_ROLES = frozenset("navigation menu menubar toolbar tablist search".split())
# What a page leaves out when it is printed, and the links to themselves that generators put into headings.
_NOT_PRINTED = frozenset("noprint no-print d-print-none mw-editsection mw-jump-link headerlink hash-link".split())
# What has no words of its own even if it is all there is.
_NO_TEXT = frozenset("script style noscript template svg math iframe object canvas audio video head".split())
# https://encoding.spec.whatwg.org/#names-and-labels
_WEB_LABELS = {"iso-8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}
_WEB_LABELS |= dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "windows-31j"), "cp932")
_BLOCKS = frozenset(
    "address article blockquote body center dd details div dl dt fieldset figcaption figure header hr html li main ol "
    "p section summary table tbody td tfoot th thead tr ul caption".split()
)
_TIGHT = frozenset(("li", "dt", "dd", "tr", "td", "th"))
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]+)[\"']")
_MAIN_SELECTORS = ("main", "[role=main]", "article")


def read_html(data: bytes) -> ExtractedDocument:
    """An HTML file. If leaving navigation out leaves nothing, everything is kept."""
    builder = TextBuilder()
    title = add_page(builder, data)
    return builder.build(title=title, media_type="text/html")


def add_page(builder: TextBuilder, data: bytes, charset: str | None = None) -> str | None:
    """Adds the main text of a whole page, such as a chapter of an e-book; returns its title.

    `charset` is what the page's container says of it.
    """
    tree = LexborHTMLParser(_decode_html(data, charset))
    title_node = tree.css_first("title")
    root = tree.body or tree.root
    if root is not None:
        length = len(builder)
        _walk(builder, _main_node(tree, root), skip_page_header=True)
        if len(builder) == length:
            _walk(builder, root, skip_page_header=False)
        if len(builder) == length:
            _walk(builder, root, skip_page_header=False, skipped=_NO_TEXT)
    return title_node.text() if title_node else None


def add_html(builder: TextBuilder, fragment: str) -> None:
    """Adds the visible text of an HTML fragment, such as a raw block inside Markdown."""
    root = LexborHTMLParser(fragment).body
    if root is not None:
        _walk(builder, root, skip_page_header=False)


def _decode_html(data: bytes, charset: str | None) -> str:
    if not data:
        return ""
    declared = _META_CHARSET.search(data[:4096]) or _XML_ENCODING.match(data)
    if (charset or declared) and not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        try:
            name = charset or (declared.group(1).decode("ascii") if declared else "")
            if not name.lower().startswith("utf-16"):  # whoever could read that knows better
                return data.decode(_WEB_LABELS.get(name.lower(), name))
        except (LookupError, UnicodeError):
            pass  # a wrong declaration is common; the bytes decide
    return decode(data)


def _main_node(tree: LexborHTMLParser, root: LexborNode) -> LexborNode:
    for selector in _MAIN_SELECTORS:
        found = tree.css(selector)
        if len(found) == 1 and found[0].text(deep=True).strip():
            return found[0]
    return root


def _is_skipped(node: LexborNode, tag: str, *, skip_page_header: bool, skipped: frozenset[str] = _SKIPPED) -> bool:
    if tag in skipped or (tag == "header" and skip_page_header and not node.css_first("h1")):
        return True
    attributes = node.attributes
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") in _NAVIGATION_ROLES
        or not _NOT_PRINTED.isdisjoint((attributes.get("class") or "").split())
    )


def _menus(root: LexborNode) -> frozenset[int]:
    """The lists inside page headers."""
    if not root.css_first("header"):
        return frozenset()
    return frozenset(node.mem_id for node in root.css("header ul, header ol"))


def _words(root: LexborNode, *, keep_spaces: bool = False) -> str:
    """The visible text of a heading, a cell or a preformatted block, lines and blocks apart."""
    parts: list[str] = []
    stack: list[LexborNode | None] = [*reversed(list(root.iter(include_text=True)))]
    while stack:
        node = stack.pop()
        tag = "br" if node is None else node.tag or ""
        if node is None or tag == "br":
            parts.append("\n")
        elif tag == "-text":
            text = node.text_content or ""
            parts.append(text if keep_spaces else re.sub(r"\s+", " ", text))
        elif not (tag.startswith(("-", "!", "_")) or _is_skipped(node, tag, skip_page_header=False)):
            if tag in _BLOCKS and not keep_spaces:
                parts.append("\n")
                stack.append(None)
            stack.extend(reversed(list(node.iter(include_text=True))))
    return "".join(parts)


def _walk(
    builder: TextBuilder, root: LexborNode, *, skip_page_header: bool, skipped: frozenset[str] = _SKIPPED
) -> None:
    """Depth first with a stack of its own: a hostile nesting depth cannot exhaust Python's."""
    menus = _menus(root) if skip_page_header else frozenset()
    inline: list[str] = []
    tight = False

    def flush(next_tight: bool) -> None:
        nonlocal tight
        builder.block("".join(inline), tight=tight)
        inline.clear()
        tight = next_tight

    stack: list[tuple[LexborNode, bool]] = [(root, False)]
    while stack:
        node, closing = stack.pop()
        tag = node.tag or ""
        if closing:
            flush(False)
        elif tag == "-text":
            inline.append(re.sub(r"\s+", " ", node.text_content or ""))
        elif tag == "br":
            inline.append("\n")
        elif (
            tag.startswith(("-", "!", "_"))
            or _is_skipped(node, tag, skip_page_header=skip_page_header, skipped=skipped)
            or node.mem_id in menus
        ):
            continue
        elif tag in _HEADINGS:
            flush(False)
            builder.heading(_HEADINGS[tag], _words(node))
        elif tag == "pre":
            flush(False)
            builder.code(_words(node, keep_spaces=True))
        elif tag == "table" and _is_data_table(node):
            flush(False)
            _add_table(builder, node)
        else:
            if tag in _BLOCKS:
                flush(tag in _TIGHT)
                stack.append((node, True))
            stack.extend((child, False) for child in reversed(list(node.iter(include_text=True))))
    flush(False)


def _is_data_table(node: LexborNode) -> bool:
    """Layout tables hold blocks; data tables hold cells of words, or say what their cells are."""
    if node.css_first("table table, td h1, td h2, td h3"):
        return False
    return bool(node.css_first("th")) or not node.css_first("td p + p, td ul, td div + div")


def _add_table(builder: TextBuilder, table: LexborNode) -> None:
    caption = table.css_first("caption")
    if caption:
        builder.block(caption.text(deep=True))
    rows: list[list[Cell]] = []
    named = False
    for row in table.css("tr"):
        cells = [cell for cell in row.iter() if cell.tag in ("td", "th")]
        if not rows:
            named = len(cells) > 1 and all(cell.tag == "th" for cell in cells)
        if cells:
            rows.append([Cell(_words(cell), _span(cell, "colspan"), _span(cell, "rowspan")) for cell in cells])
    add_grid(builder, list(spread(rows)), header=named or None)


def _span(cell: LexborNode, name: str) -> int:
    text = cell.attributes.get(name) or "1"
    return int(text) if text.isdecimal() and len(text) < 5 else 1
