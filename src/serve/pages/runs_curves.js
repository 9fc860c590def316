// Computes what charts show from the curves of the server: smoothed values, tables, ticks, and numbers as text.

/** Widths of smoothing, as shares of the range that is shown, by the slider's position. */
export const kSmoothing = [0, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2];

/**
 * Smooths a curve by an exponential average over both sides, which does not lag behind. `tau` is the distance in x over
 * which a value's weight falls to 1/e, so that runs that log more often are smoothed alike.
 */
export function smoothed(x, y, tau) {
  const sums = new Float64Array(y.length), weights = new Float64Array(y.length);
  for (const step of [1, -1]) {
    let sum = 0, weight = 0, before = null;
    for (let i = step > 0 ? 0 : y.length - 1; i >= 0 && i < y.length; i += step) {
      if (y[i] === null) continue;
      const decay = before === null ? 0 : Math.exp(-Math.abs(x[i] - before) / tau);
      sums[i] += sum * decay;  // of the values on this side; the value itself is added below
      weights[i] += weight * decay;
      sum = sum * decay + y[i];
      weight = weight * decay + 1;
      before = x[i];
    }
  }
  return y.map((value, i) => value === null ? null : (sums[i] + value) / (weights[i] + 1));
}

/** Returns the index of the x nearest to a place; -1 if there is none. */
export function nearest(x, place) {
  if (!x.length) return -1;
  let low = 0, high = x.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle] < place) low = middle;
    else high = middle;
  }
  return Math.abs(x[low] - place) <= Math.abs(x[high] - place) ? low : high;
}

const kMostRows = 4000, kMostCells = 150000;

/**
 * Puts curves {x, y} into one table as dygraphs takes it: rows [x, y of curve 0, ...]; null where a curve has no point, NaN
 * where it has a gap. Many different x are put together in columns of one width; of each, a curve keeps its lowest and its
 * highest value.
 */
export function tableOf(curves) {
  const all = new Set();
  for (const {x} of curves) for (const place of x) all.add(place);
  const most = Math.min(kMostRows, Math.max(200, Math.floor(kMostCells / (curves.length + 1))));
  if (all.size <= most) {
    const places = Float64Array.from(all).sort();
    const rowOf = new Map();
    const rows = Array.from(places, (place, i) => {
      rowOf.set(place, i);
      return [place, ...Array(curves.length).fill(null)];
    });
    curves.forEach(({x, y}, c) => x.forEach((place, i) => { rows[rowOf.get(place)][c + 1] = y[i] ?? NaN; }));
    return rows;
  }
  let from = Infinity, to = -Infinity;
  for (const place of all) {
    from = Math.min(from, place);
    to = Math.max(to, place);
  }
  const columns = Math.floor(most / 2), width = (to - from) / columns;
  const rows = Array.from({length: 2 * columns}, (_, i) =>
    [from + width * (Math.floor(i / 2) + (i % 2 ? 0.75 : 0.25)), ...Array(curves.length).fill(null)]);
  curves.forEach(({x, y}, c) => x.forEach((place, i) => {
    const column = Math.min(columns - 1, Math.floor((place - from) / width));
    const first = rows[2 * column], second = rows[2 * column + 1], value = y[i] ?? NaN;
    if (first[c + 1] === null || Number.isNaN(first[c + 1])) first[c + 1] = value;
    else if (second[c + 1] === null || Number.isNaN(second[c + 1])) second[c + 1] = value;
    else if (value < Math.min(first[c + 1], second[c + 1])) replace(first, second, c, value, false);
    else if (value > Math.max(first[c + 1], second[c + 1])) replace(first, second, c, value, true);
  }));
  return rows.filter((row) => row.some((value, i) => i > 0 && value !== null));
}

/** Puts a new lowest or highest value of a column after the other one. */
function replace(first, second, c, value, isHighest) {
  const [a, b] = [first[c + 1], second[c + 1]];
  first[c + 1] = isHighest ? Math.min(a, b) : Math.max(a, b);
  second[c + 1] = value;
}

const kUnits = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

/** Writes a count briefly: 950, 1.25k, 8.65M. */
export function brief(value, digits = 3) {
  for (const [unit, letter] of kUnits) {
    if (Math.abs(value) >= unit * 0.9995) return trimmed((value / unit).toPrecision(Math.max(digits, 1))) + letter;
  }
  return trimmed(value.toPrecision(Math.max(digits, 1)));
}

function trimmed(text) {
  const plain = text.includes("e") ? String(Number(text)) : text;
  return plain.includes(".") ? plain.replace(/\.?0+$/, "") : plain;
}

/** Writes a measured value with four significant digits. */
export function valueText(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 9999.5) return brief(value, 4);
  if (size !== 0 && size < 1e-3) return value.toExponential(2).replace("e-", "e−").replace(/^-/, "−");
  return value.toPrecision(4).replace(/^-/, "−");
}

/** Writes a round value without zeros at its end: 0.5, 7e−4. */
export function shortText(value) { return valueText(value).replace(/(\.\d*?)0+(e|$)/, "$1$2").replace(/\.(e|$)/, "$1"); }

/** Writes seconds: 42 s, 3 min 20 s, 5 h 12 min. */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (seconds < 10) return `${trimmed(seconds.toPrecision(2))} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  const hours = Math.floor(whole / 3600), minutes = Math.round(whole % 3600 / 60);
  if (hours >= 48 || (hours === 24 && !minutes)) return `${Math.floor(hours / 24)} d${hours % 24 ? ` ${hours % 24} h` : ""}`;
  return `${hours} h${minutes ? ` ${minutes} min` : ""}`;
}

/** Writes a place on an axis. */
export function placeText(axis, place) {
  return axis === "seconds" ? duration(place) : Math.round(place).toLocaleString("en");
}

const kTimes = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/** Returns the distance of ticks so that about `count` of them lie within a width. */
function tickDistance(width, count, isTime) {
  const least = width / Math.max(1, count);
  if (isTime && least > 0.5) return kTimes.find((time) => time >= least) ?? Math.ceil(least / 86400) * 86400;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= least * 0.999999);
}

/** Returns the ticks of a linear axis with their labels. */
export function ticks(from, to, pixels, pixelsPerTick, axis) {
  if (!(to > from)) return [];
  const distance = tickDistance(to - from, pixels / pixelsPerTick, axis === "seconds");
  const found = [];
  for (let i = Math.ceil(from / distance); i * distance <= to; ++i) found.push(i * distance);
  const last = Math.max(...found.map(Math.abs), 0);
  const digits = last > 0 ? Math.max(1, Math.floor(Math.log10(last)) - Math.floor(Math.log10(distance) + 1e-9) + 1) : 1;
  const label = (v) => {
    if (axis === "seconds") return duration(v);
    if (axis === "value" && v !== 0 && (last < 1e-3 || last >= 1e15)) {
      return trimmedExponent(v.toExponential(Math.min(10, digits - 1)));
    }
    if (v === 0) return "0";
    return brief(v, digits + (Math.abs(v) < last ? Math.floor(Math.log10(Math.abs(v)) + 1e-9) - Math.floor(Math.log10(last)) : 0))
      .replace(/^-/, "−");
  };
  return found.map((v) => ({v, label: label(v)}));
}

function trimmedExponent(text) {
  return text.replace(/(\.\d*?)0*e/, "$1e").replace(".e", "e").replace("e-", "e−").replace(/^-/, "−").replace("e+", "e");
}
