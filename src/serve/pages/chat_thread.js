// Shows the turns of a conversation. Draws only what changes.
import {element} from "/kiln.js";
import {copyText, GrowingText, iconButton, textEditor, versionControl} from "/chat_text.js";

const kTurnsAtOnce = 50;
const kNearEnd = 60;  // pixels from the end within which the view follows what is added

/** An answer on the page. */
class AnswerView {
  constructor(thread, turn, answer) {
    this.thread = thread;
    this.turn = turn;
    this.answer = answer;
    this.model = thread.conversation.modelOf(answer);
    this.text = new GrowingText(answer.content, () => thread.follow());
    this.note = element("p", {class: "quiet note"});
    this.body = element("div", {"aria-live": "polite"}, this.text.element);
    this.end = element("div", {class: "end"});
    this.element = element("article", {class: "message answer", "aria-label": `Answer of ${this.model}`},
      element("div", {class: "who quiet", dir: "auto"}, this.model), this.note, this.body, this.end);
    this.noteBeginning();
    this.finish();
  }

  append(piece) { this.text.append(piece); }

  noteBeginning() {
    const turns = this.answer.dropped;
    this.note.textContent = turns > 0 ? `The conversation is longer than the model's context: it no longer reads the ` +
      `oldest ${turns === 1 ? "turn" : `${turns} turns`}.` : "";
    this.note.hidden = !turns;
  }

  /** Shows what follows the text: how it ended, and what a person may do. */
  finish() {
    const isRunning = this.thread.asking.isRunning(this.answer);
    this.element.classList.toggle("running", isRunning);
    this.body.setAttribute("aria-busy", String(isRunning));
    this.text.flush();
    this.end.replaceChildren(...isRunning ? [] : [this.#ending(), this.#actions()]);
    this.thread.follow();
  }

  /** Says that something went wrong here, with a way to try it again. */
  fail(message, again) {
    this.end.prepend(element("p", {class: "error problem", role: "alert"}, `${message} `,
      element("button", {type: "button", onclick: (event) => {
        event.target.parentElement.remove();
        again();
      }}, "Try again")));
  }

  #ending() {
    const {finish, error, content, edited} = this.answer;
    const again = () => this.thread.actions.tryAgain(this.turn, this.answer);
    if (finish === "error" || (!finish && !content)) {
      const problem = error ?? "the page was closed before the answer began";
      return element("p", {class: "error problem", role: "alert"}, `No ${content ? "whole " : ""}answer: ${problem} `,
        element("button", {type: "button", onclick: again}, "Try again"));
    }
    const notes = {length: "Cut off: no more tokens were allowed, or the context is full.",
      stopped: content ? "Stopped." : "Stopped before the answer began."};
    const text = edited ? "Edited." : notes[finish] ?? (content ? "" : "The answer is empty.");
    return text ? element("p", {class: "quiet note"}, text) : "";
  }

  #actions() {
    const {answer, turn, thread, model} = this;
    const versions = thread.conversation.versions(turn, model);
    const thumb = (vote, label) => iconButton(vote, label, () => thread.actions.vote(turn, answer, vote),
      {"aria-pressed": String(answer.vote === vote), "data-act": vote});
    return element("div", {class: "actions", role: "group", "aria-label": "Actions"},
      versionControl(versions.length, versions.indexOf(answer), "this answer",
        (index) => thread.actions.showAnswer(turn, versions[index])),
      ...answer.content ? [iconButton("copy", "Copy", () => thread.copy(answer.content), {"data-act": "copy"}),
        iconButton("edit", "Edit", () => this.#edit(), {"data-act": "edit"})] : [],
      ...answer.finish !== "error" ? [iconButton("retry", "Draw another answer",
        () => thread.actions.retry(turn, model), {"data-act": "retry"})] : [],
      ...answer.content && !answer.edited ? [thumb("up", "Good answer"), thumb("down", "Bad answer")] : []);
  }

  #edit() {
    const editor = textEditor("Edited answer", this.answer.content, "Keep", (text) => {
      editor.replaceWith(this.body);
      this.finish();
      if (text !== null) this.thread.actions.editAnswer(this.turn, this.answer, text);
      else this.end.querySelector("[data-act=edit]")?.focus();
    });
    this.end.replaceChildren();
    this.body.replaceWith(editor);
  }
}

/** The part of the page with the turns. */
export class Thread {
  #shown = [];  // {turn, section} of the path's end
  #before = 0;  // turns of the path that are not on the page
  #views = new Map();  // answer -> its view
  #follows = true;
  #isBuilding = false;  // what is built scrolls once, at its end

  /** `actions` are what a person may do with a message, see chat.js. */
  constructor(container, asking, actions, announce) {
    this.container = container;
    this.asking = asking;
    this.actions = actions;
    this.announce = announce;
    container.addEventListener("scroll", () => {
      this.#follows = container.scrollHeight - container.scrollTop - container.clientHeight < kNearEnd;
    }, {passive: true});
  }

