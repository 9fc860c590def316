// Draws one chart per metric with dygraphs, and one crosshair over all of them.
import {element, shape} from "/kiln.js";
import {kSmoothing, nearest, placeText, shortText, smoothed, tableOf, ticks, valueText} from "/runs_curves.js";

const kMostListed = 12;  // runs in the box at the pointer
const kFrame_ms = 12;    // of drawing at a time, so that the page stays responsive
const kPans = {ArrowLeft: -0.02, ArrowRight: 0.02};

/** Loads the library of curves; resolves to whether it is there. */
export function loadCurves() {
  return new Promise((resolve) => {
    document.head.append(
      element("link", {rel: "stylesheet", href: "/dygraph.css"}),
      element("script", {src: "/dygraph.js", onload: () => {
        const {Legend, ChartLabels, Annotations, RangeSelector} = Dygraph.Plugins;  // they would write markup
        Dygraph.PLUGINS = Dygraph.PLUGINS.filter((one) => ![Legend, ChartLabels, Annotations, RangeSelector].includes(one));
        resolve(true);
      }, onerror: () => resolve(false)}));
  });
}

/** The charts of the page. `view` is what all of them share: {axis, smoothing, isLog, window, colors}. */
export class Charts {
  constructor(view, {onZoom, onCrosshair, onSave}) {
    Object.assign(this, {view, onZoom, onCrosshair, onSave});
    this.charts = new Map();
    this.box = element("div", {class: "values hidden", role: "status", "aria-live": "off"});
    this.voice = element("p", {class: "unseen", "aria-live": "polite"});
    document.body.append(this.box, this.voice);
    this.sizes = new ResizeObserver((entries) => entries.forEach(({target}) => this.chartOf(target)?.resize()));
    this.sight = new IntersectionObserver((entries) => {
      for (const {target, isIntersecting} of entries) this.chartOf(target)?.setSeen(isIntersecting);
      this.onSeen?.();
    }, {rootMargin: "300px"});
  }

  chartOf(target) { return [...this.charts.values()].find((chart) => chart.plot === target); }

  /** Returns the keys of the charts that are on the screen or near it. */
  seen() { return [...this.charts.values()].filter((chart) => chart.isSeen).map((chart) => chart.metric.key); }

  /** Returns the chart of a metric, which it makes at the first call. */
  chart(metric) {
    if (!this.charts.has(metric.key)) {
      const chart = new Chart(this, metric);
      this.charts.set(metric.key, chart);
      this.sizes.observe(chart.plot);
      this.sight.observe(chart.plot);
    }
    return this.charts.get(metric.key);
  }

  redraw() { for (const chart of this.charts.values()) chart.draw(); }

  /** Draws what is stale and seen, some charts in each frame. */
  schedule() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      const end = performance.now() + kFrame_ms;
      for (const chart of this.charts.values()) {
        if (!chart.isSeen || !chart.isStale) continue;
        if (performance.now() > end) return this.schedule();
        chart.drawNow();
      }
    });
  }

  /** Shows the crosshair at a place in all charts; `leader` also lists its values, at the pointer if there is one. */
  point(place, leader, pointer) {
    this.pointing ||= requestAnimationFrame(() => {
      this.pointing = 0;
      this.pointNow(...this.pointed);
    });
    this.pointed = [place, leader, pointer];
    this.place = place;
  }

  pointNow(place, leader, pointer) {
    for (const chart of this.charts.values()) chart.point(place, chart === leader ? pointer : null);
    this.onCrosshair(place);
    if (place === null) this.box.classList.add("hidden");
    else leader.list(place, pointer);
  }

  /** Returns the range of the horizontal axis when all is shown. */
  whole() {
    const [from, to] = this.view.range ?? [0, 1], edge = (to - from || 1) / 100;
    return [from - edge, to + edge];
  }

  /** Shows a range in all charts. */
  zoom(window) {
    const whole = this.whole();
    this.view.window = window && window[0] <= whole[0] && window[1] >= whole[1] ? null : window;
    this.redraw();
    this.onZoom();
  }

  reset() {
    for (const chart of this.charts.values()) chart.heights = null;
    this.zoom(null);
  }

  isZoomed() { return Boolean(this.view.window) || [...this.charts.values()].some((chart) => chart.heights); }
}

