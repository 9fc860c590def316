// Shows the probability of every next token, untrained beside trained, and how the text would go on.
import {element} from "/kiln.js";
import {count, percent, plain, quoted, section, shown} from "/inside_text.js";

/** The rows of one state of the model at one position: the likeliest tokens, and the true one if it is none of them. */
export function rowsOf(forecast, truth) {
  const rows = forecast.top.map((token, i) => ({...token, rank: i + 1, isTrue: token.id === truth?.id}));
  if (truth && !rows.some((row) => row.isTrue)) {
    rows.push({...truth, probability: forecast.next.probability, rank: forecast.next.rank, isTrue: true, isFar: true});
  }
  return rows;
}

/** The bars of these rows; one of full length is as probable as `most`. */
export function bars(title, rows, most) {
  const body = element("tbody", {}, ...rows.map((row) => {
    const bar = element("span", {class: "bar-of"});
    bar.style.width = `${Math.max(0.5, 100 * row.probability / most)}%`;
    return element("tr", {class: `${row.isTrue ? "true" : ""} ${row.isFar ? "far" : ""}`},
      element("td", {class: "rank"}, row.isTrue || row.isFar ? count(row.rank) : ""),
      element("th", {scope: "row", class: "token"}, ...shown(row.text)),
      element("td", {class: "track", "aria-hidden": "true"}, bar),
      element("td", {class: "figure"}, percent(row.probability),
        row.isTrue ? element("span", {class: "unseen"}, " (the true next token)") : ""));
  }));
  return element("div", {class: "bars"}, element("h3", {}, title), element("table", {}, body));
}

/** Row of the table of states that were looked at: how well each predicts the text, and how it goes on. */
function stateRow(view, state, seen, isNow) {
  const button = element("button", {class: "plain", onclick: () => view.goTo(state), ...(isNow && {"aria-current": "true"})},
    state.name);
  return element("tr", {class: isNow ? "now" : ""}, element("th", {scope: "row"}, button),
    element("td", {class: "figure"}, seen.loss === null ? "" : seen.loss.toFixed(2)),
    element("td", {class: "goes-on"}, element("span", {class: "quiet"}, view.ending()),
      seen.continuation.text.replace(/\s*\n\s*/g, " ↵ ")));
}

export class Next {
  constructor(view) {
    this.sides = element("div", {class: "sides"});
    this.where = element("p", {class: "where", "aria-live": "polite"});
    this.rows = element("tbody");
    const another = element("button", {onclick: () => view.drawAgain()}, "Draw others");
    this.element = section("next", "What comes next",
      "Each bar is the probability that the model gives a token to come next; the orange one is the token that does come.",
      this.where, this.sides, element("div", {class: "row above-states"},
        element("h3", {}, "How the text would go on"), another),
      element("p", {class: "says"}, "Words drawn at each state that you have looked at, always with the same random " +
        "numbers. The loss is the model's surprise about your text, in nats a token."),
      this.list = element("div", {class: "scroll listed", tabIndex: 0, role: "region", "aria-label": "Continuations"},
        element("table", {class: "states"}, element("thead", {}, element("tr", {},
          ...["State", "Loss", "The text goes on"].map((name) => element("th", {scope: "col"}, name)))), this.rows)));
  }

  draw(view) {
    this.select(view);
    const rows = view.seen().map(([state, seen]) => stateRow(view, state, seen, state === view.state));
    this.rows.replaceChildren(...rows);
    const now = this.rows.querySelector(".now");
    if (now) this.list.scrollTop = now.offsetTop - this.list.clientHeight / 2;
  }

  select(view) {
    if (!view.now) return;
    const at = view.position, truth = view.tokens[at + 1];
    this.where.replaceChildren(`After ${quoted(view.tokens[at].text)}`, truth ? ` comes ${quoted(truth.text)}` : "",
      element("span", {class: "quiet"}, ` token ${at + 1} of ${view.tokens.length}`));
    const sides = [["Untrained", view.untrained], [view.state.name, view.now]]
      .map(([title, seen]) => [title, rowsOf(seen.positions[at], truth)]);
    const most = Math.max(...sides.flatMap(([, rows]) => rows.map((row) => row.probability)));
    this.sides.replaceChildren(...sides.map(([title, rows]) => bars(title, rows, most)));
  }
}

/** The tokens of the text in a row, each underlined by how probable the model held it. One of them is chosen. */
export class Strip {
  constructor(view) {
    this.view = view;
    this.element = element("div", {class: "strip", role: "group",
      "aria-label": "Tokens of the text; the arrow keys choose one", onkeydown: (event) => this.move(event)});
  }

  draw(view) {
    this.element.replaceChildren(...view.tokens.map((token, i) => {
      const held = i > 0 ? view.now.positions[i - 1].next.probability : null;
      const line = element("span", {class: "held"});
      line.style.setProperty("--p", held === null ? 0 : Math.sqrt(held));
      return element("button", {class: `chip ${/\n/.test(token.text) ? "breaks" : ""}`, tabIndex: -1,
        title: held === null ? "the first token" : `held ${percent(held)} probable`,
        "aria-label": `${plain(token.text)}${held === null ? "" : `, held ${percent(held)} probable`}`,
        onclick: () => view.choose(i)}, ...shown(token.text), line);
    }));
    this.select(view);
  }

  select(view) {
    [...this.element.children].forEach((chip, i) => {
      chip.setAttribute("aria-pressed", String(i === view.position));
      chip.tabIndex = i === view.position ? 0 : -1;
    });
    const chosen = this.element.children[view.position];
    if (chosen) this.element.scrollTop = chosen.offsetTop - this.element.clientHeight / 2;
  }

  move(event) {
    const steps = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity};
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.view.choose(this.view.position + steps[event.key]);
    this.element.children[this.view.position]?.focus();
  }
}
