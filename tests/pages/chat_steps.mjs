// Steps of the checks of the chat page: what a person does, and what is then to be seen.
import {until} from "./support.mjs";

/** Types a message and sends it. */
export async function say(page, text) {
  await page.bringToFront();
  await page.focus("#message");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** Waits until so many answers are there and none is being written. */
export const answered = (page, count) =>
  until(
    page,
    `there are ${count} answers`,
    (n) => document.querySelectorAll(".answer").length === n && !document.querySelector(".running"),
    count
  );

/** Returns the texts of elements, once a frame has shown them. */
export async function texts(page, selector) {
  await page.bringToFront();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  return page.$$eval(selector, (all) => all.map((one) => one.innerText.trim()));
}
export const users = (page) => texts(page, ".user .text");
export const answers = (page) => texts(page, ".answer .text");
export const press = (page, label, index = 0) =>
  page.evaluate((l, i) => document.querySelectorAll(`[aria-label="${l}"]`)[i].click(), label, index);
export const saved = (page) =>
  until(page, "the conversation is saved", () => location.hash.length === 33 && location.hash.slice(1));
export const choose = async (page, count) => {
  await page.click("#show-settings");
  for (let i = 1; i < count; ++i) await page.click(`#models label:nth-child(${i + 1}) input`);
};

/** Returns a conversation of so many turns, as another program could save it. */
export function longTalk(turns, words = 20) {
  const messages = [];
  for (let i = 0; i < turns; ++i) {
    messages.push(
      {role: "user", content: `Question ${i}?`},
      {role: "assistant", content: `Answer ${i}. ${"word ".repeat(words)}`}
    );
  }
  return {title: `${turns} turns`, messages};
}
