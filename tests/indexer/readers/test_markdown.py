"""Markdown: the words that a reader of the rendered page sees, and where headings and code are."""

import pytest

from indexer.document import ExtractedDocument
from indexer.errors import UnreadableDocument
from indexer.readers import read_document


def read(source: str) -> ExtractedDocument:
    return read_document("page.md", source.encode())


def text_of(source: str) -> str:
    return read(source).text


def code_of(source: str) -> list[str]:
    document = read(source)
    return [document.text[span.start : span.end] for span in document.layout.code]


def test_front_matter_gives_the_title_and_is_no_text() -> None:
    document = read('---\nid: leave\ntitle: "Leave policy"\ntags: [hr]\n---\n\n# Parental leave\n\n45 days.\n')
    assert document.title == "Leave policy"
    assert document.text == "Parental leave\n\n45 days."


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r"])
def test_front_matter_is_found_whatever_the_line_breaks(break_: str) -> None:
    document = read("---\ntitle: Leave\n---\n45 days.\n".replace("\n", break_))
    assert (document.title, document.text) == ("Leave", "45 days.")


def test_front_matter_without_a_title_leaves_it_to_the_first_heading() -> None:
    assert read("---\nid: leave\n---\n# Leave\n\n45 days.").title == "Leave"


def test_a_rule_at_the_top_hides_no_text() -> None:
    """Between two rules stands text, not front matter: a promise to quote everything must not skip it."""
    text = text_of("---\n\nEvery driver carries a spare probe.\n\n---\n\nMore.")
    assert "spare probe" in text
    assert "More." in text


def test_empty_front_matter_hides_no_text() -> None:
    assert "45 days" in text_of("---\n---\n\n# Leave\n\n45 days.\n\n---\n\nMore.")


def test_headings_have_levels_and_lose_their_ids() -> None:
    document = read("# Leave { #leave }\n\n## Sick *leave* {#sick}\n\nSetext\n===\n\n### Trailing ###\n\nx")
    assert [(h.level, h.title) for h in document.headings] == [
        (1, "Leave"),
        (2, "Sick leave"),
        (1, "Setext"),
        (3, "Trailing"),
    ]


def test_braces_that_are_no_id_stay_in_a_heading() -> None:
    assert [h.title for h in read("# Using {braces} here\n\n# The set {a, b}").headings] == [
        "Using {braces} here",
        "The set {a, b}",
    ]


def test_an_mdx_comment_behind_a_heading_goes() -> None:
    assert read("## Install {/* #install */}\n\nRun it.").headings[0].title == "Install"


def test_an_mdx_comment_on_a_line_of_its_own_is_no_text() -> None:
    assert "TODO" not in text_of("# Install\n\n{/* TODO: mention the proxy */}\n\nRun it.\n")


def test_admonition_and_include_lines_go_and_their_content_stays() -> None:
    source = "/// note | Title\n\nInside one.\n\n///\n\n:::warning\n\nInside two.\n\n:::\n\n"
    assert text_of(source + "{* ../../docs_src/a.py *}\n\nEnd.") == "Inside one.\n\nInside two.\n\nEnd."


def test_lines_of_code_that_look_like_directives_stay() -> None:
    """Rust and C# document functions with `///`; reStructuredText and Haskell write `:::`."""
    assert code_of("```rust\n/// Adds one.\nfn f() {}\n```\n") == ["/// Adds one.\nfn f() {}"]
    assert code_of("    ::: fenced\n    # Title {#id}\n") == ["::: fenced\n# Title {#id}"]


def test_code_keeps_its_lines_and_its_span() -> None:
    source = "Before.\n\n```python\ndef f():\n    return 1\n\n\nprint(f())\n```\n\n    indented\n      more\n"
    assert code_of(source) == ["def f():\n    return 1\n\n\nprint(f())", "indented\n  more"]
    assert text_of(source).startswith("Before.\n\ndef f():")


def test_markup_inside_code_is_code() -> None:
    assert code_of("```\n# not a heading\n| a | b |\n<b>\n```") == ["# not a heading\n| a | b |\n<b>"]
    assert read("```\n# not a heading\n```").headings == ()


def test_a_table_has_one_row_a_line_with_the_names_of_its_columns() -> None:
    source = "| City | Limit |\n|---|:-:|\n| London | **165** pounds |\n| Leeds | `90` |\n\nAfter."
    assert text_of(source) == "City: London | Limit: 165 pounds\nCity: Leeds | Limit: 90\n\nAfter."


