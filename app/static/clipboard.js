// Copying text, also where the page is served over plain HTTP on a local network.
// Knows: the clipboard, and how a button says for a moment that it worked.
// Does not know: what is copied.

import { t } from "./strings.js";

async function put(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused by the browser: try the older way.
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  area.setAttribute("aria-hidden", "true");
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return done;
}

const pending = new WeakMap();

// Copies, and shows the outcome in `label` (the element in the button that holds its words).
export async function copyFrom(label, text, announce) {
  const done = await put(text);
  const outcome = done ? t("copied") : t("copy_failed");
  announce(outcome);
  const earlier = pending.get(label);
  if (earlier) clearTimeout(earlier.timer);
  const words = earlier ? earlier.words : label.textContent;
  label.textContent = outcome;
  const timer = setTimeout(() => {
    label.textContent = words;
    pending.delete(label);
  }, 1800);
  pending.set(label, { words, timer });
}
