// What the checks of the page "Rank" do: serve answers, and read what is shown and what was kept.
import {mkdtempSync, readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {until} from "./support.mjs";

/** Returns prompts with their answers, of the sources secret-0, secret-1, ... */
export const questions = (count, answers = 2) => Array.from({length: count}, (_, i) => ({
  messages: [{role: "system", content: "Be kind."}, {role: "user", content: `Question ${i}?`}],
  answers: Array.from({length: answers}, (_, k) => ({text: `Answer ${k} to question ${i}.`, source: `secret-${k}`}))}));

/** Serves prompts to rank, without a model. Returns the server; `lines()` has what is in the file of rankings. */
export async function serveRanking(visit, prompts, {key = "", args = []} = {}) {
  const folder = mkdtempSync(join(visit.scratch, "rank-"));
  const answers = join(folder, "answers.jsonl"), rankings = join(folder, "rankings.jsonl");
  writeFileSync(answers, prompts.map((prompt) => `${JSON.stringify(prompt)}\n`).join(""));
  const server = await visit.serve({data: join(folder, "data"), env: {KILN_API_KEY: key},
    args: ["--rank", answers, "--rankings", rankings, "--rater", "owner", "--repeat", "0", ...args]}, []);
  server.lines = () => readFileSync(rankings, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  server.as = async (token, path, body) => {
    const response = await fetch(server.url + path, {method: body ? "POST" : "GET", body: body && JSON.stringify(body),
      headers: {"Content-Type": "application/json", ...(token && {Authorization: `Bearer ${token}`})}});
    return {status: response.status, ...await response.json()};
  };
  return server;
}

/** Opens the page and waits until it shows something to rank. */
export async function openRank(visit, server, options = {}, path = "/rank") {
  const page = await visit.open(path, {at: server, ...options});
  await until(page, "answers are shown", () => document.querySelector(".answer"));
  return page;
}

export const shownTexts = (page) => page.$$eval(".answer .text", (all) => all.map((one) => one.textContent));
export const order = (page) => page.$eval(".chosen-chips", (chips) => chips.textContent);
export const notice = (page) => page.$eval("#notice", (one) => one.textContent);
export const count = (page) => page.$eval("#count", (one) => one.textContent);
export const typeKeys = async (page, ...keys) => { for (const key of keys) await page.keyboard.press(key); };

/** Waits until so many are judged. */
export const judged = (page, done) =>
  until(page, `${done} are judged`, (text) => document.getElementById("count").textContent.startsWith(`${text} of`), done);

/** Returns the order of a line as texts. */
export const orderOf = (line) => line.order.map((group) => group.map((number) => line.answers[number].text).sort());
