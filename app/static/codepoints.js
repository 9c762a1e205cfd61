// Offsets. The server counts Unicode code points; JavaScript strings count UTF-16 units.
// Knows: how to go from the one to the other in one text, quickly, many times.
// Does not know: documents, citations, or the page.

const STEP = 2048;

export class CodePointIndex {
  #text;
  #marks = null; // the unit offset of every STEP-th code point; null when the two counts agree
  #last = 0;     // the number of code points

  constructor(text) {
    this.#text = text;
    if (!/[\ud800-\udfff]/.test(text)) {
      this.#last = text.length;
      return;
    }
    this.#marks = [];
    let points = 0;
    for (let unit = 0; unit < text.length; unit += width(text, unit)) {
      if (points % STEP === 0) this.#marks.push(unit);
      points += 1;
    }
    this.#last = points;
  }

  get length() {
    return this.#last;
  }

  // The UTF-16 offset of a code-point offset; out-of-range offsets go to the nearer end.
  unit(point) {
    const wanted = Math.max(0, Math.min(Math.trunc(point) || 0, this.#last));
    if (this.#marks === null) return wanted;
    if (wanted === this.#last) return this.#text.length;
    let unit = this.#marks[Math.floor(wanted / STEP)];
    for (let left = wanted % STEP; left > 0; left -= 1) unit += width(this.#text, unit);
    return unit;
  }
}

// A place at or before `unit` that does not cut a surrogate pair in two.
export function wholeUnit(text, unit) {
  const inPair = unit > 0 && unit < text.length
    && isHigh(text.charCodeAt(unit - 1)) && isLow(text.charCodeAt(unit));
  return inPair ? unit - 1 : unit;
}

function width(text, unit) {
  return text.codePointAt(unit) > 0xffff ? 2 : 1;
}

function isHigh(code) {
  return code >= 0xd800 && code <= 0xdbff;
}

function isLow(code) {
  return code >= 0xdc00 && code <= 0xdfff;
}
