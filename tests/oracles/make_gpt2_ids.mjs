// Writes ../text/fixtures/{gpt2,cl100k}.json: texts with tiktoken's ids, and the part of the vocabulary that they need.
//
// "merges" holds [id, left id, right id] of every token of two or more bytes that occurs anywhere in a text, so that
// encoding meets every merge that the whole vocabulary would offer, with the ids that the whole vocabulary has.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { get_encoding } from "tiktoken";
import { expand, texts as common, tiktokenTexts } from "./texts.mjs";

const require = createRequire(import.meta.url);
const texts = [...common, ...tiktokenTexts];

/// {bytes as a latin1 string: rank}, from lines "! first-rank base64 base64 ...".
function ranksOf(name) {
  const ranks = new Map();
  const { bpe_ranks } = JSON.parse(readFileSync(require.resolve(`tiktoken/encoders/${name}.json`)));
  for (const line of bpe_ranks.split("\n").filter(Boolean)) {
    const [, first, ...tokens] = line.split(" ");
    tokens.forEach((token, i) => ranks.set(Buffer.from(token, "base64").toString("latin1"), Number(first) + i));
  }
  return ranks;
}

/// The two tokens that a token is merged from: what its bytes come to under the ranks below its own.
function partsOf(token, ranks) {
  let parts = [...token];
  while (parts.length > 2) {
    let best = -1;
    let lowest = ranks.get(token);
    for (let i = 0; i + 1 < parts.length; ++i) {
      const rank = ranks.get(parts[i] + parts[i + 1]);
      if (rank !== undefined && rank < lowest) [best, lowest] = [i, rank];
    }
    parts = [...parts.slice(0, best), parts[best] + parts[best + 1], ...parts.slice(best + 2)];
  }
  return parts.map((part) => ranks.get(part));
}

mkdirSync(new URL("../text/fixtures/", import.meta.url), { recursive: true });
for (const [name, encoder] of [["gpt2", "gpt2"], ["cl100k", "cl100k_base"]]) {
  const ranks = ranksOf(encoder);
  const bytes = texts.map((text) => Buffer.from(expand(text)).toString("latin1"));
  const merges = [];
  for (const [token, rank] of ranks) {
    if (token.length > 1 && bytes.some((text) => text.includes(token))) merges.push([rank, ...partsOf(token, ranks)]);
  }
  merges.sort((a, b) => a[0] - b[0]);
  const encoding = get_encoding(encoder);
  const cases = texts.map((text) => ({ text, ids: [...encoding.encode(expand(text), [], [])] }));
  const lines = (list) => "[\n" + list.map((item) => JSON.stringify(item)).join(",\n") + "\n]";
  writeFileSync(new URL(`../text/fixtures/${name}.json`, import.meta.url),
                `{"cases": ${lines(cases)},\n"merges": ${lines(merges)}}\n`);
  console.log(`${name}: ${cases.length} texts, ${merges.length} merges`);
}
