"""HTML: the main text without the furniture of the page, in any encoding, at any depth."""

import pytest

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers import read_document


def read(source: str | bytes) -> ExtractedDocument:
    return read_document("page.html", source if isinstance(source, bytes) else source.encode())


def text_of(source: str | bytes) -> str:
    return read(source).text


PAGE = """<!doctype html><html><head><title>Leave | Larkbeck</title><style>p{}</style></head><body>
<header><a href=/>Home</a></header><nav><ul><li>Menu</li></ul></nav>
<main><h1>Leave policy</h1><p>Each parent gets <b>45</b> working days.</p>
<aside>See also</aside><script>track()</script><h2>Sick leave</h2><p>20 days a year.</p></main>
<footer>Imprint</footer></body></html>"""


def test_only_the_main_text_is_kept() -> None:
    document = read(PAGE)
    assert document.text == "Leave policy\n\nEach parent gets 45 working days.\n\nSick leave\n\n20 days a year."
    assert document.title == "Leave | Larkbeck"
    assert [(h.level, h.title) for h in document.headings] == [(1, "Leave policy"), (2, "Sick leave")]


@pytest.mark.parametrize(
    "furniture",
    [
        "<nav>Gone</nav>",
        "<header>Gone</header>",
        "<footer>Gone</footer>",
        "<aside>Gone</aside>",
        "<script>Gone</script>",
        "<style>Gone</style>",
        "<noscript>Gone</noscript>",
        "<template>Gone</template>",
        "<button>Gone</button>",
        "<svg><text>Gone</text></svg>",
        "<div hidden>Gone</div>",
        "<div aria-hidden=true>Gone</div>",
        "<div role=navigation>Gone</div>",
        "<!-- Gone -->",
        "<select><option>Gone</select>",
    ],
)
def test_furniture_goes(furniture: str) -> None:
    assert text_of(f"<body>{furniture}<p>Kept</p></body>") == "Kept"


def test_a_page_header_that_holds_the_title_stays() -> None:
    assert text_of("<body><header><h1>Leave</h1></header><p>45 days</p></body>") == "Leave\n\n45 days"


@pytest.mark.parametrize("main", ["<main>{}</main>", "<div role=main>{}</div>", "<article>{}</article>"])
def test_the_main_element_is_chosen(main: str) -> None:
    assert text_of(f"<body><div>Around</div>{main.format('<p>Inside</p>')}</body>") == "Inside"


def test_several_articles_are_all_read() -> None:
    assert text_of("<article><p>One</p></article><article><p>Two</p></article>") == "One\n\nTwo"


def test_an_empty_main_element_is_passed_over() -> None:
    assert text_of("<body><main> </main><p>Elsewhere</p></body>") == "Elsewhere"
    assert text_of("<body><main><nav>Menu</nav></main><p>Elsewhere</p></body>") == "Elsewhere"


@pytest.mark.parametrize("element", ["form", "nav", "aside", "header", "footer"])
def test_what_would_leave_nothing_is_not_left_out(element: str) -> None:
    """ASP.NET wraps whole pages in a form."""
    assert "45 days" in text_of(f"<body><{element}><h2>Leave</h2><p>45 days</p></{element}></body>")


def test_inline_elements_join_and_blocks_part() -> None:
    assert text_of("<p>one <em>two</em><code>three</code>\n four<br>five</p><div>six<div>seven</div>eight</div>") == (
        "one twothree four five\n\nsix\n\nseven\n\neight"
    )


def test_several_line_breaks_are_one_space() -> None:
    assert text_of("<p>one<br><br>two</p>") == "one two"


def test_list_items_follow_each_other_closely() -> None:
    assert text_of("<ul><li>one<li>two<ol><li>three</ol></ul><p>after").split("\n") == [
        "one",
        "two",
        "three",
        "",
        "after",
    ]


def test_a_table_row_is_a_line_with_the_names_of_its_columns() -> None:
    source = (
        "<table><caption>Limits</caption><thead><tr><th>City<th>Limit</tr></thead>"
        "<tbody><tr><th>London<td>165</tr><tr><td>Leeds</td><td></td></tr></tbody></table>"
    )
    assert text_of(source) == "Limits\n\nCity: London | Limit: 165\nCity: Leeds"


@pytest.mark.parametrize(
    "parts", ["Monday<br>Tuesday", "<p>Monday</p><div>Tuesday</div>", "<ol><li>Monday<li>Tuesday</ol>"]
)
def test_lines_in_a_cell_are_not_glued_together(parts: str) -> None:
    words = text_of(f"<table><tr><th>Day<th>Shift</tr><tr><td>{parts}<td>early</tr></table>").replace("|", " ").split()
    assert "Monday" in words
    assert "Tuesday" in words


def test_a_line_break_in_a_heading_is_a_space() -> None:
    assert read("<h1>Part one<br>Introduction</h1><p>x").headings[0].title == "Part one Introduction"


@pytest.mark.parametrize(
    "source",
    [
        "<h1>Leave<script>evil()</script></h1>",
        "<table><tr><td>Leave<style>evil()</style></table>",
        "<pre>Leave<script>evil()</script></pre>",
    ],
)
def test_scripts_inside_headings_cells_and_code_are_no_text(source: str) -> None:
    assert "evil" not in text_of(source)


def test_hidden_anchors_in_headings_are_no_text() -> None:
    assert read("<h2>Sick leave<a aria-hidden=true href=#x>#</a></h2><p>x").headings[0].title == "Sick leave"


