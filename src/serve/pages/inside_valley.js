// Shows the loss of the text over a plane through the weights, with the run's path: a map with contours.
import {element, shape, stream} from "/kiln.js";
import {contour} from "/inside_contours.js";
import {brief, count, percent, section} from "/inside_text.js";

const kSide = 600;          // of the picture, in its own units
const kLevels = 9;          // contours
const kMostNames = 6;       // steps written on the path

/** The numbers of an axis as places in the picture: each is the middle of a cell. */
function scale(numbers) {
  const cell = kSide / numbers.length, step = numbers[1] - numbers[0];
  return {cell, place: (number) => ((number - numbers[0]) / step + 0.5) * cell};
}

/** Returns the `most` of a list that are evenly spaced, with the first and the last. */
function evenly(list, most) {
  return list.filter((_, i) => list.length <= most
    || Math.floor(i * (most - 1) / (list.length - 1)) !== Math.floor((i - 1) * (most - 1) / (list.length - 1)));
}

export class Valley {
  constructor(view) {
    this.view = view;
    this.plane = null;  // the first event of the stream
    this.losses = [];   // by row and column; undefined: not computed yet
    this.cells = [];
    this.seed = 1;
    this.key = "";
    this.drawing = null;
    this.directions = element("select", {}, element("option", {value: "random"}, "two random directions"),
      element("option", {value: "run"}, "the directions in which the run moved most"));
    this.data = element("select", {}, element("option", {value: "text"}, "your text"),
      element("option", {value: "held_out"}, "the run's held-out text"));
    this.size = element("select", {"aria-label": "Points of the map"}, ...[11, 21, 31].map((size) =>
      element("option", {value: String(size), ...(size === 21 && {selected: true})}, `${size} × ${size} points`)));
    this.starter = element("button", {class: "main", onclick: () => this.toggle()}, "Draw the valley");
    this.other = element("button", {onclick: () => { this.seed += 1; this.directions.value = "random"; this.start(); }},
      "Other random directions");
    this.problem = element("p", {class: "error hidden", role: "alert"});
    this.ground = shape("g", {class: "ground"});
    this.lines = shape("g", {class: "contours"});
    this.path = shape("g", {class: "path"});
    this.cursor = shape("rect", {class: "cursor hidden"});
    this.picture = shape("svg", {class: "valley-map", viewBox: `0 0 ${kSide} ${kSide}`, tabindex: 0, role: "group",
      "aria-label": "Map of the loss; the arrow keys choose a point"}, this.ground, this.lines, this.path, this.cursor);
    this.said = element("p", {class: "quiet", "aria-live": "polite"});
    this.range = element("p", {class: "quiet shades"});
    this.about = element("p", {class: "quiet"});
    this.rows = element("tbody");
    this.body = element("div", {class: "valley hidden"}, element("div", {}, this.picture, this.said),
      element("div", {}, this.range, this.about, element("div", {class: "scroll listed", tabIndex: 0, role: "region",
        "aria-label": "Checkpoints on the map"}, element("table", {class: "states"}, element("thead", {}, element("tr", {},
        ...["Step", "α", "β", "Off the plane", "Loss"].map((name) => element("th", {scope: "col"}, name)))), this.rows))));
    this.element = section("valley", "The valley",
      "The model's weights are a point in a space of as many dimensions as there are weights. This is the loss " +
        "on a plane through that point. Training walks downhill.",
      element("div", {class: "row"}, element("label", {class: "row"}, "The loss of", this.data),
        element("label", {class: "row"}, "on the plane of", this.directions), this.size, this.starter, this.other), this.problem, this.body);
    this.listen();
  }

  /** Stops when the text or the model that is shown is another one. */
  draw(view) {
    const key = JSON.stringify([view.model, view.state.checkpoint, view.tokens.map(({id}) => id)]);
    if (key === this.key) return;
    this.key = key;
    this.stop();
    this.body.classList.add("hidden");
    this.tell("");
  }

