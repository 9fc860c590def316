// Shows the embeddings of tokens in two dimensions: zoom, pan, and the neighbours of a token.
import {element, shape} from "/kiln.js";
import {percent, plain, quoted, section, shown} from "/inside_text.js";

const kFirst = 500;           // tokens on the map
const kMoving_ms = 450;       // from one state of training to the next
const kMargin = 34, kLetter = 7.2, kLine = 15;  // px
const kMost = 60;             // times that the map can be enlarged

const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Embeddings {
  constructor(view) {
    this.view = view;
    this.points = new Map();  // by id: {id, text, x, y, mark, label}
    this.chosen = null;
    this.near = [];
    this.zoom = {scale: 1, x: 0, y: 0};  // x, y: the map's place in the middle of the picture
    this.spread = [1, 1];                // how far the tokens reach from the map's middle
    this.pointers = new Map();
    this.links = shape("g");
    this.marks = shape("g");
    this.picture = shape("svg", {class: "map", tabindex: 0, role: "group",
      "aria-label": "Map of tokens; plus and minus zoom, the arrow keys move, 0 shows all"}, this.links, this.marks);
    this.listen();
    this.find = element("input", {type: "search", placeholder: "Find a token", "aria-label": "Find a token",
      list: "map-tokens", onchange: () => this.choose(this.findToken())});
    this.names = element("datalist", {id: "map-tokens"});
    this.list = element("ol", {class: "neighbours"});
    this.said = element("p", {class: "quiet", "aria-live": "polite"});
    this.share = element("p", {class: "quiet"});
    const button = (name, sign, act) => element("button", {"aria-label": name, onclick: act}, sign);
    this.element = section("embeddings", "Words as places",
      "Each token is a place in a space of many dimensions; this is the plane in which they differ most. Tokens that " +
        "the model uses alike come to lie together.",
      element("div", {class: "row"}, this.find, this.names, button("Zoom in", "+", () => this.enlarge(1.5)),
        button("Zoom out", "−", () => this.enlarge(1 / 1.5)), button("Show all", "All", () => this.reset()),
        element("span", {class: "keys quiet"}, element("span", {class: "key begins"}, "begins a word"),
          element("span", {class: "key goes"}, "goes on"))),
      element("div", {class: "places"}, element("div", {class: "map-frame"}, this.picture),
        element("div", {}, element("h3", {}, "Nearest tokens"), this.said, this.list)), this.share);
    new ResizeObserver(() => this.place()).observe(this.picture);
  }

  /** Asks for the map of the state that is shown, unless that is shown already. */
  async draw(view) {
    const key = `${view.model} ${view.state.checkpoint}`;
    if (key === this.key) return;
    this.key = key;
    try {
      const body = view.request({first: kFirst, ...(this.chosen !== null && {tokens: [this.chosen]})});
      const map = await view.known("/v1/inspect/embeddings", body);
      if (key === this.key) this.show(map);
    } catch (error) {
      this.share.textContent = error.message;
    }
  }

  show(map) {
    const old = new Map(this.points), signs = this.signs(map.points);
    const range = (values) => [(Math.max(...values) + Math.min(...values)) / 2, (Math.max(...values) - Math.min(...values)) / 2];
    const [middleX, sizeX] = range(map.points.map(({x}) => signs[0] * x));
    const [middleY, sizeY] = range(map.points.map(({y}) => signs[1] * y));
    const size = Math.max(sizeX, sizeY, 1e-9);
    this.spread = [sizeX / size, sizeY / size];
    const isOther = map.model !== this.model;
    this.model = map.model;
    if (isOther) Object.assign(this, {chosen: null, near: []});
    this.marks.replaceChildren();
    this.points = new Map(map.points.map((point) => {
      const before = isOther ? null : old.get(point.id);
      const to = {x: (signs[0] * point.x - middleX) / size, y: (signs[1] * point.y - middleY) / size};
      const label = shape("text", {class: "name", "text-anchor": "middle"}, plain(point.text));
      const dot = shape("circle", {r: 2.6});
      const mark = shape("g", {class: /^\s/.test(point.text) ? "begins" : "goes"}, dot, label);
      mark.addEventListener("click", () => this.choose(point.id));
      this.marks.append(mark);
      return [point.id, {...point, ...(before ? {x: before.x, y: before.y} : to), from: before ?? to, to, mark, label, dot}];
    }));
    this.names.replaceChildren(...map.points.map(({text}) => element("option", {value: text})));
    this.share.textContent = `The two axes hold ${percent(map.variance[0])} and ${percent(map.variance[1])} of all ` +
      `differences between the embeddings of ${this.view.state.name.toLowerCase()}.`;
    this.move();
    if (this.chosen === null) this.said.textContent = "Choose a token on the map.";
    else this.choose(this.chosen);
  }

  /** Returns the signs of the axes that keep most tokens on the side where they were. */
  signs(points) {
    return ["x", "y"].map((axis) => {
      const sum = points.reduce((all, point) => all + (this.points.get(point.id)?.[axis] ?? 0) * point[axis], 0);
      return sum < 0 ? -1 : 1;
    });
  }

  /** Moves all tokens from where they were to where they are. */
  move() {
    const begin = performance.now(), points = [...this.points.values()];
    const from = points.map(({x, y}) => ({x, y}));
    const frame = (now) => {
      const part = isStill() ? 1 : Math.min(1, (now - begin) / kMoving_ms), eased = part * part * (3 - 2 * part);
      points.forEach((point, i) => {
        point.x = from[i].x + eased * (point.to.x - from[i].x);
        point.y = from[i].y + eased * (point.to.y - from[i].y);
      });
      this.place();
      if (part < 1 && points[0] === this.points.values().next().value) requestAnimationFrame(frame);
    };
    frame(begin);
  }

  /** Puts every mark where it belongs, and labels those that have room: the chosen one and its neighbours first. */
  place() {
    const {clientWidth: width, clientHeight: height} = this.picture;
    if (!width) return;
    const {scale, x: middleX, y: middleY} = this.zoom, near = new Set(this.near.map(({id}) => id));
    const unit = scale * this.unit();
    this.at = ({x, y}) => [width / 2 + unit * (x - middleX), height / 2 - unit * (y - middleY)];
    const rank = (point) => point.id === this.chosen ? 0 : near.has(point.id) ? 1 : 2;
    const taken = new Set();
    for (const point of [...this.points.values()].sort((a, b) => rank(a) - rank(b) || a.id - b.id)) {
      const [x, y] = this.at(point), isInside = x > -20 && x < width + 20 && y > -20 && y < height + 20;
      point.mark.classList.toggle("hidden", !isInside);
      if (!isInside) continue;
      point.mark.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
      point.mark.classList.toggle("chosen", point.id === this.chosen);
      point.mark.classList.toggle("near", near.has(point.id));
      const cells = [], wide = point.label.textContent.length * kLetter / 2 + 3;
      for (let cellX = Math.floor((x - wide) / 8); cellX <= Math.floor((x + wide) / 8); ++cellX) {
        for (const cellY of [Math.floor(y / kLine), Math.floor((y - kLine) / kLine)]) cells.push(cellX * 4096 + cellY);
      }
      const hasRoom = rank(point) < 2 || cells.every((cell) => !taken.has(cell));
      point.mark.classList.toggle("named", hasRoom);
      if (hasRoom) for (const cell of cells) taken.add(cell);
    }
    this.link();
  }

  /** Returns the pixels of the map's unit: all tokens fit in. */
  unit() {
    const {clientWidth: width, clientHeight: height} = this.picture;
    return Math.min((width / 2 - kMargin) / this.spread[0], (height / 2 - kMargin) / this.spread[1]);
  }

  link() {
    const from = this.points.get(this.chosen);
    const ends = from ? this.near.map(({id}) => this.points.get(id)).filter(Boolean) : [];
    this.links.replaceChildren(...ends.map((to) => {
      const [[x1, y1], [x2, y2]] = [this.at(from), this.at(to)];
      return shape("line", {x1, y1, x2, y2});
    }));
  }

  /** Returns the id of the token that was typed: on the map with or without the space before it. */
  findToken() {
    const typed = this.find.value, points = [...this.points.values()];
    const found = [typed, ` ${typed}`, typed.trim()].map((text) => points.find((point) => point.text === text)).find(Boolean);
    if (!found && typed) this.said.textContent = `${quoted(typed)} is not one of the ${points.length} tokens on the map.`;
    return found?.id ?? null;
  }

  async choose(id) {
    if (id === null) return;
    this.chosen = id;
    try {
      const key = this.key;
      const {neighbours} = await this.view.known("/v1/inspect/embeddings",
        this.view.request({first: 0, neighbours_of: id, count: 12}));
      if (key !== this.key || id !== this.chosen) return;
      this.near = neighbours;
    } catch (error) {
      this.said.textContent = error.message;
      return;
    }
    this.said.textContent = `Nearest to ${quoted(this.points.get(id)?.text ?? "")} by angle, in all dimensions:`;
    this.list.replaceChildren(...this.near.map((near) => element("li", {},
      this.points.has(near.id) ? element("button", {class: "plain token", onclick: () => this.choose(near.id)}, ...shown(near.text))
        : element("span", {class: "token"}, ...shown(near.text)), element("span", {class: "figure"}, near.cosine.toFixed(2)))));
    this.place();
  }

  enlarge(factor, x = this.zoom.x, y = this.zoom.y) {
    const scale = Math.max(0.8, Math.min(kMost, this.zoom.scale * factor)), kept = this.zoom.scale / scale;
    this.zoom = {scale, x: x + (this.zoom.x - x) * kept, y: y + (this.zoom.y - y) * kept};
    this.place();
  }

  pan(dx, dy) {
    const unit = this.zoom.scale * this.unit();
    this.zoom.x -= dx / unit;
    this.zoom.y += dy / unit;
    this.place();
  }

  reset() {
    this.zoom = {scale: 1, x: 0, y: 0};
    this.place();
  }

  /** Returns the place of the map at a point of the picture. */
  under(event) {
    const {left, top, width, height} = this.picture.getBoundingClientRect(), {scale, x, y} = this.zoom;
    const unit = scale * this.unit();
    return [x + (event.clientX - left - width / 2) / unit, y - (event.clientY - top - height / 2) / unit];
  }

  listen() {
    const {picture, pointers} = this;
    picture.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== picture) return;  // the page scrolls
      event.preventDefault();
      this.enlarge(Math.exp(-event.deltaY / 300), ...this.under(event));
    }, {passive: false});
    picture.addEventListener("pointerdown", (event) => pointers.set(event.pointerId, event));
    picture.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      pointers.set(event.pointerId, event);
      if (pointers.size === 1) return this.pan(event.clientX - before.clientX, event.clientY - before.clientY);
      const other = [...pointers.values()].find(({pointerId}) => pointerId !== event.pointerId);
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      this.enlarge(apart(event) / Math.max(1, apart(before)), ...this.under(other));
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
      picture.addEventListener(end, (event) => pointers.delete(event.pointerId));
    }
    picture.addEventListener("keydown", (event) => {
      const acts = {"+": () => this.enlarge(1.4), "=": () => this.enlarge(1.4), "-": () => this.enlarge(1 / 1.4),
        0: () => this.reset(), ArrowLeft: () => this.pan(60, 0), ArrowRight: () => this.pan(-60, 0),
        ArrowUp: () => this.pan(0, 60), ArrowDown: () => this.pan(0, -60)};
      if (!acts[event.key] || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      acts[event.key]();
    });
  }
}
