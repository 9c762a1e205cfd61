// Building blocks for the page's elements.
// Knows: how to make elements, text and icons without ever parsing markup from data.
// Does not know: anything about questions, answers or documents.

// el("p", {class: "note", on: {click}}, "text", child, …); null and false children are left out.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  add(node, children);
  return node;
}

export function add(node, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child);
  }
}

const ICONS = {
  brackets: ["0 0 48 32", "M12 4H5v24h7M36 4h7v24h-7"],
  copy: ["0 0 20 20", "M7.5 7.5h8v8h-8zM4.5 12.5v-8h8"],
  record: ["0 0 20 20", "M5.5 3.5h6l3 3v10h-9zM8 10h4M8 13h4"],
  again: ["0 0 20 20", "M15.5 10a5.5 5.5 0 1 1-1.7-4M15.5 3.5v3h-3"],
  document: ["0 0 20 20", "M5.5 3.5h6l3 3v10h-9z"],
  check: ["0 0 20 20", "M4.5 10.5l3.5 3.5 7.5-8"],
};

export function icon(name, className = "icon") {
  const [box, path] = ICONS[name];
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", box);
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
