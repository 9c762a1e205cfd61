// The question page: the box, and the list of questions and answers.
// Knows: sending, stopping, and which question is under way (one at a time).
// Does not know: how an answer is drawn (turn.js) or a source is opened (panel.js).

import { Turn } from "./turn.js";
import { ask, Problem } from "./api.js";
import { t } from "./strings.js";
import { openSource, start as startPanel } from "./panel.js";
import { copyFrom } from "./clipboard.js";

const $ = (id) => document.getElementById(id);
const form = $("ask-form");
const question = $("question");
const collection = $("collection"); // a select, a hidden input, or not there
const conversation = $("conversation");

const HISTORY = 6; // earlier questions that go with the next one, so that "it" can be understood

let asked = 0;
const history = []; // what was asked so far, oldest first
let running = null; // the AbortController of the question under way

function announce(text) {
  $("status").textContent = text;
}

function refresh() {
  $("send").disabled = question.disabled || question.value.trim() === "";
  $("send").hidden = running !== null;
  $("stop").hidden = running === null;
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight}px`;
}

async function send(text, scope) {
  if (running !== null || text === "") return;
  const controller = new AbortController();
  running = controller;
  asked += 1;
  const turn = new Turn({
    number: asked,
    question: text,
    collection: scope,
    openSource,
    announce,
    askAgain: send,
  });
  $("welcome")?.remove();
  conversation.append(turn.element);
  turn.element.scrollIntoView({ block: "start" });
  refresh();
  try {
    await follow(turn, ask(text, scope, history.slice(-HISTORY), controller.signal));
    history.push(text);
  } catch (error) {
    if (controller.signal.aborted) turn.stop();
    else turn.fail(error instanceof Problem ? error : new Problem(t("error_title"), t("error_protocol")));
    if (!(error instanceof Problem) && !controller.signal.aborted) console.error(error);
  } finally {
    if (document.activeElement === $("stop")) question.focus();
    running = null;
    refresh();
  }
}

async function follow(turn, events) {
  for await (const { name, data } of events) {
    if (name === "status") turn.stage(data.stage);
    else if (name === "passages") turn.passages(data.passages);
    else if (name === "claim") turn.claim(data);
    else if (name === "answer") {
      turn.finish(data);
      return;
    }
  }
  throw new Problem(t("error_title"), t("error_ended"));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (running !== null || text === "") return;
  question.value = "";
  if (matchMedia("(pointer: coarse)").matches) question.blur();
  else question.focus();
  send(text, collection?.value || null);
});

// Enter sends, except while an input method is still composing (keyCode 229 is Safari's sign of it).
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form.requestSubmit();
});

question.addEventListener("input", refresh);
$("stop").addEventListener("click", () => running?.abort());
$("copy-command")?.addEventListener("click", (event) => {
  copyFrom(event.currentTarget, $("empty-command").textContent, announce);
});

// The room the question box takes, for the space kept under the last answer.
const dock = $("dock");
new ResizeObserver(() => {
  document.documentElement.style.setProperty("--dock", `${dock.offsetHeight}px`);
}).observe(dock);

startPanel(announce);
refresh();
