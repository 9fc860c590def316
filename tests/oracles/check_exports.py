"""Holds exported models to what kiln says of them, with readers and models that share nothing with kiln.

    check_exports.py logits hf|gguf|llmc PATH IDS PREDICTIONS   # IDS: JSON array; PREDICTIONS: of kiln inspect --json
    check_exports.py rounded hf|gguf|llmc FULL ROUNDED F16|BF16
    check_exports.py tokenizer GGUF TOKENIZER_JSON

Needs Python 3.9 and nothing besides. Prints what was compared; exits 1 where something differs.
"""

import json
import math
import struct
import sys

import plain_models
from model_files import need, read_folder, read_gguf, read_llmc

MODELS = {"hf": plain_models.model_of_folder, "gguf": plain_models.model_of_gguf, "llmc": plain_models.model_of_llmc}
TENSORS = {"hf": read_folder, "gguf": read_gguf, "llmc": read_llmc}
TOLERANCE = 1e-5  # of a logarithm: kiln sums in float


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def check_logits(kind, path, ids, predictions):
    ids, predictions = json.loads(ids), load(predictions)
    need(len(predictions) == len(ids) - 1 > 0, f"{len(ids)} ids and {len(predictions)} predictions")
    largest, compared = 0.0, 0
    for logits, prediction, came in zip(MODELS[kind](path).logits(ids), predictions, ids[1:]):
        need(prediction["token"]["id"] == came, "the predictions are of other ids")
        need(len(prediction["top"]) == len(logits), f"{len(prediction['top'])} tokens, {len(logits)} logits")
        top = max(logits)
        scale = top + math.log(sum(math.exp(value - top) for value in logits))
        for entry in prediction["top"]:
            difference = abs(math.log(entry["probability"]) - (logits[entry["token"]["id"]] - scale))
            largest = max(largest, difference)
            compared += 1
    need(largest < TOLERANCE, f"log probabilities differ by up to {largest}")
    print(f"{compared} log probabilities, equal within {largest:.1e}")


def rounded(value, kind):
    """The nearest value of the type; ties go to the even one."""
    if kind == "F16":
        return struct.unpack("<e", struct.pack("<e", value))[0]
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def check_rounded(kind, full, half, wanted):
    (_, full), (_, half) = TENSORS[kind](full), TENSORS[kind](half)
    need(set(full) == set(half), "the files have other tensors")
    values = 0
    for name, (_, shape, exact) in full.items():
        found, found_shape, near = half[name]
        is_matrix = len(shape) > 1 and name != "position_embd.weight"
        need(found == (wanted if kind != "gguf" or is_matrix else "F32"), f"{name} is of {found}")
        need(found_shape == shape, f"{name} has shape {found_shape}")
        need(near == ([rounded(value, found) for value in exact] if found != "F32" else exact), f"{name} has other values")
        values += len(exact)
    print(f"{len(full)} tensors, {values} values, rounded to {wanted}")


def byte_characters():
    """GPT-2's characters for the 256 bytes."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(0x100 + i) for i, byte in enumerate(rest)}


def check_tokenizer(gguf, tokenizer):
    keys, _ = read_gguf(gguf)
    key = lambda name: keys["tokenizer.ggml." + name]
    tokenizer = load(tokenizer)
    model, added = tokenizer["model"], {token["content"]: token for token in tokenizer["added_tokens"]}
    by_character = tokenizer["decoder"]["type"] == "Fuse"  # its vocabulary is in characters, not in bytes
    letters = byte_characters()
    tokens, types = key("tokens"), key("token_type")
    need(len(tokens) == len(types) == len(set(tokens)), f"{len(tokens)} tokens, {len(types)} types")
    merged = {}  # what character merges come to
    for merge in key("merges"):
        left, right = merge.split(" ")
        merged[left + right] = left, right
    for text, token in model["vocab"].items():
        if text not in added and by_character:
            text = "".join(letters[byte] for byte in text.encode())
            prefix = text
            while len(prefix) > 1:  # each byte is joined to those before it
                need(merged.get(prefix) == (prefix[:-1], prefix[-1]), f"token {token} is not merged from its bytes")
                prefix = prefix[:-1]
        need(tokens[token] == text, f"token {token} is {tokens[token]!r}, not {text!r}")
        need(types[token] == ((3 if added[text]["special"] else 4) if text in added else 1), f"type of token {token}")
    if not by_character:
        need([merge.split(" ") for merge in key("merges")] == [list(pair) for pair in model["merges"]], "merges differ")
    print(f"{len(model['vocab'])} tokens and {len(key('merges'))} merges, pattern {key('pre')}")


def main():
    command, *arguments = sys.argv[1:]
    {"logits": check_logits, "rounded": check_rounded, "tokenizer": check_tokenizer}[command](*arguments)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"{' '.join(sys.argv[1:4])}: {error}")
