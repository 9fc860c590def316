// Watches a folder of runs: chooses runs, fetches their curves as they grow, and lays the page out.
import {addBar, ask, element, send} from "/kiln.js";
import {Charts, loadCurves} from "/runs_charts.js";
import {kSmoothing} from "/runs_curves.js";
import {RunList} from "/runs_list.js";
import {Differences, Latest, Samples} from "/runs_panels.js";

const kLive_ms = 2000, kQuiet_ms = 15000;  // between two looks at the list
const kAxes = [["step", "steps"], ["tokens", "tokens"], ["seconds", "time"]];
const kGroups = ["Losses and accuracy", "Rates and norms", "Rewards and KL", "Speed", "Others"];
const kMostAsked = 16;  // runs in one request: its head has a limit

addBar("runs");
const main = document.getElementById("runs");
const hash = new URLSearchParams(location.hash.slice(1));
const view = {
  axis: kAxes.some(([axis]) => axis === hash.get("x")) ? hash.get("x") : "step",
  smoothing: Math.min(kSmoothing.length - 1, Math.max(0, Number(hash.get("smooth") ?? 3) | 0)),
  isLog: hash.get("log") === "1", window: null, range: null, colors: (name) => colorsOf(name),
};
const metrics = new Map();  // by key, of the server's table and of the runs
const known = new Map();    // by run: {state, keys, range, curves: by key, before: curves of the last state}
let hasCurves = false, charts = null, timer = null, colors = [];

const list = new RunList(hash.has("runs") ? hash.getAll("runs") : null, () => { keep(); refresh(); });
const samples = new Samples(), differences = new Differences(), latest = new Latest();
const notice = element("p", {class: "notice hidden", role: "status"});
const reset = element("button", {class: "hidden", onclick: () => charts.reset()}, "Show all");
const groups = new Map(kGroups.map((name) => {
  const grid = element("div", {class: "charts"}), count = element("span", {class: "quiet"});
  return [name, {grid, count, element: element("details", {class: "group hidden", open: true},
    element("summary", {}, element("h2", {}, name), count), grid)}];
}));

/** Keeps in the address what is shown, so that a link or a reload shows it again. */
function keep() {
  const kept = new URLSearchParams();
  for (const name of list.checked) kept.append("runs", name);
  if (!list.checked.size) kept.append("runs", "");
  kept.set("x", view.axis);
  kept.set("smooth", view.smoothing);
  if (view.isLog) kept.set("log", "1");
  history.replaceState(null, "", `#${kept}`);
}

function toolbar() {
  const axes = element("div", {class: "segments", role: "radiogroup", "aria-label": "Horizontal axis"},
    ...kAxes.map(([axis, name]) => element("label", {}, element("input", {type: "radio", name: "axis", value: axis,
      checked: axis === view.axis, onchange: () => {
        Object.assign(view, {axis, window: null});
        known.clear();
        keep();
        charts?.reset();
        refresh();
      }}), element("span", {}, name))));
  const width = element("output", {class: "quiet width"});
  const tell = () => { width.textContent = view.smoothing ? `${100 * kSmoothing[view.smoothing]} % of the width` : "off"; };
  const slider = element("input", {type: "range", min: 0, max: kSmoothing.length - 1, value: view.smoothing,
    oninput: () => {
      view.smoothing = Number(slider.value);
      tell();
      keep();
      charts?.redraw();
    }});
  tell();
  const log = element("input", {type: "checkbox", checked: view.isLog, onchange: () => {
    view.isLog = log.checked;
    keep();
    charts?.redraw();
  }});
  return element("div", {class: "toolbar"}, axes, element("label", {class: "row"}, "Smoothing", slider, width),
    element("label", {class: "row"}, log, "Log"), reset);
}

function lay() {
  const beside = element("aside", {class: "beside"}, samples.element, differences.element);
  main.append(list.element, element("div", {class: "content"}, notice, toolbar(),
    ...[...groups.values()].map(({element: group}) => group), latest.element), beside);
}

