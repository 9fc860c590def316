// Writes tokens and probabilities as people read them, and knows the page's colours for canvases.
import {element} from "/kiln.js";

const kMarks = [[/\n/g, "↵"], [/\t/g, "⇥"], [/[\u0000-\u001f\u007f]/g, "▯"]];

/** Returns a token's text with signs for white space. */
export function plain(text) {
  let shown = text.replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length));
  for (const [pattern, mark] of kMarks) shown = shown.replace(pattern, mark);
  return shown || "∅";
}

/** Returns a token's text as nodes: the signs for white space are quiet. */
export function shown(text) {
  return plain(text).split(/([·↵⇥▯∅]+)/).filter(Boolean)
    .map((part) => /[·↵⇥▯∅]/.test(part) ? element("span", {class: "mark"}, part) : part);
}

/** Returns a token's text for a sentence, in quotes. */
export function quoted(text) {
  return `“${plain(text)}”`;
}

export function percent(probability) {
  if (probability >= 0.0995) return `${(100 * probability).toFixed(0)} %`;
  if (probability >= 0.00095) return `${(100 * probability).toFixed(1)} %`;
  return probability > 1e-8 ? `1 in ${Number((1 / probability).toPrecision(2)).toLocaleString("en")}` : "never";
}

export function count(number) {
  return number.toLocaleString("en");
}

/** Returns a number with three significant digits. */
export function brief(number) {
  if (number === null) return "not finite";
  const size = Math.abs(number);
  return size !== 0 && (size < 0.001 || size >= 100000) ? number.toExponential(1) : String(Number(number.toPrecision(3)));
}

/** Returns a colour of kiln.css as it is now, in light or dark. */
export function colour(name) {
  const probe = element("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Calls `draw` when the system turns to light or dark, and when the element changes its size. */
export function redraw(observed, draw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = 0;
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now !== width) draw();
    width = now;
  }).observe(observed);
}

/** Makes a section of the page: a heading, the sentence that says what its picture shows, and a place for it. */
export function section(id, title, sentence, ...children) {
  return element("section", {class: "panel part", id, "aria-labelledby": `${id}-title`},
    element("h2", {id: `${id}-title`}, title), element("p", {class: "says"}, sentence), ...children);
}
