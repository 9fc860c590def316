// Checks two sections of the page "Inside": steps of gradient descent, and the valley of the loss.
import {equal, findBarriers, ok, until} from "./support.mjs";

const kText = "One morning the old man went down to the river and";

const textOf = (page, selector) => page.$eval(selector, (element) => element.textContent);
const click = (page, selector) => page.$eval(selector, (button) => button.click());

/** Opens the page with a text, and waits until it has been read. */
async function opened(visit, options = {}) {
  const page = await visit.open(`/inside#${new URLSearchParams({text: kText})}`, options);
  await page.waitForSelector(".map g.named");
  return page;
}

const idle = (page, section) => until(page, `${section} has answered`,
  (id) => !document.getElementById(id).hasAttribute("aria-busy"), section);

async function press(page, name) {
  await page.$$eval("#steps button", (buttons, wanted) => buttons.find(({textContent}) => textContent === wanted).click(), name);
  await idle(page, "steps");
}

async function begin(page, target = "") {
  await page.$eval("#steps input[type=text]", (input, value) => { input.value = value; }, target);
  await press(page, "Compute the gradient");
  await page.waitForSelector("#steps .tensor");
}

/** Draws a small valley to its end. */
async function draw(page, directions = "random") {
  await page.select("#valley label:nth-of-type(2) select", directions);
  await page.select("#valley label + select", "11");
  await click(page, "#valley .main");
  await idle(page, "valley");
}

const stateOf = (page) => page.evaluate(() => ({
  said: document.querySelector("#steps .steps > p").textContent,
  tensors: [...document.querySelectorAll("#steps .tensor")].map((tensor) => tensor.title),
  dots: document.querySelectorAll("#steps .curve:first-of-type circle").length,
}));

export const experiments = {
  async "shows the gradient of every tensor, from the loss to the embedding"(visit) {
    const page = await opened(visit);
    await begin(page, "looked");
    const {tokens} = await visit.server.ask("/tokenize", {content: kText});
    const reply = await visit.server.ask("/v1/inspect/step", {text: kText, target: " looked"});
    equal((await stateOf(page)).tensors.length, reply.tensors.length, "tensors");
    const names = await page.$$eval("#steps .stage", (stages) => stages.map((stage) => stage.firstChild.textContent));
    equal(names[0], "Loss");
    ok(names.at(-1).startsWith("Embedding"), "the embedding is at the bottom");
    equal(names.filter((name) => name.startsWith("Layer")), Array.from({length: reply.n_layers},
      (_, i) => `Layer ${reply.n_layers - i}`), "the last layer is the first below the loss");
    ok((await textOf(page, "#steps .steps > p")).includes("“·looked”"), "a space is put between words");
    ok(tokens.length > 0 && reply.state.targets.length > 0, "there is a target");
    await page.select("#steps .steps > label select", "relative");
    ok((await stateOf(page)).tensors.length > 0, "the relative norms are shown");
  },

  async "takes steps, takes them back, and starts over"(visit) {
    const page = await opened(visit);
    await begin(page);
    const first = await stateOf(page);
    await press(page, "Step");
    const one = await stateOf(page);
    ok(one.said !== first.said && one.said.includes("after 1 step"), "the probability has changed");
    await press(page, "Step");
    await press(page, "Take one back");
    equal(await stateOf(page), one, "taken back");
    await press(page, "Start over");
    equal(await stateOf(page), first, "started over");
    await page.$$eval("#steps button", (buttons) => buttons.find(({textContent}) => textContent === "10 steps").click());
    await until(page, "ten steps are taken", () => document.querySelector("#steps .steps > p").textContent.includes("after 10 steps"));
    await idle(page, "steps");
    await page.$eval("#steps", (section) => section.scrollIntoView());
    await visit.shoot(page, "steps");
  },

  async "says when another session has ended this one"(visit) {
    visit.allowErrors(/status of 404/);
    const page = await opened(visit);
    await begin(page);
    await visit.server.ask("/v1/inspect/step", {text: "Another one"});
    await press(page, "Step");
    ok((await textOf(page, "#steps [role=alert]")).includes("another one has begun"), "the reason is said");
    await begin(page);
    ok(await page.$eval("#steps [role=alert]", (alert) => alert.classList.contains("hidden")), "a new session goes on");
  },

  async "draws the valley with losses that can be read"(visit) {
    const page = await opened(visit);
    await draw(page);
    equal(await page.$$eval(".ground rect:not(.hidden)", (cells) => cells.length), 121, "cells");
    ok(await page.$$eval(".contours path", (lines) => lines.some((line) => line.getAttribute("d").length > 0)), "contours");
    await page.$eval(".valley-map", (map) => map.focus());
    const middle = await textOf(page, ".valley .quiet");
    ok(/^α = 0, β = 0: loss \d/.test(middle), "the middle is the model");
    const {positions} = await visit.server.ask("/v1/inspect", {text: kText});
    const losses = positions.slice(0, -1).map(({next}) => next.loss);
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    ok(Math.abs(Number(middle.match(/loss (.*)/)[1]) - mean) < 0.01 * mean + 0.01, "the loss in the middle is the model's");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowUp");
    ok((await textOf(page, ".valley .quiet")).startsWith("α = 0.2, β = 0.2"), "the arrow keys move");
  },

  async "draws the run's path in its own plane"(visit) {
    const page = await opened(visit);
    const {data} = await visit.server.ask("/v1/checkpoints");
    if (data.length < 3) visit.allowErrors(/status of 400/);
    await draw(page, "run");
    if (data.length < 3) return ok((await textOf(page, "#valley [role=alert]")).includes("need at least 3"), "the reason is said");
    const shown = Math.min(16, data.length);
    equal(await page.$$eval(".valley .path circle", (dots) => dots.length), shown, "checkpoints");
    equal(await page.$$eval(".valley tbody tr", (rows) => rows.length), shown, "rows");
    await page.$eval("#valley", (section) => section.scrollIntoView());
    await visit.shoot(page, "valley");
  },

  async "stops drawing on request and when the text changes"(visit) {
    const page = await opened(visit);
    await page.select("#valley label + select", "31");
    await click(page, "#valley .main");
    await page.waitForSelector(".ground rect:not(.hidden)");
    await click(page, "#valley .main");
    await idle(page, "valley");
    equal(await textOf(page, "#valley .main"), "Draw the valley");
    await page.$eval("textarea", (area) => {
      area.value = "Another text";
      area.dispatchEvent(new Event("input", {bubbles: true}));
    });
    await until(page, "the old picture goes", () => document.querySelector(".valley").classList.contains("hidden"));
  },

  async "has room for steps and valley on a phone, in dark and light"(visit) {
    for (const [title, options] of [["phone", {width: 375, height: 780}], ["dark", {dark: true}],
      ["dark-phone", {width: 375, height: 780, dark: true}], ["light", {}]]) {
      const page = await opened(visit, options);
      await begin(page);
      await press(page, "Step");
      await draw(page);
      equal(await findBarriers(page), [], `barriers ${title}`);
      for (const id of ["steps", "valley"]) {
        await page.$eval(`#${id}`, (section) => section.scrollIntoView());
        await visit.shoot(page, `${id}-${title}`);
      }
      await page.$eval(".flow", (flow) => flow.scrollIntoView());
      await visit.shoot(page, `flow-${title}`);
    }
  },
};
