// Prints as JSON the ids that @huggingface/tokenizers gives the texts under a tokenizer.json, special tokens included:
//   node check_tokenizer_json.mjs tokenizer.json [texts.json]
// texts.json is an array of strings; without it the texts are those of texts.mjs. The fixtures *_ids.json are its output
// for the *_tokenizer.json beside them.
import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
import { expand, texts } from "./texts.mjs";

const [file, textsFile] = process.argv.slice(2);
const inputs = textsFile ? JSON.parse(readFileSync(textsFile)) : texts.map(expand);
const tokenizer = new Tokenizer(JSON.parse(readFileSync(file)), {});
console.log("[\n" + inputs.map((text) => JSON.stringify(tokenizer.encode(text).ids)).join(",\n") + "\n]");
