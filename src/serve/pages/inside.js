// Looks into a model: reads a text with it at any state of its training, and keeps what the sections show.
import {addBar, ask, element} from "/kiln.js";
import {Attention} from "/inside_attention.js";
import {Embeddings} from "/inside_embeddings.js";
import {Lens} from "/inside_lens.js";
import {Next, Strip} from "/inside_next.js";
import {Steps} from "/inside_steps.js";
import {count} from "/inside_text.js";
import {Valley} from "/inside_valley.js";

const kTyping_ms = 350, kPlaying_ms = 600;
const kMostNumbers = 1 << 20;  // of attention in one reply
const kMostKept = 200;         // replies
const kSections = [Next, Attention, Lens, Embeddings, Steps, Valley];

addBar("inside");
const main = document.getElementById("inside");
const hash = new URLSearchParams(location.hash.slice(1));
const notice = element("p", {class: "error hidden", role: "alert"});
const replies = new Map();  // by path and body

/** Asks the server, or remembers its answer. */
function known(path, body, signal) {
  const key = path + JSON.stringify(body), before = replies.get(key);
  if (before && !before.signal?.aborted) return before.reply;
  const asked = {reply: ask(path, {body, signal}), signal};
  replies.set(key, asked);
  asked.reply.then(() => { asked.signal = null; }, () => { if (replies.get(key) === asked) replies.delete(key); });
  if (replies.size > kMostKept) replies.delete(replies.keys().next().value);
  return asked.reply;
}

/** What is looked at, and what the sections may do. */
const view = {
  model: hash.get("model") ?? "",
  text: hash.get("text") ?? "One morning the old man went down to the river and",
  isChat: hash.get("as") === "chat",
  states: [],        // {name, checkpoint, about}: untrained, then the run's checkpoints
  state: null,
  position: 0,       // of the chosen token
  head: null,        // {layer, head}
  seed: 7,           // of the continuations
  tokens: [], now: null, untrained: null, layers: null,

  choose(position) {
    this.position = Math.max(0, Math.min(this.tokens.length - 1, position));
    strip.select(this);
    for (const part of parts) part.select?.(this);
  },
  chooseHead(head) {
    this.head = head;
    if (this.layers?.attention.some((one) => one.layer === head.layer && one.head === head.head)) draw();
    else look();
  },
  goTo(state) {
    this.state = state;
    showState();
    look();
  },
  drawAgain() {
    this.seed += 1;
    look();
  },
  /** Returns the end of the text, which continuations follow. */
  ending() {
    const end = this.isChat ? "" : this.text.slice(-24);
    return end.length < this.text.length ? `…${end.replace(/^\S*\s/, "")}` : end;
  },
  /** Returns the states whose predictions for this text have come, in order. */
  seen() {
    return this.states.filter((state) => state.replies.has(this.asked())).map((state) => [state, state.replies.get(this.asked())]);
  },
  asked() {
    return JSON.stringify([this.isChat, this.text, this.seed]);
  },
  /** Returns what a section asks of the state that is shown. */
  request(more) {
    return {model: this.model, ...(this.state?.checkpoint !== undefined && {checkpoint: this.state.checkpoint}), ...more};
  },
  known,
};

function textOf() {
  return view.isChat ? {messages: [{role: "user", content: view.text}]} : {text: view.text};
}

/** Returns what a state of the model predicts for the text. */
async function predictions(state, signal) {
  const reply = await known("/v1/inspect", {model: view.model, checkpoint: state.checkpoint, ...textOf(), top: 10,
    continue: {max_tokens: 24, temperature: 0.8, seed: view.seed}}, signal);
  const losses = reply.positions.map((position) => position.next?.loss).filter((loss) => loss !== undefined);
  const loss = losses.length ? losses.reduce((sum, one) => sum + one, 0) / losses.length : null;
  return {...reply, loss};
}

let looking = null;

/** Reads the text with the state that is shown; a later look ends an earlier one. */
async function look() {
  looking?.abort();
  const {signal} = looking = new AbortController();
  const asked = view.asked(), state = view.state;
  keep();
  main.setAttribute("aria-busy", "true");
  try {
    const [now, untrained] = await Promise.all([predictions(state, signal), predictions(view.states[0], signal)]);
    state.replies.set(asked, now);
    view.states[0].replies.set(asked, untrained);
    if (signal.aborted) return;
    const isFirst = !view.now;
    Object.assign(view, {now, untrained, tokens: now.tokens});
    view.position = isFirst ? Math.max(0, now.tokens.length - 2) : Math.min(view.position, now.tokens.length - 1);
    view.layers = null;  // the sections that show it keep what they show until it comes
    tell("");
    draw();
    view.layers = await layersOf(now, signal);
    if (signal.aborted) return;
    draw();
  } catch (error) {
    if (!signal.aborted) tell(error.message);
  } finally {
    if (looking?.signal === signal) main.removeAttribute("aria-busy");
  }
}

