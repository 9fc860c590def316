// Shows beside the curves: the runs' samples, how two configs differ, and the latest values as a table.
import {ask, element} from "/kiln.js";
import {valueText} from "/runs_curves.js";

const kMostTried = 8;  // runs, for one with samples

function choice(label, onchange) {
  const select = element("select", {onchange});
  return {select, label: element("label", {class: "row"}, element("span", {class: "quiet"}, label), select)};
}

/** Puts names into a select, and keeps what was chosen where it can. */
function setOptions(select, names, preferred = 0) {
  const before = select.value;
  if ([...select.options].map(({value}) => value).join("\n") === names.join("\n")) return;
  select.replaceChildren(...names.map((name) => element("option", {value: name}, name)));
  select.value = names.includes(before) ? before : names[Math.min(preferred, names.length - 1)] ?? "";
}

/** Samples of one run, one at a time: the latest, or the one at the crosshair. */
export class Samples {
  constructor() {
    this.run = choice("of", () => {
      this.isChosen = true;
      this.load();
    });
    this.where = element("output", {class: "quiet"});
    this.slider = element("input", {type: "range", min: 0, "aria-label": "Sample", oninput: () => {
      this.follows = this.slider.value === this.slider.max;
      this.show(Number(this.slider.value));
    }});
    this.text = element("pre", {class: "sample", tabindex: 0, "aria-label": "Sample"});
    this.element = element("section", {class: "panel samples", "aria-label": "Samples"},
      element("h2", {}, "Samples"), element("div", {class: "row"}, this.run.label, this.where), this.slider, this.text);
    Object.assign(this, {samples: [], follows: true, place: null, isChosen: false});
  }

  /** Looks for new samples if the run has changed. Until a run is chosen, it takes the first that has some. */
  async update(runs, stateOf) {
    const {select} = this.run, names = runs.map(({name}) => name);
    setOptions(select, names);
    const state = runs.map((run) => this.isChosen && run.name !== select.value ? "" : `${run.name} ${stateOf(run)}`).join("\n");
    if (state === this.state) return;
    this.state = state;
    await this.load();
    if (this.isChosen || this.samples.length) return;
    for (const name of [...names.slice(0, kMostTried), names[0]]) {
      select.value = name ?? "";
      await this.load();
      if (this.samples.length || this.isChosen) return;
    }
  }

  async load() {
    const name = this.run.select.value;
    const samples = name ? (await ask(`/v1/samples?run=${encodeURIComponent(name)}`)).samples : [];
    if (name !== this.run.select.value) return;  // another was chosen meanwhile
    this.samples = samples;
    this.slider.max = Math.max(0, samples.length - 1);
    this.slider.classList.toggle("hidden", samples.length < 2);
    if (!samples.length) {
      this.where.textContent = "";
      this.text.textContent = "No samples yet. kiln train --watch-samples writes one at every evaluation.";
      this.text.classList.add("quiet");
      return;
    }
    this.text.classList.remove("quiet");
    if (!this.follows) this.show(Math.min(Number(this.slider.value), samples.length - 1));
    this.point(this.place);
  }

  show(i) {
    const {step, text} = this.samples[i];
    this.slider.value = i;
    this.slider.setAttribute("aria-valuetext", `step ${step.toLocaleString("en")}`);
    this.where.textContent = `step ${step.toLocaleString("en")}`;
    if (this.text.textContent !== text) this.text.textContent = text;
  }

  /** Shows the last sample up to a step; with null, the latest again. */
  point(step) {
    this.place = step;
    if (!this.samples.length) return;
    if (step === null) {
      if (this.follows) this.show(this.samples.length - 1);
      return;
    }
    const after = this.samples.findIndex((sample) => sample.step > step);
    this.show(after < 0 ? this.samples.length - 1 : Math.max(0, after - 1));
  }
}

function settingText(value) { return typeof value === "string" ? value : JSON.stringify(value); }

/** How the configs of two runs differ. */
export class Differences {
  constructor() {
    this.a = choice("from", () => this.load());
    this.b = choice("to", () => this.load());
    this.table = element("div", {class: "scroll", tabindex: 0, "aria-label": "Differing settings"});
    this.element = element("section", {class: "panel", "aria-label": "Differences of settings"},
      element("h2", {}, "Differences of settings"), element("div", {class: "row"}, this.a.label, this.b.label), this.table);
  }

  async update(runs) {
    const before = `${this.a.select.value}\n${this.b.select.value}`;
    const names = runs.filter(({config}) => config).map(({name}) => name);
    setOptions(this.a.select, names);
    setOptions(this.b.select, names, 1);
    this.element.classList.toggle("hidden", names.length < 2);
    if (names.length > 1 && before !== `${this.a.select.value}\n${this.b.select.value}`) await this.load();
  }

  async load() {
    const [a, b] = [this.a.select.value, this.b.select.value];
    let content;
    try {
      const query = new URLSearchParams({a, b});
      const {differences} = await ask(`/v1/config-diff?${query}`);
      content = differences.length ? this.tableOf(a, b, differences)
        : element("p", {class: "quiet"}, a === b ? "Choose two runs." : "Their settings are equal.");
    } catch (error) {
      content = element("p", {class: "error"}, error.message);
    }
    if (a === this.a.select.value && b === this.b.select.value) this.table.replaceChildren(content);
  }

  tableOf(a, b, differences) {
    const heads = [a, b].map((name) => element("th", {scope: "col"}, name));
    return element("table", {class: "settings"}, element("thead", {}, element("tr", {}, ...heads)),
      ...differences.map(({pointer, a: before, b: after}) => element("tbody", {},
        element("tr", {}, element("th", {scope: "rowgroup", colspan: "2"}, pointer.slice(1).replaceAll("/", "."))),
        element("tr", {}, element("td", {}, settingText(before)), element("td", {}, settingText(after))))));
  }
}

/** The latest value of every metric of the shown runs. */
export class Latest {
  constructor() {
    this.table = element("div", {class: "scroll", tabindex: 0, "aria-label": "Latest values"});
    this.element = element("details", {class: "group"}, element("summary", {}, element("h2", {}, "Latest values")), this.table);
  }

  update(runs, metrics) {
    const measured = metrics.filter(({key}) => runs.some(({last}) => key in last));
    const head = element("tr", {}, element("th", {scope: "col"}, "run"), element("th", {scope: "col"}, "step"),
      ...measured.map(({name, axis}) => element("th", {scope: "col", title: axis}, name)));
    const rows = runs.map(({name, step, last}) => element("tr", {}, element("th", {scope: "row"}, name),
      element("td", {}, step.toLocaleString("en")), ...measured.map(({key}) => element("td", {}, valueText(last[key])))));
    this.table.replaceChildren(element("table", {class: "numbers"}, element("thead", {}, head), element("tbody", {}, ...rows)));
  }
}
