// Shows attention: every head as a small picture, one as arcs over the text and as a matrix.
import {element, shape} from "/kiln.js";
import {colour, percent, plain, quoted, redraw, section} from "/inside_text.js";

const kLetter = 8.5, kGap = 14;      // of the row of tokens: px a letter, and between tokens
const kLeast = 0.01;                 // probability of an arc
const kMostLabels = 48;              // tokens beside a matrix
const kSmall = 44;                   // px of a small picture
const kLabel = 92;                   // px for them

/** Paints the lower triangle of a matrix into a square of a canvas. */
function paint(context, rows, left, top, size, ink) {
  const cell = size / rows.length;
  context.fillStyle = ink;
  rows.forEach((row, i) => row.forEach((probability, j) => {
    if (probability < 0.004) return;
    context.globalAlpha = Math.sqrt(probability);  // so that weak ones show
    context.fillRect(left + j * cell, top + i * cell, Math.max(cell - (cell > 6 ? 1 : 0), 0.5),
      Math.max(cell - (cell > 6 ? 1 : 0), 0.5));
  }));
  context.globalAlpha = 1;
}

/** Returns a matrix of at most kSmall rows: each number is the greatest of a block. */
function reduced(rows) {
  const block = Math.ceil(rows.length / kSmall);
  if (block === 1) return rows;
  const small = Array.from({length: Math.ceil(rows.length / block)}, (_, i) => new Array(i + 1).fill(0));
  rows.forEach((row, i) => row.forEach((probability, j) => {
    const cells = small[Math.floor(i / block)], at = Math.floor(j / block);
    cells[at] = Math.max(cells[at], probability);
  }));
  return small;
}