/** A chart: its curves by run, and how they are drawn. */
class Chart {
  constructor(charts, metric) {
    Object.assign(this, {charts, metric, curves: [], isSeen: false, heights: null});
    this.readout = element("span", {class: "readout"});
    this.plot = element("div", {class: "plot", tabindex: 0, role: "img", onkeydown: (event) => this.key(event)});
    this.marks = shape("svg", {class: "marks", "aria-hidden": "true"});
    this.element = element("figure", {class: "chart"},
      element("figcaption", {}, element("h3", {title: metric.help || metric.axis}, metric.name), this.readout,
        element("button", {class: "plain", title: "Save all rows of the shown range as CSV",
          "aria-label": `Save ${metric.name} as CSV`, onclick: () => charts.onSave(metric)}, "CSV"),
        element("button", {class: "plain", "aria-pressed": "false", title: "Wide", "aria-label": `Show ${metric.name} wide`,
          onclick: (event) => {
            event.currentTarget.setAttribute("aria-pressed", String(this.element.classList.toggle("wide")));
          }}, "⤢")),
      this.plot);
  }

  /** Sets the curves: [{run, x, y, meanX, mean}] in the order of the runs. */
  set(curves) {
    this.curves = curves;
    this.draw();
  }

  setSeen(isSeen) {
    this.isSeen = isSeen;
    if (isSeen && this.isStale) this.charts.schedule();
  }

  resize() {
    this.graph?.resize();
    this.point(null);
  }

  /** Returns the curves as they are drawn: [{run, color, dash, raw, smooth}]. */
  drawn() {
    const {smoothing, window, colors} = this.charts.view;
    const [from, to] = window ?? this.charts.whole();
    const tau = this.metric.is_noisy ? kSmoothing[smoothing] * (to - from) : 0;
    return this.curves.map((curve) => {
      const base = curve.meanX.length ? {x: curve.meanX, y: curve.mean} : {x: curve.x, y: curve.y};
      const smooth = tau > 0 ? {x: base.x, y: smoothed(base.x, base.y, tau)} : null;
      return {...colors(curve.run), run: curve.run, raw: {x: curve.x, y: curve.y}, smooth};
    });
  }

  draw() {
    this.isStale = true;
    this.charts.schedule();
  }

  drawNow() {
    this.isStale = false;
    const {isLog, window} = this.charts.view;
    this.shown = this.drawn();
    const columns = [], series = {}, labels = ["x"];
    for (const {raw, smooth, color, faint, dash} of this.shown) {
      const points = raw.x.length <= 60;
      const add = (curve, options) => {
        labels.push(String(labels.length));
        columns.push(curve);
        series[labels.at(-1)] = options;
      };
      if (smooth) add(raw, {color: faint, strokeWidth: 1});
      add(smooth ?? raw, {color, strokeWidth: 1.6, strokePattern: dash, drawPoints: points && !smooth, pointSize: 2});
    }
    const rows = columns.length ? tableOf(columns) : [];
    if (!rows.length) {
      this.graph?.destroy();
      this.graph = null;
      this.plot.replaceChildren();
      return;
    }
    const options = {file: rows, labels, series, dateWindow: window ?? this.charts.whole(), valueRange: this.heights,
      axes: this.axes(), ...this.look()};
    options.axes.y.logscale = isLog && rows.some((row) => row.some((value, i) => i > 0 && value > 0));
    if (this.graph) this.graph.updateOptions(options);
    else this.create(rows, options);
    this.describe();
  }

  look() {
    const style = getComputedStyle(this.plot);
    return {axisLineColor: style.borderTopColor, gridLineColor: style.borderTopColor, gridLineWidth: 0.5};
  }

  axes() {
    const {axis} = this.charts.view;
    return {
      x: {ticker: (a, b, pixels) => ticks(a, b, pixels, axis === "seconds" ? 90 : 70, axis), drawGrid: false,
        axisLabelFontSize: 12, axisLabelWidth: axis === "seconds" ? 90 : 50},
      y: {ticker: (a, b, pixels, options, graph, values) => options("logscale")
        ? Dygraph.numericTicks(a, b, pixels, options, graph, values) : ticks(a, b, pixels, 32, "value"),
      axisLabelFormatter: shortText, axisLabelFontSize: 12, axisLabelWidth: 46},
    };
  }

