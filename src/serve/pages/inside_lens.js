// Shows the logit lens: what the model would say if it ended at each layer.
import {element} from "/kiln.js";
import {percent, plain, quoted, section, shown} from "/inside_text.js";

const kColours = [["probability", "its own word"], ["answer", "the model's answer"], ["next", "the true next token"]];

function nameOf(layer, last) {
  if (layer === 0) return "Embedding";
  return layer === last ? `Layer ${layer}, the answer` : `Layer ${layer}`;
}

export class Lens {
  constructor(view) {
    this.view = view;
    this.by = "probability";
    const choice = element("select", {onchange: () => { this.by = choice.value; this.draw(view); }},
      ...kColours.map(([value, name]) => element("option", {value}, name)));
    this.table = element("table", {class: "lens"});
    this.said = element("p", {class: "quiet", "aria-live": "polite"});
    this.element = section("lens", "What each layer would say",
      "Each cell is the word that the model would predict if it ended at that layer; the stronger the colour, the more " +
        "probable.",
      element("label", {class: "row"}, "The colour shows the probability of", choice),
      element("div", {class: "scroll", tabIndex: 0, role: "region",
        "aria-label": "Layers by tokens; the left and right arrow keys choose a token",
        onkeydown: (event) => this.move(event)}, this.table), this.said);
  }

  draw(view) {
    if (!view.layers?.lens) return;
    const lens = view.layers.lens, last = lens.length - 1;
    const head = element("tr", {}, element("td", {}), ...view.tokens.map((token, i) =>
      element("th", {scope: "col", "data-at": i}, ...shown(token.text))));
    const rows = lens.map((cells, layer) => element("tr", {}, element("th", {scope: "row"}, nameOf(layer, last)),
      ...cells.map((cell, i) => {
        const value = cell[this.by];
        const made = element("td", {"data-at": i, class: value > 0.55 ? "deep" : "",
          title: `${plain(cell.text)}: ${percent(cell.probability)}`}, ...shown(cell.text));
        made.style.setProperty("--p", value ?? 0);
        return made;
      })));
    this.table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
    this.table.onclick = (event) => {
      const cell = event.target.closest("[data-at]");
      if (cell) view.choose(Number(cell.dataset.at));
    };
    this.select(view);
  }

  select(view) {
    if (!view.layers?.lens) return;
    for (const cell of this.table.querySelectorAll(".chosen")) cell.classList.remove("chosen");
    for (const cell of this.table.querySelectorAll(`[data-at="${view.position}"]`)) cell.classList.add("chosen");
    const answers = view.layers.lens.map((cells) => cells[view.position]);
    const answer = answers.at(-1), first = answers.findIndex((cell) => cell.id === answer.id);
    this.said.textContent = `After ${quoted(view.tokens[view.position].text)} the answer is ${quoted(answer.text)} ` +
      `(${percent(answer.probability)}); ${nameOf(first, answers.length - 1).split(",")[0].toLowerCase()} is the first ` +
      "to say so.";
  }

  move(event) {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step) return;
    event.preventDefault();
    this.view.choose(this.view.position + step);
    this.table.querySelector(".chosen")?.scrollIntoView({block: "nearest", inline: "nearest"});
  }
}
