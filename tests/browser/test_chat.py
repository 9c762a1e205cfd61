"""The question page in a real browser: asking, streaming, stopping, failing."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ENGLISH, JAPANESE, UNRELATED, OpenPage, Site, Watch

pytestmark = pytest.mark.slow


def ask(page: Page, question: str) -> None:
    page.fill("#question", question)
    page.click("#send")


def test_a_question_is_answered_with_a_source(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, ENGLISH)
    turn = page.locator("article.turn")
    expect(turn).to_have_attribute("data-status", "answered")
    expect(turn.locator("h2")).to_have_text(ENGLISH)
    expect(turn.locator(".claim").first).to_contain_text("Each parent gets 45 working days of paid parental leave.")
    expect(turn.locator(".claim .cite").first).to_have_text("1")
    expect(turn.locator(".sources .source-row").first).to_contain_text("leave.md")
    expect(page.locator("#status")).to_contain_text("Answer ready")
    expect(page.locator("#welcome")).to_have_count(0)
    expect(page.locator("#question")).to_have_value("")
    expect(page.locator("#question")).to_be_focused()


def test_sentences_appear_before_the_answer_is_complete(open_page: OpenPage, site: Site) -> None:
    site.service.gate.clear()
    page = open_page()
    ask(page, ENGLISH)
    expect(page.locator(".claim").first).to_contain_text("45 working days")
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    assert page.locator("article.turn").get_attribute("data-status") is None
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator("#send")).to_be_hidden()
    site.service.gate.set()
    expect(page.locator("article.turn")).to_have_attribute("data-status", "answered")
    expect(page.locator("#stop")).to_be_hidden()
    assert page.locator(".answer").get_attribute("aria-busy") is None


def test_the_answer_that_is_shown_is_the_one_that_was_recorded(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, ENGLISH)
    expect(page.locator("article.turn")).to_have_attribute("data-status", "answered")
    href = page.locator("a.record").get_attribute("href")
    record = page.request.get(page.url.rstrip("/") + str(href)).json()["record"]
    shown = ["".join(c.locator(".claim-text").all_text_contents()) for c in page.locator(".claim").all()]
    assert shown == [claim["text"] for claim in record["claims"]]


def test_a_question_without_an_answer_shows_the_nearest_passages(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, UNRELATED)
    expect(page.locator("article.turn")).to_have_attribute("data-status", "abstained")
    expect(page.locator(".abstained-title")).to_have_text("No supporting source found")
    expect(page.locator(".claim")).to_have_count(0)
    page.locator(".nearest .source-row").first.click()
    expect(page.locator("#source-panel")).to_be_visible()
    expect(page.locator("#source-text")).not_to_be_empty()


def test_a_japanese_browser_gets_a_japanese_interface(open_page: OpenPage) -> None:
    page = open_page(locale="ja-JP")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.locator("#question")).to_have_attribute("placeholder", "文書について質問する")
    ask(page, JAPANESE)
    expect(page.locator("article.turn")).to_have_attribute("data-status", "answered")
    expect(page.locator(".claim").first).to_contain_text("在宅勤務は週に3日までとする。")
    expect(page.locator(".sources h3")).to_have_text("典拠")
    ask(page, UNRELATED)
    expect(page.locator(".abstained-title")).to_have_text("典拠が見つかりませんでした")


def test_enter_sends_and_shift_enter_does_not(open_page: OpenPage) -> None:
    page = open_page()
    box = page.locator("#question")
    box.fill("Does each parent get")
    box.press("Shift+Enter")
    expect(page.locator("article.turn")).to_have_count(0)
    box.press_sequentially("paid parental leave?")
    box.press("Enter")
    expect(page.locator("article.turn h2")).to_have_text(
        "Does each parent get\npaid parental leave?", use_inner_text=False
    )


def test_enter_that_ends_an_input_method_does_not_send(open_page: OpenPage) -> None:
    page = open_page()
    page.fill("#question", JAPANESE)
    page.locator("#question").dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    expect(page.locator("article.turn")).to_have_count(0)
    page.locator("#question").press("Enter")
    expect(page.locator("article.turn")).to_have_count(1)


def test_an_empty_question_cannot_be_sent(open_page: OpenPage) -> None:
    page = open_page()
    for text in ("", "   ", "\n"):
        page.fill("#question", text)
        expect(page.locator("#send")).to_be_disabled()
        page.locator("#question").press("Enter")
    expect(page.locator("article.turn")).to_have_count(0)


def test_a_question_under_way_can_be_stopped_and_asked_again(open_page: OpenPage, site: Site) -> None:
    site.service.gate.clear()
    page = open_page()
    ask(page, ENGLISH)
    expect(page.locator(".claim").first).to_be_visible()
    page.click("#stop")
    turn = page.locator("article.turn").first
    expect(turn).to_have_attribute("data-status", "stopped")
    expect(turn.locator(".claim").first).to_be_visible()
    expect(page.locator("#send")).to_be_visible()
    site.service.gate.set()
    turn.get_by_role("button", name="Ask again").click()
    expect(page.locator("article.turn").nth(1)).to_have_attribute("data-status", "answered")


def test_a_failure_in_the_middle_says_that_the_answer_is_not_complete(open_page: OpenPage, site: Site) -> None:
    site.service.failing = True
    page = open_page()
    ask(page, ENGLISH)
    turn = page.locator("article.turn")
    expect(turn).to_have_attribute("data-status", "failed")
    expect(turn.locator(".note.danger")).to_contain_text("Internal error")
    expect(turn.locator(".note.danger")).to_contain_text("not complete")
    assert "told to fail" not in page.content()


def test_a_question_that_is_refused_says_why(open_page: OpenPage, watch: Watch) -> None:
    page = open_page()
    ask(page, "???")
    expect(page.locator("article.turn")).to_have_attribute("data-status", "failed")
    expect(page.locator(".note.danger")).to_contain_text("only punctuation")
    watch.forgive("422")  # every browser writes a failed request into its console


def test_what_a_document_holds_is_shown_and_not_run(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, "What does the hostile file say? <script>window.hacked=1</script><img src=x onerror=window.hacked=1>")
    expect(page.locator("article.turn")).to_have_attribute("data-status", "answered")
    expect(page.locator(".claim").first).to_contain_text("<script>window.hacked=1</script>")
    page.locator(".claim .cite").first.click()
    expect(page.locator("mark.cited")).to_contain_text('<img src=x onerror="window.hacked=1">')
    assert page.evaluate("window.hacked") is None


def test_several_questions_stay_in_order(open_page: OpenPage) -> None:
    page = open_page()
    for number, question in enumerate((ENGLISH, UNRELATED, JAPANESE), start=1):
        ask(page, question)
        expect(page.locator("article.turn[data-status]")).to_have_count(number)
    statuses = [turn.get_attribute("data-status") for turn in page.locator("article.turn").all()]
    assert statuses == ["answered", "abstained", "answered"]