function layersOf({n_layers, n_heads, tokens}, signal) {
  const numbers = n_layers * n_heads * tokens.length * (tokens.length + 1) / 2;
  view.head ??= {layer: n_layers >> 1, head: 0};
  view.head = {layer: Math.min(view.head.layer, n_layers - 1), head: Math.min(view.head.head, n_heads - 1)};
  return known("/v1/inspect", {...view.request(textOf()), top: 1, layers: (n_layers + 1) * tokens.length <= 1 << 15,
    attention: numbers <= kMostNumbers ? "all" : view.head}, signal);
}

function tell(message) {
  notice.textContent = message;
  notice.classList.toggle("hidden", !message);
}

function draw() {
  strip.draw(view);
  for (const part of parts) part.draw(view);
}

function keep() {
  history.replaceState(null, "", `#${new URLSearchParams({model: view.model, text: view.text,
    ...(view.isChat && {as: "chat"})})}`);
}

const models = element("select", {"aria-label": "Model", onchange: () => chooseModel(models.value).catch(({message}) => tell(message))});
const text = element("textarea", {rows: "2", spellcheck: false, "aria-label": "Text for the model to read"});
const asChat = element("input", {type: "checkbox"});
const slider = element("input", {type: "range", min: 0, step: 1, "aria-label": "State of the training",
  oninput: () => view.goTo(view.states[Number(slider.value)])});
const about = element("output", {class: "about"});
const player = element("button", {class: "play", onclick: () => play()}, "Play");
let playing = null;

/** Goes through the states from the first to the last, one after the other. */
async function play() {
  if (playing) return stopPlaying();
  playing = {};
  const mine = playing;
  player.textContent = "Stop";
  for (let i = view.state === view.states.at(-1) ? 0 : Number(slider.value); i < view.states.length; ++i) {
    view.state = view.states[i];
    showState();
    await Promise.all([look(), new Promise((resolve) => { setTimeout(resolve, kPlaying_ms); })]);
    if (playing !== mine) return;
  }
  stopPlaying();
}

function stopPlaying() {
  playing = null;
  player.textContent = "Play";
}

function showState() {
  slider.value = view.states.indexOf(view.state);
  about.textContent = `${view.state.name}${view.state.about}`;
  slider.setAttribute("aria-valuetext", about.textContent);
}

async function chooseModel(name) {
  stopPlaying();
  const list = await ask(`/v1/checkpoints?${new URLSearchParams({model: name})}`);
  view.model = list.model;
  const states = list.data.filter(({step}) => step > 0).map(({step, validation_loss: loss}) => ({checkpoint: step,
    name: `Step ${count(step)}`, about: loss === null ? "" : `, loss ${loss.toFixed(2)} on held-out text`}));
  if (!states.length) states.push({name: "Trained", about: ""});
  view.states = [{checkpoint: "untrained", name: "Untrained", about: ", random weights"}, ...states]
    .map((state) => ({...state, replies: new Map()}));
  view.state = view.states.find(({checkpoint}) => checkpoint === list.served) ?? view.states.at(-1);
  slider.max = view.states.length - 1;
  showState();
  await look();
}

let typing = null;
text.value = view.text;
text.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    view.text = text.value;
    look();
  }, kTyping_ms);
});
asChat.checked = view.isChat;
asChat.addEventListener("change", () => {
  view.isChat = asChat.checked;
  look();
});

const strip = new Strip(view);
const parts = kSections.map((Section) => new Section(view));
main.append(element("p", {class: "quiet lead"}, "Type a text, and see what a model makes of it, before and after training."),
  element("section", {class: "panel asks", "aria-label": "Text and model"}, text,
    element("div", {class: "row"}, models, element("label", {class: "row"}, asChat, "as a question in a chat")),
    element("div", {class: "row training"}, player, slider, about)),
  notice, element("div", {class: "strip-frame"}, strip.element,
    element("p", {class: "quiet"}, "The longer the line under a token, the more probable the model held it. Choose a " +
      "token to see what was expected after it.")),
  ...parts.map((part) => part.element));

try {
  const {data} = await ask("/v1/models");
  models.replaceChildren(...data.map(({id}) => element("option", {value: id}, id)));
  const chosen = data.find(({id}) => id === view.model) ?? data[0];
  if (!chosen) throw new Error("This server has no model; start it with one: kiln serve RUN");
  models.value = chosen.id;
  await chooseModel(chosen.id);
} catch (error) {
  tell(error.message);
}
