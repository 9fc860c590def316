// Keeps a conversation as a tree: an edited message or another draw is a branch, so that nothing is lost.

const kTitleLength = 60;

/** A message of the user, and the answers to it. */
class Turn {
  constructor(user, parent, after) {
    this.user = user;        // null where an answer follows no message of the user
    this.parent = parent;    // the turn before, or null
    this.after = after;      // the answers of that turn that it follows
    this.answers = [];       // in the order in which they were made
    this.shown = new Map();  // model -> the answer that is shown
    this.next = [];          // the turns that follow, all branches
    this.chosen = null;      // of these the one that was shown last
  }
}

/** Messages are {role, content, parent, ...}, as the server keeps them: `parent` is the number of the message before, or
 * a list of those of several models. */
export class Conversation {
  constructor(stored = {}) {
    this.id = stored.id ?? "";
    this.revision = stored.revision ?? 0;
    this.title = stored.title ?? "";
    this.model = stored.model ?? "";
    this.system = stored.system ?? "";
    this.sampling = stored.sampling ?? {};
    this.messages = [];
    this.roots = [];
    this.root = null;
    this.turns = new Map();  // message -> its turn
    (stored.messages ?? []).forEach((message, number) => this.#take(message, number));
    this.#showPathTo(this.messages[stored.at]);
  }

  /** Returns what the server keeps. */
  stored() {
    const {id, revision, title, model, system, sampling, messages} = this;
    const at = messages.indexOf(this.path().at(-1)?.user);
    return {...(id && {id, revision}), title, model, system, sampling, messages, ...(at >= 0 && {at})};
  }

  /** Returns the turns that are shown, from the first on. */
  path() {
    const turns = [];
    for (let turn = this.root; turn; turn = this.#following(turn)) turns.push(turn);
    return turns;
  }

  /** Returns the turns that stand in one place, of which one is shown: those after the shown answers of `parent`. */
  branches(parent) {
    if (!parent) return this.roots;
    return parent.next.filter((turn) => turn.after.every((answer) => parent.shown.get(this.modelOf(answer)) === answer));
  }

  select(turn) {
    if (turn.parent) turn.parent.chosen = turn;
    else this.root = turn;
  }

  modelOf(answer) { return String(answer.model ?? ""); }

  /** Returns the answers of one model in a turn. */
  versions(turn, model) { return turn.answers.filter((answer) => this.modelOf(answer) === model); }

  /** Adds a message of the user after the answers that `parent` shows, and shows it. */
  addTurn(parent, text) {
    const after = parent ? [...parent.shown.values()] : [];
    const numbers = (after.length > 0 ? after : parent?.user ? [parent.user] : []).map((m) => this.messages.indexOf(m));
    const user = {role: "user", content: text, parent: numbers.length > 1 ? numbers : numbers[0] ?? null};
    this.messages.push(user);
    this.title ||= titleOf(text);
    const turn = this.#place(new Turn(user, parent, after));
    this.turns.set(user, turn);
    this.select(turn);
    return turn;
  }

  /** Adds an answer, and shows it. */
  addAnswer(turn, model, notes = {}) {
    const parent = turn.user ? this.messages.indexOf(turn.user) : turn.answers[0]?.parent ?? null;
    const answer = {role: "assistant", content: "", parent, model, ...notes};
    this.messages.push(answer);
    this.#hang(turn, answer);
    return answer;
  }

  /** Returns the messages that an answer of a model in this turn follows. Where a model has not answered before, it
   * takes over what another one has said. */
  history(turn, model) {
    const messages = [];
    const add = (message) => message?.content && messages.unshift({role: message.role, content: message.content});
    for (let at = turn; at; at = at.parent) {
      add(at.user);
      add(at.after.find((answer) => this.modelOf(answer) === model) ?? at.after[0]);
    }
    if (this.system.trim()) messages.unshift({role: "system", content: this.system});
    return messages;
  }

  #following(turn) {
    const branches = this.branches(turn);
    return branches.includes(turn.chosen) ? turn.chosen : branches.at(-1) ?? null;
  }

  #place(turn) {
    (turn.parent ? turn.parent.next : this.roots).push(turn);
    this.root ??= turn;
    return turn;
  }

  #hang(turn, answer) {
    turn.answers.push(answer);
    turn.shown.set(this.modelOf(answer), answer);
    this.turns.set(answer, turn);
  }

  /** Takes a stored message; the messages that it follows come before it. */
  #take(message, number) {
    this.messages.push(message);
    const numbers = "parent" in message ? [message.parent ?? []].flat() : number > 0 ? [number - 1] : [];
    const parents = numbers.map((parent) => this.messages[parent]).filter((parent) => parent && parent !== message);
    const parent = this.turns.get(parents[0]) ?? null;
    if (message.role === "system") {
      this.system ||= parent ? "" : message.content;
      if (parent) this.turns.set(message, parent);
    } else if (message.role === "user") {
      const after = parents.filter((before) => before.role === "assistant" && this.turns.get(before) === parent);
      this.turns.set(message, this.#place(new Turn(message, parent, after)));
    } else {
      if (this.model) message.model ??= this.model;
      this.#hang(parents[0]?.role === "user" ? parent : this.#turnWithoutUser(parent, parents[0]), message);
    }
  }

  #turnWithoutUser(parent, after) {
    const known = (parent ? parent.next : this.roots).find((turn) => !turn.user && turn.after[0] === after);
    return known ?? this.#place(new Turn(null, parent, after?.role === "assistant" ? [after] : []));
  }

  #showPathTo(message) {
    for (let turn = this.turns.get(message); turn; turn = turn.parent) {
      this.select(turn);
      for (const answer of turn.after) turn.parent?.shown.set(this.modelOf(answer), answer);
    }
  }
}

function titleOf(text) {
  const line = text.trim().split("\n", 1)[0].trim();
  return line.length > kTitleLength ? `${line.slice(0, kTitleLength - 1).trimEnd()}…` : line;
}
