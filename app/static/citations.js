// Citation buttons, and the sentences that carry them.
// Knows: a sentence is shown only with at least one source that can be opened.
// Does not know: where a source opens; that is the function it is given.

import { el } from "./dom.js";
import { t, langOf } from "./strings.js";

export function titleOf(source) {
  return source.title || nameOf(source.path) || source.document_id;
}

export function nameOf(path) {
  return (path || "").split("/").pop();
}

// Only these may be shown: a source to open is what makes a sentence one of Tenkyo's.
export function supported(items, sources) {
  return (items || []).filter((item) => (item.citations || []).some((n) => sources.has(n)));
}

export function citeButtons(item, sources, open) {
  const numbers = [...new Set(item.citations || [])].filter((n) => sources.has(n));
  return numbers.map((n) => {
    const source = sources.get(n);
    const label = t("source_label", { n, title: titleOf(source) });
    return el("button", {
      type: "button",
      class: "cite",
      "data-n": n,
      "aria-label": label,
      title: label,
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
      on: { click: (event) => open({ ...source, support: item.support ?? null }, event.currentTarget) },
    }, String(n));
  });
}

// One checked sentence. Its last word and first number stay on one line.
export function sentence(claim, sources, open) {
  const text = withoutMarkers(claim);
  const cut = lastWord(text);
  const [first, ...others] = citeButtons(claim, sources, open);
  return el("span", { class: "claim", lang: langOf(text) },
    el("span", { class: "claim-text" }, text.slice(0, cut)),
    el("span", { class: "keep" }, el("span", { class: "claim-text" }, text.slice(cut)), first),
    others);
}

export function claimKey(claim) {
  return JSON.stringify([claim.text, claim.citations]);
}

// The space between two sentences: none after Japanese ones.
export function gapAfter(text) {
  return /[\u3000-\u9fff\uf900-\ufaff\uff00-\uffef]\s*$/.test(text) ? "" : " ";
}

// Some answers carry their markers in the sentence as well: they are drawn as buttons instead.
export function withoutMarkers(claim) {
  let text = claim.text.trim();
  for (;;) {
    const found = /\s*\[(\d+)\]([.。]?)$/.exec(text);
    if (!found || !(claim.citations || []).includes(Number(found[1]))) return text;
    text = text.slice(0, found.index) + found[2];
  }
}

function lastWord(text) {
  const space = text.lastIndexOf(" ");
  const length = text.length - space - 1;
  if (space > 0 && length <= 16) return space + 1;
  const tail = Array.from(text.slice(-8)).slice(-2).join("");
  return /[\u3000-\u9fff\uff00-\uffef]/.test(tail) ? text.length - tail.length : text.length;
}
