// A window on a long text around some words of it.
// Knows: which part of the text is shown, how it grows, and where the pages in it start.
// Does not know: documents on the server, panels, or citations.

import { el } from "./dom.js";
import { t, number } from "./strings.js";
import { CodePointIndex, wholeUnit } from "./codepoints.js";

const AROUND = 6_000;  // characters shown on either side at first
const MORE = 20_000;   // characters added by one press

export class Excerpt {
  #text;
  #scroller;
  #from;
  #to;
  #start; // the cited words, in UTF-16 units
  #end;
  #pages;
  #holder = el("div", { class: "doc-text", id: "source-text", dir: "auto" });
  #before = el("div", { class: "edge" });
  #after = el("div", { class: "edge" });

  // `start` and `end` are code points, as are the pages' starts; `scroller` is what scrolls.
  constructor({ text, start, end, pages, scroller }) {
    const index = new CodePointIndex(text);
    this.#text = text;
    this.#scroller = scroller;
    this.#start = index.unit(start);
    this.#end = Math.max(this.#start, index.unit(end));
    this.#pages = (pages || []).map((page) => ({ number: page.number, unit: index.unit(page.start) }));
    this.#from = this.#edge(this.#start - AROUND);
    this.#to = this.#edge(this.#end + AROUND);
    this.nodes = [this.#before, this.#holder, this.#after];
    this.#draw();
  }

  get cited() {
    return this.#text.slice(this.#start, this.#end);
  }

  showCited() {
    const mark = this.#holder.querySelector("mark");
    if (!mark) return;
    const box = this.#scroller.getBoundingClientRect();
    const top = mark.getBoundingClientRect().top - box.top + this.#scroller.scrollTop;
    this.#scroller.scrollTop = Math.max(0, top - Math.min(box.height * 0.28, 180));
  }

  // A shown edge close to the text's own edge goes all the way; otherwise to the start of a line.
  #edge(unit) {
    if (unit < AROUND / 6) return 0;
    if (unit > this.#text.length - AROUND / 6) return this.#text.length;
    const line = this.#text.lastIndexOf("\n", unit) + 1;
    return unit - line < 400 && line > 0 ? line : wholeUnit(this.#text, unit);
  }

  #draw() {
    const mark = el("mark", { class: "cited" }, ...this.#pieces(this.#start, this.#end));
    this.#holder.replaceChildren(
      ...this.#pieces(this.#from, this.#start),
      ...(this.#end > this.#start ? [mark] : []),
      ...this.#pieces(this.#end, this.#to),
    );
    this.#drawEdge(this.#before, this.#from, "show_before", "document_start", () => this.#grow(-MORE));
    this.#drawEdge(this.#after, this.#text.length - this.#to, "show_after", "document_end", () => this.#grow(MORE));
  }

  // Text, with an empty element where a page starts: its label is drawn by CSS, so that the
  // text on the page stays exactly the document's text.
  #pieces(from, to) {
    const pieces = [];
    let at = from;
    for (const page of this.#pages) {
      if (page.unit < from || page.unit >= to) continue;
      pieces.push(this.#text.slice(at, page.unit));
      pieces.push(el("span", { class: "page-start", "data-label": t("page_of", { n: number(page.number) }) }));
      at = page.unit;
    }
    pieces.push(this.#text.slice(at, to));
    return pieces.filter((piece) => piece !== "");
  }

  #drawEdge(place, left, action, end, press) {
    place.replaceChildren(left > 0
      ? el("button", { type: "button", class: "button", on: { click: press } },
        t(action), el("span", { class: "faint" }, t("more_characters", { n: number(left) })))
      : el("span", { class: "faint" }, t(end)));
  }

  #grow(by) {
    const { scrollTop, scrollHeight } = this.#scroller;
    const edge = by < 0 ? this.#before : this.#after;
    const hadFocus = edge.contains(document.activeElement);
    if (by < 0) this.#from = this.#edge(this.#from + by);
    else this.#to = this.#edge(this.#to + by);
    this.#draw();
    this.#scroller.scrollTop = by < 0 ? scrollTop + this.#scroller.scrollHeight - scrollHeight : scrollTop;
    if (hadFocus) (edge.querySelector("button") || this.#scroller).focus({ preventScroll: true });
  }
}
