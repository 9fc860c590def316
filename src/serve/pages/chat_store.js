// Saves conversations on the server, one request at a time for each.
import {ask, send} from "/kiln.js";

const kLongestLastRequest = 60_000;  // bytes of a request that outlives the page, by the standard

export class Store {
  #saving = new Map();  // conversation -> its requests in progress
  #waiting = new Set(); // conversations that changed meanwhile

  /** `onSaved(conversation, head)` and `onFailed(conversation, error)` hear how each saving went. */
  constructor(onSaved, onFailed) {
    this.onSaved = onSaved;
    this.onFailed = onFailed;
    this.keeps = true;  // the server keeps conversations
  }

  /** Returns what a list shows of each conversation, the newest first; nothing if the server keeps none. */
  async list() {
    try {
      return (await ask("/v1/conversations")).data;
    } catch (error) {
      this.keeps = error.status !== 404;
      throw error;
    }
  }

  read(id) { return ask(`/v1/conversation?id=${encodeURIComponent(id)}`); }

  remove(id) { return send("/v1/conversation/remove", {body: {id}}); }

  /** Saves a conversation, and again if it changes meanwhile. */
  save(conversation) {
    if (!this.keeps) return;
    this.#waiting.add(conversation);
    if (this.#saving.has(conversation)) return;
    this.#saving.set(conversation, this.#saveAll(conversation).finally(() => this.#saving.delete(conversation)));
  }

  isSaving(conversation) { return this.#saving.has(conversation); }

  /** Resolves once nothing of a conversation is being saved. */
  async settled(conversation) { await this.#saving.get(conversation); }

  async #saveAll(conversation) {
    while (this.#waiting.delete(conversation)) {
      try {
        const head = await this.#saveOnce(conversation);
        conversation.id = head.id;
        conversation.revision = head.revision;
        this.onSaved(conversation, head);
      } catch (error) {
        this.#waiting.delete(conversation);
        return this.onFailed(conversation, error);
      }
    }
  }

  /** A conversation that another page has changed or deleted becomes one of its own. */
  async #saveOnce(conversation) {
    try {
      return await ask("/v1/conversation", {body: conversation.stored()});
    } catch (error) {
      if (!conversation.id || (error.status !== 404 && error.status !== 409)) throw error;
      conversation.id = "";
      return await ask("/v1/conversation", {body: conversation.stored()});
    }
  }

  /** Saves these conversations, and those that wait, with requests that outlive the page, as far as they are allowed. */
  saveLast(conversations) {
    if (!this.keeps) return;
    for (const conversation of new Set([...conversations, ...this.#waiting])) {
      const body = conversation.stored();
      if (JSON.stringify(body).length > kLongestLastRequest) continue;
      send("/v1/conversation", {body, keepalive: true}).catch(() => {});
    }
  }
}