/** Resolves the colours of the style sheet, which differ in light and dark. */
function readColors() {
  const probe = element("span");
  main.append(probe);
  colors = Array.from({length: 10}, (_, i) => {
    probe.className = `run-${i} faint`;
    const faint = getComputedStyle(probe).color;
    probe.className = `run-${i}`;
    return {color: getComputedStyle(probe).color, faint};
  });
  probe.remove();
}

function colorsOf(name) {
  const {color, dash} = list.colorOf(name);
  return {...colors[color], dash};
}

function say(text, isError = false) {
  notice.textContent = text;
  notice.classList.toggle("hidden", !text);
  notice.classList.toggle("error", isError);
}

/** Returns what is known of a metric; of one that only a run has, its key. */
function metricOf(key) {
  if (!metrics.has(key)) {
    const group = key.startsWith("rewards/") ? "Rewards and KL" : "Others";
    metrics.set(key, {key, name: key, axis: key, help: "", group, is_noisy: true});
  }
  return metrics.get(key);
}

/** Returns a range with half as much again at both sides, so that a small pan shows curves at once. */
function widened([from, to]) { return [from - (to - from) / 2, to + (to - from) / 2]; }

/** Tells a state of a run's metrics from another, even if the server was restarted meanwhile. */
function stateOf({version, changed, step}) { return `${version} ${changed} ${step}`; }

/** Asks for curves of runs, several runs at a time; of a part of the axis, or with null the whole. */
async function fetchCurves(runs, keys, part) {
  const points = Math.min(1000, Math.max(200, Math.floor(60000 / Math.max(1, list.shown().length))));
  for (let i = 0; i < runs.length; i += kMostAsked) {
    const query = new URLSearchParams({x: view.axis, points, ...(part && {from: part[0], to: part[1]})});
    const asked = runs.slice(i, i + kMostAsked), axis = view.axis;
    for (const {name} of asked) query.append("run", name);
    for (const key of keys) query.append("key", key);
    const reply = await ask(`/v1/series?${query}`);
    if (axis !== view.axis) return;
    reply.runs.forEach(({name, keys: all, range}, r) => {
      const state = stateOf(asked[r]), one = known.get(name);
      if (one?.state !== state) known.set(name, {state, keys: all, range, curves: new Map(), before: one?.curves});
      const {curves} = known.get(name);
      for (const key of keys) curves.set(key, {run: name, part: String(part), x: [], y: [], meanX: [], mean: []});
    });
    for (const {run, key, x, y, mean_x: meanX, mean} of reply.series) {
      Object.assign(known.get(run).curves.get(key), {x, y, meanX, mean});
    }
  }
}

/** Fetches what the charts on the screen lack, and draws them. */
async function fill() {
  const shown = list.shown(), keys = charts.seen(), part = view.window && widened(view.window), missing = new Map();
  for (const run of shown) {
    const one = known.get(run.name);
    const isNew = one?.state !== stateOf(run);
    const lacks = JSON.stringify(keys.filter((key) => isNew || one.curves.get(key)?.part !== String(part)));
    if (!one || lacks !== "[]") missing.set(lacks, [...missing.get(lacks) ?? [], run]);
  }
  for (const [lacks, runs] of missing) await fetchCurves(runs, JSON.parse(lacks), part);
  arrange(shown);
}

