// Shows what the judgements say: all of it and the links for raters to the owner, to raters their own consistency.
import {element} from "/kiln.js";

const kLive_ms = 5000;  // between two looks at a panel that is open

const percent = (value) => value === null ? "" : `${(100 * value).toFixed(1)} %`;
const interval = ([low, high]) => low === null ? "" : `${percent(low)} to ${percent(high)}`;
const count = (number, name) => `${number} ${name}${number === 1 ? "" : "s"}`;
const signed = (value) => value === null ? "" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

/** Makes a panel that is filled while it is open. `fill()` returns its elements. */
function panel(title, hint, fill) {
  const content = element("div", {class: "content"});
  let timer = null, shown = "";
  const look = async () => {
    clearTimeout(timer);
    if (!details.open) return;
    try {
      const parts = document.hidden ? null : await fill();
      const text = JSON.stringify(parts?.map((one) => one.outerHTML));
      if (parts && text !== shown) content.replaceChildren(...parts);  // not while somebody reads or selects the same
      if (parts) shown = text;
    } catch (error) {
      shown = "";
      content.replaceChildren(element("p", {class: "error"}, error.message));
    }
    timer = setTimeout(look, kLive_ms);
  };
  const details = element("details", {class: "panel", ontoggle: look},
    element("summary", {}, element("h2", {}, title), " ", element("span", {class: "quiet"}, hint)), content);
  return {details, look};
}