def test_a_layout_table_is_read_as_blocks() -> None:
    source = "<table><tr><td><h2>Left</h2><p>one</p></td><td><ul><li>a<li>b</ul></td></tr></table>"
    assert [h.title for h in read(source).headings] == ["Left"]
    assert text_of(source).split() == ["Left", "one", "a", "b"]


def test_preformatted_text_keeps_its_lines() -> None:
    document = read("<p>Run</p><pre><code>if x:\n    y()\n</code></pre>")
    [span] = document.layout.code
    assert document.text[span.start : span.end] == "if x:\n    y()"


def test_entities_are_characters() -> None:
    assert text_of("<p>&lt;b&gt; &amp;amp; &euro;5 &#x3042; &nbsp;x &#xD800; &#0;") == "<b> &amp; €5 あ x \ufffd \ufffd"


JAPANESE = "<p>在宅勤務は週に3日までとする。</p>"


@pytest.mark.parametrize(
    ("declared", "encoding"), [("Shift_JIS", "cp932"), ("EUC-JP", "euc_jp"), ("ISO-2022-JP", "iso2022_jp")]
)
def test_the_declared_encoding_is_used(declared: str, encoding: str) -> None:
    for meta in (f"<meta charset={declared}>", f'<META http-equiv=x content="text/html; charset={declared}">'):
        assert text_of((meta + JAPANESE).encode(encoding)) == "在宅勤務は週に3日までとする。"


@pytest.mark.parametrize("declared", ["utf-8", "no-such-encoding", "ascii", "rot13", "hex"])
def test_a_wrong_declaration_does_no_harm(declared: str) -> None:
    assert text_of(f"<meta charset={declared}>".encode() + JAPANESE.encode("cp932")) == "在宅勤務は週に3日までとする。"


def test_a_byte_order_mark_beats_the_declaration() -> None:
    assert text_of(("<meta charset=shift_jis>" + JAPANESE).encode("utf-8-sig")) == "在宅勤務は週に3日までとする。"
    assert text_of(("<meta charset=shift_jis>" + JAPANESE).encode("utf-16")) == "在宅勤務は週に3日までとする。"


def test_a_page_cannot_declare_itself_utf_16_in_ascii() -> None:
    """Who can read the declaration knows that it is wrong, as https://encoding.spec.whatwg.org/ has it."""
    for end in (b"", b" "):  # one of the two has an even length, and so decodes
        assert text_of(b"<meta charset=utf-16><p>Hello there</p>" + end) == "Hello there"


def test_latin_1_means_windows_1252_on_the_web() -> None:
    """As every browser reads it. https://encoding.spec.whatwg.org/#names-and-labels"""
    assert text_of(b"<meta charset=iso-8859-1><p>\x93Limit\x94: \x80 165 \x96 caf\xe9</p>") == "“Limit”: € 165 – café"


def test_a_codec_that_fails_in_its_own_way_does_no_harm() -> None:
    """Python's `undefined` raises UnicodeError, not UnicodeDecodeError."""
    assert text_of(b"<meta charset=undefined><p>Hello there</p>") == "Hello there"


@pytest.mark.parametrize(
    "source", ["", "<html></html>", "<body><script>x()</script></body>", "<title>Only a title</title>", "<p> &nbsp;"]
)
def test_a_page_without_text_is_refused(source: str) -> None:
    with pytest.raises(UnreadableDocument):
        read(source)


@pytest.mark.parametrize("element", ["span", "a"])
def test_a_hundred_thousand_levels_of_nesting_are_read(element: str) -> None:
    assert text_of(f"<{element}>" * 100_000 + "deep words") == "deep words"


@pytest.mark.parametrize("opening", ["<div>", "<table><tr><td>", "<ul><li>", "<h1><span>", "<blockquote>", "<pre><b>"])
def test_no_element_recurses(opening: str) -> None:
    # Not deeper: HTML's own parsing rules are quadratic in the depth of blocks.
    assert "deep words" in text_of(opening * 10_000 + "deep words")


def test_a_menu_in_the_header_of_an_article_is_left_out() -> None:
    page = "<main><header><h1>Title</h1><ul><li>Deutsch</li><li>日本語</li></ul></header><p>Words.</p></main>"
    assert read_document("a.html", page.encode()).text == "Title\n\nWords."


def test_what_is_not_printed_is_left_out() -> None:
    page = '<h2>Use<a class="headerlink" href="#u">¶</a></h2><p>Words.</p><div class="noprint">Share!</div>'
    assert read_document("a.html", page.encode()).text == "Use\n\nWords."


def test_cells_that_cover_rows_and_columns_keep_the_others_in_place() -> None:
    page = (
        "<table><tr><th>City<th>Season<th>Limit</tr><tr><td rowspan=2>Bath<td>summer<td>90</tr>"
        "<tr><td>winter<td>80</tr><tr><td colspan=2>elsewhere<td>70</tr></table>"
    )
    assert read_document("a.html", page.encode()).text.splitlines() == [
        "City: Bath | Season: summer | Limit: 90",
        "City: Bath | Season: winter | Limit: 80",
        "City: elsewhere | Limit: 70",
    ]


@pytest.mark.parametrize("label", ["shift_jis", "x-sjis", "Windows-31J"])
def test_shift_jis_is_what_windows_makes_of_it(label: str) -> None:
    page = f"<meta charset={label}><p>①髙橋</p>".encode("cp932")
    assert read_document("a.html", page).text == "①髙橋"
