// Lists the runs of the folder: a filter, a check box and a colour for each, and how far it is.
import {element} from "/kiln.js";
import {brief, duration, valueText} from "/runs_curves.js";

const kColors = 10;
const kDashes = [null, [7, 4], [2, 3], [8, 3, 2, 3]];
const kMostChecked = 6;  // of a first visit
const kColorsName = "kiln-run-colors";  // of what the browser keeps: the runs in the order of their colours
const kMostKept = 500;

/** Returns the figure that stands for a run: how good it is now. */
function figureOf({last}) {
  for (const [key, name] of [["validation/gold", "gold"], ["validation/reward", "reward"], ["validation_loss", "validation loss"],
    ["loss", "loss"]]) {
    if (key in last) return {name, value: last[key]};
  }
  return null;
}

/** Returns the settings of a run that are not the defaults, such as "model.n_layers=4", for the filter. */
function settingsOf(config, path = "") {
  if (config === null || typeof config !== "object" || Array.isArray(config)) return [`${path}=${JSON.stringify(config)}`];
  return Object.entries(config).flatMap(([key, value]) => settingsOf(value, path ? `${path}.${key}` : key));
}

function keptNames() {
  try {
    return JSON.parse(localStorage.getItem(kColorsName)) ?? [];
  } catch {
    return [];
  }
}

/** The list. `onchange` is called when other runs are checked. */
export class RunList {
  constructor(checked, onchange) {
    Object.assign(this, {runs: [], checked: checked && new Set(checked), onchange, items: new Map()});
    this.colors = new Map(keptNames().map((name, i) => [name, i]));
    this.filter = element("input", {type: "search", placeholder: "Filter: name or setting", "aria-label": "Filter runs",
      title: "Words of a name, or of a setting such as n_layers=4", oninput: () => this.apply()});
    this.all = element("button", {class: "plain", onclick: () => this.check(true)}, "all");
    this.none = element("button", {class: "plain", onclick: () => this.check(false)}, "none");
    this.count = element("span", {class: "quiet"});
    this.list = element("ul", {class: "list", "aria-label": "Runs", onkeydown: (event) => this.key(event)});
    this.element = element("details", {class: "side", open: innerWidth > 800},
      element("summary", {}, element("h1", {}, "Runs"), this.count),
      element("div", {class: "row tools"}, this.filter, this.all, this.none), this.list);
  }

  /** Takes the runs as the server lists them, the last changed first. */
  update(runs) {
    this.runs = runs.toSorted((a, b) => b.is_training - a.is_training || b.changed - a.changed || (a.name < b.name ? -1 : 1));
    this.checked ??= new Set(this.runs.slice(0, kMostChecked).map(({name}) => name));
    for (const {name} of runs.toSorted((a, b) => a.changed - b.changed)) this.colorOf(name);
    const names = new Set(runs.map(({name}) => name));
    for (const [name, item] of this.items) {
      if (names.has(name)) continue;
      item.element.remove();
      this.items.delete(name);
    }
    for (const run of this.runs) {
      if (!this.items.has(run.name)) this.items.set(run.name, this.item(run.name));
      this.fill(this.items.get(run.name), run);
    }
    const order = this.runs.map(({name}) => this.items.get(name).element);
    if (order.some((one, i) => this.list.children[i] !== one)) {
      const focused = document.activeElement;
      this.list.replaceChildren(...order);
      if (this.list.contains(focused)) focused.focus();
    }
    this.apply();
  }

  shown() { return this.runs.filter(({name}) => this.checked.has(name)); }

  /** Returns which colour and which dashes a run has; it keeps them. */
  colorOf(name) {
    if (!this.colors.has(name)) {
      this.colors.set(name, this.colors.size);
      localStorage.setItem(kColorsName, JSON.stringify([...this.colors.keys()].slice(-kMostKept)));
    }
    const number = this.colors.get(name);
    return {color: number % kColors, dash: kDashes[Math.floor(number / kColors) % kDashes.length]};
  }

  item(name) {
    const box = element("input", {type: "checkbox", onchange: () => {
      if (box.checked) this.checked.add(name);
      else this.checked.delete(name);
      this.apply();
      this.onchange();
    }});
    box.className = `run-${this.colorOf(name).color}`;
    const figure = element("span", {class: "figure"}), about = element("span", {class: "about quiet"});
    const state = element("span", {class: "state"});
    const only = element("button", {class: "plain only", "aria-label": `Show only ${name}`, title: "Show only this run",
      onclick: () => {
        this.checked = new Set([name]);
        this.apply();
        this.onchange();
      }}, "only");
    const label = element("label", {}, box, element("span", {class: "name", title: name}, name), state, figure, about);
    return {box, figure, about, state, element: element("li", {}, label, only)};
  }

  fill(item, run) {
    const {step, total_steps: total, tokens, seconds, is_training: trains, objective, problems} = run;
    const shown = figureOf(run);
    item.figure.textContent = shown ? valueText(shown.value) : "";
    item.figure.title = shown ? shown.name : "";
    const of = total && step < total ? ` of ${brief(total)}` : "";
    item.about.textContent = [objective === "next_token" ? "" : objective, step ? `step ${brief(step)}${of}` : "no step yet",
      step ? duration(seconds) : ""].filter(Boolean).join(" · ");
    item.about.title = `${brief(tokens)} tokens`;
    item.state.textContent = trains ? "training" : problems.length ? "damaged" : "";
    item.state.className = trains ? "state trains" : "state error";
    item.state.title = problems.join("\n");
    item.settings = `${run.name} ${objective} ${settingsOf(run.config).join(" ")}`.toLowerCase();
  }

  /** Applies the filter and the checks. */
  apply() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let visible = 0;
    for (const [name, {element: li, box, settings}] of this.items) {
      const fits = words.every((word) => settings.includes(word));
      li.classList.toggle("hidden", !fits);
      visible += fits;
      box.checked = this.checked.has(name);
    }
    const checked = this.shown().length;
    this.count.textContent = `${checked} of ${this.runs.length} shown` + (words.length ? `, ${visible} listed` : "");
  }

  check(isChecked) {
    for (const [name, {element: li}] of this.items) {
      if (li.classList.contains("hidden")) continue;
      if (isChecked) this.checked.add(name);
      else this.checked.delete(name);
    }
    this.apply();
    this.onchange();
  }

  /** Moves between the check boxes by arrow keys. */
  key(event) {
    const way = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (!way) return;
    const boxes = [...this.list.querySelectorAll("li:not(.hidden) input")];
    const next = boxes[boxes.indexOf(document.activeElement) + way];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
}