function table(heads, rows, caption) {
  const cell = (text, i) => element(i === 0 ? "th" : "td", i === 0 ? {scope: "row"} : {}, text);
  return element("div", {class: "wide"}, element("table", {}, element("caption", {}, caption),
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", {scope: "col"}, head)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell))))));
}

const shareRow = (name, {trials, share, confidence_interval: range}) =>
  [name, String(Math.round(trials)), percent(share), interval(range)];

function agreementRows(report) {
  const rows = [["two raters, ties as a third choice", report.between_raters.same],
    ["two raters, neither a tie", report.between_raters.decided],
    ...report.by_raters.map(({raters, decided}) => [`${raters[0]} and ${raters[1]}`, decided]),
    ["a rater twice, ties as a third choice", report.within_raters.same],
    ["a rater twice, neither a tie", report.within_raters.decided],
    ...report.by_rater.map(({rater, decided}) => [`${rater}, twice`, decided]),
    ["the better answer was shown first", report.first_shown]];
  return rows.filter(([, share]) => share.trials > 0).map(([name, share]) => shareRow(name, share));
}

function ceilingText({ceiling}) {
  if (!ceiling) return "The ceiling of a reward model is known once two judgements decide the same pair.";
  const who = ceiling.from === "within" ? "this rater" : "these raters";
  return `A reward model that predicts ${who} can be right on about ${percent(ceiling.likely)} of decided pairs `
    + `(between ${percent(ceiling.low)} and ${percent(ceiling.high)}, whatever the pairs are like).`;
}

/** Returns what the owner sees of the judgements. */
function results(report) {
  const {counts} = report, parts = [];
  parts.push(element("p", {}, `${count(counts.judgements, "judgement")} of ${count(counts.prompts, "prompt")}: `
    + `${count(counts.pairs, "decided pair")}, ${count(counts.ties, "tie")}, ${count(counts.skips, "skip")}, `
    + `${count(counts.undone, "judgement")} taken back, ${count(counts.edits, "answer")} written by raters.`));
  const raters = Object.entries(counts.raters);
  if (raters.length > 0) parts.push(table(["rater", "judgements"], raters.map(([name, all]) => [name, String(all)]), "Raters"));
  const agreement = agreementRows(report);
  if (agreement.length > 0)
    parts.push(table(["", "pairs", "share", "95% interval"], agreement, "Agreement of judgements of the same pair"));
  parts.push(element("p", {}, ceilingText(report)));
  if (report.sources.length > 0) {
    parts.push(table(["source", "wins", "losses", "ties", "win rate", "95% interval", "strength", "95% interval"],
      report.sources.map((one) => [one.source, String(one.wins), String(one.losses), String(one.ties),
        percent(one.win_rate.share), interval(one.win_rate.confidence_interval), signed(one.strength),
        one.confidence_interval.map(signed).join(" to ")]), "Sources against other sources"));
  }
  return parts;
}

/** Shows a new link once: the server keeps only its hash. */
function linkView({name, path}) {
  const link = location.origin + path;
  const field = element("input", {readonly: true, value: link, "aria-label": `Link for ${name}`, class: "link",
    onfocus: () => field.select()});
  field.value = link;
  const done = element("span", {class: "quiet", role: "status"});
  const copy = element("button", {type: "button", onclick: async () => {
    field.select();
    try {
      if (navigator.clipboard) await navigator.clipboard.writeText(link);
      else document.execCommand("copy");
      done.textContent = "Copied.";
    } catch {
      done.textContent = "The browser does not let pages copy; copy it by hand.";
    }
  }}, "Copy");
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  return [element("p", {}, `The link for ${name}. It is shown only now:`),
    element("div", {class: "row"}, field, copy, done),
    ...(isLocal ? [element("p", {class: "quiet"}, `${location.hostname} is this machine alone. For raters elsewhere, let the `
      + "server listen on an address that they reach (--host, with a key), and open this page there.")] : [])];
}

function raterLinks(ask) {
  const made = element("div", {}), problem = element("p", {class: "error", role: "alert"});
  const attempt = async (work) => {
    problem.textContent = "";
    try {
      await work();
    } catch (error) {
      problem.textContent = error.message;
    }
    await look();
  };
  const input = element("input", {required: true, maxlength: "100", placeholder: "Name of the rater", "aria-label": "Name of the rater"});
  const form = element("form", {class: "row", onsubmit: (event) => {
    event.preventDefault();
    attempt(async () => {
      made.replaceChildren(...linkView(await ask("/v1/raters", {body: {name: input.value.trim()}})));
      input.value = "";
    });
  }}, input, element("button", {class: "main"}, "Make a link"));
  const {details, look} = panel("Raters", "links for people who only rank", async () => {
    const {data} = await ask("/v1/raters");
    return data.length === 0 ? [element("p", {class: "quiet"}, "There are no links yet.")] : [element("ul", {class: "raters"},
      ...data.map(({name, time}) => element("li", {class: "row"}, element("strong", {}, name),
        element("span", {class: "quiet"}, `since ${time.slice(0, 10)}`), element("button", {type: "button",
          "aria-label": `Revoke the link for ${name}`, "data-revoke": name}, "Revoke"))))];
  });
  details.addEventListener("click", ({target}) => {
    const name = target.dataset?.revoke;
    if (name !== undefined) attempt(() => ask("/v1/raters/revoke", {body: {name}}));
  });
  details.append(form, problem, made, element("p", {class: "quiet"}, "A link lets its holder rank under this name, and nothing else. "
    + "A new link for the same name ends the earlier one. If the server has no key, whoever reaches it without a link is its "
    + "owner: start it with --api-key-file when others may reach it."));
  return details;
}

/** Returns the panels of the owner. `ask` sends a request. */
export function ownerPanels(ask) {
  const {details} = panel("Results", "sources and win rates; they may sway you while you rank",
    async () => results(await ask("/v1/rank/report")));
  return [details, raterLinks(ask)];
}

/** Returns the panel of a rater. */
export function raterPanels(ask) {
  const {details} = panel("Your consistency", "from prompts that you judged twice", async () => {
    const {judgements, within_raters: within} = await ask("/v1/rank/own-report");
    const rows = [["ties as a third choice", within.same], ["neither a tie", within.decided]]
      .filter(([, share]) => share.trials > 0).map(([name, share]) => shareRow(name, share));
    return [element("p", {}, `${count(judgements, "judgement")} of yours.`), rows.length > 0
      ? table(["", "pairs", "same", "95% interval"], rows, "How often you said the same twice")
      : element("p", {class: "quiet"}, "No pair of answers came to you twice yet.")];
  });
  return [details];
}
