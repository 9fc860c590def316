"""Readers of safetensors, GGUF and llm.c's model files, from their documented layouts and the standard library alone.

They read a file from its first byte to its last and raise ValueError at the first that is not as documented. A tensor is
(type, shape, values): "F32", "F16" or "BF16"; sizes, the slowest first; a flat list of floats.
"""

import json
import math
import os
import struct

WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}


def need(condition, message):
    if not condition:
        raise ValueError(message)


def decode(data, kind):
    count = len(data) // WIDTHS[kind]
    if kind == "F32":
        return list(struct.unpack(f"<{count}f", data))
    if kind == "F16":
        return list(struct.unpack(f"<{count}e", data))
    wide = b"".join(b"\0\0" + data[at : at + 2] for at in range(0, len(data), 2))  # the upper half of a float
    return list(struct.unpack(f"<{count}f", wide))


class Reader:
    """Takes a file's bytes one after another."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.at = 0

    def take(self, count):
        need(0 <= count <= len(self.data) - self.at, f"byte {self.at}: the file ends within a value")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, code):
        return struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]

    def end(self):
        need(self.at == len(self.data), f"byte {self.at}: something follows what was to be there")


def read_safetensors(path):
    """{name: tensor} of one file."""
    reader = Reader(path)
    header = json.loads(reader.take(reader.number("Q")).decode("utf-8"))
    need(reader.at % 8 == 0, "the data are not aligned")
    metadata = header.pop("__metadata__")
    need(metadata == {"format": "pt"}, f"metadata {metadata}")
    tensors, begin = {}, 0
    for name, entry in header.items():  # in the order of the data
        size = math.prod(entry["shape"]) * WIDTHS[entry["dtype"]]
        need(entry["data_offsets"] == [begin, begin + size], f"{name}: data at {entry['data_offsets']}")
        tensors[name] = entry["dtype"], entry["shape"], decode(reader.take(size), entry["dtype"])
        begin += size
    reader.end()
    return tensors


def read_folder(folder):
    """(config.json, {name: tensor}) of a Hugging Face folder, in one file or in shards."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    index = os.path.join(folder, "model.safetensors.index.json")
    if not os.path.exists(index):
        return config, read_safetensors(os.path.join(folder, "model.safetensors"))
    with open(index, encoding="utf-8") as file:
        places = json.load(file)["weight_map"]
    tensors = {}
    for shard in sorted(set(places.values())):
        held = read_safetensors(os.path.join(folder, shard))
        need(set(held) == {name for name, at in places.items() if at == shard}, f"{shard}: not what the index says")
        tensors.update(held)
    return config, tensors


def read_gguf(path):
    """(keys, {name: tensor}) of a GGUF file of version 3."""
    numbers = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    kinds = {0: "F32", 1: "F16", 30: "BF16"}
    reader = Reader(path)

    def string():
        return reader.take(reader.number("Q")).decode("utf-8")

    def value(kind):
        if kind == 8:
            return string()
        if kind == 9:
            of, count = reader.number("I"), reader.number("Q")
            return [value(of) for _ in range(count)]
        return reader.number(numbers[kind])

    def align():
        need(not any(reader.take(-reader.at % 32)), f"byte {reader.at}: padding is not zero")

    need(reader.take(4) == b"GGUF" and reader.number("I") == 3, "no GGUF of version 3")
    tensor_count, key_count = reader.number("Q"), reader.number("Q")
    keys = {}
    for _ in range(key_count):
        name = string()
        need(name not in keys, f"key {name} stands twice")
        keys[name] = value(reader.number("I"))
    places = []
    for _ in range(tensor_count):
        name = string()
        shape = [reader.number("Q") for _ in range(reader.number("I"))][::-1]
        places.append((name, shape, kinds[reader.number("I")], reader.number("Q")))
    align()
    begin, tensors = reader.at, {}
    for name, shape, kind, offset in places:
        need(name not in tensors and len(name) < 64, f"tensor {name}")
        need(reader.at == begin + offset, f"{name}: at {offset}, and not {reader.at - begin}")
        tensors[name] = kind, shape, decode(reader.take(math.prod(shape) * WIDTHS[kind]), kind)
        align()
    reader.end()
    return keys, tensors


def read_llmc(path):
    """({size: number}, {name: tensor}) of llm.c's model file; a layer's tensors are "ln1w.0" and so on."""
    reader = Reader(path)
    header = [reader.number("i") for _ in range(256)]
    need(header[0] == 20240326 and header[1] in (3, 5) and not any(header[8:]), f"header {header[:8]}")
    T, V, L, heads, C, Vp = header[2:8]
    need(Vp % 128 == 0 and 0 <= Vp - V < 128, f"{V} entries in {Vp} rows")
    kind = "F32" if header[1] == 3 else "BF16"
    tensors = {}

    def add(name, *shape):
        tensors[name] = kind, list(shape), decode(reader.take(math.prod(shape) * WIDTHS[kind]), kind)

    def add_layers(name, *shape):
        for layer in range(L):
            add(f"{name}.{layer}", *shape)

    add("wte", Vp, C)
    need(not any(tensors["wte"][2][V * C :]), "rows beyond the vocabulary are not zero")
    add("wpe", T, C)
    add_layers("ln1w", C)
    add_layers("ln1b", C)
    add_layers("qkvw", 3 * C, C)
    add_layers("qkvb", 3 * C)
    add_layers("attprojw", C, C)
    add_layers("attprojb", C)
    add_layers("ln2w", C)
    add_layers("ln2b", C)
    add_layers("fcw", 4 * C, C)
    add_layers("fcb", 4 * C)
    add_layers("fcprojw", C, 4 * C)
    add_layers("fcprojb", C)
    add("lnfw", C)
    add("lnfb", C)
    reader.end()
    return {"T": T, "V": V, "L": L, "heads": heads, "C": C}, tensors
