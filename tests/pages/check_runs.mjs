// Checks the page of runs on folders of made-up runs: curves, crosshair, zoom, live runs, samples, differences, odd names.
import {spawn} from "node:child_process";
import {appendFileSync, mkdirSync, readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {equal, findBarriers, ok, pause, until} from "./support.mjs";

/** Returns rows of a training, as lines; values of evaluations every tenth row. */
function rows(from, to, scale = 1) {
  let text = "";
  for (let step = from; step <= to; ++step) {
    const isEvaluated = step % 10 === 0;
    const loss = scale * (1 + 4 * Math.exp(-step / 80)) + 0.1 * Math.sin(step * 12.9898) ** 3;
    text += JSON.stringify({step, tokens: step * 2048, seconds: step * 0.75, loss, learning_rate: 0.001 / (1 + step / 100),
      grad_norm: 0.4 + 0.1 * Math.cos(step), tokens_per_second: 2700 + step % 13, validation_loss: isEvaluated ? loss + 0.1 : null,
      accuracy: isEvaluated ? 1 / (1 + loss) : null, "rewards/my score": step / 100}) + "\n";
  }
  return text;
}

/** Writes a run as far as the page sees it. */
function writeRun(folder, name, {count = 300, scale = 1, set = {}, samples = []} = {}) {
  const root = join(folder, name);
  mkdirSync(root, {recursive: true});
  writeFileSync(join(root, "lock"), "1\n");
  writeFileSync(join(root, "metrics.jsonl"), rows(1, count, scale));
  writeFileSync(join(root, "train.log"), samples.map(([step, text]) =>
    `2026-01-02 03:04:05 info: step ${step}: sample\n${text}\n\n`).join(""));
  if (set) writeFileSync(join(root, "config.json"), JSON.stringify({...set}));
  return root;
}

/** Makes a folder of runs and a server that watches it, without a model. */
async function watched(visit, title, fill) {
  const folder = join(visit.scratch, `runs-${title}`);
  mkdirSync(folder);
  const config = JSON.parse(readFileSync(join(visit.runs[0], "config.json"), "utf8"));
  fill(folder, (changes) => ({...config, ...changes}));
  return {folder, server: await visit.serve({args: ["--runs", folder]}, [])};
}

function fewRuns(folder, config) {
  const rate = (learning_rate) => config({optimizer: {...config({}).optimizer, learning_rate}});
  writeRun(folder, "first", {set: rate(0.001), samples: [[100, "Once upon a time\n\nthere was <b>a fox</b>."], [200, "The end."]]});
  writeRun(folder, "second", {scale: 0.8, set: rate(0.002)});
  writeRun(folder, "third-without-config", {count: 150, scale: 1.2, set: null});
}

const drawn = (page, count) => until(page, `${count} charts are drawn`,
  (wanted) => document.querySelectorAll(".plot canvas").length >= 2 * wanted, count);
const texts = (page, selector) => page.$$eval(selector, (found) => found.map((one) => one.textContent));
const listed = (page) => page.$$eval(".list li:not(.hidden) .name", (found) => found.map((one) => one.textContent));
const checked = (page) => page.$$eval(".list li:has(input:checked) .name", (found) => found.map((one) => one.textContent).sort());

async function place(page, x, y = 0.5, index = 0) {
  const box = await (await page.$$(".plot"))[index].boundingBox();
  return [box.x + 55 + (box.width - 65) * x, box.y + box.height * y];
}

/** Returns the ticks of the horizontal axis of the first chart of each group. */
const ticks = (page) => page.$$eval(".chart:first-child .dygraph-axis-label-x", (found) => found.map((one) => one.textContent));

/** Waits until the ticks are these, or others than these. */
async function expectTicks(page, what, wanted, isEqual = true) {
  let found;
  for (let i = 0; i < 100; ++i) {
    found = await ticks(page);
    if ((JSON.stringify(found) === JSON.stringify(wanted)) === isEqual) return found;
    await pause(100);
  }
  throw new Error(`it is not so that ${what}: ${JSON.stringify(found)}`);
}

export const checks = {
  async "draws the curves of all runs, in light, dark and on a phone"(visit) {
    const {server} = await watched(visit, "draws", fewRuns);
    for (const [title, options] of [["light", {width: 1500, height: 950}], ["dark", {dark: true, height: 950}],
      ["phone", {width: 360, height: 780}]]) {
      const page = await visit.open("/runs", {at: server, ...options});
      await drawn(page, 2);
      await pause(300);
      equal(await texts(page, ".group:not(.hidden) > summary h2"),
        ["Losses and accuracy", "Rates and norms", "Rewards and KL", "Speed", "Latest values"]);
      equal(await texts(page, ".chart h3"), ["training loss", "validation loss", "accuracy", "learning rate", "gradient norm",
        "rewards/my score", "tokens per second"]);
      equal(await findBarriers(page), []);
      if (title !== "phone") await page.mouse.move(...await place(page, 0.4));
      await pause(200);
      await visit.shoot(page, title);
      await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
      await pause(600);
      await visit.shoot(page, `${title}-end`);
    }
  },

  async "filters, checks and unchecks runs by keyboard"(visit) {
    const {server} = await watched(visit, "filters", fewRuns);
    const page = await visit.open("/runs", {at: server});
    await drawn(page, 2);
    equal(await checked(page), ["first", "second", "third-without-config"]);
    await page.type(".side input[type=search]", "learning_rate=0.002");
    equal(await listed(page), ["second"], "a setting finds its runs");
    await page.$eval(".side input[type=search]", (input) => { input.value = ""; input.dispatchEvent(new Event("input")); });
    await page.focus(".list input");
    const order = await listed(page);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Space");
    equal(await checked(page), order.filter((name) => name !== order[1]).sort());
    ok((await page.url()).includes(`runs=${order[0]}`), "the address keeps what is shown");
    await page.reload({waitUntil: "networkidle0"});
    equal(await checked(page), order.filter((name) => name !== order[1]).sort());
    await page.click(".list li:nth-child(2) .only");
    equal(await checked(page), [order[1]]);
    const [all, none] = await page.$$(".tools button");
    await none.click();
    equal(await checked(page), []);
    await all.click();
    equal(await checked(page), [...order].sort());
  },

  async "shows one crosshair over all charts, with values"(visit) {
    const {server} = await watched(visit, "crosshair", fewRuns);
    const page = await visit.open("/runs#smooth=0", {at: server, width: 1500, height: 950});
    await drawn(page, 4);
    await page.mouse.move(...await place(page, 0.9));
    await until(page, "the values are listed", () => document.querySelectorAll(".values:not(.hidden) tr").length === 2);
    equal((await texts(page, ".values th")).sort(), ["first", "second"], "the third run has ended before");
    await until(page, "other charts show a value", () => document.querySelectorAll(".readout:not(:empty)").length >= 3);
    await page.mouse.move(5, 5);
    await until(page, "the box goes", () => document.querySelector(".values.hidden"));
    await page.focus(".plot");
    for (let i = 0; i < 3; ++i) await page.keyboard.press("ArrowRight");
    const spoken = await until(page, "the values are spoken", () => document.querySelector("p.unseen").textContent);
    ok(/^\d+: .*first \d\.\d+/.test(spoken), `${spoken} has the place and the values`);
    await page.mouse.move(...await place(page, 0.5));
    await until(page, "the sample is that of the place", () => document.querySelector(".samples output").textContent === "step 100");
  },

  async "zooms by mouse and keyboard, pans, and shows all again"(visit) {
    const {server} = await watched(visit, "zooms", fewRuns);
    const page = await visit.open("/runs", {at: server});
    await drawn(page, 2);
    const whole = await ticks(page);
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.mouse.move(...await place(page, 0.4));
    await page.mouse.down();
    await page.mouse.move(...await place(page, 0.6), {steps: 4});
    await page.mouse.up();
    await expectTicks(page, "a drag zooms", whole, false);
    await pause(400);
    ok(asked.some((url) => url.includes("from=")), "the details are fetched");
    ok(await page.$eval(".toolbar button", (button) => !button.classList.contains("hidden")), "a button shows all again");
    await visit.shoot(page, "zoomed");
    const zoomed = await ticks(page);
    await page.keyboard.down("Shift");
    await page.mouse.move(...await place(page, 0.9));
    await page.mouse.down();
    await page.mouse.move(...await place(page, 0.1), {steps: 4});
    await page.mouse.up();
    await page.keyboard.up("Shift");
    await expectTicks(page, "Shift and the mouse pan", zoomed, false);
    await page.click(".toolbar button");
    await expectTicks(page, "the button shows all", whole);
    await page.focus(".plot");
    await page.keyboard.press("+");
    await expectTicks(page, "+ zooms", whole, false);
    await page.keyboard.press("0");
    await expectTicks(page, "0 shows all", whole);
    await page.mouse.move(...await place(page, 0.4, 0.3));
    await page.mouse.down();
    await page.mouse.move(...await place(page, 0.4, 0.6), {steps: 4});
    await page.mouse.up();
    await pause(300);
    equal(await ticks(page), whole, "a vertical drag zooms the other axis");
    ok(await page.$eval(".toolbar button", (button) => !button.classList.contains("hidden")), "and can be undone");
    await page.mouse.click(...await place(page, 0.5), {count: 2});
    await pause(300);
    ok(await page.$eval(".toolbar button", (button) => button.classList.contains("hidden")), "a double click shows all");
  },

  async "draws over tokens and time, in logarithms, and smoothed"(visit) {
    const {server} = await watched(visit, "axes", fewRuns);
    const page = await visit.open("/runs#smooth=0", {at: server});
    await drawn(page, 2);
    equal((await ticks(page))[0], "0");
    await page.click("input[value=tokens] + span");
    await until(page, "tokens are counted", () => [...document.querySelectorAll(".chart:first-child .dygraph-axis-label-x")]
      .some((one) => one.textContent.endsWith("k")));
    await page.click("input[value=seconds] + span");
    await until(page, "time passes", () => [...document.querySelectorAll(".chart:first-child .dygraph-axis-label-x")]
      .some((one) => one.textContent === "1 min"));
    await page.click(".toolbar input[type=checkbox]");
    await page.$eval(".toolbar input[type=range]", (slider) => { slider.value = 5; slider.dispatchEvent(new Event("input")); });
    await pause(400);
    equal(await page.$eval(".toolbar output", (output) => output.textContent), "3 % of the width");
    await visit.shoot(page, "log");
    await page.reload({waitUntil: "networkidle0"});
    equal(await page.$eval("input[value=seconds]", (input) => input.checked), true, "the address keeps the axis");
    equal(await page.$eval(".toolbar input[type=checkbox]", (input) => input.checked), true);
    equal(await page.$eval(".toolbar input[type=range]", (input) => input.value), "5");
  },

  async "follows a run that trains, but not while it is hidden"(visit) {
    const {folder, server} = await watched(visit, "live", fewRuns);
    const root = join(folder, "first");
    writeFileSync(join(root, "lock"), `${process.pid}\n`);
    const holder = spawn("flock", [join(root, "lock"), "sleep", "60"]);
    await pause(300);
    try {
      const page = await visit.open("/runs", {at: server});
      await drawn(page, 2);
      await until(page, "the list says so", () => document.querySelector(".list .trains")?.textContent === "training");
      equal((await listed(page))[0], "first", "what trains comes first");
      appendFileSync(join(root, "metrics.jsonl"), rows(301, 600));
      appendFileSync(join(root, "train.log"), "2026-01-02 03:05:05 info: step 600: sample\nA new one.\n\n");
      await until(page, "the new rows are shown", () => /step 600/.test(document.querySelector(".list .about").textContent));
      await until(page, "the charts grow", () => [...document.querySelectorAll(".chart:first-child .dygraph-axis-label-x")]
        .some((one) => one.textContent === "600"));
      await until(page, "the new sample is shown", () => document.querySelector(".sample").textContent === "A new one.");
      let requests = 0;
      page.on("request", () => ++requests);
      await page.evaluate(() => {
        Object.defineProperty(document, "hidden", {get: () => window.isAway, configurable: true});
        window.isAway = true;
        document.dispatchEvent(new Event("visibilitychange"));
      });
      await pause(300);
      requests = 0;
      await pause(2500);
      equal(requests, 0, "requests of a hidden page");
      await page.evaluate(() => {
        window.isAway = false;
        document.dispatchEvent(new Event("visibilitychange"));
      });
      await pause(700);
      ok(requests > 0, "it looks again once it is seen");
    } finally {
      holder.kill();
    }
  },

  async "says when the server fails, and goes on afterwards"(visit) {
    visit.allowErrors(/status of 500/);
    const {folder, server} = await watched(visit, "fails", fewRuns);
    const root = join(folder, "first");
    writeFileSync(join(root, "lock"), `${process.pid}\n`);
    const holder = spawn("flock", [join(root, "lock"), "sleep", "60"]);
    await pause(300);
    let isBroken = false;
    const before = visit.server;
    visit.server = server;
    const proxy = await visit.proxy({answer: () => isBroken ? {status: 500, json: {error: {message: "out of order"}}} : null});
    visit.server = before;
    try {
      const page = await visit.open("/runs", {at: proxy});
      await drawn(page, 2);
      isBroken = true;
      await until(page, "the page says so", () => document.querySelector(".notice.error")?.textContent === "out of order");
      isBroken = false;
      await until(page, "the page goes on", () => document.querySelector(".notice.hidden"));
    } finally {
      holder.kill();
    }
  },

  async "shows samples as text, and how settings differ"(visit) {
    const {server} = await watched(visit, "samples", fewRuns);
    const page = await visit.open("/runs", {at: server});
    await drawn(page, 2);
    await page.select(".samples select", "first");
    await until(page, "the latest sample is shown", () => document.querySelector(".sample").textContent === "The end.");
    await page.focus(".samples input[type=range]");
    await page.keyboard.press("ArrowLeft");
    await until(page, "the one before is shown", () => document.querySelector(".sample").textContent ===
      "Once upon a time\n\nthere was <b>a fox</b>.");
    await page.select(".samples select", "second");
    await until(page, "none is named as such", () => /No samples yet/.test(document.querySelector(".sample").textContent));
    const [, from, to] = await page.$$("select");
    await from.select("first");
    await to.select("second");
    await until(page, "the settings differ", () => document.querySelector(".settings tbody")?.textContent ===
      "optimizer.learning_rate0.0010.002");
    equal((await to.$$eval("option", (found) => found.map((one) => one.value))).sort(), ["first", "second"],
      "runs with settings that can be read");
  },

  async "saves the rows of a chart as a table"(visit) {
    const {server} = await watched(visit, "saves", fewRuns);
    const page = await visit.open("/runs", {at: server});
    await drawn(page, 2);
    await page.evaluate(() => {
      URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; }); return "data:,"; };
      HTMLAnchorElement.prototype.click = function() { window.savedAs = this.download; };
    });
    await page.hover(".chart:nth-child(2)");
    await page.click(".chart:nth-child(2) button");
    const table = await until(page, "the table is saved", () => window.saved);
    const lines = table.trim().split("\r\n");
    equal(lines[0], "run,step,tokens,seconds,validation_loss");
    equal(lines.length, 1 + 30 + 30 + 15);
    equal(await page.evaluate(() => window.savedAs), "validation_loss.csv");
  },

  async "takes names and samples for text, whatever they are"(visit) {
    const names = ["<img src=x onerror=alert(1)>", "\"><script>alert(2)<!", "javascript:alert(3)", "%3Cb%3E", "a&run=b", "日本語 🎉",
      "\u202Egnirts", "{{7*7}}", "'; DROP TABLE runs; --", "x".repeat(200)];
    const {server} = await watched(visit, "names", (folder, config) => {
      for (const name of names) {
        writeRun(folder, name, {count: 20, set: config({name}), samples: [[1, `</pre><script>alert(4)</script>${name}`]]});
      }
    });
    const page = await visit.open("/runs", {at: server});
    await page.click(".tools button");
    await drawn(page, 2);
    equal((await listed(page)).sort(), names.toSorted());
    await page.mouse.move(...await place(page, 0.5));
    await until(page, "all values are listed", (count) => document.querySelectorAll(".values tr").length === count, names.length);
    equal((await texts(page, ".values th")).sort(), names.toSorted());
    for (const name of names) {
      await page.select(".samples select", name);
      await until(page, "its sample is shown", (text) => document.querySelector(".sample").textContent === text,
        `</pre><script>alert(4)</script>${name}`);
    }
    equal(await page.$$eval("main img, main script, main b", (found) => found.length), 0, "elements from markup");
    await visit.shoot(page, "names");
    const phone = await visit.open("/runs", {at: server, width: 360, height: 780});
    equal(await findBarriers(phone), []);
  },

  async "computes tables, averages and numbers"(visit) {
    const page = await visit.open("/runs");
    const found = await page.evaluate(async () => {
      const {tableOf, smoothed, brief, duration, shortText, valueText, ticks} = await import("/runs_curves.js");
      const x = Array.from({length: 20000}, (_, i) => i + 0.5), y = x.map((place) => Math.sin(place));
      y[777] = 50;
      y[12345] = -50;
      y.fill(null, 5000, 5200);
      const many = tableOf([{x, y}, {x: x.map((place) => place / 2), y}, {x: [3], y: [7]}]);
      const column = (c) => many.map((row) => row[c]).filter((value) => value !== null);
      return {
        few: tableOf([{x: [1, 2], y: [5, null]}, {x: [2, 3], y: [6, 7]}]).map((row) => row.map(String).join(" ")),
        size: many.length <= 4000, rises: many.every((row, i) => i === 0 || row[0] > many[i - 1][0]),
        extremes: [1, 2].map((c) => [Math.max(...column(c).filter((v) => !Number.isNaN(v))),
          Math.min(...column(c).filter((v) => !Number.isNaN(v))), column(c).some(Number.isNaN)]),
        alone: column(3),
        constant: smoothed([0, 1, 5, 6], [2, 2, null, 2], 3), symmetric: smoothed([0, 1, 2], [0, 9, 0], 1),
        texts: [brief(950), brief(999999), brief(8650000), duration(42), duration(200), duration(18720), duration(259200),
          shortText(0.0007), shortText(0.5), valueText(0.34999), valueText(12345.6), valueText(null), valueText(-2)],
        ticks: [ticks(0, 4400, 600, 70, "step"), ticks(0.3495, 0.3512, 170, 32, "value"), ticks(0, 400, 400, 90, "seconds")]
          .map((all) => all.map(({label}) => label).join(" ")),
      };
    });
    equal(found.few, ["1 5 null", "2 NaN 6", "3 null 7"]);
    equal([found.size, found.rises, found.extremes, found.alone], [true, true, [[50, -50, true], [50, -50, true]], [7]]);
    equal(found.constant, [2, 2, null, 2]);
    equal(found.symmetric[0], found.symmetric[2], "no lag");
    equal(found.texts, ["950", "1M", "8.65M", "42 s", "3 min 20 s", "5 h 12 min", "3 d", "7e\u22124", "0.5", "0.3500", "12.35k",
      "\u2013", "\u22122.000"]);
    equal(found.ticks, ["0 1k 2k 3k 4k", "0.3495 0.35 0.3505 0.351", "0 s 2 min 4 min 6 min"]);
  },

  async "shows a hundred runs at once"(visit) {
    const {server} = await watched(visit, "hundred", (folder) => {
      for (let i = 0; i < 100; ++i) writeRun(folder, `sweep-${String(i).padStart(3, "0")}`, {count: 400, scale: 0.5 + i / 100, set: null});
    });
    const page = await visit.open("/runs", {at: server, width: 1500, height: 950});
    await page.click(".tools button");
    await until(page, "all are drawn", () => /sweep-0.*and 92 more/.test(document.querySelector(".plot")?.getAttribute("aria-label")));
    await page.mouse.move(...await place(page, 0.5));
    await until(page, "the nearest are listed", () => document.querySelectorAll(".values tr").length === 12);
    await visit.shoot(page, "hundred");
  },

  async "tells what is missing: curves, runs, a folder"(visit) {
    const {server, folder} = await watched(visit, "missing", () => {});
    const empty = await visit.open("/runs", {at: server});
    ok((await texts(empty, ".notice"))[0].includes("holds no runs yet"), "an empty folder is told");
    const without = await visit.serve({}, [join(visit.runs[0], "checkpoints", readFileSync(join(visit.runs[0], "checkpoints", "latest"),
      "utf8").trim())]);
    const unwatched = await visit.open("/runs", {at: without});
    ok((await texts(unwatched, ".notice"))[0].includes("kiln serve --runs DIR"), "a server without a folder says so");
    writeRun(folder, "first", {set: null});
    const before = visit.server;
    visit.server = server;
    const proxy = await visit.proxy({answer: async ({url}) =>
      url === "/v1/runs" ? {json: {...await server.ask("/v1/runs"), has_curves: false}} : null});
    visit.server = before;
    const page = await visit.open("/runs", {at: proxy});
    ok((await texts(page, ".notice"))[0].includes("without curves"), "the page says why there are no curves");
    equal((await texts(page, ".numbers tbody th")), ["first"]);
    ok(await page.$eval(".numbers", (table) => table.checkVisibility()), "and shows the latest values");
    await visit.shoot(page, "without-curves");
    equal(await findBarriers(page), []);
  },
};
