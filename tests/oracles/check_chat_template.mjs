// Renders conversations with @huggingface/jinja and compares them with kiln's text:
//   node check_chat_template.mjs cases.json
// cases.json ("-": stdin) is an array of {jinja, text, ...variables}. Exits with 77 if the package is missing.
import { readFileSync } from "node:fs";

let Template;
try {
  ({ Template } = await import("@huggingface/jinja"));
} catch {
  console.error("@huggingface/jinja is not installed: npm ci --prefix tests/oracles");
  process.exit(77);
}
const file = process.argv[2];
const cases = JSON.parse(readFileSync(file === "-" ? 0 : file));
const templates = new Map();
for (const { jinja, text, ...variables } of cases) {
  if (!templates.has(jinja)) templates.set(jinja, new Template(jinja));
  const rendered = templates.get(jinja).render(variables);
  if (rendered === text) continue;
  console.error(JSON.stringify({ jinja, ...variables, rendered, expected: text }, null, 2));
  process.exit(1);
}
console.log(`${cases.length} renderings agree`);
