// The source panel: one document, at the words a sentence rests on.
// Knows: opening, closing, focus, and what to say when document and citation do not agree.
// Does not know: answers. It is given a source, and the button that asked for it.

import { el, icon } from "./dom.js";
import { t, percent, langOf } from "./strings.js";
import { getDocument, fullPageUrl, Problem } from "./api.js";
import { Excerpt } from "./excerpt.js";
import { titleOf } from "./citations.js";
import { pageText } from "./answer.js";
import { copyFrom } from "./clipboard.js";

const $ = (id) => document.getElementById(id);
const panel = $("source-panel");
const page = $("page");
const scrim = $("scrim");
const body = $("source-body");
const narrow = matchMedia("(max-width: 1023px)");

let opener = null;   // the button that gets the focus back
let home = null;     // the article it stood in, should the button have been redrawn since
let source = null;
let cited = "";      // the words as they stand in the document
let request = null;
let announce = () => {};

export function isOpen() {
  return !panel.hidden;
}

export async function openSource(wanted, button) {
  request?.abort();
  request = new AbortController();
  const { signal } = request;
  if (opener) opener.setAttribute("aria-expanded", "false");
  source = wanted;
  opener = button;
  home = button.closest("article");
  cited = wanted.quote || "";
  button.setAttribute("aria-expanded", "true");
  drawHead();
  body.setAttribute("aria-busy", "true");
  body.replaceChildren(el("p", { class: "panel-loading" }, t("loading_document")));
  show();
  try {
    const found = await getDocument(wanted.document_id, signal);
    if (!signal.aborted) drawDocument(found);
  } catch (error) {
    if (signal.aborted) return;
    drawProblem(error instanceof Problem ? error : new Problem(t("document_failed"), ""));
  } finally {
    if (!signal.aborted) body.removeAttribute("aria-busy");
  }
}

export function closeSource() {
  if (!isOpen()) return;
  request?.abort();
  panel.hidden = true;
  document.body.classList.remove("panel-open");
  settle();
  body.replaceChildren();
  opener?.setAttribute("aria-expanded", "false");
  const again = opener?.isConnected
    ? opener
    : home?.querySelector(`.cite[data-n="${Number(source?.n)}"]`) || home;
  again?.focus({ preventScroll: narrow.matches });
  opener = null;
  if (history.state?.sourceOpen) history.back();
}

function drawHead() {
  const n = source.n;
  $("source-kicker").replaceChildren(source.passage
    ? t("panel_passage")
    : el("span", { class: "kicker" }, el("span", { class: "chip" }, String(n)), t("panel_kicker")));
  $("source-title").textContent = titleOf(source);
  const where = [
    source.path && el("span", { class: "path" }, source.path),
    pageText(source) && el("span", {}, pageText(source)),
    typeof source.support === "number" && el("span", {}, t("support", { percent: percent(source.support) })),
  ].filter(Boolean);
  $("source-where").replaceChildren(...where);
  $("source-notes").replaceChildren();
  $("source-facts").replaceChildren(...hash(source.content_sha256));
  $("full-page").href = fullPageUrl(source);
  $("copy-quote").hidden = cited === "";
}

function drawDocument(found) {
  const excerpt = new Excerpt({ text: found.text, start: source.start, end: source.end, pages: found.pages, scroller: body });
  cited = excerpt.cited;
  $("copy-quote").hidden = cited === "";
  body.lang = langOf(cited) || document.documentElement.lang;
  body.replaceChildren(...excerpt.nodes);
  excerpt.showCited();

  const notes = [];
  if (found.current === false) notes.push(t("not_current"));
  if (source.content_sha256 && found.content_sha256 && source.content_sha256 !== found.content_sha256) notes.push(t("hash_differs"));
  const differs = Boolean(source.quote) && plain(source.quote) !== plain(cited);
  if (differs) notes.push(`${t("quote_differs")} “${source.quote}”`);
  $("source-notes").replaceChildren(...notes.map((text) => el("p", { class: "note warn", role: "note" }, text)));
  const others = (found.paths || []).filter((path) => path !== source.path);
  if (others.length > 0) {
    $("source-where").append(el("span", { class: "path" }, `${t("also_at")}: ${others.join(t("list_separator"))}`));
  }
  const agrees = source.quote && !differs
    && el("span", { class: "verified" }, icon("check"), t("quote_matches"));
  $("source-facts").replaceChildren(...[agrees].filter(Boolean), ...hash(found.content_sha256 || source.content_sha256));
}

function drawProblem(problem) {
  body.replaceChildren(
    el("div", { class: "note danger", role: "note" },
      el("p", { class: "note-title" }, t("document_failed")),
      el("p", {}, [problem.title, problem.detail].filter((text) => text && text !== t("error_title")).join(" – "))),
    ...(source.quote ? [
      el("p", { class: "recorded" }, t("recorded_quote")),
      el("blockquote", { class: "doc-text", dir: "auto" }, el("mark", {}, source.quote)),
    ] : []));
}

function hash(sha256) {
  if (!sha256) return [];
  return [el("span", { title: `sha256:${sha256}` }, `${t("content_hash")} `, el("code", {}, sha256.slice(0, 12)))];
}

function plain(text) {
  return text.replace(/\s+/g, " ").trim();
}

function show() {
  const first = panel.hidden;
  panel.hidden = false;
  document.body.classList.add("panel-open");
  settle();
  if (narrow.matches && !history.state?.sourceOpen) history.pushState({ sourceOpen: true }, "");
  body.scrollTop = 0;
  $("source-title").focus({ preventScroll: true });
  if (first && !narrow.matches) opener.scrollIntoView({ block: "nearest" });
}

// On a narrow screen the panel covers the page, so the page must not be reachable behind it.
function settle() {
  const covers = isOpen() && narrow.matches;
  page.inert = covers;
  scrim.hidden = !covers;
  if (covers) panel.setAttribute("aria-modal", "true");
  else panel.removeAttribute("aria-modal");
}

export function start(say) {
  announce = say;
  $("source-close").addEventListener("click", closeSource);
  scrim.addEventListener("click", closeSource);
  narrow.addEventListener("change", settle);
  window.addEventListener("popstate", () => closeSource());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isOpen() && !event.isComposing) {
      event.preventDefault();
      closeSource();
    }
  });
  const label = $("copy-quote");
  label.addEventListener("click", () => {
    const place = [titleOf(source), source.path, pageText(source)].filter(Boolean).join(", ");
    const print = source.content_sha256 ? ` (sha256:${source.content_sha256})` : "";
    copyFrom(label, `“${cited}”\n${place}${print}`, announce);
  });
}