def test_ragged_rows_lose_nothing_that_the_page_shows() -> None:
    assert text_of("| A | B |\n|---|---|\n| 1 |\n| 2 | 3 |\n") == "A: 1\nA: 2 | B: 3"


def test_list_items_are_lines_at_any_depth() -> None:
    source = "- one\n- two\n  - two a\n    1. deep\n- three\n\nAfter."
    assert text_of(source) == "one\ntwo\ntwo a\ndeep\nthree\n\nAfter."


def test_loose_items_are_paragraphs() -> None:
    assert text_of("- one\n\n- two\n\n  more of two\n") == "one\n\ntwo\n\nmore of two"


def test_links_and_images_are_their_words() -> None:
    source = (
        "See [the **policy**](https://example.org/x 'title') and ![a *map*](map.png), <https://a.example>, [ref][1]."
        "\n\n[1]: /y"
    )
    assert text_of(source) == "See the policy and a map, https://a.example, ref."


def test_emphasis_entities_and_escapes_are_rendered() -> None:
    assert text_of("*a* __b__ ~~c~~ `d*` &amp; &#169; \\*e\\*") == "a b c d* & © *e*"


def test_soft_breaks_join_and_hard_breaks_part() -> None:
    assert text_of("one\ntwo  \nthree<br>four") == "one two three four"
    assert (
        text_of("在宅勤務は週に\n3日までとする。\n申請は前日まで。") == "在宅勤務は週に 3日までとする。申請は前日まで。"
    )


def test_html_blocks_give_their_visible_text() -> None:
    source = "<div class='x'>\n<p>Inside <b>html</b></p>\n<script>evil()</script>\n<!-- no -->\n</div>\n\nAfter."
    assert text_of(source) == "Inside html\n\nAfter."


def test_headings_inside_html_blocks_count() -> None:
    assert [(h.level, h.title) for h in read("<h2>From html</h2>\n\ntext").headings] == [(2, "From html")]


def test_quotes_are_text() -> None:
    assert text_of("> Quoted\n> words\n>> twice") == "Quoted words\n\ntwice"


def test_windows_line_breaks_change_nothing() -> None:
    source = "# A\n\npara\none\n\n```\ncode\n  x\n```\n\n| A |\n|---|\n| 1 |\n"
    assert read(source.replace("\n", "\r\n")) == read(source)


def test_mdx_and_long_suffixes_are_markdown_too() -> None:
    for suffix in ("md", "MD", "markdown", "mdx"):
        assert read_document(f"a.{suffix}", b"# Leave\n\nx").title == "Leave"


def test_a_page_of_markup_alone_is_refused_unless_it_has_a_title() -> None:
    with pytest.raises(UnreadableDocument, match="no text"):
        read("---\nlayout: wide\n---\n\n<!-- only a comment -->\n")
    assert text_of("---\ntitle: Coming soon\n---\n\n<!-- only a comment -->\n") == "Coming soon"


@pytest.mark.parametrize(
    "source",
    [
        "*" * 20_000 + "words",
        "[" * 10_000 + "words",
        "` `` " * 3_000 + "words",
        "- " * 3_000 + "words",
        "# words " + "{ #" * 5_000,
        "|" * 5_000 + "\n" + "|-" * 5_000 + "|\nwords",
        "<div>\n" + "<p>" * 5_000 + "words",
        "&" * 20_000 + "words",
        "![" * 3_000 + "words",
    ],
    ids=lambda source: source[:6],
)
def test_hostile_markup_ends_in_a_document_or_a_reason(source: str) -> None:
    """Markdown parsers are known for quadratic and worse input; each of these takes well under a second."""
    if source.startswith("- - "):  # deeper than the parser goes: nothing is left, and that is said
        with pytest.raises(UnreadableDocument, match="no text in it"):
            text_of(source)
    else:
        assert "words" in text_of(source)


def test_text_in_deeply_nested_lists_and_quotes_is_not_dropped_silently() -> None:
    levels = 12
    nested_list = "".join("  " * depth + f"- item {depth}\n" for depth in range(levels))
    assert text_of(nested_list).splitlines() == [f"item {depth}" for depth in range(levels)]
    assert text_of("> " * 15 + "deep words") == "deep words"