/** Puts a chart for each key of the shown runs into its group, and gives all of them their curves. */
function arrange(shown) {
  const keys = new Set(shown.flatMap(({name}) => known.get(name)?.keys ?? []));
  const order = [...metrics.keys()];
  const sorted = [...keys].sort((a, b) => (order.indexOf(a) >>> 0) - (order.indexOf(b) >>> 0) || (a < b ? -1 : 1));
  const ends = shown.flatMap(({name}) => known.get(name)?.range ?? []);
  view.range = ends.length ? [Math.min(...ends), Math.max(...ends)] : null;
  const wanted = new Map(kGroups.map((name) => [name, []]));
  for (const key of sorted) (wanted.get(metricOf(key).group) ?? wanted.get("Others")).push(charts.chart(metricOf(key)));
  for (const [name, {grid, count, element: group}] of groups) {
    const elements = wanted.get(name).map((chart) => chart.element);
    if (elements.length !== grid.children.length || elements.some((one, i) => one !== grid.children[i])) {
      grid.replaceChildren(...elements);
    }
    group.classList.toggle("hidden", !elements.length);
    count.textContent = elements.length;
  }
  for (const chart of [...wanted.values()].flat()) {
    const curves = shown.map(({name}) => {
      const one = known.get(name);
      return one?.curves.get(chart.metric.key) ?? one?.before?.get(chart.metric.key);
    });
    chart.set(curves.filter((curve) => curve?.x.length));
  }
  reset.classList.toggle("hidden", !charts.isZoomed());
}

/** Looks at the list, and at what has changed in the runs that are shown. */
async function look() {
  const {runs, metrics: table, has_curves: canDraw, has_folder: hasFolder} = await ask("/v1/runs");
  for (const metric of table) metrics.set(metric.key, {...metrics.get(metric.key), ...metric});
  hasCurves = canDraw;
  list.update(runs);
  await show();
  if (!hasFolder) say("This server watches no folder of runs. Name one when you start it: kiln serve --runs DIR");
  else if (!runs.length) say("This folder holds no runs yet. kiln train makes one; it appears here by itself.");
  else if (!notice.classList.contains("error") && hasCurves) say("");
}

async function show() {
  const shown = list.shown();
  if (charts) await fill();
  for (const {last} of shown) Object.keys(last).forEach(metricOf);
  latest.update(shown, [...metrics.values()]);
  await Promise.all([samples.update(shown, stateOf), differences.update(shown)]);
}

/** Does one thing after another: what is asked for meanwhile is done once, afterwards. */
let busy = false, again = false;
async function refresh(work = show) {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    do {
      again = false;
      await work();
      work = show;
    } while (again);
    if (notice.classList.contains("error")) say("");
  } catch (error) {
    say(error.status ? error.message : "The server cannot be reached; this page tries again.", true);
  } finally {
    busy = false;
  }
}

/** Looks again, soon while a shown run trains, and never while the page is hidden. */
async function watch() {
  clearTimeout(timer);
  await refresh(look);
  if (document.hidden) return;
  timer = setTimeout(watch, list.shown().some((run) => run.is_training) ? kLive_ms : kQuiet_ms);
}

async function save(metric) {
  const query = new URLSearchParams({key: metric.key, x: view.axis, format: "csv"});
  for (const {name} of list.shown()) query.append("run", name);
  if (view.window) {
    query.set("from", view.window[0]);
    query.set("to", view.window[1]);
  }
  try {
    const address = URL.createObjectURL(await (await send(`/v1/series?${query}`)).blob());
    element("a", {href: address, download: `${metric.key.replaceAll("/", "_")}.csv`}).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  } catch (error) {
    say(error.message, true);
  }
}

async function start() {
  lay();
  readColors();
  await refresh(look);
  if (hasCurves && await loadCurves()) {
    charts = new Charts(view, {onZoom: zoomed, onSave: save,
      onCrosshair: (place) => { if (view.axis === "step" || place === null) samples.point(place); }});
    charts.onSeen = soon;
  } else if (!notice.textContent) {
    say("This kiln was built without curves, since dygraphs was absent (Debian: libjs-dygraphs). The latest values are below.");
    latest.element.open = true;
    document.querySelector(".toolbar").classList.add("hidden");
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); charts?.redraw(); });
  document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : watch());
  await watch();
}

let waiting = null;
function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(() => refresh(), 60);
}

function zoomed() {
  reset.classList.toggle("hidden", !charts.isZoomed());
  soon();
}

start();
