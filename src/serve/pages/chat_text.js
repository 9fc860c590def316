// Shows texts of models and people as text, piece by piece, and lets people edit them.
import {element, shape} from "/kiln.js";

const kPartLength = 4000;  // characters, after which a line feed begins a part: a frame lays out the last part only

/** Makes an icon of chat.html. */
export function icon(name) {
  return shape("svg", {class: "icon", "aria-hidden": "true"}, shape("use", {href: `#icon-${name}`}));
}

/** Makes a button with an icon, and a label for screen readers and as a hint. */
export function iconButton(name, label, onclick, attributes = {}) {
  return element("button", {type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes},
    icon(name));
}

/** A text that grows at its end, at most once a frame. */
export class GrowingText {
  #waiting = "";
  #frame = 0;
  #length = 0;

  /** `onGrown` is called after each change of the page. */
  constructor(text, onGrown = () => {}) {
    this.element = element("div", {class: "text"});
    this.onGrown = onGrown;
    this.#waiting = text;
    this.flush();
  }

  append(piece) {
    this.#waiting += piece;
    this.#frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    let text = this.#waiting;
    this.#waiting = "";
    if (!this.element.firstChild) this.#addPart();
    while (text) {
      const end = text.indexOf("\n", Math.max(0, kPartLength - this.#length));
      const piece = end < 0 ? text : text.slice(0, end);
      this.element.lastChild.firstChild.appendData(piece);
      this.#length += piece.length;
      text = text.slice(piece.length + (end < 0 ? 0 : 1));  // the border of two parts stands for the line feed
      if (end >= 0) this.#addPart();
    }
    this.onGrown();
  }

  #addPart() {
    this.element.append(element("div", {dir: "auto"}, document.createTextNode("")));
    this.#length = 0;
  }
}

/** Returns the control that leads through the versions of a message; "" for a single one. */
export function versionControl(count, current, what, show) {
  if (count < 2) return "";
  const step = (by, name, label) => iconButton(name, label, () => show(current + by),
    {disabled: current + by < 0 || current + by >= count, "data-act": name});
  return element("span", {class: "versions", role: "group", "aria-label": `Versions of ${what}`},
    step(-1, "left", "Earlier version"),
    element("span", {"aria-label": `Version ${current + 1} of ${count}`, role: "img"}, `${current + 1}/${count}`),
    step(1, "right", "Later version"));
}

/** Lets a person edit a text where it stands. `onDone(text)` gets the new text, or null if it is to stay. */
export function textEditor(label, text, action, onDone) {
  const area = element("textarea", {"aria-label": label, dir: "auto", rows: 3});
  area.value = text;
  const save = () => onDone(area.value.trim() && area.value !== text ? area.value : null);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") onDone(null);
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  area.addEventListener("input", () => fitHeight(area));
  const form = element("div", {class: "editor"}, area, element("div", {class: "row"},
    element("button", {type: "button", class: "main", onclick: save}, action),
    element("button", {type: "button", onclick: () => onDone(null)}, "Cancel"),
    element("span", {class: "quiet"}, "Ctrl+Enter, Esc")));
  queueMicrotask(() => {
    fitHeight(area);
    area.focus();
  });
  return form;
}

/** Gives a text area the height of its text, up to what its style allows. */
export function fitHeight(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`;
}

/** Copies a text. Without a secure connection there is no clipboard to write to, but a selection can be copied. */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = element("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("the browser does not let pages copy");
}
