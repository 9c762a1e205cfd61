// One question and what came back for it.
// Knows: the order in which an answer grows, and how its parts are put together.
// Does not know: the network. It is told what has come.

import { el, icon } from "./dom.js";
import { t, count, number, percent, langOf } from "./strings.js";
import { claimKey, gapAfter, nameOf, sentence, supported } from "./citations.js";
import * as part from "./answer.js";
import { copyFrom } from "./clipboard.js";
import { recordUrl } from "./api.js";

const STAGES = ["retrieving", "reading", "checking"];

export class Turn {
  #question;
  #collection;
  #open;
  #announce;
  #again;
  #claims = [];          // the sentences shown so far
  #sources = new Map();  // by number
  #answer;               // where the answer is drawn
  #body;                 // the sentences of it
  #progress;
  #words;

  constructor({ number: n, question, collection, openSource, announce, askAgain }) {
    this.#question = question;
    this.#collection = collection;
    this.#open = openSource;
    this.#announce = announce;
    this.#again = askAgain;
    this.#words = el("span", { class: "progress-words" });
    this.#progress = el("div", { class: "progress" },
      el("span", { class: "progress-track", "aria-hidden": "true" }, STAGES.map(() => el("i"))),
      this.#words);
    this.#body = el("div", { class: "prose" });
    this.#answer = el("div", { class: "answer", "aria-busy": "true" }, this.#body, this.#progress);
    this.element = el("article", { class: "turn", id: `turn-${n}`, "aria-labelledby": `question-${n}`, tabindex: "-1" },
      el("h2", { class: "asked", id: `question-${n}`, dir: "auto", lang: langOf(question) }, question),
      this.#answer);
    this.stage("retrieving");
  }

  stage(name) {
    const at = STAGES.indexOf(name);
    if (at < 0) return;
    this.#progress.dataset.stage = name;
    const words = t(`stage_${name}`);
    this.#words.textContent = words;
    this.#announce(words);
  }

  passages(list) {
    if (!Array.isArray(list) || list.length === 0) return;
    const titles = [...new Set(list.map((passage) => nameOf(passage.path) || passage.title))];
    let named = titles.slice(0, 2).join(t("list_separator"));
    if (titles.length > 2) named = t("and_more", { titles: named, n: number(titles.length - 2) });
    this.#words.textContent = t("reading_from", { passages: count("passages", list.length), titles: named });
  }

  claim(claim) {
    for (const source of claim.sources || []) this.#sources.set(source.n, source);
    if (supported([claim], this.#sources).length === 0) return;
    if (this.#body.childElementCount === 0) this.#body.append(el("p", { dir: "auto" }));
    const paragraph = this.#body.lastElementChild;
    const before = this.#claims.at(-1);
    if (before) paragraph.append(gapAfter(before.text));
    const drawn = sentence(claim, this.#sources, this.#open);
    drawn.classList.add("arriving");
    paragraph.append(drawn);
    this.#claims.push(claim);
    this.#words.textContent = `${t("stage_checking")} · ${count("sentence_checked", this.#claims.length)}`;
  }

  // The whole answer. What the stream had already drawn stays where it is if it is the same.
  finish(answer) {
    const streamed = this.#claims;
    this.#sources = part.sourceMap(answer.citations);
    this.#claims = supported(answer.claims, this.#sources);
    const open = this.#open;
    // An answer of which nothing may be shown is none, whatever its status says.
    const nothing = this.#claims.length === 0 && supported(answer.calculations, this.#sources).length === 0;
    const abstained = answer.status === "abstained" || nothing;
    const same = streamed.length === this.#claims.length
      && streamed.every((claim, i) => claimKey(claim) === claimKey(this.#claims[i]))
      && !part.hasBreaks(this.#claims, answer.answer);
    if (!same) {
      this.#body.replaceChildren(...part.paragraphs(this.#claims, answer.answer, this.#sources, open));
    }
    const withheld = (answer.dropped || 0) + (answer.claims || []).length - this.#claims.length;
    const above = [];
    const below = [];

    if (answer.notice) above.push(part.note(answer.notice, "warn"));
    if (answer.rewritten_question && answer.rewritten_question !== this.#question) {
      above.push(el("p", { class: "rewritten" }, el("span", { class: "label" }, t("searched_as")), " ",
        el("span", { dir: "auto", lang: langOf(answer.rewritten_question) }, answer.rewritten_question)));
    }
    if (abstained) above.push(...part.abstention(answer, open));
    else if (answer.reason === "sources_conflict") {
      above.push(part.note(t("reason_sources_conflict"), "warn", t("conflict_title")));
    }
    if (!abstained && answer.short_answer && this.#claims.length > 0) {
      above.push(part.shortAnswer(answer.short_answer, this.#claims, this.#sources, open));
    }

    below.push(part.calculations(answer.calculations, this.#sources, open));
    if (answer.unanswered?.length > 0) below.push(part.unanswered(answer.unanswered));
    else if (answer.status === "partial") below.push(part.note(t("partial_title")));
    if (withheld > 0) below.push(el("p", { class: "withheld" }, count("dropped", withheld)));
    const used = this.#used(answer.calculations);
    if (used.length > 0) below.push(part.sourceList(used, open));
    if (!abstained && answer.passages?.length > 0) below.push(part.passagesRead(answer.passages, open));
    below.push(this.#meta(answer, used));
    this.#close(above, below.filter(Boolean));
    this.element.dataset.status = answer.status;

    this.#announce(abstained
      ? this.#answer.querySelector(".abstained-title").textContent
      : t("answer_ready", {
        sentences: count("sentences", this.#claims.length),
        sources: count("sources", used.length),
      }));
  }

  fail(problem) {
    this.#cutShort("failed", part.note(this.#incomplete(problem.detail), "danger", problem.title));
    this.#announce(`${problem.title}. ${problem.detail}`);
  }

  stop() {
    this.#cutShort("stopped", part.note(this.#incomplete(t("stopped_text"), t("incomplete_text")), "", t("stopped_title")));
    this.#announce(t("stopped_title"));
  }

  #incomplete(alone, withClaims = null) {
    if (this.#claims.length === 0) return alone;
    return withClaims || [alone, t("incomplete_text")].filter(Boolean).join(" ");
  }

  #cutShort(status, message) {
    const used = this.#used();
    message.append(el("p", {}, el("button", { type: "button", class: "button", on: { click: () => this.#again(this.#question, this.#collection) } },
      icon("again"), t("ask_again"))));
    this.#close([], [message, used.length > 0 && part.sourceList(used, this.#open)].filter(Boolean));
    this.element.dataset.status = status;
  }

  #close(above, below) {
    this.#progress.remove();
    if (this.#claims.length === 0) this.#body.remove();
    this.#answer.prepend(...above);
    this.#answer.append(...below);
    this.#answer.removeAttribute("aria-busy");
  }

  // The sources that something shown rests on.
  #used(sums = []) {
    const numbers = new Set([...this.#claims, ...(sums || [])].flatMap((item) => item.citations || []));
    return [...this.#sources.values()].filter((source) => numbers.has(source.n)).sort((a, b) => a.n - b.n);
  }

  #meta(answer, used) {
    const facts = [
      this.#collection && t(answer.status === "abstained" ? "searched_in" : "answered_from", { collection: this.#collection }),
      typeof answer.confidence === "number" && t("confidence", { percent: percent(answer.confidence) }),
    ].filter(Boolean);
    const words = el("span", {}, t("copy_answer"));
    return el("div", { class: "meta" },
      el("p", { class: "facts-line" }, facts.map((fact) => el("span", { dir: "auto" }, fact))),
      el("div", { class: "meta-actions" },
        this.#claims.length > 0 && el("button", {
          type: "button",
          class: "button quiet copy-answer",
          on: { click: () => copyFrom(words, part.asText(this.#question, this.#claims, used), this.#announce) },
        }, icon("copy"), words),
        answer.id && el("a", {
          class: "button quiet record",
          href: recordUrl(answer.id),
          target: "_blank",
          rel: "noopener",
          "aria-label": `${t("record_label")} ${t("new_tab")}`,
        }, icon("record"), t("record"))));
  }
}