  tell(message) {
    this.problem.textContent = message;
    this.problem.classList.toggle("hidden", !message);
  }

  toggle() {
    if (this.drawing) return this.stop();
    this.start();
  }

  stop() {
    this.drawing?.abort();
    this.finish();
  }

  finish() {
    this.drawing = null;
    this.starter.textContent = "Draw the valley";
    this.element.removeAttribute("aria-busy");
  }

  async start() {
    this.stop();
    const mine = this.drawing = new AbortController();
    this.starter.textContent = "Stop";
    this.element.setAttribute("aria-busy", "true");
    this.tell("");
    const body = this.view.request({directions: this.directions.value, size: Number(this.size.value), seed: this.seed,
      ...(this.data.value === "text" ? {tokens: this.view.tokens.map(({id}) => id)} : {data: "held_out"})});
    try {
      for await (const event of stream("/v1/inspect/valley", {body, signal: mine.signal})) {
        if (this.drawing !== mine) return;
        if (event.object === "valley") this.begin(event);
        else this.add(event);
      }
      this.paint();
    } catch (error) {
      if (!mine.signal.aborted) this.tell(error.message);
    } finally {
      if (this.drawing === mine) this.finish();
    }
  }

  begin(plane) {
    this.plane = plane;
    this.losses = plane.betas.map(() => []);
    this.across = scale(plane.alphas);
    this.up = scale(plane.betas);
    this.at = [plane.betas.length >> 1, plane.alphas.length >> 1];
    const {cell} = this.across;
    this.cells = plane.betas.map((_, row) => plane.alphas.map((_, column) => shape("rect", {x: column * cell,
      y: kSide - (row + 1) * cell, width: cell + 0.5, height: cell + 0.5, class: "hidden"})));
    this.ground.replaceChildren(...this.cells.flat());
    this.lines.replaceChildren();
    this.cursor.classList.add("hidden");
    this.body.classList.remove("hidden");
    this.drawPath();
    this.describe();
  }

  add({row, column, loss}) {
    this.losses[row][column] = loss;
    if (this.painting) return;
    this.painting = requestAnimationFrame(() => this.paint());
  }

  /** Returns the lowest loss, and that above which colours do not change: that of chance, of the model or its path. */
  limits() {
    const {plane} = this, found = this.losses.flat().filter((loss) => loss !== undefined && loss !== null);
    const top = Math.max(plane.loss_of_chance, plane.loss ?? 0, ...plane.path.map(({loss}) => loss ?? 0));
    const low = Math.min(...found), high = Math.max(...found);
    return {low, high: Math.max(Math.min(high, top), low + 1e-9), isClipped: high > top || this.losses.flat().includes(null)};
  }

  paint() {
    this.painting = null;
    if (!this.losses.flat().length) return;
    const {low, high, isClipped} = this.limits();
    this.cells.forEach((cells, row) => cells.forEach((cell, column) => {
      const loss = this.losses[row][column];
      if (loss === undefined) return;
      cell.classList.remove("hidden");
      cell.style.setProperty("--p", loss === null ? 1 : Math.min(1, (loss - low) / (high - low)).toFixed(3));
    }));
    const step = (high - low) / (kLevels + 1), {cell} = this.across;
    this.lines.replaceChildren(...Array.from({length: kLevels}, (_, i) => shape("path", {d: contour(this.losses,
      low + (i + 1) * step, (column, row) => [(column + 0.5) * cell, kSide - (row + 0.5) * cell])})));
    this.range.textContent = `The lightest colour is a loss of ${brief(low)}, the darkest one of ${brief(high)}; from line to ` +
      `line it changes by ${brief(step)}.` + (isClipped ? ` All losses above ${brief(high)}, ` +
        `${high > this.plane.loss_of_chance ? "the highest on the path" : "that of blind guessing"}, have the darkest colour.` : "");
    if (!this.cursor.classList.contains("hidden")) this.say();
  }