/** Sizes a canvas for the screen's pixels, and returns what draws on it in CSS pixels. */
function clear(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

export class Attention {
  constructor(view) {
    this.view = view;
    this.heads = element("div", {class: "heads", role: "group", "aria-label": "All heads; choose one"});
    this.title = element("h3");
    this.said = element("p", {class: "quiet", "aria-live": "polite"});
    this.row = element("div", {class: "scroll arcs", tabIndex: 0, role: "region", "aria-label": "Arcs over the text"});
    this.matrix = element("canvas", {role: "img", onclick: (event) => this.pick(event)});
    this.frame = element("div", {class: "matrix"}, this.matrix);
    this.element = section("attention", "Where it looks",
      "When a model reads a token, each of its heads takes something from the tokens before it: the stronger " +
        "the colour, the more.",
      element("div", {class: "look"}, element("div", {}, element("h3", {}, "All heads"), this.heads), element("div", {},
        this.title, element("p", {class: "says"}, "A row for each token that reads, a column for each that is read."),
        this.frame)),
      element("h3", {}, "One token"),
      element("p", {class: "says"}, "The arcs show what the chosen token takes from each token before it."), this.row,
      this.said);
    redraw(this.frame, () => this.draw(view));
  }

  /** Returns the matrix of the chosen head. */
  chosen() {
    const {layer, head} = this.view.head;
    return this.view.layers?.attention?.find((matrix) => matrix.layer === layer && matrix.head === head);
  }

  draw(view) {
    if (!view.layers?.attention) return;
    const ink = colour("first"), {n_layers, n_heads} = view.layers;
    const rows = [];
    for (let layer = 0; layer < n_layers; ++layer) {
      const buttons = [];
      for (let head = 0; head < n_heads; ++head) buttons.push(this.headButton(view, layer, head, ink));
      rows.push(element("div", {class: "layer"}, element("span", {class: "quiet"}, `Layer ${layer + 1}`), ...buttons));
    }
    const focus = this.heads.contains(document.activeElement);
    this.heads.replaceChildren(...rows);
    if (focus) this.heads.querySelector("[aria-pressed=true]").focus();
    this.title.textContent = `Layer ${view.head.layer + 1}, head ${view.head.head + 1}`;
    this.select(view);
  }

  headButton(view, layer, head, ink) {
    const matrix = view.layers.attention.find((one) => one.layer === layer && one.head === head);
    const canvas = element("canvas", {"aria-hidden": "true"});
    const context = clear(canvas, kSmall, kSmall);
    if (matrix) paint(context, reduced(matrix.rows), 0, 0, kSmall, ink);
    const isChosen = view.head.layer === layer && view.head.head === head;
    return element("button", {class: "head", "aria-pressed": String(isChosen),
      "aria-label": `Layer ${layer + 1}, head ${head + 1}`, onclick: () => view.chooseHead({layer, head})}, canvas);
  }

  select(view) {
    const matrix = this.chosen();
    if (!matrix) return;
    this.drawArcs(view, matrix.rows[view.position]);
    this.drawMatrix(view, matrix.rows);
    const order = matrix.rows[view.position].map((probability, j) => ({probability, j}))
      .filter(({probability}) => probability >= 0.001).sort((a, b) => b.probability - a.probability).slice(0, 3);
    this.said.textContent = `${quoted(view.tokens[view.position].text)} takes most from ` + order.map(({probability, j}) =>
      `${quoted(view.tokens[j].text)} (${j === view.position ? "itself, " : ""}${percent(probability)})`).join(", ") + ".";
    this.matrix.setAttribute("aria-label", `Attention of ${this.title.textContent}. ${this.said.textContent}`);
  }

  drawArcs(view, row) {
    const texts = view.tokens.map((token) => plain(token.text));
    const lefts = [];
    let width = kGap;
    for (const text of texts) {
      lefts.push(width);
      width += text.length * kLetter + kGap;
    }
    const middle = (i) => lefts[i] + texts[i].length * kLetter / 2;
    const at = view.position;
    const reached = row.findIndex((probability) => probability >= kLeast), far = reached < 0 ? at : reached;
    const height = Math.min(150, 34 + 0.35 * (middle(at) - middle(far)));
    const picture = shape("svg", {width, height: height + 28, "aria-hidden": "true"});
    row.forEach((probability, j) => {
      if (probability < kLeast) return;
      const from = middle(at), to = middle(j), rise = height - Math.min(height - 4, 14 + 0.35 * (from - to));
      const path = j === at ? `M${from - 5} ${height} C${from - 16} ${height - 22} ${from + 16} ${height - 22} ${from + 5} ${height}`
        : `M${from} ${height} C${from} ${rise - 6} ${to} ${rise - 6} ${to} ${height}`;
      picture.append(shape("path", {d: path, class: "arc", "stroke-width": (1 + 5 * probability).toFixed(2),
        "stroke-opacity": Math.max(0.15, Math.sqrt(probability)).toFixed(2)}));
    });
    texts.forEach((text, i) => {
      const label = shape("text", {x: middle(i), y: height + 18, "text-anchor": "middle",
        class: i === at ? "letter chosen" : i > at ? "letter later" : "letter"}, text);
      label.addEventListener("click", () => view.choose(i));
      picture.append(label);
    });
    this.row.replaceChildren(picture);
    const box = this.row.clientWidth;
    if (width > box) this.row.scrollLeft = Math.max(0, middle(at) - 0.7 * box);
  }

  drawMatrix(view, rows) {
    const room = Math.min(this.frame.clientWidth, 640);
    if (!room) return;
    const hasLabels = rows.length <= kMostLabels, edge = hasLabels ? kLabel : 0;
    const size = Math.min(room - edge, rows.length * 26);
    const context = clear(this.matrix, size + edge, size + edge);
    this.place = {edge, cell: size / rows.length};
    context.fillStyle = colour("line");
    context.globalAlpha = 0.35;
    context.fillRect(edge, edge + view.position * this.place.cell, size, this.place.cell);
    context.globalAlpha = 1;
    paint(context, rows, edge, edge, size, colour("first"));
    if (!hasLabels) return;
    const text = colour("text"), accent = colour("accent"), letters = Math.min(13, Math.max(8, this.place.cell * 0.62));
    context.font = `${letters}px ui-monospace, monospace`;
    context.textBaseline = "middle";
    view.tokens.forEach((token, i) => {
      const label = plain(token.text).slice(0, 10), middle = edge + (i + 0.5) * this.place.cell;
      context.fillStyle = i === view.position ? accent : text;
      context.textAlign = "right";
      context.fillText(label, edge - 6, middle);
      context.save();
      context.translate(middle, edge - 6);
      context.rotate(-Math.PI / 2);
      context.textAlign = "left";
      context.fillStyle = text;
      context.fillText(label, 0, 0);
      context.restore();
    });
  }

  pick(event) {
    const row = Math.floor((event.offsetY - this.place.edge) / this.place.cell);
    if (row >= 0 && row < this.view.tokens.length) this.view.choose(row);
  }
}
