"""The source behind a citation, in the panel and on its own page: the exact words, marked and in view."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DOCUMENTS, ENGLISH, JAPANESE, OpenPage, Site, write_documents

pytestmark = pytest.mark.slow


def answer(page: Page, question: str) -> None:
    page.fill("#question", question)
    page.click("#send")
    expect(page.locator("article.turn").last).to_have_attribute("data-status", "answered")


def recorded_citation(page: Page) -> dict[str, object]:
    """The first citation of the last answer, as the server recorded it."""
    href = str(page.locator("a.record").last.get_attribute("href"))
    record = page.request.get(page.url.rstrip("/") + href).json()["record"]
    citation: dict[str, object] = record["citations"][0]
    return citation


@pytest.mark.parametrize("question", [ENGLISH, JAPANESE])
def test_a_citation_opens_its_document_at_the_exact_words(open_page: OpenPage, question: str) -> None:
    page = open_page()
    answer(page, question)
    citation = recorded_citation(page)
    page.locator(".claim .cite[data-n='1']").first.click()
    expect(page.locator("#source-panel")).to_be_visible()
    mark = page.locator("mark.cited")
    expect(mark).to_be_in_viewport()
    assert mark.text_content() == citation["quote"]
    expect(page.locator("#source-title")).to_have_text(str(citation["title"]))
    expect(page.locator("#source-facts")).to_contain_text("match")
    expect(page.locator("#source-notes")).to_be_empty()


def test_the_panel_shows_the_text_of_the_document_and_nothing_else(open_page: OpenPage) -> None:
    page = open_page()
    answer(page, JAPANESE)
    document = page.request.get(f"{page.url}documents/{recorded_citation(page)['document_id']}").json()
    page.locator(".claim .cite").first.click()
    expect(page.locator("mark.cited")).to_be_visible()
    assert page.locator("#source-text").text_content() == document["text"]


def test_escape_closes_the_panel_and_gives_the_focus_back(open_page: OpenPage) -> None:
    page = open_page()
    answer(page, ENGLISH)
    cite = page.locator(".claim .cite").first
    cite.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#source-panel")).to_be_visible()
    expect(cite).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#source-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#source-panel")).to_be_hidden()
    expect(cite).to_be_focused()
    expect(cite).to_have_attribute("aria-expanded", "false")


def test_the_close_button_gives_the_focus_back_too(open_page: OpenPage) -> None:
    page = open_page()
    answer(page, ENGLISH)
    row = page.locator(".sources .source-row").first
    row.click()
    expect(page.locator("mark.cited")).to_be_visible()
    page.click("#source-close")
    expect(page.locator("#source-panel")).to_be_hidden()
    expect(row).to_be_focused()


def test_on_a_narrow_screen_the_page_behind_the_panel_cannot_be_reached(open_page: OpenPage) -> None:
    page = open_page(width=400)
    answer(page, ENGLISH)
    page.locator(".claim .cite").first.click()
    expect(page.locator("#source-panel")).to_have_attribute("aria-modal", "true")
    assert page.locator("#page").evaluate("page => page.inert") is True
    page.go_back()
    expect(page.locator("#source-panel")).to_be_hidden()
    assert page.locator("#page").evaluate("page => page.inert") is False
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing runs over the edge"


@pytest.mark.parametrize(("question", "locale"), [(ENGLISH, "en-GB"), (JAPANESE, "ja-JP")])
def test_the_full_page_marks_the_same_words(open_page: OpenPage, question: str, locale: str) -> None:
    page = open_page(locale=locale)
    answer(page, question)
    citation = recorded_citation(page)
    page.locator(".claim .cite").first.click()
    href = str(page.locator("#full-page").get_attribute("href"))
    source = open_page(href, locale=locale)
    mark = source.locator("mark#cited")
    expect(mark).to_have_text(str(citation["quote"]), use_inner_text=False)
    expect(mark).to_be_in_viewport()
    expect(source.locator("html")).to_have_attribute("lang", locale[:2])
    document = source.request.get(source.url.partition("?")[0]).json()
    assert source.locator("#document-text").text_content() == document["text"]


def test_the_source_of_an_old_answer_opens_with_a_notice_after_the_document_has_changed(
    open_page: OpenPage, site: Site
) -> None:
    page = open_page()
    answer(page, ENGLISH)
    try:
        (site.documents / "leave.md").write_text(DOCUMENTS["leave.md"].replace("45", "60"), encoding="utf-8")
        site.index()
        page.locator(".claim .cite").first.click()
        expect(page.locator("mark.cited")).to_contain_text("45 working days")
        expect(page.locator("#source-notes")).to_contain_text("replaced or removed")
        answer(page, ENGLISH)
        expect(page.locator("article.turn").last.locator(".claim").first).to_contain_text("60 working days")
    finally:
        write_documents(site.documents)
        site.index()


def test_the_quote_can_be_copied(open_page: OpenPage) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answer(page, ENGLISH)
    citation = recorded_citation(page)
    page.locator(".claim .cite").first.click()
    expect(page.locator("mark.cited")).to_be_visible()
    page.click("#copy-quote")
    expect(page.locator("#copy-quote")).to_contain_text("Copied")
    copied = str(page.evaluate("navigator.clipboard.readText()"))
    assert copied.startswith(f"“{citation['quote']}”\n")
    assert str(citation["content_sha256"]) in copied


@pytest.mark.parametrize(("locale", "heading"), [("en-GB", "Parameters"), ("ja-JP", "パラメーター")])
def test_the_documentation_of_the_interface_opens_in_both_languages(
    open_page: OpenPage, locale: str, heading: str
) -> None:
    page = open_page("/docs", locale=locale)
    expect(page.get_by_role("heading", name=heading).first).to_be_visible()
    page.locator(".api-nav a[href='#post--ask']").click()
    expect(page.locator("#post--ask")).to_be_in_viewport()
