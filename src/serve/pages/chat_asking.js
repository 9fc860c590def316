// Asks models for answers, and tells the server what people say about them.
import {send, stream} from "/kiln.js";

const kMostSafeSeed = Number.MAX_SAFE_INTEGER;

export class Asking {
  #running = new Map();  // answer -> {stop, ended}

  /** `views` returns what shows an answer, or undefined; `onChange(conversation)` hears of beginnings and ends. */
  constructor(views, onChange) {
    this.views = views;
    this.onChange = onChange;
  }

  isRunning(answer) { return this.#running.has(answer); }

  runsIn(conversation) { return conversation.messages.some((message) => this.#running.has(message)); }

  /** Lets a model write an answer, which must be one of the turn's. `defaults` stand for settings that are empty. */
  ask(conversation, turn, answer, defaults) {
    const controller = new AbortController();
    const running = {stop: () => controller.abort(), ended: null};
    this.#running.set(answer, running);
    running.ended = this.#ask(conversation, turn, answer, defaults, controller.signal);
  }

  /** Stops all answers of a conversation; resolves once they have ended. */
  stop(conversation) {
    const running = conversation.messages.map((message) => this.#running.get(message)).filter(Boolean);
    for (const {stop} of running) stop();
    return Promise.all(running.map(({ended}) => ended));
  }

  async #ask(conversation, turn, answer, defaults, signal) {
    for (const note of ["finish", "error", "dropped", "vote"]) delete answer[note];
    answer.content = "";
    this.onChange(conversation);
    const model = conversation.modelOf(answer);
    const body = {model, messages: conversation.history(turn, model), stream: true, truncation: "oldest_turns",
      ...samplingOf(conversation, turn, answer, defaults)};
    const view = () => this.views(answer);
    try {
      const events = stream("/v1/chat/completions",
        {body, signal, onReply: (reply) => this.#note(answer, reply)});
      for await (const event of events) {
        const choice = event.choices[0];
        if (choice?.delta?.content) {
          answer.content += choice.delta.content;
          view()?.append(choice.delta.content);
        }
        if (choice?.finish_reason) answer.finish = choice.finish_reason;
      }
      if (!answer.finish) throw new Error("the answer broke off");
    } catch (error) {
      if (signal.aborted) {
        answer.finish = "stopped";
      } else {
        answer.finish = "error";
        answer.error = error.message;
      }
    }
    this.#running.delete(answer);
    view()?.finish();
    this.onChange(conversation);
  }

  /** Keeps what the reply says about itself. */
  #note(answer, reply) {
    const notes = {checkpoint: "Kiln-Checkpoint", template: "Kiln-Template"};
    for (const [note, header] of Object.entries(notes)) {
      if (reply.headers.get(header)) answer[note] = reply.headers.get(header);
    }
    const dropped = Number(reply.headers.get("Kiln-Dropped-Turns"));
    if (dropped > 0) answer.dropped = dropped;
    this.views(answer)?.noteBeginning();
  }
}

/** Returns the fields of a request. With a seed, each further version of an answer has the next seed. */
function samplingOf(conversation, turn, answer, defaults) {
  const {temperature, top_k, top_p, max_tokens, seed} = {...defaults, ...conversation.sampling};
  const version = conversation.versions(turn, conversation.modelOf(answer)).indexOf(answer);
  return {temperature, top_k, top_p, ...(max_tokens && {max_tokens}),
    ...(seed !== undefined && {seed: (seed + version) % kMostSafeSeed})};
}

/** Sends a thumb ("up", "down", "none") or an edited text about an answer. */
export function giveFeedback(conversation, turn, answer, judgement) {
  const model = conversation.modelOf(answer);
  const {checkpoint, template} = answer;
  return send("/v1/feedback", {body: {model, messages: conversation.history(turn, model), answer: answer.content,
    ...(checkpoint && {checkpoint}), ...(template && {template}), ...judgement}});
}