  view(answer) { return this.#views.get(answer); }

  /** Shows another conversation, from its end. */
  open(conversation, empty) {
    this.conversation = conversation;
    this.#views.clear();
    this.#shown = [];
    this.container.replaceChildren();
    const path = conversation.path();
    this.#before = Math.max(0, path.length - kTurnsAtOnce);
    this.#isBuilding = true;
    if (path.length === 0) this.container.append(empty);
    if (this.#before > 0) this.#addEarlierButton();
    for (const turn of path.slice(this.#before)) this.#add(turn);
    this.#isBuilding = false;
    this.toEnd();
  }

  /** Brings the page up to date after the path has changed from one turn on, or that turn itself. */
  update(changed) {
    const path = this.conversation.path().slice(this.#before);
    let same = 0;
    this.#isBuilding = true;
    for (; same < path.length && this.#shown[same]?.turn === path[same]; ++same) {
      if (path[same] === changed) this.#replace(same);
    }
    const focus = this.#focusIn(this.#shown[same]?.section);
    for (const {turn, section} of this.#shown.splice(same)) this.#remove(turn, section);
    this.container.querySelector(".empty")?.remove();
    for (const turn of path.slice(same)) this.#add(turn);
    this.#shown[same]?.section.querySelector(focus)?.focus();
    this.#isBuilding = false;
    this.follow();
  }

  /** Scrolls to the end if the view was there. */
  follow() {
    if (this.#follows && !this.#isBuilding) this.container.scrollTop = this.container.scrollHeight;
  }

  toEnd() {
    this.#follows = true;
    this.follow();
  }

  async copy(text) {
    try {
      await copyText(text);
      this.announce("Copied.");
    } catch (error) {
      this.announce(`Not copied: ${error.message}`);
    }
  }

  #replace(index) {
    const {turn, section} = this.#shown[index];
    const focus = this.#focusIn(section);
    for (const answer of turn.answers) this.#views.delete(answer);
    const fresh = this.#section(turn);
    section.replaceWith(fresh);
    this.#shown[index] = {turn, section: fresh};
    fresh.querySelector(focus)?.focus();
  }

  /** Returns the selector of the button that has the focus within a section, which a new section has too. */
  #focusIn(section) {
    const button = document.activeElement;
    const message = section?.contains(button) ? button.closest(".message") : null;
    if (!message || !button.dataset.act) return ":not(*)";
    const number = [...message.parentElement.children].indexOf(message) + 1;
    const place = message.matches(".user") ? ".user" : `.answer:nth-of-type(${number})`;
    return `${place} [data-act=${button.dataset.act}]`;
  }

  #remove(turn, section) {
    for (const answer of turn.answers) this.#views.delete(answer);
    section.remove();
  }

  #add(turn) {
    const section = this.#section(turn);
    this.#shown.push({turn, section});
    this.container.append(section);
  }

  #section(turn) {
    const answers = [...turn.shown.values()].map((answer) => {
      const view = new AnswerView(this, turn, answer);
      this.#views.set(answer, view);
      return view.element;
    });
    return element("section", {class: "turn"}, turn.user ? this.#userMessage(turn) : "",
      element("div", {class: `answers of-${Math.min(4, answers.length)}`}, ...answers));
  }

  #userMessage(turn) {
    const {content} = turn.user;
    const branches = this.conversation.branches(turn.parent);
    const bubble = new GrowingText(content).element;
    const actions = element("div", {class: "actions", role: "group", "aria-label": "Actions"},
      versionControl(branches.length, branches.indexOf(turn), "this message",
        (index) => this.actions.showTurn(turn, branches[index])),
      iconButton("copy", "Copy", () => this.copy(content), {"data-act": "copy"}),
      iconButton("edit", "Edit", () => edit(), {"data-act": "edit"}));
    const message = element("article", {class: "message user", "aria-label": "Your message"}, bubble, actions);
    const edit = () => {
      const editor = textEditor("Edited message", content, "Send", (text) => {
        message.classList.remove("edited");
        message.replaceChildren(bubble, actions);
        if (text !== null) this.actions.editMessage(turn, text);
        else actions.querySelector("[data-act=edit]").focus();
      });
      message.classList.add("edited");
      message.replaceChildren(editor);
    };
    return message;
  }

  #addEarlierButton() {
    const button = element("button", {type: "button", class: "earlier", onclick: () => {
      const height = this.container.scrollHeight;
      const last = this.#before;
      this.#before = Math.max(0, last - kTurnsAtOnce);
      const turns = this.conversation.path().slice(this.#before, last);
      const shown = turns.map((turn) => ({turn, section: this.#section(turn)}));
      button.after(...shown.map(({section}) => section));
      this.#shown.unshift(...shown);
      this.container.scrollTop += this.container.scrollHeight - height;
      if (this.#before === 0) button.remove();
    }}, "Show earlier messages");
    this.container.append(button);
  }
}