  create(rows, {file, ...options}) {
    this.graph = new Dygraph(this.plot, rows, {
      ...options, connectSeparatedPoints: true, highlightCircleSize: 0, rightGap: 8, yRangePad: 8,
      interactionModel: this.interaction(),
      zoomCallback: () => this.zoomed(),
    });
    this.plot.append(this.marks);
  }

  /** Returns what the mouse and fingers do: drag to zoom, with Shift to pan; one finger points, two zoom. */
  interaction() {
    const model = Dygraph.defaultInteractionModel;
    const isPinch = (event) => event.touches.length > 1 || event.type === "touchend" && this.isPinching;
    const touch = (handle) => (event, graph, context) => {
      if (!isPinch(event)) return this.pointAt(event.touches[0] ?? null);
      this.isPinching = true;
      handle(event, graph, context);
      if (event.type !== "touchend") return;
      this.isPinching = false;
      this.zoomed();
    };
    return {
      ...model,
      mousedown: (event, graph, context) => {
        model.mousedown(event, graph, context);
        if (!event.shiftKey && !event.altKey) return;
        document.addEventListener("mouseup", () => this.zoomed(), {once: true});
      },
      mousemove: (event) => this.pointAt(event),
      mouseout: () => this.charts.point(null, this),
      dblclick: () => this.charts.reset(),
      touchstart: touch(model.touchstart), touchmove: touch(model.touchmove), touchend: touch(model.touchend),
      wheel: (event) => {
        if (!event.ctrlKey && !event.metaKey && !event.altKey) return;
        event.preventDefault();
        this.scale(event.deltaY > 0 ? 1.25 : 0.8, this.graph.toDataXCoord(event.offsetX));
      },
    };
  }

  /** Takes over the range that dygraphs shows now. */
  zoomed() {
    this.heights = this.graph.isZoomed("y") ? this.graph.yAxisRange() : null;
    this.charts.zoom(this.graph.xAxisRange());
  }

  /** Makes the range wider or narrower around a place. */
  scale(factor, place) {
    const [from, to] = this.graph.xAxisRange();
    this.charts.zoom([place - (place - from) * factor, place + (to - place) * factor]);
  }

  pan(share) {
    const [from, to] = this.graph.xAxisRange(), way = share * (to - from);
    this.charts.zoom([from + way, to + way]);
  }

  key(event) {
    if (!this.graph) return;
    const [from, to] = this.graph.xAxisRange();
    const place = this.charts.place ?? (from + to) / 2;
    if (event.key in kPans) {
      const way = kPans[event.key];
      if (event.shiftKey) this.pan(5 * way);
      else this.charts.point(Math.min(to, Math.max(from, place + way * (to - from))), this, null);
    } else if (event.key === "+" || event.key === "=") {
      this.scale(0.5, place);
    } else if (event.key === "-") {
      this.scale(2, place);
    } else if (event.key === "0" || event.key === "Escape") {
      this.charts.point(null, this);
      this.charts.reset();
    } else {
      return;
    }
    event.preventDefault();
  }

  pointAt(event) {
    if (!event || event.buttons || !this.graph) return this.charts.point(null, this);
    const left = this.plot.getBoundingClientRect().left, area = this.graph.getArea();
    const at = event.clientX - left;
    if (at < area.x || at > area.x + area.w) return this.charts.point(null, this);
    this.charts.point(this.graph.toDataXCoord(at), this, event);
  }

  /** Returns the value of each curve nearest to a place: [{curve, x, y, value}]; y in pixels. */
  valuesAt(place) {
    const found = [];
    for (const curve of this.shown ?? []) {
      const {x, y} = curve.smooth ?? curve.raw, i = nearest(x, place);
      const slack = 8 * (this.graph.toDataXCoord(1) - this.graph.toDataXCoord(0));
      if (i < 0 || y[i] === null || place < x[0] - slack || place > x.at(-1) + slack) continue;
      const value = curve.raw.y[nearest(curve.raw.x, x[i])];
      found.push({curve, x: x[i], value, smooth: curve.smooth ? y[i] : null, y: this.graph.toDomYCoord(y[i])});
    }
    return found;
  }

