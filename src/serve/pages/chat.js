// Talks with one model or several: what a person does, and what follows from it.
import {addBar, ask, element} from "/kiln.js";
import {Asking, giveFeedback} from "/chat_asking.js";
import {ConversationList} from "/chat_list.js";
import {Settings} from "/chat_settings.js";
import {Store} from "/chat_store.js";
import {fitHeight} from "/chat_text.js";
import {Thread} from "/chat_thread.js";
import {Conversation} from "/chat_tree.js";

addBar("chat");
const part = (id) => document.getElementById(id);
const message = part("message");

let current = new Conversation();
const live = new Map();  // id -> conversation, of those that were open: their answers may still be running
const announce = (text) => part("status").textContent = text;

const asking = new Asking((answer) => thread.view(answer), changed);
const store = new Store(saved, notSaved);
const settings = new Settings(part("settings-form"), part("chosen"), keepSettings);
const thread = new Thread(part("thread"), asking,
  {editMessage, showTurn, editAnswer, showAnswer, retry, tryAgain, vote}, announce);
const list = new ConversationList(part("conversations"), part("list-note"), part("toast"), {rename, remove});

// ---- What a person does with messages ----

function sendMessage() {
  const text = message.value;
  if (!text.trim() || asking.runsIn(current)) return;
  if (settings.models.length === 0) return showPanel("settings", true);
  if (!settings.check()) return showPanel("settings", true);
  message.value = "";
  fitHeight(message);
  answerTo(current.addTurn(current.path().at(-1) ?? null, text));
  thread.toEnd();
}

function editMessage(turn, text) {
  answerTo(current.addTurn(turn.parent, text));
}

/** Lets the chosen models answer a new turn. */
function answerTo(turn) {
  current.model = settings.models[0];
  const answers = settings.models.map((model) => current.addAnswer(turn, model));
  for (const answer of answers) asking.ask(current, turn, answer, settings.defaults);
  thread.update(turn);
}

function retry(turn, model) {
  asking.ask(current, turn, current.addAnswer(turn, model), settings.defaults);
  thread.update(turn);
}

function tryAgain(turn, answer) {
  if (asking.isRunning(answer)) return;
  asking.ask(current, turn, answer, settings.defaults);
  thread.update(turn);
}

function showAnswer(turn, answer) {
  turn.shown.set(current.modelOf(answer), answer);
  thread.update(turn);
}

function showTurn(turn, other) {
  current.select(other);
  thread.update(other);
}

function editAnswer(turn, answer, text) {
  const original = current.messages[answer.original] ?? answer;
  const {model, checkpoint, template} = original;
  current.addAnswer(turn, current.modelOf(original), {model, content: text, finish: "stop", edited: true,
    original: current.messages.indexOf(original), ...(checkpoint && {checkpoint}), ...(template && {template})});
  thread.update(turn);
  store.save(current);
  if (original.content.trim()) tell(turn, original, {edited: text}, () => {});
}

/** A second click on a thumb takes it back. */
function vote(turn, answer, thumb) {
  const before = answer.vote;
  const now = before === thumb ? "none" : thumb;
  answer.vote = now === "none" ? undefined : now;
  thread.update(turn);
  store.save(current);
  tell(turn, answer, {vote: now}, () => answer.vote = before);
}

/** Sends feedback; where that fails, says so at the answer. */
async function tell(turn, answer, judgement, takeBack) {
  const conversation = current;
  try {
    await giveFeedback(conversation, turn, answer, judgement);
    announce(judgement.vote === "none" ? "Taken back." : "Kept as feedback.");
  } catch (error) {
    takeBack();
    if (conversation !== current) return;
    thread.update(turn);
    const shown = thread.view(answer) ?? thread.view(turn.shown.get(conversation.modelOf(answer)));
    shown?.fail(`The feedback is not kept: ${reasonOf(error)}`, () => {
      if (judgement.vote && judgement.vote !== "none") answer.vote = judgement.vote;
      thread.update(turn);
      tell(turn, answer, judgement, takeBack);
    });
  }
}

// ---- What follows from answers and savings ----

/** An answer has begun or ended. */
function changed(conversation) {
  store.save(conversation);
  if (conversation !== current) return;
  const isRunning = asking.runsIn(conversation);
  if (!isRunning) announce("The answer is complete.");
  showState();
}

function saved(conversation, head) {
  live.set(head.id, conversation);
  list.put(head);
  if (conversation !== current) return;
  part("unsaved").hidden = true;
  if (location.hash !== `#${head.id}`) history.replaceState(null, "", `#${head.id}`);
  list.mark(head.id);
}

function notSaved(conversation, error) {
  if (conversation !== current) return;
  part("unsaved").replaceChildren(`The conversation is not saved: ${reasonOf(error)} `,
    element("button", {type: "button", onclick: () => store.save(conversation)}, "Try again"));
  part("unsaved").hidden = false;
}

/** Returns an error's message without what the page says itself. */
function reasonOf(error) { return error.message.replace(/^the (conversation|feedback) is not saved: /, ""); }

// ---- Conversations ----

/** Shows a conversation, with its settings. */
function show(conversation) {
  current = conversation;
  if (conversation.messages.length > 0) settings.take(conversation);
  else settings.give(conversation);
  thread.open(conversation, settings.welcome());
  part("unsaved").hidden = true;
  list.mark(conversation.id);
  showState();
}

