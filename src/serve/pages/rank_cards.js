// Shows a prompt and its answers, all as text.
import {element} from "/kiln.js";
import {letterOf} from "/rank_order.js";

/** Makes a text that may be of any length and in any script. */
function textBlock(text) {
  return text.trim() ? element("div", {class: "text", dir: "auto"}, text) : element("div", {class: "text quiet"}, "(empty)");
}

/** Returns the messages of a conversation. */
export function promptView(messages) {
  return messages.map(({role, content}) => element("div", {class: `message ${role}`},
    element("span", {class: "role quiet"}, role), textBlock(content)));
}

/** The answers side by side. `onToggle(place)` is called when one is chosen or taken out. */
export class Cards {
  constructor(container, onToggle) { Object.assign(this, {container, onToggle, cards: []}); }

  show(answers) {
    this.cards = answers.map((text, place) => this.#card(text, place));
    this.container.replaceChildren(...this.cards.map(({card}) => card));
    this.container.className = `answers of-${Math.min(answers.length, 4)}`;
  }

  update(order) {
    this.cards.forEach(({card, button, rank}, place) => {
      const text = order.rankText(place);
      card.classList.toggle("chosen", text !== "");
      button.setAttribute("aria-pressed", order.has(place));
      rank.textContent = text;
    });
  }

  #card(text, place) {
    const letter = letterOf(place), rank = element("span", {class: "rank", "aria-live": "off"});
    const button = element("button", {type: "button", class: "letter", "data-place": String(place),
      "aria-label": `Answer ${letter}`, "aria-pressed": "false"}, letter);
    const card = element("article", {class: "answer panel", "aria-label": `Answer ${letter}`,
      onclick: ({target}) => { if (target === button || getSelection().isCollapsed) this.onToggle(place); }},
      element("div", {class: "row answer-head"}, button, rank), textBlock(text));
    return {card, button, rank};
  }
}
