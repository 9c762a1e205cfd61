// Server-sent events, read from a fetch body.
// Knows: the wire format (lines ended by LF, CR or CRLF, cut anywhere; comments; data over
// several lines; an event counts only once its blank line has come).
// Does not know: what the events mean, HTTP, or the page.

export class EventParser {
  #tail = "";        // the start of a line whose end has not come yet
  #skipLf = false;   // the last piece ended in CR: an LF that opens the next belongs to it
  #name = "";
  #data = [];

  // Takes the next piece of text; gives the events that it completed.
  push(text) {
    const events = [];
    let start = 0;
    if (this.#skipLf && text.length > 0) {
      if (text[0] === "\n") start = 1;
      this.#skipLf = false;
    }
    for (let i = start; i < text.length; i += 1) {
      const c = text[i];
      if (c !== "\n" && c !== "\r") continue;
      this.#line(this.#tail + text.slice(start, i), events);
      this.#tail = "";
      if (c === "\r") {
        if (i + 1 === text.length) this.#skipLf = true;
        else if (text[i + 1] === "\n") i += 1;
      }
      start = i + 1;
    }
    this.#tail += text.slice(start);
    return events;
  }

  #line(line, events) {
    if (line === "") {
      if (this.#data.length > 0) {
        events.push({ name: this.#name || "message", data: this.#data.join("\n") });
      }
      this.#name = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment, such as a heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
  }
}

// Every event of a byte stream, as {name, data}. Leaving the loop early cancels the stream.
export async function* readEvents(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  let ended = false;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      ended = done;
      yield* parser.push(done ? decoder.decode() : decoder.decode(value, { stream: true }));
      if (done) return;
    }
  } finally {
    if (!ended) reader.cancel().catch(() => {});
  }
}
