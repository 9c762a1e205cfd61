// The words of the interface, in the language the server chose.
// Knows: the string table in the page, plurals, numbers, and how to tell Japanese from English.
// Does not know: where any of the words are shown.

const table = JSON.parse(document.getElementById("strings").textContent);
export const lang = document.documentElement.lang || "en";

const numbers = new Intl.NumberFormat(lang);
const plurals = new Intl.PluralRules(lang);

export function number(n) {
  return numbers.format(n);
}

// t("page_n", {n: 3}) → "page 3"
export function t(key, values = {}) {
  const words = Object.hasOwn(table, key) ? table[key] : key;
  return words.replace(/\{(\w+)\}/g, (whole, name) =>
    Object.hasOwn(values, name) ? String(values[name]) : whole);
}

// count("sources", 2) → "2 sources"
export function count(key, n) {
  const form = plurals.select(n) === "one" ? "one" : "other";
  return t(`${key}_${form}`, { n: number(n) });
}

export function has(key) {
  return Object.hasOwn(table, key);
}

export function percent(share) {
  return String(Math.round(Math.max(0, Math.min(1, share)) * 100));
}

// The language of a piece of content, for fonts and screen readers; null where it cannot be told.
export function langOf(text) {
  if (/[\u3040-\u30ff]/.test(text)) return "ja";
  if (/[a-z]{2,}/i.test(text) && !/[^\u0000-\u024f\u2000-\u206f]/.test(text)) return "en";
  return null;
}
