// Checks the chat page: answers, branches, feedback and settings; and what the files chat_*.mjs check.
import {execFileSync} from "node:child_process";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {answered, answers, choose, press, saved, say, texts, users} from "./chat_steps.mjs";
import {checks as access} from "./chat_access.mjs";
import {checks as keeping} from "./chat_keeping.mjs";
import {checks as strings} from "./chat_strings.mjs";
import {equal, isAsking, ok, pause, until} from "./support.mjs";

export const checks = {
  async "an answer streams in, and is there after a reload"(visit) {
    const page = await visit.open("/");
    await visit.shoot(page, "empty");
    ok(await page.$eval("#message", (area) => area === document.activeElement), "one can type at once");
    await say(page, "Hello there! Who are you?");
    await answered(page, 1);
    const [answer] = await answers(page);
    ok(answer.length > 0, "there is an answer");
    const id = await saved(page);
    equal(await page.title(), "Hello there! Who are you?: kiln", "the title");
    await page.reload({waitUntil: "networkidle0"});
    equal(await users(page), ["Hello there! Who are you?"], "the message after the reload");
    equal(await answers(page), [answer], "the answer after the reload");
    await say(page, "Tell me more.");
    await answered(page, 2);
    await until(page, "it is saved", () => document.querySelector("#conversations [aria-current]"));
    const stored = await visit.server.ask(`/v1/conversation?id=${id}`);
    equal(
      stored.messages.map((m) => m.role),
      ["user", "assistant", "user", "assistant"],
      "what is stored"
    );
    await visit.shoot(page, "light");
    await visit.shoot(await visit.open(`/chat#${id}`, {dark: true}), "dark");
  },

  async "Stop and Esc stop an answer, and the server stops too"(visit) {
    const proxy = await visit.proxy({delay: 150});
    const page = await visit.open("/", {at: proxy});
    for (const [index, stop] of [() => page.click("#stop"), () => page.keyboard.press("Escape")].entries()) {
      await say(page, "Tell me a long story.");
      await until(
        page,
        "some of the answer is there",
        (i) => {
          const text = document.querySelectorAll(".answer .text")[i];
          return text?.textContent.length > 0 && text.closest(".running");
        },
        index
      );
      equal(await page.$eval("#send", (button) => button.hidden), true, "Send gives way to Stop");
      await stop();
      await answered(page, index + 1);
      ok((await texts(page, ".answer .end")).at(-1).includes("Stopped."), "it says so");
      await pause(300);
      equal(proxy.gone, index + 1, "replies broken off");
    }
    await pause(200);
    equal((await visit.server.ask("/health")).status, "ok", "the server's health");
    ok(
      (await (await fetch(`${visit.server.url}/metrics`)).text()).includes("requests_processing 0"),
      "the server is idle"
    );
  },

  async "another draw leaves the earlier one, and arrows lead back"(visit) {
    const page = await visit.open("/");
    await say(page, "What do you like?");
    await answered(page, 1);
    const [first] = await answers(page);
    await press(page, "Draw another answer");
    await answered(page, 1);
    await until(page, "there are two versions", () => document.querySelector(".answer .versions")?.innerText === "2/2");
    const [second] = await answers(page);
    await press(page, "Earlier version");
    equal(await answers(page), [first], "the earlier version");
    await say(page, "And what not?");
    await answered(page, 2);
    equal(await users(page), ["What do you like?", "And what not?"], "the path");
    await press(page, "Later version");
    equal(await answers(page), [second], "nothing follows the later version yet");
    await press(page, "Earlier version");
    equal(await users(page), ["What do you like?", "And what not?"], "the path is there again");
    await page.reload({waitUntil: "networkidle0"});
    equal((await answers(page))[0], first, "the version that was shown last");
  },

  async "an edited message is a branch, and nothing is lost"(visit) {
    const page = await visit.open("/");
    for (const [index, text] of ["One?", "Two?", "Three?"].entries()) {
      await say(page, text);
      await answered(page, index + 1);
    }
    const before = await answers(page);
    await press(page, "Edit", 2); // of the second message: each turn has one at the message and one at the answer
    await page.waitForSelector(".user .editor textarea");
    equal(
      await page.$eval(".editor textarea", (area) => [area.value, area === document.activeElement]),
      ["Two?", true],
      "editor"
    );
    await page.keyboard.press("End");
    await page.keyboard.type(" Or four?");
    await page.keyboard.down("Control");
    await page.keyboard.press("Enter");
    await page.keyboard.up("Control");
    await answered(page, 2);
    equal(await users(page), ["One?", "Two? Or four?"], "the branch");
    equal(await texts(page, ".user .versions"), ["2/2"], "the versions");
    await visit.shoot(page, "branch");
    await press(page, "Earlier version");
    equal(await users(page), ["One?", "Two?", "Three?"], "the branch before");
    equal(await answers(page), before, "its answers");
    ok(
      await page.evaluate(
        () => document.activeElement.dataset.act === "right" || document.activeElement === document.body
      ),
      "the focus is not lost elsewhere"
    );
    await press(page, "Edit", 0);
    await page.keyboard.press("Escape");
    equal(await users(page), ["One?", "Two?", "Three?"], "Esc leaves it as it was");
  },

  async "thumbs and edits become judged answers that kiln reads"(visit) {
    const server = await visit.serve({data: join(visit.scratch, "feedback")});
    const drawn = ["I am a teller of tales.", "No."];
    const proxy = await visit.proxy({server, answer: (asked) => (isAsking(asked) ? {events: [drawn.shift()]} : null)});
    const page = await visit.open("/", {at: proxy});
    await say(page, "What is your name?");
    await answered(page, 1);
    await press(page, "Good answer");
    await until(page, "it is said", () => document.getElementById("status").textContent === "Kept as feedback.");
    await press(page, "Draw another answer");
    await answered(page, 1);
    await press(page, "Bad answer");
    await until(page, "the thumb is pressed", () => document.querySelector("[data-act=down][aria-pressed=true]"));
    await press(page, "Edit", 1);
    await page.keyboard.down("Control");
    await page.keyboard.press("a");
    await page.keyboard.up("Control");
    await page.keyboard.type("I have no name.");
    await visit.shoot(page, "edit");
    await page.click(".editor .main");
    await until(
      page,
      "the edited answer is shown",
      () => document.querySelector(".answer .versions")?.innerText === "3/3"
    );
    equal(await answers(page), ["I have no name."], "the edited answer");
    const file = join(server.data, "feedback.jsonl");
    for (let i = 0; i < 50 && readFileSync(file, "utf8").split("\n").length < 4; ++i) await pause(20);
    const lines = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    equal(
      lines.map((line) => line.label ?? line.chosen),
      [true, false, "I have no name."],
      "the file"
    );
    ok(
      lines.every((line) => /^[0-9a-f]{16}$/.test(line.checkpoint) && /^[0-9a-f]{16}$/.test(line.template)),
      "hashes are named"
    );
    const report = execFileSync(visit.kiln, ["rank", file, "--report"], {encoding: "utf8"});
    ok(report.includes("2 decided pairs"), `the report counts them: ${report}`);
    await press(page, "Earlier version");
    await press(page, "Bad answer");
    await until(page, "the thumb is taken back", () => document.getElementById("status").textContent === "Taken back.");
    equal(readFileSync(file, "utf8").trim().split("\n").length, 2, "lines that stand");
  },

  async "system text and sampling reach the server, and stay with the conversation"(visit) {
    const bodies = [];
    const proxy = await visit.proxy({answer: (asked, body) => void (isAsking(asked) && bodies.push(body))});
    const page = await visit.open("/", {at: proxy});
    await page.click("#show-settings");
    const set = {system: "You are brief.", temperature: "0.5", top_k: "20", top_p: "0.9", max_tokens: "8", seed: "3"};
    for (const [name, value] of Object.entries(set)) await page.type(`#${name}`, value);
    await visit.shoot(page, "settings");
    await say(page, "Hello");
    await answered(page, 1);
    const {messages, temperature, top_k, top_p, max_tokens, seed} = bodies[0];
    equal(
      {temperature, top_k, top_p, max_tokens, seed},
      {temperature: 0.5, top_k: 20, top_p: 0.9, max_tokens: 8, seed: 3},
      "sampling"
    );
    equal(messages[0], {role: "system", content: "You are brief."}, "system text");
    await press(page, "Draw another answer");
    await answered(page, 1);
    equal(bodies[1].seed, 4, "another draw has another seed");
    await saved(page);
    await page.reload({waitUntil: "networkidle0"});
    equal(await page.$eval("#system", (area) => area.value), "You are brief.", "the system text after a reload");
    equal(await page.$eval("#top_k", (input) => input.value), "20", "top-k after a reload");
    await page.click("#show-settings");
    await page.type("#temperature", "00");
    await page.$eval("#temperature", (input) => (input.value = "7"));
    await say(page, "More");
    await pause(100);
    equal(bodies.length, 2, "requests: a wrong number is shown, not sent");
    await page.click("#settings-form [type=reset]");
    await page.focus("#message");
    await page.keyboard.press("Enter");
    await answered(page, 2);
    equal(bodies[2].temperature, 1, "the default");
  },

  async "several models answer side by side, below each other on a phone"(visit) {
    const count = Math.min(4, visit.runs.length);
    ok(count > 1, "several runs are given");
    const page = await visit.open("/", {width: 1440});
    await choose(page, count);
    await say(page, "What did you do today?");
    await answered(page, count);
    const places = () =>
      page.$$eval(".answer", (all) =>
        all.map((one) => one.getBoundingClientRect()).map(({x, y}) => [Math.round(x), Math.round(y)])
      );
    const wide = await places();
    equal(new Set(wide.map(([, y]) => y)).size, 1, "rows");
    equal(new Set(wide.map(([x]) => x)).size, count, "columns");
    await visit.shoot(page, "columns");
    await page.click("#show-settings");
    await say(page, "And tomorrow?");
    await answered(page, 2 * count);
    const stored = await visit.server.ask(`/v1/conversation?id=${await saved(page)}`);
    equal(
      stored.messages[count + 1].parent,
      [...Array(count).keys()].map((i) => i + 1),
      "the second message follows all answers"
    );
    await visit.shoot(page, "columns-two-turns");
    const phone = await visit.open(`/chat${await page.evaluate(() => location.hash)}`, {width: 360, height: 740});
    equal(
      new Set(await phone.$$eval(".answer", (all) => all.map((one) => one.getBoundingClientRect().x))).size,
      1,
      "columns on a phone"
    );
    await visit.shoot(phone, "columns-phone");
  },

  ...keeping,
  ...access,
  ...strings
};
