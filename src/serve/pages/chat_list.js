// Lists the conversations: to open, rename and delete.
import {element} from "/kiln.js";
import {iconButton} from "/chat_text.js";

const kUndoTime = 20_000;  // milliseconds

export class ConversationList {
  #heads = [];  // the newest first
  #items = new Map();  // id -> its item
  #current = "";

  /** `list` takes the items, `note` what is to be said about them. `actions` are {rename, remove, restore}, see chat.js. */
  constructor(list, note, toast, actions) {
    this.list = list;
    this.note = note;
    this.toast = toast;
    this.actions = actions;
  }

  show(heads) {
    const focus = document.activeElement?.closest("#conversations li");
    const items = new Map(heads.map((head) => [head.id, this.#items.get(head.id) ?? new Item(this.actions)]));
    for (const head of heads) items.get(head.id).show(head);
    this.#heads = heads;
    this.#items = items;
    const elements = [...items.values()].map((item) => item.element);
    if (elements.some((one, index) => one !== this.list.children[index]) || elements.length < this.list.children.length) {
      this.list.replaceChildren(...elements);
      focus?.querySelector("a, input")?.focus();
    }
    this.#update();
  }

  /** Says why there is no list. */
  fail(message) {
    this.list.replaceChildren();
    this.note.textContent = message;
  }

  /** Puts what a saving has changed on top. */
  put(head) {
    this.#heads = [head, ...this.#heads.filter((other) => other.id !== head.id)];
    const item = this.#items.get(head.id) ?? new Item(this.actions);
    this.#items.set(head.id, item);
    item.show(head);
    this.#moveToTop(item);
    this.#update();
  }

  #moveToTop({element}) {
    const focus = element.contains(document.activeElement) ? document.activeElement : null;
    if (focus?.matches("input") || element === this.list.firstChild) return;  // a title is being typed there
    this.list.prepend(element);
    focus?.focus();
  }

  drop(id) {
    this.#heads = this.#heads.filter((head) => head.id !== id);
    this.#items.get(id)?.element.remove();
    this.#items.delete(id);
    this.#update();
  }

  /** Returns what the list knows of a conversation. */
  head(id) { return this.#heads.find((head) => head.id === id); }

  mark(id) {
    this.#current = id;
    this.#update();
  }

  /** Offers for a while to take a deletion back. */
  offerUndo(title, undo) {
    const close = () => this.toast.replaceChildren();
    this.toast.replaceChildren(element("span", {dir: "auto"}, `Deleted “${title}”.`),
      element("button", {type: "button", onclick: () => {
        close();
        undo();
      }}, "Undo"));
    clearTimeout(this.timer);
    const isInUse = () => this.toast.matches(":hover, :focus-within");
    const closeLater = () => this.timer = setTimeout(() => isInUse() ? closeLater() : close(), kUndoTime);
    closeLater();
  }

  #update() {
    this.note.textContent = this.#heads.length === 0 ? "None yet." : "";
    for (const [id, {link}] of this.#items) {
      if (id === this.#current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }
}

/** One conversation of the list. */
class Item {
  constructor(actions) {
    this.actions = actions;
    this.title = element("span", {class: "title", dir: "auto"});
    this.day = element("span", {class: "quiet"});
    this.link = element("a", {}, this.title, this.day);
    this.parts = [this.link, iconButton("edit", "", () => this.#rename()), iconButton("trash", "", () => this.#remove())];
    this.element = element("li", {}, ...this.parts);
  }

  show(head) {
    this.head = head;
    const title = head.title || "Without a title";
    this.title.textContent = title;
    this.day.textContent = dayOf(head.time);
    this.link.href = `#${head.id}`;
    this.link.title = `${title}\n${localTime(head.time)}`;
    for (const [part, act] of [[this.parts[1], "Rename"], [this.parts[2], "Delete"]]) {
      part.title = act;
      part.setAttribute("aria-label", `${act} ${title}`);
    }
  }

  #rename() {
    const input = element("input", {"aria-label": "Title", value: this.head.title, dir: "auto", maxLength: 200});
    let isOpen = true;
    const close = (title) => {
      if (!isOpen) return;
      isOpen = false;
      this.element.replaceChildren(...this.parts);
      if (title && title !== this.head.title) this.actions.rename(this.head, title);
    };
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();  // or the button that gets the focus would take the key too
      event.stopPropagation();
      close(event.key === "Enter" ? input.value.trim() : "");
      this.parts[1].focus();
    });
    input.addEventListener("blur", () => close(input.value.trim()));
    this.element.replaceChildren(input);
    input.select();
  }

  #remove() {
    const neighbour = this.element.nextElementSibling ?? this.element.previousElementSibling;
    this.actions.remove(this.head);
    (neighbour?.querySelector("a") ?? document.getElementById("new")).focus();
  }
}

function localTime(time) {
  const date = new Date(time);
  return isNaN(date) ? "" : date.toLocaleString();
}

/** Returns the time of today, and the date of other days. */
function dayOf(time) {
  const date = new Date(time);
  if (isNaN(date)) return "";
  const now = new Date();
  if (date.toDateString() === now.toDateString()) {
    return date.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"});
  }
  const isThisYear = date.getFullYear() === now.getFullYear();
  return date.toLocaleDateString([], {day: "numeric", month: "short", ...(!isThisYear && {year: "numeric"})});
}
