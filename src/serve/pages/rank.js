// Lets a person rank answers: keys, clicks and drags become an order, which the server keeps.
import {addBar, ask, element} from "/kiln.js";
import {Cards, promptView} from "/rank_cards.js";
import {Order, placeOf} from "/rank_order.js";
import {ownerPanels, raterPanels} from "/rank_panels.js";
import {Strip} from "/rank_strip.js";

const kTokenName = "kiln-rater-token", kDraftName = "kiln-rank-draft";
const kKeys = [["a to i, 1 to 9", "the next best answer; again: takes it out"], ["=", "the next one is equal to the last"],
  ["Backspace", "takes the last one out"], ["Enter", "records the order"], ["s", "skips the prompt"],
  ["u", "takes your last judgement back"], ["m", "my own answer: what you would have said; it counts as the best"],
  ["n", "a note"], ["Ctrl+Enter", "records from within a text"], ["Esc", "leaves a text"], ["?", "this list"]];

const part = (id) => document.getElementById(id);
const token = takeToken();
const asked = (path, options) => ask(path, {...options, token});

let state = null;       // of the server
let draft = null;       // {content, order, edit, note, since}: what the rater has said about the showing
let isBusy = false;

addBar("rank", token ? ["rank"] : undefined);
const cards = new Cards(part("answers"), toggle);
const strip = new Strip(changed);
const buttons = {
  record: button("Record", "Enter", record, {class: "main"}), skip: button("Skip", "s", skip),
  undo: button("Undo", "u", undo), tie: button("Tie", "=", tie), help: button("Help", "?", showHelp),
};
part("bar").append(strip.element, element("div", {class: "row"}, ...Object.values(buttons)));
const edit = remark("edit", "My own answer", "m", "What you would have said. It counts as better than all answers.");
const note = remark("note", "Note", "n", "A remark that is kept with your judgement.");
part("remarks").append(edit.element, note.element);

/** Takes a rater's token out of the address, so that no bookmark and no picture of the screen shows it. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) sessionStorage.setItem(kTokenName, given);
  if (location.hash) history.replaceState(null, "", location.pathname);
  return sessionStorage.getItem(kTokenName) ?? undefined;
}

function button(text, key, onclick, attributes = {}) {
  return element("button", {type: "button", onclick, ...attributes}, element("span", {}, text), " ",
    element("kbd", {"aria-hidden": "true"}, key));
}

/** Makes a text field that opens on demand. */
function remark(name, label, key, hint) {
  const area = element("textarea", {rows: 3, dir: "auto", "aria-label": label, placeholder: hint,
    oninput: () => { draft[name] = area.value; changed(); }});
  const focusOnceOpen = () => setTimeout(() => { if (details.open) area.focus(); });
  const details = element("details", {class: "remark"},
    element("summary", {onclick: focusOnceOpen}, label, " ", element("kbd", {"aria-hidden": "true"}, key)), area);
  return {area, element: details, open: () => { details.open = true; area.focus(); },
    set: (text) => { area.value = text; details.open = text !== ""; }};
}

function say(text, isError = false) {
  part("notice").textContent = text;
  part("notice").classList.toggle("error", isError);
}

// ---- What is shown ----

/** Takes over a state of the server; keeps what the rater has said about the same showing. */
function take(next) {
  const {showing} = state = next, content = JSON.stringify([showing?.messages, showing?.answers]);
  const isSame = draft?.content === content;
  part("who").textContent = `as ${state.rater}`;
  part("leave").hidden = !token;
  const {done, total} = state.progress;
  part("progress").max = total;
  part("progress").value = done;
  part("count").textContent = `${done} of ${total} judged`;
  buttons.undo.disabled = !state.last;
  buttons.record.disabled = buttons.skip.disabled = buttons.tie.disabled = !showing;
  part("task").hidden = strip.element.hidden = !showing;
  part("bar").hidden = false;
  part("thanks").hidden = Boolean(showing);
  part("thanks-count").textContent = `You have judged ${done} of ${total}. Undo takes the last judgement back.`;
  if (!showing || isSame) return changed();
  draft = {content, order: new Order(showing.answers.length), edit: "", note: "", since: performance.now(),
    ...keptDraft(showing)};
  part("prompt").replaceChildren(element("h2", {}, `Prompt ${showing.number} of ${total}`), ...promptView(showing.messages));
  cards.show(showing.answers);
  edit.set(draft.edit);
  note.set(draft.note);
  changed();
  part("prompt").focus({preventScroll: true});
  scrollTo(0, 0);
}

/** Shows the order, and keeps what was said over a reload of the page. */
function changed() {
  if (!state?.showing) return;
  cards.update(draft.order);
  strip.show(draft.order);
  const hasEdit = draft.edit.trim() !== "";
  buttons.skip.firstChild.textContent = hasEdit ? "Only mine is good" : "Skip";
  buttons.tie.setAttribute("aria-pressed", draft.order.joins);
  const kept = {id: state.showing.id, groups: draft.order.groups, edit: draft.edit, note: draft.note};
  try {
    sessionStorage.setItem(kDraftName, JSON.stringify(kept));
  } catch { /* more than the browser keeps: it is lost on a reload alone */ }
}