  /** Returns all values, or if they are many, those nearest to that of the leading run. */
  nearLead(values) {
    if (values.length <= kMostListed) return values;
    const lead = values.find(({curve}) => curve.run === this.charts.leading)?.y ?? 0;
    return values.toSorted((a, b) => Math.abs(a.y - lead) - Math.abs(b.y - lead)).slice(0, kMostListed);
  }

  /** Draws the crosshair; with null, removes it. */
  point(place, pointer) {
    this.marks.replaceChildren();
    this.readout.replaceChildren();
    const range = this.graph?.xAxisRange();
    if (place === null || place === undefined || !range || place < range[0] || place > range[1]) return;
    const area = this.graph.getArea(), x = this.graph.toDomXCoord(place), values = this.valuesAt(place);
    this.marks.append(shape("line", {x1: x, x2: x, y1: area.y, y2: area.y + area.h}));
    if (pointer) {
      const at = pointer.clientY - this.plot.getBoundingClientRect().top;
      this.charts.leading = values.toSorted((a, b) => Math.abs(a.y - at) - Math.abs(b.y - at))[0]?.curve.run;
    }
    for (const {curve, x: at, y} of this.nearLead(values)) {
      const left = this.graph.toDomXCoord(at);
      if (left < area.x || left > area.x + area.w || !(y >= area.y - 4 && y <= area.y + area.h + 4)) continue;
      const dot = shape("circle", {cx: left, cy: y, r: 3.5});
      dot.style.fill = curve.color;
      this.marks.append(dot);
    }
    const lead = values.find(({curve}) => curve.run === this.charts.leading) ?? values[0];
    if (!lead) return;
    const swatch = element("span", {class: "swatch"});
    swatch.style.background = lead.curve.color;
    this.readout.append(swatch, valueText(lead.smooth ?? lead.value));
  }

  /** Lists the values at a place in the box, which follows the pointer; without one, tells them to screen readers. */
  list(place, pointer) {
    const {axis} = this.charts.view, {box, voice, leading} = this.charts;
    const all = this.valuesAt(place), values = this.nearLead(all).sort((a, b) => a.y - b.y);
    if (!pointer) {
      voice.textContent = `${placeText(axis, place)}: ` +
        values.map(({curve, value, smooth}) => `${curve.run} ${valueText(smooth ?? value)}`).join(", ");
    }
    const rows = values.map(({curve, x, value, smooth}) => {
      const swatch = element("span", {class: "swatch"});
      swatch.style.background = curve.color;
      return element("tr", curve.run === leading ? {class: "lead"} : {}, element("td", {}, swatch),
        element("th", {scope: "row"}, curve.run), element("td", {}, valueText(smooth ?? value)),
        element("td", {class: "quiet"}, smooth === null ? "" : valueText(value)),
        element("td", {class: "quiet"}, placeText(axis, x)));
    });
    box.replaceChildren(element("table", {}, ...rows),
      ...(values.length < all.length ? [element("p", {class: "quiet"}, `the ${kMostListed} nearest`)] : []));
    box.classList.toggle("hidden", !rows.length);
    const around = this.plot.getBoundingClientRect(), area = this.graph.getArea();
    const x = pointer?.clientX ?? around.left + this.graph.toDomXCoord(place);
    const y = pointer?.clientY ?? around.top + area.y;
    const {offsetWidth: width, offsetHeight: height} = box;
    const isRight = x + 16 + width <= innerWidth;
    box.style.left = `${Math.max(4, isRight ? x + 16 : x - 16 - width)}px`;
    box.style.top = `${Math.max(4, Math.min(y + 16, innerHeight - height - 4))}px`;
  }

  describe() {
    const runs = this.shown.map(({run, raw}) => `${run} ${valueText(raw.y.findLast((value) => value !== null))}`);
    this.plot.setAttribute("aria-label", `${this.metric.name}: ${runs.slice(0, 8).join(", ")}` +
      `${runs.length > 8 ? `, and ${runs.length - 8} more` : ""}. Arrow keys move the crosshair, with Shift the range; ` +
      "plus and minus zoom, 0 shows all.");
  }
}
