// The panel that says which models answer, and how they draw.
import {element} from "/kiln.js";

const kMostModels = 4;
const kNumbers = ["temperature", "top_k", "top_p", "max_tokens", "seed"];

export class Settings {
  models = [];     // names of those chosen, in the order of the list
  defaults = {};   // what stands for a field that is empty
  #known = [];     // all models

  /** `chosen` shows what is chosen; `onChange` hears of changes. */
  constructor(form, chosen, onChange) {
    this.form = form;
    this.chosen = chosen;
    form.addEventListener("change", () => {
      this.#readModels();
      onChange();
    });
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      for (const name of ["system", ...kNumbers]) form.elements[name].value = "";
      onChange();
    });
  }

  /** Takes the models of the server, and its defaults. */
  begin(models, props) {
    this.#known = models;
    const {temperature, top_k, top_p} = props?.default_generation_settings?.params ?? {};
    this.defaults = {temperature, top_k, top_p};
    for (const [name, value] of Object.entries(this.defaults)) this.form.elements[name].placeholder = String(value ?? "");
    document.getElementById("models").replaceChildren(...models.map((model) => element("label", {class: "row"},
      element("input", {type: "checkbox", name: "model", value: model.id}),
      element("span", {dir: "auto"}, model.id, element("span", {class: "quiet"}, factsOf(model))))));
    this.#choose(models.slice(0, 1).map((model) => model.id));
  }

  /** Shows the settings of a conversation. */
  take(conversation) {
    const last = conversation.path().at(-1);
    const models = last ? [...last.shown.keys()] : [conversation.model];
    const known = models.filter((name) => this.#known.some((model) => model.id === name)).slice(0, kMostModels);
    if (known.length > 0) this.#choose(known);
    this.form.elements.system.value = conversation.system;
    for (const name of kNumbers) this.form.elements[name].value = conversation.sampling[name] ?? "";
  }

  /** Gives a conversation what the panel says. Fields with a wrong number are left out. */
  give(conversation) {
    conversation.system = this.form.elements.system.value;
    conversation.sampling = {};
    for (const name of kNumbers) {
      const field = this.form.elements[name];
      if (field.value !== "" && field.validity.valid) conversation.sampling[name] = Number(field.value);
    }
  }

  /** Returns whether all fields are right; shows the first that is not. */
  check() { return this.form.reportValidity(); }

  /** Returns what stands in place of messages before there are any. */
  welcome() {
    if (this.#known.length === 0) {
      return element("div", {class: "empty"}, element("h2", {}, "No model is served"),
        element("p", {class: "quiet"}, "Start kiln serve with a run, such as runs/tales, to talk with it."));
    }
    const models = this.#known.filter((model) => this.models.includes(model.id));
    const title = models.length > 1 ? "Ask several models at once" : models.length === 1 ? `Talk with ${models[0].id}`
      : "Choose a model";
    const notes = models.map((model) => element("p", {class: "quiet", dir: "auto"},
      models.length > 1 ? `${model.id}: ` : "", factsOf(model)));
    if (models.some((model) => model.meta?.template === "plain")) {
      notes.push(element("p", {class: "quiet"}, "A model without a chat template continues texts: do not expect answers."));
    }
    return element("div", {class: "empty"}, element("h2", {dir: "auto"}, title), ...notes);
  }

  #boxes() { return [...this.form.querySelectorAll("[name=model]")]; }

  #choose(names) {
    for (const box of this.#boxes()) box.checked = names.includes(box.value);
    this.#readModels();
  }

  #readModels() {
    this.models = this.#boxes().filter((box) => box.checked).map((box) => box.value);
    for (const box of this.#boxes()) box.disabled = !box.checked && this.models.length >= kMostModels;
    const count = this.models.length;
    this.chosen.textContent = count === 0 ? "No model" : count === 1 ? this.models[0] : `${count} models`;
  }
}

/** Returns "1.2M parameters, context of 256 tokens, step 500". */
function factsOf({meta = {}}) {
  const facts = [];
  if (meta.n_params) facts.push(`${shortNumber(meta.n_params)} parameters`);
  if (meta.n_ctx) facts.push(`context of ${meta.n_ctx} tokens`);
  if (meta.step != null) facts.push(`step ${meta.step}`);
  return facts.join(", ");
}

function shortNumber(value) {
  for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= size) return `${(value / size).toPrecision(3).replace(/\.?0+$/, "")}${letter}`;
  }
  return String(value);
}
