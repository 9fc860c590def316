// Checks that the chat page keeps conversations, and says what goes wrong.
import {writeFileSync} from "node:fs";
import {join} from "node:path";
import {answered, answers, longTalk, press, saved, say, texts, users} from "./chat_steps.mjs";
import {equal, isAsking, ok, until} from "./support.mjs";

export const checks = {
  async "conversations are opened, renamed, deleted and brought back"(visit) {
    const server = await visit.serve({data: join(visit.scratch, "list")});
    for (const title of ["first", "second", "third"]) await server.ask("/v1/conversation", {...longTalk(2), title});
    const page = await visit.open("/", {at: server});
    const titles = () => texts(page, "#conversations .title");
    equal(await titles(), ["third", "second", "first"], "the list");
    await page.click("#conversations li:nth-child(2) a");
    await until(page, "it is open", () => document.getElementById("title").textContent === "second");
    equal((await users(page)).length, 2, "its messages");
    await page.hover("#conversations li:nth-child(2)");
    await visit.shoot(page, "list");
    await press(page, "Rename second");
    await page.keyboard.type("renamed");
    await page.keyboard.press("Enter");
    await until(page, "it is renamed", () => document.querySelector("#conversations .title").innerText === "renamed");
    equal(await page.$eval("#title", (title) => title.textContent), "renamed", "the title");
    await press(page, "Rename first");
    await page.keyboard.type("no");
    await page.keyboard.press("Escape");
    equal(await titles(), ["renamed", "third", "first"], "Esc leaves a title");
    await press(page, "Delete third");
    await until(page, "it is gone", () => document.querySelectorAll("#conversations li").length === 2);
    await press(page, "Delete renamed");
    await until(page, "the page is empty", () => document.querySelector(".empty"));
    await visit.shoot(page, "undo");
    await page.click("#toast button");
    await until(page, "it is back", () => document.querySelector("#conversations .title").innerText === "renamed");
    equal((await users(page)).length, 2, "its messages");
    await page.reload({waitUntil: "networkidle0"});
    equal(await titles(), ["renamed", "first"], "the list after a reload");
    await page.click("#new");
    ok(await page.$(".empty"), "a new conversation is empty");
    await page.goBack();
    await until(page, "the one before is back", () => document.getElementById("title").textContent === "renamed");
  },

  async "it says that the oldest turns are not read"(visit) {
    const {id} = await visit.server.ask("/v1/conversation", longTalk(60, 40));
    const page = await visit.open(`/chat#${id}`);
    await say(page, "Do you remember?");
    await until(page, "it is said", () =>
      /no longer reads the oldest \d+ turns/.test(document.querySelector(".turn:last-child .note")?.innerText)
    );
    await until(page, "the answer ends", () => !document.querySelector(".running"));
    await visit.shoot(page, "dropped");
  },

  async "errors stand where they happen, and can be tried again"(visit) {
    visit.allowErrors(/Failed to load resource|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION|ERR_EMPTY/);
    let fault = {status: 503, json: {error: {message: "64 run or wait; try again later"}}};
    const proxy = await visit.proxy({answer: (asked) => (isAsking(asked) ? fault : null)});
    const page = await visit.open("/", {at: proxy});
    const problem = (text) =>
      until(
        page,
        `the error says ${text}`,
        (t) => document.querySelector(".answer .problem")?.innerText.includes(t),
        text
      );
    await say(page, "Hello");
    await problem("64 run or wait");
    await visit.shoot(page, "error");
    fault = {events: ["Once ", "upon"], end: "break"};
    await page.click(".answer .problem button");
    await problem("No whole answer");
    equal(await answers(page), ["Once upon"], "what came is kept");
    fault = {events: [{error: {message: "the model's scores are not finite"}}]};
    await page.click(".answer .problem button");
    await problem("not finite");
    fault = null;
    await page.click(".answer .problem button");
    await until(
      page,
      "there is an answer",
      () =>
        document.querySelector(".answer .text").innerText.trim() &&
        !document.querySelector(".answer .problem, .running")
    );
    equal((await users(page)).length, 1, "messages");
  },

  async "a full disk is said, and nothing is lost"(visit) {
    visit.allowErrors(/status of 507/);
    let isFull = true;
    const full = {status: 507, json: {error: {message: "the conversation is not saved: No space left on device"}}};
    const proxy = await visit.proxy({
      answer: (asked) => (isFull && asked.method === "POST" && !isAsking(asked) ? full : null)
    });
    const page = await visit.open("/", {at: proxy});
    await say(page, "Keep this.");
    await answered(page, 1);
    await until(page, "it is said", () =>
      document.getElementById("unsaved").innerText.includes("No space left on device")
    );
    await visit.shoot(page, "disk-full");
    await press(page, "Good answer");
    await until(page, "it is said", () =>
      document.querySelector(".answer .problem")?.innerText.includes("feedback is not kept")
    );
    equal(await page.$$("[data-act=up][aria-pressed=true]").then((all) => all.length), 0, "thumbs pressed");
    isFull = false;
    await page.click("#unsaved button");
    await saved(page);
    await until(page, "the notice goes", () => document.getElementById("unsaved").hidden);
    await page.click(".answer .problem button");
    await until(
      page,
      "the thumb is kept",
      () => document.querySelector("[data-act=up][aria-pressed=true]") && !document.querySelector(".answer .problem")
    );
    await page.reload({waitUntil: "networkidle0"});
    equal(await users(page), ["Keep this."], "the messages");
  },

  async "a change on another page is never written over"(visit) {
    visit.allowErrors(/status of 409/);
    const {id} = await visit.server.ask("/v1/conversation", {...longTalk(1), title: "shared"});
    const [one, two] = [await visit.open(`/chat#${id}`), await visit.open(`/chat#${id}`)];
    await say(one, "From one.");
    await answered(one, 2);
    await until(one, "it is saved", () => document.querySelector("#conversations .title").innerText === "shared");
    await say(two, "From two.");
    await answered(two, 2);
    await until(two, "it became a copy", (before) => location.hash.length === 33 && location.hash !== `#${before}`, id);
    const copy = await two.evaluate(() => location.hash.slice(1));
    const contents = async (of) => (await visit.server.ask(`/v1/conversation?id=${of}`)).messages.map((m) => m.content);
    ok((await contents(id)).includes("From one."), "the first is there");
    ok((await contents(copy)).includes("From two."), "the second is there");
  },

  async "a key is asked for once"(visit) {
    visit.allowErrors(/status of 401/);
    const file = join(visit.scratch, "key");
    writeFileSync(file, "sesame\n");
    const server = await visit.serve({data: join(visit.scratch, "keyed"), args: ["--api-key-file", file]});
    const page = await visit.open("/", {at: server});
    await page.waitForSelector("dialog[open]");
    equal((await page.$$("dialog")).length, 1, "dialogs");
    await page.keyboard.type("sesame");
    await page.keyboard.press("Enter");
    await until(page, "the models are there", () => document.querySelector(".empty"));
    await say(page, "Hello");
    await answered(page, 1);
    await saved(page);
    equal((await page.$$("dialog")).length, 0, "dialogs later");
  },

  async "without a model it says so"(visit) {
    const server = await visit.serve({data: join(visit.scratch, "none"), args: ["--runs", visit.scratch]}, []);
    const page = await visit.open("/chat", {at: server});
    equal(await texts(page, ".empty h2"), ["No model is served"], "what it says");
    await say(page, "Hello?");
    equal(await users(page), [], "messages");
  },

  async "without a folder it chats all the same, and says that nothing is kept"(visit) {
    visit.allowErrors(/status of 404/);
    const server = await visit.serve({env: {HOME: "", XDG_STATE_HOME: ""}});
    const page = await visit.open("/", {at: server});
    ok((await texts(page, "#list-note"))[0].includes("--data DIR"), "it says so");
    await say(page, "Hello");
    await answered(page, 1);
    equal(await page.$eval("#unsaved", (note) => note.hidden), true, "no error");
  }
};