function showState() {
  const title = current.title || "New conversation";
  part("title").textContent = title;
  document.title = `${title}: kiln`;
  const isRunning = asking.runsIn(current);
  const hadFocus = [part("send"), part("stop")].includes(document.activeElement);
  part("send").hidden = isRunning;
  part("stop").hidden = !isRunning;
  if (hadFocus) message.focus();
}

/** Opens the conversation that the address names. */
async function openNamed() {
  const id = location.hash.slice(1);
  showPanel("list", false);
  if (id && id === current.id) return;
  if (!id) return show(new Conversation());
  try {
    const conversation = await newest(id);
    if (location.hash.slice(1) === id) show(conversation);  // else another one has been chosen meanwhile
  } catch (error) {
    show(new Conversation());
    part("thread").replaceChildren(element("p", {class: "error problem", role: "alert"}, `${error.message} `,
      element("button", {type: "button", onclick: openNamed}, "Try again")));
  }
}

/** Returns a conversation: that of this page, unless another page has changed it and nothing is at work here. */
async function newest(id) {
  const known = live.get(id);
  const isOld = known && list.head(id) && list.head(id).revision !== known.revision;
  if (known && (!isOld || asking.runsIn(known) || store.isSaving(known))) return known;
  live.set(id, new Conversation(await store.read(id)));
  return live.get(id);
}

async function refreshList() {
  try {
    list.show(await store.list());
    list.mark(current.id);
    if (!list.head(current.id) || part("thread").querySelector(".editor")) return;
    const conversation = await newest(current.id);
    if (conversation !== current && conversation.id === current.id) show(conversation);
  } catch (error) {
    list.fail(store.keeps ? error.message : "Conversations are not kept: start kiln serve with --data DIR.");
  }
}

/** Does something with a stored conversation, and says where that fails. */
async function change(id, act) {
  try {
    const conversation = await newest(id);
    await store.settled(conversation);
    await act(conversation);
  } catch (error) {
    part("toast").replaceChildren(element("span", {class: "error"}, error.message));
  }
}

function rename(head, title) {
  return change(head.id, (conversation) => {
    conversation.title = title;
    store.save(conversation);
    if (conversation === current) showState();
  });
}

function remove(head) {
  return change(head.id, async (conversation) => {
    await asking.stop(conversation);
    await store.settled(conversation);
    await store.remove(conversation.id);
    list.drop(conversation.id);
    live.delete(conversation.id);
    conversation.id = "";
    if (conversation === current) newConversation();
    list.offerUndo(conversation.title, () => {
      store.save(conversation);
      show(conversation);
    });
  });
}

function newConversation() {
  history.pushState(null, "", location.pathname);
  showPanel("list", false);
  show(new Conversation());
  message.focus();
}

/** Takes over what the panel of settings says. */
function keepSettings() {
  settings.give(current);
  if (current.messages.length === 0) part("thread").querySelector(".empty")?.replaceWith(settings.welcome());
  else if (current.id) store.save(current);
}

// ---- Panels and keys ----

/** Opens or closes a panel, and puts the focus where it belongs. */
function showPanel(name, isOpen) {
  const panel = part(name);
  const button = part(`show-${name}`);
  const wasOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(isOpen));
  if (name === "settings") panel.hidden = !isOpen;
  else panel.classList.toggle("open", isOpen);
  if (isOpen && !wasOpen) panel.querySelector("input:not(:disabled), a, button")?.focus();
  const hasFocus = panel.contains(document.activeElement) || document.activeElement === document.body;
  if (!isOpen && wasOpen && hasFocus) button.focus();
}

for (const name of ["list", "settings"]) {
  const button = part(`show-${name}`);
  button.addEventListener("click", () => showPanel(name, button.getAttribute("aria-expanded") !== "true"));
  part(`hide-${name}`).addEventListener("click", () => showPanel(name, false));
}
part("conversations").addEventListener("click", (event) => event.target.closest("a") && showPanel("list", false));
part("new").addEventListener("click", newConversation);
part("stop").addEventListener("click", () => asking.stop(current));
part("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  sendMessage();
});
message.addEventListener("input", () => fitHeight(message));
message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendMessage();
});
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  const open = ["list", "settings"].find((name) => part(`show-${name}`).getAttribute("aria-expanded") === "true");
  if (asking.runsIn(current)) asking.stop(current);
  else if (open) showPanel(open, false);
});
addEventListener("hashchange", openNamed);
addEventListener("visibilitychange", () => document.visibilityState === "visible" && refreshList());
addEventListener("pagehide", () => store.saveLast([...live.values()].filter((one) => asking.runsIn(one))));

try {
  const {data: models} = await ask("/v1/models");
  settings.begin(models, models.length > 0 ? await ask("/props") : null);
  await Promise.all([openNamed(), refreshList()]);
} catch (error) {
  part("thread").replaceChildren(element("p", {class: "error problem", role: "alert"}, `${error.message} `,
    element("button", {type: "button", onclick: () => location.reload()}, "Try again")));
}
if (!matchMedia("(pointer: coarse)").matches) message.focus();  // on a phone that would bring up its keyboard