  drawPath() {
    const {path, alphas, betas} = this.plane;
    const placed = path.map((stop) => ({...stop, x: this.across.place(stop.alpha), y: kSide - this.up.place(stop.beta)}))
      .filter(({x, y}) => x >= 0 && x <= kSide && y >= 0 && y <= kSide);
    const named = new Set(evenly(placed, kMostNames));
    const x = this.across.place(0), y = kSide - this.up.place(0);
    const isInside = alphas[0] <= 0 && alphas.at(-1) >= 0 && betas[0] <= 0 && betas.at(-1) >= 0;
    this.path.replaceChildren(shape("polyline", {points: placed.map((stop) => `${stop.x},${stop.y}`).join(" ")}),
      ...placed.map((stop) => shape("circle", {cx: stop.x, cy: stop.y, r: 5},
        shape("title", {}, `Step ${count(stop.step)}: loss ${brief(stop.loss)}`))),
      ...(isInside ? [shape("path", {class: "here", d: `M${x - 10} ${y} H${x + 10} M${x} ${y - 10} V${y + 10}`})] : []));
    if (this.plane.directions === "random") return;  // there all lie at one place
    for (const stop of named) {
      const isRight = stop.x > kSide / 2;
      this.path.append(shape("text", {x: stop.x + (isRight ? -9 : 9), y: stop.y - 8, "text-anchor": isRight ? "end" : "start"},
        count(stop.step)));
    }
  }

  describe() {
    const {path, variance, left_out: left, directions, tokens} = this.plane;
    const others = left ? ` Of the run's checkpoints, ${count(path.length)} are shown, and ${count(left)} between them are not.` : "";
    this.about.textContent = `The cross is the model. ` + (directions === "run"
      ? `The dots are the run's checkpoints. The plane holds ${percent(variance[0])} (α, across) and ${percent(variance[1])} ` +
        "(β, up) of the variance of their weights."
      : "At α = 1 (across) or β = 1 (up), the change of each neuron's weights is as large as these weights themselves. A run " +
        "moves elsewhere: its checkpoints are far off this plane, and the dots are the nearest points to them.") +
      ` The loss is the average over ${count(tokens)} tokens.${others}`;
    this.rows.replaceChildren(...path.map((stop) => element("tr", {}, element("th", {scope: "row"}, count(stop.step)),
      ...[brief(stop.alpha), brief(stop.beta), `${brief(stop.distance)} of ${brief(stop.length)}`, brief(stop.loss)]
        .map((text) => element("td", {class: "figure"}, text)))));
  }

  /** Chooses a point of the grid, and says its loss. */
  choose(row, column) {
    if (!this.plane) return;
    const last = this.plane.alphas.length - 1;
    this.at = [Math.max(0, Math.min(last, row)), Math.max(0, Math.min(last, column))];
    const {cell} = this.across;
    for (const [name, value] of Object.entries({x: this.at[1] * cell, y: kSide - (this.at[0] + 1) * cell, width: cell, height: cell})) {
      this.cursor.setAttribute(name, value);
    }
    this.cursor.classList.remove("hidden");
    this.say();
  }

  say() {
    const [row, column] = this.at, loss = this.losses[row][column];
    this.said.textContent = `α = ${brief(this.plane.alphas[column])}, β = ${brief(this.plane.betas[row])}: ` +
      (loss === undefined ? "not computed yet" : `loss ${brief(loss)}`);
  }

  listen() {
    const {picture} = this;
    picture.addEventListener("pointermove", (event) => {
      const {left, top, width, height} = picture.getBoundingClientRect(), size = this.losses.length;
      this.choose(size - 1 - Math.floor((event.clientY - top) / height * size), Math.floor((event.clientX - left) / width * size));
    });
    picture.addEventListener("focus", () => this.choose(...this.at));
    picture.addEventListener("keydown", (event) => {
      const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0]}[event.key];
      if (!moves) return;
      event.preventDefault();
      this.choose(this.at[0] + moves[0], this.at[1] + moves[1]);
    });
  }
}
