// Uses a running kiln serve through OpenAI's own client, curl's view of a stream, and a reader of Prometheus' format:
//   node check_openai.mjs http://127.0.0.1:8080 [KEY]
// Exits with 77 if the package "openai" is missing.
import assert from "node:assert/strict";

let OpenAI;
try {
  ({ default: OpenAI } = await import("openai"));
} catch {
  console.error("openai is not installed: npm ci --prefix tests/oracles");
  process.exit(77);
}
const [server, key = "none"] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${server}/v1`, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: "Tell me a tale." }];
let checks = 0;

async function check(name, run) {
  try {
    await run();
    ++checks;
  } catch (error) {
    console.error(`${name}: ${error.stack}`);
    process.exit(1);
  }
}

/** Returns the error that a call ends with. */
async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  assert.fail("nothing was thrown");
}

const [model] = (await client.models.list()).data.map((one) => one.id);

await check("chat", async () => {
  const reply = await client.chat.completions.create({ model, messages, max_tokens: 8, seed: 1, n: 2, logprobs: true, top_logprobs: 2 });
  assert.equal(reply.choices.length, 2);
  assert.equal(reply.choices[1].message.role, "assistant");
  assert.ok(["stop", "length"].includes(reply.choices[0].finish_reason));
  assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens);
  for (const token of reply.choices[0].logprobs.content) {
    assert.ok(token.logprob <= 0 && token.top_logprobs.length === 2);
    assert.ok(token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob);
  }
});

await check("stream", async () => {
  const request = { model, messages, max_tokens: 12, seed: 2 };
  const whole = (await client.chat.completions.create(request)).choices[0];
  let text = "", finish = null, usage = null;
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.message.content);
  assert.equal(finish, whole.finish_reason);
  assert.ok(usage.completion_tokens > 0);
});

await check("completions", async () => {
  const reply = await client.completions.create({ model, prompt: ["Once", "There was"], max_tokens: 4, echo: true });
  assert.ok(reply.choices[0].text.startsWith("Once") && reply.choices[1].text.startsWith("There was"));
});

await check("a stream that the client aborts", async () => {
  const stream = await client.chat.completions.create({ model, messages, stream: true, logit_bias: {} });
  for await (const _ of stream) break;  // closes the connection
  const abort = new AbortController();
  const pending = client.chat.completions.create({ model, messages, n: 4 }, { signal: abort.signal });
  setTimeout(() => abort.abort(), 5);
  const outcome = await pending.catch((error) => error);
  assert.ok(outcome instanceof OpenAI.APIUserAbortError || outcome.choices);
});

await check("errors are those of the client's classes", async () => {
  const tools = [{ type: "function", function: { name: "look", parameters: {} } }];
  const refused = await errorOf(() => client.chat.completions.create({ model, messages, tools }));
  assert.ok(refused instanceof OpenAI.BadRequestError);
  assert.match(refused.message, /tools/);
  assert.equal(refused.param, "tools");
  const unknown = await errorOf(() => client.chat.completions.create({ model: "no-such-model", messages }));
  assert.ok(unknown instanceof OpenAI.NotFoundError);
  const long = [{ role: "user", content: "word ".repeat(20000) }];
  const tooLong = await errorOf(() => client.chat.completions.create({ model, messages: long }));
  assert.ok(tooLong instanceof OpenAI.BadRequestError);
  assert.equal(tooLong.type, "exceed_context_size_error");
  if (key !== "none") {
    const stranger = new OpenAI({ baseURL: `${server}/v1`, apiKey: "wrong", maxRetries: 0 });
    assert.ok((await errorOf(() => stranger.models.list())) instanceof OpenAI.AuthenticationError);
  }
});

await check("metrics", async () => {
  const reply = await fetch(`${server}/metrics`, { headers: { Authorization: `Bearer ${key}` } });
  assert.match(reply.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
  const types = new Map(), values = new Map();
  for (const line of (await reply.text()).trimEnd().split("\n")) {
    const comment = line.match(/^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/);
    const sample = line.match(/^([a-zA-Z_:][a-zA-Z0-9_:]*) ([-+0-9.eE]+|NaN|[-+]Inf)$/);
    assert.ok(comment || sample, `not a line of the format: ${line}`);
    if (comment?.[1] === "TYPE") types.set(comment[2], comment[3]);
    if (sample) values.set(sample[1], Number(sample[2]));
  }
  for (const name of values.keys()) assert.ok(["counter", "gauge"].includes(types.get(name)), name);
  assert.ok(values.get("llamacpp:tokens_predicted_total") > 0);
});

console.log(`${checks} checks agree`);
