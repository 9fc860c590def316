// Shows gradient descent on one text: the gradient of every tensor, and what steps against it do.
import {ask, element, shape} from "/kiln.js";
import {bars, rowsOf} from "/inside_next.js";
import {brief, count, percent, quoted, section} from "/inside_text.js";

const kPath = "/v1/inspect/step";
const kDecades = 4;                    // of the colours of gradients
const kWidth = 320, kHeight = 120, kEdge = 6;  // of a curve
const kMany = 10;                      // steps of the second button

/** Returns the probability of all words of the target together. */
function likelihood(state) {
  return state.targets.reduce((product, {probability}) => product * probability, 1);
}

/** Draws values over steps; the last one is also written. */
function curve(title, values, write) {
  const low = Math.min(...values), high = Math.max(...values), range = high - low || 1;
  const x = (i) => kEdge + (kWidth - 2 * kEdge) * (values.length > 1 ? i / (values.length - 1) : 0);
  const y = (value) => kHeight - kEdge - (kHeight - 2 * kEdge) * (value - low) / range;
  const places = values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`);
  const picture = shape("svg", {viewBox: `0 0 ${kWidth} ${kHeight}`, class: "curve", role: "img",
    "aria-label": `${title}: ${write(values[0])} at the start, ${write(values.at(-1))} after ` +
      `${count(values.length - 1)} ${values.length === 2 ? "step" : "steps"}`},
  shape("polyline", {points: places.join(" ")}));
  values.forEach((value, i) => picture.append(shape("circle", {cx: x(i), cy: y(value), r: 3},
    shape("title", {}, `${i === 0 ? "Start" : `Step ${count(i)}`}: ${write(value)}`))));
  return element("figure", {}, element("figcaption", {}, title,
    element("span", {class: "figure"}, ` ${write(values[0])} → ${write(values.at(-1))}`)), picture);
}

/** Returns where the gradient passes, in its order: {name, cells: [{name, index}]}, from the loss to the embedding. */
function stages(tensors, layers) {
  const named = tensors.map(({name, layer}, index) => ({layer, index,
    name: name.replace(/^h\.\d+\./, "").replace(/\.weight$/, "").replace(/\.bias$/, " bias")}));
  const of = (pattern) => named.filter(({layer, name}) => layer === null && pattern.test(name));
  const blocks = Array.from({length: layers}, (_, i) => ({name: `Layer ${layers - i}`,
    cells: named.filter(({layer}) => layer === layers - 1 - i)}));
  const isTied = of(/^lm_head/).length === 0;
  return [{name: "Unembedding", cells: of(/^lm_head/)}, {name: "Final norm", cells: of(/^ln_f/)}, ...blocks,
    {name: isTied ? "Embedding, also the unembedding" : "Embedding", cells: of(/^w[tp]e/)}].filter(({cells}) => cells.length);
}

export class Steps {
  constructor(view) {
    this.view = view;
    this.history = [];  // states, one a step
    this.begun = null;  // the reply to the beginning
    this.key = "";
    this.isBusy = false;
    const button = (name, act) => element("button", {onclick: act}, name);
    this.target = element("input", {type: "text", placeholder: "the text's last token", spellcheck: false});
    this.scope = element("select", {}, element("option", {value: "target"}, "these words"),
      element("option", {value: "all"}, "all tokens, on average"));
    this.starter = element("button", {class: "main", onclick: () => this.begin()}, "Compute the gradient");
    this.rate = element("input", {type: "range", min: -4, max: 1, step: 0.25, value: "-2", "aria-label": "Learning rate",
      oninput: () => this.showRate()});
    this.rateShown = element("output", {class: "figure"});
    this.problem = element("p", {class: "error hidden", role: "alert"});
    this.said = element("p", {"aria-live": "polite"});
    this.foreseen = element("p", {class: "quiet"});
    this.sides = element("div", {class: "sides"});
    this.curves = element("div", {class: "sides curves"});
    this.flow = element("ol", {class: "flow"});
    this.measure = element("select", {onchange: () => this.drawFlow()}, element("option", {value: "norm"}, "norm of the gradient"),
      element("option", {value: "relative"}, "norm of the gradient, relative to that of the weights"));
    this.undoer = button("Take one back", () => this.act("undo"));
    this.body = element("div", {class: "steps hidden"}, this.said,
      element("div", {class: "row"}, element("label", {class: "row rate"}, "Learning rate", this.rate, this.rateShown),
        element("button", {class: "main", onclick: () => this.act("step")}, "Step"),
        button(`${kMany} steps`, () => this.walk()), this.undoer, button("Start over", () => this.act("reset"))),
      this.foreseen, this.sides, this.curves, element("h3", {}, "The gradient, tensor by tensor"),
      element("p", {class: "says"}, "Backpropagation goes from the loss, on top, down to the embedding. The stronger the " +
        `colour, the larger the gradient: from none to full it grows ${count(10 ** kDecades)} times.`),
      element("label", {class: "row"}, "The numbers show the", this.measure), this.flow);
    this.element = section("steps", "One step",
      "Training asks, for every weight, how the loss changes with it: the gradient. Then it moves all weights a little " +
        "against the gradient. Here you take such steps on your text, on a copy of the weights.",
      element("div", {class: "row"}, element("label", {class: "row"}, "True next words", this.target),
        element("label", {class: "row"}, "Loss of", this.scope), this.starter), this.problem, this.body);
    this.showRate();
  }

  /** Ends a session whose text or model is no longer shown. */
  draw(view) {
    const key = JSON.stringify([view.model, view.state.checkpoint, view.tokens.map(({id}) => id)]);
    if (key === this.key) return;
    this.key = key;
    this.drop();
  }

  drop() {
    if (this.begun) ask(kPath, {body: {session: this.begun.session, action: "end"}}).catch(() => {});
    this.begun = null;
    this.body.classList.add("hidden");
    this.tell("");
  }

  tell(message) {
    this.problem.textContent = message;
    this.problem.classList.toggle("hidden", !message);
  }

  /** Returns the target as it follows the text: with a space between two words. */
  targetText() {
    const isBetweenWords = !/\s$/.test(this.view.text) && /^[\p{L}\p{N}]/u.test(this.target.value);
    return isBetweenWords && !this.view.isChat ? ` ${this.target.value}` : this.target.value;
  }

  /** Sends a request unless another one is on its way; returns the reply, or null with the error told. */
  async request(body) {
    if (this.isBusy) return null;
    const key = this.key;
    this.isBusy = true;
    this.element.setAttribute("aria-busy", "true");
    try {
      const reply = await ask(kPath, {body});
      this.tell("");
      return key === this.key ? reply : null;
    } catch (error) {
      if (error.status === 404) {  // the session has ended
        this.begun = null;
        this.drop();
      }
      this.tell(error.message);
      return null;
    } finally {
      this.isBusy = false;
      this.element.removeAttribute("aria-busy");
    }
  }

  async begin() {
    const reply = await this.request(this.view.request({tokens: this.view.tokens.map(({id}) => id),
      target: this.targetText(), loss: this.scope.value}));
    if (!reply) return;
    this.begun = reply;
    this.history = [reply.state];
    this.body.classList.remove("hidden");
    this.show();
  }

  /** Takes an action; returns whether that went well. */
  async act(action) {
    if (!this.begun) return false;
    const reply = await this.request({session: this.begun.session, action, ...(action === "step" && {rate: this.rateNow()})});
    if (!reply) return false;
    this.history.length = Math.min(this.history.length, reply.state.steps);
    this.history.push(reply.state);
    this.show();
    return true;
  }

  async walk() {
    for (let i = 0; i < kMany; ++i) if (!await this.act("step")) return;
  }

  rateNow() {
    return Number((10 ** Number(this.rate.value)).toPrecision(2));
  }

  showRate() {
    this.rateShown.textContent = brief(this.rateNow());
    this.rate.setAttribute("aria-valuetext", this.rateShown.textContent);
    const now = this.history.at(-1);
    if (!now) return;
    const gain = this.rateNow() * now.gradient.norm ** 2;
    this.foreseen.textContent = `The gradient's norm is ${brief(now.gradient.norm)}. If the loss were a plane, the next step ` +
      `would lower it by rate × norm² = ${brief(gain)}${gain > now.loss ? ": more than there is, so the step is long" : ""}.`;
  }

  show() {
    const first = this.history[0], now = this.history.at(-1), {tokens, first: at} = this.begun;
    const words = quoted(now.targets.map(({text}) => text).join("")), before = quoted(tokens[at - 1].text);
    const steps = now.steps === 0 ? "" : ` after ${count(now.steps)} ${now.steps === 1 ? "step" : "steps"}`;
    this.said.textContent = `After ${before}, the model gives ${words} a probability of ${percent(likelihood(now))}${steps}` +
      `${steps ? `; before it was ${percent(likelihood(first))}` : ""}. The loss is ${brief(now.loss)} nats a token.`;
    this.undoer.title = `${count(now.undoable)} can be taken back`;
    const sides = [["Before", first], [steps ? `Now,${steps}` : "Now", now]].map(([title, state]) =>
      [title, rowsOf({top: state.top, next: state.targets[0]}, state.targets[0])]);
    const most = Math.max(...sides.flatMap(([, rows]) => rows.map(({probability}) => probability)));
    this.sides.replaceChildren(...sides.map(([title, rows]) => bars(title, rows, most)));
    this.curves.replaceChildren(curve(`Probability of ${words}`, this.history.map(likelihood), percent),
      curve("Loss", this.history.map(({loss}) => loss), brief));
    this.drawFlow();
    this.showRate();
  }

  drawFlow() {
    const {gradient} = this.history.at(-1), isRelative = this.measure.value === "relative";
    const valueOf = ([norm, weights]) => isRelative ? norm / (weights || 1) : norm;
    const most = Math.max(...gradient.tensors.map(valueOf));
    const rows = stages(this.begun.tensors, this.begun.n_layers).map(({name, cells}, order) => {
      const norms = cells.map(({index}) => gradient.tensors[index]);
      const all = valueOf([0, 1].map((part) => Math.hypot(...norms.map((pair) => pair[part]))));
      const row = element("li", {}, element("span", {class: "stage"}, name, element("span", {class: "figure"}, brief(all))),
        element("span", {class: "tensors"}, ...cells.map((cell, i) => {
          const value = valueOf(norms[i]), shade = Math.max(0, 1 + Math.log10(value / most) / kDecades) || 0;
          const made = element("span", {class: "tensor",
            title: `${this.begun.tensors[cell.index].name}: gradient ${brief(norms[i][0])}, weights ${brief(norms[i][1])}`},
          element("span", {}, cell.name), element("span", {class: "figure"}, brief(value)));
          made.style.setProperty("--p", shade.toFixed(3));
          return made;
        })));
      row.style.setProperty("--order", order);
      return row;
    });
    this.flow.replaceChildren(element("li", {class: "source"}, element("span", {class: "stage"}, "Loss",
      element("span", {class: "figure"}, brief(this.history.at(-1).loss)))), ...rows);
  }
}
