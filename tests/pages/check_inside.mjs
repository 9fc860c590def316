// Checks the page "Inside" against the interface that it shows: bars, states of training, attention, layers, the map.
import {experiments} from "./inside_experiments.mjs";
import {equal, findBarriers, ok, until} from "./support.mjs";

const kText = "One morning the old man went down to the river and";

const textOf = (page, selector) => page.$eval(selector, (element) => element.textContent);
const textsOf = (page, selector) => page.$$eval(selector, (all) => all.map((element) => element.textContent));
const drawn = (page) => page.waitForSelector(".map g.named");

/** Opens the page with a text, and waits until all sections show something. */
async function opened(visit, options = {}, text = kText) {
  const page = await visit.open(`/inside#${new URLSearchParams({text})}`, options);
  await drawn(page);
  return page;
}

async function settled(page) {
  await page.waitForFunction(() => !document.querySelector("main").hasAttribute("aria-busy"));
}

async function moveSlider(page, value) {
  await page.$eval("input[type=range]", (slider, to) => {
    slider.value = to;
    slider.dispatchEvent(new Event("input", {bubbles: true}));
  }, value);
  await settled(page);
}

const inspect = (visit, more) => visit.server.ask("/v1/inspect", {text: kText, ...more});

export const checks = {
  async "shows the probabilities that the server computes, and marks the true next token"(visit) {
    const page = await opened(visit);
    const {tokens, positions} = await inspect(visit, {top: 10});
    const at = tokens.length - 2, {top, next} = positions[at];
    equal(await textsOf(page, ".bars:last-child tr:not(.far) th"), top.map(({text}) => text.replace(/^ /, "·").replace(/\n/g, "↵")));
    ok((await textOf(page, ".bars:last-child tr.true .rank")) === String(next.rank), "the rank of the true token is shown");
    ok((await textOf(page, ".bars:last-child tr.true th")).includes(tokens[at + 1].text.trim()), "the true token is marked");
    equal(await page.$$eval(".strip button", (chips) => chips.length), tokens.length, "tokens");
    await visit.shoot(page, "light");
  },

  async "moves through the text by keyboard"(visit) {
    const page = await opened(visit);
    const where = () => textOf(page, ".where");
    const before = await where();
    await page.focus(".strip [aria-pressed=true]");
    await page.keyboard.press("ArrowLeft");
    ok(await where() !== before, "another token is chosen");
    await page.keyboard.press("Home");
    ok((await where()).includes("token 1 of"), "the first token is chosen");
    equal(await page.evaluate(() => document.activeElement.getAttribute("aria-pressed")), "true", "the focus goes along");
    await page.keyboard.press("End");
    equal(await page.$$eval(".bars tr.true", (rows) => rows.length), 0, "after the last token nothing is true");
  },

  async "compares the states of the training"(visit) {
    const page = await opened(visit);
    const {data} = await visit.server.ask("/v1/checkpoints");
    equal(await page.$eval("input[type=range]", (slider) => Number(slider.max)), data.filter(({step}) => step > 0).length);
    await moveSlider(page, 0);
    ok((await page.$eval("input[type=range]", (slider) => slider.getAttribute("aria-valuetext"))).startsWith("Untrained"),
      "the slider says where it is");
    const [left, right] = await page.$$eval(".bars table", (tables) => tables.map((table) => table.textContent));
    equal(left, right, "the untrained model beside itself");
    await page.$eval(".play", (button) => button.click());
    await until(page, "all states are listed", (count) => document.querySelectorAll(".states tbody tr").length === count
      && document.querySelector(".play").textContent === "Play", data.filter(({step}) => step > 0).length + 1);
    const losses = (await textsOf(page, ".states .figure")).map(Number);
    ok(losses.at(-1) < losses[0], "training has made the text more probable");
    await visit.shoot(page, "played");
    const before = await textsOf(page, ".goes-on");
    await page.$eval(".above-states button", (button) => button.click());
    await settled(page);
    ok((await textsOf(page, ".goes-on")).every((text) => !before.includes(text)), "other words are drawn");
  },

  async "shows the attention of the chosen head and token"(visit) {
    const page = await opened(visit);
    const {attention, tokens} = await inspect(visit, {attention: "all", top: 1});
    equal(await page.$$eval(".head", (heads) => heads.length), attention.length, "heads");
    await page.$eval('.head[aria-label="Layer 2, head 3"]', (head) => head.click());
    await page.$eval(".strip button:nth-child(6)", (chip) => chip.click());
    const row = attention.find(({layer, head}) => layer === 1 && head === 2).rows[5];
    equal(await page.$$eval(".arc", (arcs) => arcs.length), row.filter((probability) => probability >= 0.01).length, "arcs");
    const strongest = tokens[row.indexOf(Math.max(...row))].text.replace(/^ /, "·");
    ok((await textOf(page, "#attention p.quiet")).includes(`most from “${strongest}”`), "the strongest is named");
    const inked = await page.$eval(".matrix canvas", (canvas) => canvas.getContext("2d")
      .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0));
    ok(inked, "the matrix is drawn");
  },

  async "shows what each layer would say"(visit) {
    const page = await opened(visit);
    const {lens, positions} = await inspect(visit, {layers: true, top: 1});
    equal(await page.$$eval(".lens tbody tr", (rows) => rows.length), lens.length, "layers and the embedding");
    equal(await textsOf(page, ".lens tbody tr:last-child td"),
      positions.map(({top}) => top[0].text.replace(/^ /, "·").replace(/\n/g, "↵")), "the last layer is the answer");
    await page.$eval('.lens tbody td[data-at="2"]', (cell) => cell.click());
    ok((await textOf(page, ".where")).includes("token 3 of"), "a cell chooses its token");
    await page.focus("#lens .scroll");
    await page.keyboard.press("ArrowRight");
    ok((await textOf(page, ".where")).includes("token 4 of"), "the arrow key chooses the next");
    await page.select("#lens select", "next");
    equal(await page.$eval(".lens tbody tr td:last-child", (cell) => cell.style.getPropertyValue("--p")), "0",
      "after the last token nothing is true");
  },

  async "shows tokens as places, and their neighbours"(visit) {
    const page = await opened(visit);
    const name = await page.$eval(".map g.named", (mark) => {
      mark.dispatchEvent(new MouseEvent("click", {bubbles: true}));
      return mark.textContent;
    });
    await until(page, "neighbours are listed", () => document.querySelectorAll(".neighbours li").length === 12);
    ok((await textOf(page, "#embeddings p.quiet")).includes(name), "the chosen token is named");
    const [point] = (await visit.server.ask("/v1/inspect/embeddings", {first: 500})).points
      .filter(({text}) => text.replace(/^ /, "·") === name);
    const {neighbours} = await visit.server.ask("/v1/inspect/embeddings", {first: 0, neighbours_of: point.id});
    equal((await textsOf(page, ".neighbours .token")).map((text) => text.trim()),
      neighbours.map(({text}) => text.replace(/^ /, "·").replace(/[\u0000-\u001f\u007f]/g, "▯").trim()));
    const place = () => page.$eval(".map g.chosen", (mark) => mark.getAttribute("transform"));
    const before = await place();
    await page.$eval(".map", (map) => map.focus());
    await page.keyboard.press("+");
    ok(await place() !== before, "plus enlarges the map");
    await page.keyboard.press("0");
    equal(await place(), before, "0 shows all");
    await page.type('input[type=search]', "xyzzy");
    await page.keyboard.press("Enter");
    ok((await textOf(page, "#embeddings p.quiet")).includes("not one of"), "an unknown token is not found");
  },

  async "says what is wrong and goes on"(visit) {
    visit.allowErrors(/status of 400/);
    const page = await opened(visit);
    await page.$eval("textarea", (area) => {
      area.value = "word ".repeat(2000);
      area.dispatchEvent(new Event("input", {bubbles: true}));
    });
    await until(page, "the limit is named", () => /reads at most \d+/.test(document.querySelector("[role=alert]").textContent));
    await page.$eval("textarea", (area) => {
      area.value = "Short again";
      area.dispatchEvent(new Event("input", {bubbles: true}));
    });
    await until(page, "the text is read", () => document.querySelector("[role=alert]").classList.contains("hidden"));
  },

  async "reads a text as long as the context"(visit) {
    const {n_ctx: context} = await visit.server.ask("/v1/checkpoints");
    const {tokens} = await visit.server.ask("/tokenize", {content: " the river and".repeat(context)});
    const {content} = await visit.server.ask("/detokenize", {tokens: tokens.slice(0, context - 2)});
    const page = await opened(visit, {}, content);
    ok(await page.$$eval(".strip button", (chips) => chips.length) >= context - 4, "all tokens are shown");
    equal((await findBarriers(page)).filter((text) => text.includes("wide")), [], "barriers");
    await visit.shoot(page, "long");
  },

  async "renders hostile text as text"(visit) {
    const hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>\u0000\u202e</textarea>{{7*7}}";
    const page = await opened(visit, {}, hostile.replace("\u0000", ""));
    equal(await page.$$eval("main img, main script", (all) => all.length), 0, "elements from text");
    ok((await textsOf(page, ".strip button")).join("").includes("<img"), "the text is shown");
  },

  async "reads a question as a chat does"(visit) {
    const page = await opened(visit, {}, "Who are you?");
    await page.$eval("input[type=checkbox]", (box) => box.click());
    await until(page, "the template's tokens are shown", () => /user/i.test(document.querySelector(".strip").textContent));
  },

  async "has room on a phone, in dark and light, and names for all"(visit) {
    for (const [title, options] of [["phone", {width: 360, height: 780}], ["dark", {dark: true}], ["wide", {width: 1600}]]) {
      const page = await opened(visit, options);
      equal(await findBarriers(page), [], `barriers ${title}`);
      await visit.shoot(page, title);
      await page.$eval("#attention", (section) => section.scrollIntoView());
      await visit.shoot(page, `${title}-attention`);
      await page.$eval("#embeddings", (section) => section.scrollIntoView());
      await visit.shoot(page, `${title}-embeddings`);
    }
  },

  ...experiments,
};
