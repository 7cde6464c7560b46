/** Makes elements from data; what comes from outside goes in as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";
const STROKES = {
  check: "M3 8.5l3.2 3.2L13 4.6",
  cross: "M4 4l8 8M12 4l-8 8",
  pencil: "M10.6 2.9l2.5 2.5L5.7 12.8l-3.2.7.7-3.2z",
};

/** `element("p", {class: "x", hidden: true}, "text", child)`; null children are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value != null) made.setAttribute(attribute, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** A small line drawing in the colour of the text; it only repeats what the words beside it say. */
export function symbol(name) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 16 16");
  drawing.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  const strokes = { d: STROKES[name], fill: "none", stroke: "currentColor", "stroke-width": "2", "stroke-linecap": "round" };
  for (const [attribute, value] of Object.entries(strokes)) path.setAttribute(attribute, value);
  drawing.append(path);
  return drawing;
}
