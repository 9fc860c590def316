// Checks the page "Rank": keys, clicks and drags, links for raters, several of them at once, and what goes wrong.
import {Order, placeOf} from "../../src/serve/pages/rank_order.js";
import {count, judged, notice, openRank, order, orderOf, questions, serveRanking, shownTexts, typeKeys}
  from "./rank_steps.mjs";
import {equal, findBarriers, ok, until} from "./support.mjs";

export const needsNoModel = true;

const kHostile = ["<img src=x onerror=alert(1)>", "</div><script>alert(1)</script>", "\u202e\u2066text", "{{7*7}}", "a\u0301\u0301",
  '"><svg onload=alert(1)>', "javascript:alert(1)", "line\n\n\n   b) not an answer", "&lt;b&gt;", "x".repeat(5000)];

async function drag(page, letter, target, share) {
  const box = await (await page.$(`.chip[aria-label^="${letter},"]`)).boundingBox();
  const to = await (await page.$(target)).boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2 + 10, box.y + box.height / 2, {steps: 2});
  await page.mouse.move(to.x + to.width * share, to.y + to.height / 2, {steps: 4});
  await page.mouse.up();
}

export const checks = {
  async "orders by keys, with ties, and records them as the terminal does"(visit) {
    const server = await serveRanking(visit, questions(3, 4));
    const page = await openRank(visit, server);
    const texts = await shownTexts(page);
    await typeKeys(page, "Enter");
    ok((await notice(page)).includes("Choose the best"), "an empty order is not recorded");
    await typeKeys(page, "b", "1", "=", "c");
    equal(await order(page), "b>a=c", "the order");
    await typeKeys(page, "Backspace", "b", "b", "=", "D");
    equal(await order(page), "a>b=d", "the order after changes");
    equal(await page.$$eval(".rank", (all) => all.map((one) => one.textContent)), ["best", "equal 2nd", "3rd", "equal 2nd"], "ranks");
    await visit.shoot(page, "light");
    await typeKeys(page, "Enter");
    await judged(page, 1);
    ok((await notice(page)).startsWith("a > b = d > c"), "it says what was recorded");
    equal(orderOf(server.lines()[0]), [[texts[0]], [texts[1], texts[3]].sort(), [texts[2]]], "what is kept");
    equal(server.lines()[0].shown.map((number) => server.lines()[0].answers[number].text), texts, "the order shown");
    ok(server.lines()[0].seconds > 0, "the time is kept");
    await typeKeys(page, "b", "Enter");
    await judged(page, 2);
    equal([server.lines()[1].order.length, server.lines()[1].rest.length], [1, 3], "the best one alone");
    await typeKeys(page, "s");
    await until(page, "it says thanks", () => !document.getElementById("thanks").hidden);
    ok((await page.$eval("#thanks", (one) => one.innerText)).includes("3 of 3"), "thanks have the count");
    equal(server.lines()[2].skip, true, "the skip");
    await visit.shoot(page, "thanks");
  },

  async "orders by clicks and drags"(visit) {
    const server = await serveRanking(visit, questions(1, 3));
    const page = await openRank(visit, server);
    await page.click('.answer:nth-child(2) .letter');
    await page.click(".answer:nth-child(1)");
    equal(await order(page), "b>a", "clicks");
    await drag(page, "c", '.chosen-chips .chip:first-child', 0.5);
    equal(await order(page), "b=c>a", "dropped on a chip: a tie");
    await drag(page, "a", '.chosen-chips .chip:first-child', -0.1);
    equal(await order(page), "a>b=c", "dropped before a chip");
    await drag(page, "a", ".other-chips", 0.5);
    equal(await order(page), "b=c", "dropped among the others: not placed");
    await drag(page, "a", ".strip", 0.9);
    equal(await order(page), "b=c>a", "dropped at the end");
    await page.focus('.chip[aria-label^="c,"]');
    await typeKeys(page, "ArrowRight");
    equal(await order(page), "b>c>a", "an arrow key leads out of a tie");
    await typeKeys(page, "ArrowRight");
    equal(await order(page), "b>a=c", "and into the next one");
    await page.click('.chip[aria-label^="b,"]');
    equal(await order(page), "a=c", "a click takes a chip out");
    await page.focus('.chip[aria-label^="c,"]');
    await typeKeys(page, "Enter");
    await judged(page, 1);
    equal(server.lines()[0].order.map((group) => group.length), [2, 1], "Enter on a chip records");
  },

  "an order keeps each answer in one place"() {
    const one = new Order(4);
    one.putLast(2);
    one.putBeside(0, 2, "equal");
    one.putBeside(1, 2, "before");
    equal(one.groups, [[1], [2, 0]], "beside each other");
    one.move(0, -1);
    equal(one.groups, [[1], [0], [2]], "out of a tie");
    one.move(0, -1);
    equal(one.groups, [[1, 0], [2]], "into a tie");
    equal(one.text(), "b = a > c > d", "a single rest comes last");
    one.remove(2);
    equal(one.text(), "b = a > the others (c d, not compared)", "several are not compared");
    equal([placeOf("A", 4), placeOf("4", 4), placeOf("e", 4), placeOf("5", 4), placeOf("Enter", 4)], [0, 3, -1, -1, -1], "keys");
  },

  async "takes back what was recorded, also after a reload"(visit) {
    const server = await serveRanking(visit, questions(2));
    const page = await openRank(visit, server);
    const texts = await shownTexts(page);
    await typeKeys(page, "a", "Enter");
    await judged(page, 1);
    await page.reload({waitUntil: "networkidle0"});
    await judged(page, 1);
    await typeKeys(page, "u");
    await judged(page, 0);
    equal(await shownTexts(page), texts, "the first prompt is back");
    await typeKeys(page, "b", "Enter");
    await judged(page, 1);
    equal(server.lines().map((line) => Boolean(line.undo)), [false, true, false], "no line is changed");
  },

  async "keeps an own answer and a note, over a reload too"(visit) {
    const server = await serveRanking(visit, questions(2));
    const page = await openRank(visit, server);
    await typeKeys(page, "b", "m");
    await page.keyboard.type("I would say so.");
    await typeKeys(page, "Escape", "n");
    await page.keyboard.type("all wrong");
    await page.reload({waitUntil: "networkidle0"});
    equal(await page.$$eval("textarea", (all) => all.map((one) => one.value)), ["I would say so.", "all wrong"], "what was typed");
    equal(await order(page), "b", "the order");
    await typeKeys(page, "b", "b");
    equal(await order(page), "b", "keys are keys, as long as nobody goes to a text");
    await page.focus("textarea");
    await page.keyboard.down("Control");
    await typeKeys(page, "Enter");
    await page.keyboard.up("Control");
    await judged(page, 1);
    const [line] = server.lines();
    equal([line.edit, line.note, line.order.length], ["I would say so.", "all wrong", 2], "what is kept");
    equal(await page.$$eval("textarea", (all) => all.map((one) => one.value)), ["", ""], "the next prompt begins empty");
    await typeKeys(page, "m");
    await page.keyboard.type("Only mine.");
    await page.$$eval("#bar button", (all) => all.find((one) => one.textContent.startsWith("Only mine is good")).click());
    await judged(page, 2);
    equal([server.lines()[1].order, server.lines()[1].rest.length, server.lines()[1].edit], [[], 2, "Only mine."], "the skip");
  },

  async "a link lets a rater rank, and nothing else"(visit) {
    visit.allowErrors(/status of (401|403)/);
    const server = await serveRanking(visit, questions(3), {key: "sesame"});
    const owner = await visit.open("/rank", {at: server});
    await owner.type("dialog input", "sesame");
    await owner.keyboard.press("Enter");
    await until(owner, "the owner ranks", () => document.querySelector(".answer"));
    await owner.$$eval("details.panel", (all) => all[1].open = true);
    await owner.type('[aria-label="Name of the rater"]', "ann");
    await owner.keyboard.press("Enter");
    const link = await until(owner, "there is a link", () => document.querySelector(".link")?.value);
    ok(link.startsWith(`${server.url}/rank#token=kiln-rater-`), "the token is in the fragment");
    await until(owner, "the link is listed", () => document.querySelector("[data-revoke=ann]"));
    await visit.shoot(owner, "owner");

    const page = await openRank(visit, server, {}, link.slice(server.url.length));
    equal(await page.evaluate(() => location.href), `${server.url}/rank`, "the address holds no token");
    equal(await page.$eval("#who", (one) => one.textContent), "as ann", "the rater");
    equal(await page.$$eval(".bar a", (all) => all.map((one) => one.textContent)), ["Rank"], "the pages in the bar");
    ok(!(await page.content()).includes("secret-"), "no source is on the page");
    await typeKeys(page, "a", "Enter");
    await judged(page, 1);
    equal(server.lines()[0].rater, "ann", "who judged");
    await page.reload({waitUntil: "networkidle0"});
    await judged(page, 1);
    const token = link.split("token=")[1];
    for (const path of ["/v1/rank/report", "/v1/raters", "/v1/models", "/v1/conversations"])
      equal((await server.as(token, path)).status, 403, path);
    await page.$eval("#panels details", (one) => one.open = true);
    await until(page, "the own figures are shown", () => document.querySelector("#panels").innerText.includes("1 judgement of yours"));
    ok(!(await page.content()).includes("secret-"), "still no source is on the page");
    await visit.shoot(page, "rater");

    await owner.click("[data-revoke=ann]");
    await until(owner, "it is revoked", () => !document.querySelector("[data-revoke=ann]"));
    await typeKeys(page, "a", "Enter");
    await until(page, "the page says so", () => document.getElementById("notice").textContent.includes("ask for a new one"));
    equal(server.lines().length, 1, "nothing more is kept");
  },

  async "two raters at once, in orders of their own, and live results for the owner"(visit) {
    const server = await serveRanking(visit, questions(6, 3));
    const names = ["ann", "bob"], pages = [];
    for (const name of names) {
      const {path} = await server.ask("/v1/raters", {name});
      pages.push(await openRank(visit, server, {}, path));
    }
    const owner = await openRank(visit, server);
    ok(!(await owner.content()).includes("secret-"), "the owner ranks blindly, too");
    await owner.$$eval("details.panel", (all) => all[0].open = true);
    const seen = [[], []];
    for (let i = 0; i < 6; ++i) {
      await Promise.all(pages.map(async (page, rater) => {
        const texts = await shownTexts(page);
        seen[rater].push(texts.join());
        await typeKeys(page, ...["Answer 0", "Answer 1", "Answer 2"].map((start) =>
          "abc"[texts.findIndex((text) => text.startsWith(start))]), "Enter");
        await judged(page, i + 1);
      }));
    }
    ok(seen[0].join() !== seen[1].join(), "each sees answers in another order");
    equal(server.lines().filter(({rater}) => rater === "ann").length, 6, "of ann");
    equal(server.lines().filter(({rater}) => rater === "bob").length, 6, "of bob");
    await until(owner, "the results are live", () => document.querySelector("#panels").innerText.includes("12 judgements"));
    const results = await owner.$eval("#panels", (one) => one.innerText);
    for (const part of ["secret-0", "100.0 %", "two raters, neither a tie", "A reward model"])
      ok(results.includes(part), `the results name ${part}`);
    equal(await count(owner), "0 of 6 judged", "the owner's own progress");
    await visit.shoot(owner, "results");
  },

  async "what was judged in another window is not judged twice"(visit) {
    visit.allowErrors(/status of 409/);
    const server = await serveRanking(visit, questions(3));
    const page = await openRank(visit, server), other = await openRank(visit, server);
    await typeKeys(other, "a", "Enter");
    await judged(other, 1);
    await typeKeys(page, "b", "Enter");
    await judged(page, 1);
    ok((await notice(page)).includes("judged already"), "it says why");
    equal(server.lines().length, 1, "lines");
    await typeKeys(page, "b", "Enter");
    await judged(page, 2);
  },

  async "a full disk loses nothing that was typed"(visit) {
    visit.allowErrors(/status of 507/);
    const server = await serveRanking(visit, questions(2));
    let isFull = true;
    const proxy = await visit.proxy({server, answer: (asked) => isFull && asked.method === "POST" && asked.url === "/v1/rank"
      ? {status: 507, json: {error: {message: "the judgement is not saved: the disk is full"}}} : null});
    const page = await openRank(visit, proxy);
    await typeKeys(page, "b", "n");
    await page.keyboard.type("a note");
    await typeKeys(page, "Escape", "Enter");
    await until(page, "it says so", () => document.getElementById("notice").textContent.includes("the disk is full"));
    equal([await order(page), await page.$$eval("textarea", (all) => all[1].value)], ["b", "a note"], "what was said");
    isFull = false;
    await typeKeys(page, "Enter");
    await judged(page, 1);
    equal(server.lines()[0].note, "a note", "the note");
  },

  async "a restart of the server loses nothing that was typed"(visit) {
    visit.allowErrors(/status of 409/);
    const server = await serveRanking(visit, questions(2));
    let isNew = true;  // the ids of another start are unknown
    const proxy = await visit.proxy({server, answer: (asked) => isNew && asked.method === "POST"
      ? {status: 409, json: {error: {message: "the server was restarted after this was shown"}}} : null});
    const page = await openRank(visit, proxy);
    await typeKeys(page, "b", "Enter");
    await until(page, "it says so", () => document.getElementById("notice").textContent.includes("was restarted"));
    equal(await order(page), "b", "the order");
    isNew = false;
    await typeKeys(page, "Enter");
    await judged(page, 1);
  },

  async "renders hostile text as text"(visit) {
    const prompts = kHostile.map((text, i) => ({messages: [{role: "system", content: text}, {role: "user", content: `${i}${text}`}],
      answers: [{text, source: text.slice(0, 100)}, {text: `other ${text}`, source: "y"}]}));
    const server = await serveRanking(visit, prompts);
    const page = await openRank(visit, server);
    for (const [i, text] of kHostile.entries()) {
      equal((await shownTexts(page)).sort(), [text, `other ${text}`].sort(), "the answers");
      equal(await page.$$eval(".message .text", (all) => all[1].textContent), `${i}${text}`, "the message");
      equal(await page.$$eval("#task img, #task script, #task svg, #task iframe", (all) => all.length), 0, "elements from text");
      equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "the width");
      await typeKeys(page, "a", "Enter");
      await judged(page, i + 1);
    }
    await page.$$eval("details.panel", (all) => all.forEach((one) => { one.open = true; }));
    await until(page, "the results are shown", () => document.querySelector("#panels td"));
    equal(await page.$$eval("#panels img, #panels script", (all) => all.length), 0, "elements from sources");
  },

  async "all is done by keyboard alone"(visit) {
    const server = await serveRanking(visit, questions(1, 3));
    const page = await openRank(visit, server);
    const tab = async (name) => {
      for (let i = 0; i < 40; ++i) {
        await page.keyboard.press("Tab");
        if (await page.evaluate((wanted) => document.activeElement.getAttribute("aria-label")?.startsWith(wanted)
          || document.activeElement.textContent.startsWith(wanted), name)) return;
      }
      throw new Error(`Tab does not lead to ${name}`);
    };
    await tab("Answer b");
    await page.keyboard.press("Space");
    await tab("Answer c");
    await page.keyboard.press("Space");
    equal(await order(page), "b>c", "the order");
    await tab("c, ");
    await typeKeys(page, "ArrowLeft");
    equal(await order(page), "b=c", "an arrow makes a tie");
    await typeKeys(page, "?");
    ok(await page.$eval("#help", (dialog) => dialog.open), "the help is open");
    await typeKeys(page, "Escape");
    await tab("Record");
    await page.keyboard.press("Enter");
    await judged(page, 1);
    equal(orderOf(server.lines()[0])[0].length, 2, "the tie is kept");
    await typeKeys(page, "u");
    await judged(page, 0);
  },

  async "has room on a phone, in dark and light, and names for all"(visit) {
    const long = questions(2, 4);
    for (const prompt of long) for (const answer of prompt.answers) answer.text += " And so on, at some length.".repeat(12);
    const server = await serveRanking(visit, long);
    await server.ask("/v1/raters", {name: "a rater with a long name ".repeat(3).trim()});
    for (const [title, options] of [["phone", {width: 375, height: 740}], ["phone-dark", {width: 375, height: 740, dark: true}],
      ["dark", {dark: true}], ["wide", {width: 1600}]]) {
      const page = await openRank(visit, server, options);
      if (options.width < 500) await page.tap(".answer:nth-child(3) .letter");
      else await typeKeys(page, "c");
      await typeKeys(page, "a", "=", "d");
      equal(await order(page), "c>a=d", `the order, ${title}`);
      equal(await findBarriers(page), [], `barriers ${title}`);
      const share = await page.$eval("#bar", (bar) => bar.getBoundingClientRect().height / innerHeight);
      ok(share < 0.25, `the bar leaves room for the answers (${title}: ${share})`);
      await visit.shoot(page, title);
      await page.$$eval("details", (all) => all.forEach((one) => { one.open = true; }));
      await until(page, "the panels are filled", () => document.querySelector("#panels p"));
      equal(await findBarriers(page), [], `barriers ${title}, all open`);
      await page.$eval("#panels", (one) => one.scrollIntoView());
      await visit.shoot(page, `${title}-panels`);
    }
  },

  async "says that there is nothing to rank"(visit) {
    visit.allowErrors(/status of 404/);
    const server = await visit.serve({args: ["--runs", visit.scratch], data: `${visit.scratch}/nothing`}, []);
    const page = await visit.open("/rank", {at: server});
    await until(page, "it says so", () => document.getElementById("notice").textContent.includes("--rank answers.jsonl"));
    equal(await page.$$eval("#bar:not([hidden]), #task:not([hidden])", (all) => all.length), 0, "what is shown besides");
    equal(await findBarriers(page), [], "barriers");
  },
};
