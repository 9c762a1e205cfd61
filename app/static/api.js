// The server, as the page sees it.
// Knows: the two routes the page calls, their headers, and RFC 9457 problems.
// Does not know: how anything is shown.

import { readEvents } from "./sse.js";
import { t } from "./strings.js";

const root = document.documentElement.dataset.root || "";

export class Problem extends Error {
  constructor(title, detail = "", status = null) {
    super(title);
    this.title = title;
    this.detail = detail;
    this.status = status;
  }

  static from(body, status = null) {
    const known = body !== null && typeof body === "object" ? body : {};
    const code = known.status ?? status;
    return new Problem(
      known.title || t("error_title"),
      known.detail || (known.title || code === null ? "" : t("error_status", { status: code })),
      code,
    );
  }
}

async function reach(path, options) {
  let response;
  try {
    response = await fetch(root + path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(t("error_title"), t("error_network"));
  }
  if (response.ok) return response;
  let body = null;
  try {
    body = await response.json();
  } catch {
    // Not JSON: the status alone has to do.
  }
  throw Problem.from(body, response.status);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(t("error_title"), t("error_protocol"));
  }
}

// The events of one question, as {name, data}. An error event is thrown as a Problem.
export async function* ask(question, collection, earlier, signal) {
  const response = await reach("/ask", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ question, collection, history: earlier.map((asked) => ({ question: asked })) }),
    signal,
  });
  const kind = response.headers.get("Content-Type") || "";
  if (kind.startsWith("application/json")) {
    yield { name: "answer", data: parse(await response.text()) };
    return;
  }
  if (!kind.startsWith("text/event-stream") || response.body === null) {
    throw new Problem(t("error_title"), t("error_protocol"));
  }
  try {
    for await (const { name, data } of readEvents(response.body)) {
      const value = parse(data);
      if (name === "error") throw Problem.from(value);
      yield { name, data: value };
    }
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new Problem(t("error_title"), t("error_ended"));
  }
}

// Documents are large and several citations often rest on one: keep a few for a minute.
// Not for longer, because whether a version is current may change.
const KEEP = 4;
const KEEP_MS = 60_000;
const kept = new Map();

export async function getDocument(id, signal) {
  const held = kept.get(id);
  if (held && Date.now() - held.since < KEEP_MS) return held.document;
  const response = await reach(`/documents/${encodeURIComponent(id)}`, {
    headers: { Accept: "application/json" },
    signal,
  });
  const body = parse(await response.text());
  if (typeof body.text !== "string") throw new Problem(t("error_title"), t("error_protocol"));
  kept.delete(id);
  kept.set(id, { document: body, since: Date.now() });
  if (kept.size > KEEP) kept.delete(kept.keys().next().value);
  return body;
}

export function fullPageUrl({ document_id: id, start, end }) {
  return `${root}/documents/${encodeURIComponent(id)}?start=${start}&end=${end}#cited`;
}

export function recordUrl(id) {
  return `${root}/answers/${encodeURIComponent(id)}`;
}
