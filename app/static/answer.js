// The parts of an answer, from what the server sent.
// Knows: the shape of an answer object, and how each part of it is drawn.
// Does not know: streaming, the network, or how a source is opened.

import { el, icon } from "./dom.js";
import { t, count, has, number, langOf } from "./strings.js";
import { citeButtons, gapAfter, sentence, supported, titleOf, withoutMarkers } from "./citations.js";

export function sourceMap(citations) {
  return new Map((citations || []).map((source) => [source.n, source]));
}

// The sentences, in the paragraphs of the answer's own text.
export function paragraphs(claims, wholeText, sources, open) {
  const result = [];
  let current = null;
  let before = "";
  for (const { claim, opensParagraph } of withBreaks(claims, wholeText || "")) {
    if (current === null || opensParagraph) {
      current = el("p", { dir: "auto" });
      result.push(current);
    } else {
      current.append(gapAfter(before));
    }
    current.append(sentence(claim, sources, open));
    before = claim.text;
  }
  return result;
}

export function hasBreaks(claims, wholeText) {
  return withBreaks(claims, wholeText || "").some(({ opensParagraph }) => opensParagraph);
}

function withBreaks(claims, wholeText) {
  let at = 0;
  return claims.map((claim, index) => {
    const text = withoutMarkers(claim);
    const found = wholeText.indexOf(text, at);
    if (found < 0) return { claim, opensParagraph: false };
    const gap = wholeText.slice(at, found);
    at = found + text.length;
    return { claim, opensParagraph: index > 0 && gap.includes("\n") };
  });
}

// The exact words that answer, with the citation of the source they stand in.
export function shortAnswer(text, claims, sources, open) {
  return el("div", { class: "short-answer" },
    el("p", { class: "label" }, t("short_answer")),
    el("p", { class: "short-answer-text" },
      el("span", { class: "short-answer-words", dir: "auto", lang: langOf(text) }, text), " ",
      citeButtons(basis(text, claims, sources), sources, open)));
}

function basis(text, claims, sources) {
  const holds = (whole) => (whole || "").replace(/\s+/g, " ").includes(text.replace(/\s+/g, " ").trim());
  for (const claim of claims) {
    const n = claim.citations.find((number) => holds(sources.get(number)?.quote));
    if (n !== undefined) return { ...claim, citations: [n] };
  }
  return claims.find((claim) => holds(claim.text)) || claims[0];
}

export function note(text, kind = "", title = null) {
  return el("div", { class: `note ${kind}`.trim(), role: "note" },
    title && el("p", { class: "note-title" }, title),
    el("p", { dir: "auto" }, text));
}

export function calculations(items, sources, open) {
  const shown = supported(items, sources);
  if (shown.length === 0) return null;
  return el("section", { class: "part" },
    el("h3", { class: "label" }, t("calculations_heading")),
    el("ul", { class: "calculations" }, shown.map((item) => el("li", {},
      el("span", { class: "sum" },
        el("span", { class: "expression" }, String(item.expression)), " = ",
        el("strong", {}, String(item.result))),
      " ", citeButtons(item, sources, open)))));
}

export function unanswered(items) {
  return el("section", { class: "part" },
    el("h3", { class: "label" }, t("unanswered_heading")),
    el("ul", { class: "unanswered" },
      items.map((text) => el("li", { dir: "auto", lang: langOf(text) }, text))));
}

// The sources of the sentences shown, in order of their numbers.
export function sourceList(used, open) {
  const rows = used.map((source) => {
    const label = t("source_label", { n: source.n, title: titleOf(source) });
    return el("li", {}, el("button", {
      type: "button",
      class: "source-row",
      "data-n": source.n,
      "aria-label": label,
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
      on: { click: (event) => open(source, event.currentTarget) },
    },
    el("span", { class: "chip" }, String(source.n)),
    el("span", { class: "row-text" },
      placeLine(source),
      source.quote && el("span", { class: "row-quote", dir: "auto", lang: langOf(source.quote) }, source.quote))));
  });
  return el("section", { class: "part sources" },
    el("h3", { class: "label" }, t("sources_heading")),
    el("ol", { class: "rows" }, rows));
}

export function passageList(passages, open) {
  return el("ol", { class: "rows" }, passages.map((passage) => el("li", {}, el("button", {
    type: "button",
    class: "source-row",
    "aria-label": t("passage_label", { title: titleOf(passage) }),
    "aria-haspopup": "dialog",
    "aria-expanded": "false",
    on: { click: (event) => open({ ...passage, passage: true }, event.currentTarget) },
  },
  icon("document", "icon row-icon"),
  el("span", { class: "row-text" },
    placeLine(passage),
    el("span", { class: "row-quote", dir: "auto", lang: langOf(passage.text || "") }, (passage.text || "").trim()))))));
}

export function passagesRead(passages, open) {
  return el("details", { class: "part read" },
    el("summary", {}, count("all_passages", passages.length)),
    passageList(passages, open));
}

function placeLine(source) {
  const title = titleOf(source);
  const path = source.path && source.path !== title ? source.path : null;
  return el("span", { class: "row-place" },
    el("span", { class: "row-title", dir: "auto" }, title),
    path && el("span", { class: "row-path" }, path),
    pageText(source) && el("span", { class: "row-path" }, pageText(source)));
}

export function pageText(source) {
  return source.page === null || source.page === undefined ? null : t("page_n", { n: number(source.page) });
}

// What is shown in place of an answer: why there is none, and what came nearest.
export function abstention(answer, open) {
  const special = {
    sources_conflict: "conflict_title",
    question_not_understood: "not_understood_title",
  }[answer.reason];
  const reason = `reason_${answer.reason}`;
  const nearest = answer.passages || [];
  const supports = answer.reason === "sources_conflict";
  return [
    el("div", { class: "abstained" },
      icon("brackets", "empty-mark"),
      el("div", {},
        el("h3", { class: "abstained-title" }, t(special || "abstained_title")),
        el("p", {}, has(reason) ? t(reason) : t("abstained_text")))),
    nearest.length > 0 && el("section", { class: "part nearest" },
      el("h3", { class: "label" }, t("nearest_heading")),
      !supports && el("p", { class: "part-text" }, t("nearest_text")),
      passageList(nearest, open)),
  ].filter(Boolean);
}

// The answer as plain text, with its markers and a list of its sources.
export function asText(question, claims, used) {
  const sentences = claims.map((claim) => {
    const text = withoutMarkers(claim);
    const gap = gapAfter(text);
    const markers = used.filter(({ n }) => claim.citations.includes(n)).map(({ n }) => `[${n}]`);
    return text + gap + markers.join("") + gap;
  });
  const list = used.map((source) => {
    const title = titleOf(source);
    const place = [title, source.path === title ? null : source.path, pageText(source)].filter(Boolean);
    const hash = source.content_sha256 ? ` (sha256:${source.content_sha256})` : "";
    return `[${source.n}] ${place.join(", ")}${hash}\n    “${source.quote}”`;
  });
  return `${question}\n\n${sentences.join("").trim()}\n\n${t("sources_heading")}\n${list.join("\n")}\n`;
}