function keptDraft({id, answers}) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(kDraftName));
    return kept?.id === id ? {order: new Order(answers.length, kept.groups), edit: kept.edit, note: kept.note} : {};
  } catch {
    return {};
  }
}

// ---- What the rater does ----

function toggle(place) {
  draft.order.toggle(place);
  say("");
  changed();
}

function tie() {
  draft.order.toggleJoin();
  changed();
}

function record() {
  if (draft.order.joins) return say("= waits for the answer that is equal to the last one; name it, or press = again.");
  if (draft.order.groups.length === 0) return say("Choose the best answer first, by its letter; s skips the prompt.");
  const text = draft.order.text();
  judge({order: draft.order.groups}, draft.edit.trim() ? `Your own answer > ${text}` : text);
}

function skip() {
  judge({skip: true}, draft.edit.trim() ? "Your own answer > the others" : "Skipped");
}

function judge(verdict, text) {
  const seconds = (performance.now() - draft.since) / 1000;
  return change("/v1/rank", {showing: state.showing.id, ...verdict, edit: draft.edit, note: draft.note, seconds},
    () => `${text}. Undo takes it back.`);
}

function undo() {
  if (!state.last) return say("There is nothing to take back.");
  const {last} = state;
  return change("/v1/rank/undo", {last}, (next) => next.showing?.id === last ? "Taken back; judge it again."
    : "Taken back. That prompt is among other answers, or waits behind this one.");
}

/** Sends what the rater says; what was typed stays until the server has it. */
async function change(path, body, told) {
  if (isBusy) return;
  isBusy = true;
  try {
    const next = await asked(path, {body});
    draft = null;
    sessionStorage.removeItem(kDraftName);
    take(next);
    say(told(next));
  } catch (error) {
    if (error.status !== 409) return refused(error);
    if (await load()) say(sentence(error.message), true);
  } finally {
    isBusy = false;
  }
}

function refused(error) {
  const isGone = error.status === 401 || error.status === 404;
  if (isGone) for (const id of ["task", "bar", "thanks", "panels"]) part(id).hidden = true;
  say(isGone || !draft ? sentence(error.message) : `${sentence(error.message)} What you said is still here: try again.`, true);
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

async function load() {
  try {
    take(await asked("/v1/rank"));
    return true;
  } catch (error) {
    refused(error);
    return false;
  }
}

// ---- Keys ----

function showHelp() {
  const dialog = part("help");
  dialog.replaceChildren(element("h2", {id: "help-title"}, "How to rank"),
    element("p", {}, "Order the answers from the best to the worst. Those that you leave out are worse than those you name, "
      + "and not compared with each other. The order on the screen is random and means nothing."),
    element("table", {}, ...kKeys.map(([key, does]) => element("tr", {}, element("th", {scope: "row"}, element("kbd", {}, key)),
      element("td", {}, does)))),
    element("form", {method: "dialog"}, element("button", {class: "main"}, "Close")));
  dialog.showModal();
}

const kActions = {"=": tie, Enter: record, s: skip, u: undo, m: edit.open, n: note.open, "?": showHelp,
  Backspace: () => { draft.order.removeLast(); changed(); }};

document.addEventListener("keydown", (event) => {
  const {target, key} = event;
  if (part("help").open || !state || part("bar").hidden || event.isComposing) return;
  if (target.matches("textarea, input, select")) {
    if (key === "Escape") target.blur();
    if (target.closest("#remarks") && key === "Enter" && (event.ctrlKey || event.metaKey) && state.showing) {
      event.preventDefault();
      record();
    }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const isControl = target.matches("button, a, summary") && !("place" in target.dataset);
  if (isControl && (key === "Enter" || key === " ")) return;  // presses it
  const place = state.showing ? placeOf(key, state.showing.answers.length) : -1;
  const action = place >= 0 ? () => toggle(place) : kActions[key.length === 1 ? key.toLowerCase() : key];
  if (!action || (!state.showing && action !== undo && action !== showHelp)) return;
  event.preventDefault();
  action();
});

// ---- The start ----

part("leave").addEventListener("click", () => {
  sessionStorage.removeItem(kTokenName);
  sessionStorage.removeItem(kDraftName);
  location.reload();
});
addEventListener("hashchange", () => location.reload());  // a link for another rater was opened here
addEventListener("beforeunload", (event) => { if (isBusy) event.preventDefault(); });
document.addEventListener("visibilitychange", async () => {
  if (document.hidden || !state || isBusy) return;
  const before = state.showing?.id;
  if (await load() && before && state.showing?.id !== before) say("That prompt was judged in another window.");
});

if (await load()) part("panels").append(...(state.is_owner ? ownerPanels(asked) : raterPanels(asked)));
