"""GPT-2 and Llama in loops over lists, as their papers and transformers' config.json define them: slow, and nobody's code.

A Model is put together from any of the exported files; matrices are lists of rows, one an output.
"""

import math
from operator import mul

from model_files import read_folder, read_gguf, read_llmc


def matrix(tensor):
    """The rows of a matrix that its file has as [out, in]."""
    _, (rows, cols), values = tensor
    return [values[row * cols : (row + 1) * cols] for row in range(rows)]


def turned(tensor):
    """The rows of a matrix that its file has as [in, out]."""
    return [list(column) for column in zip(*matrix(tensor))]


def linear(weight, bias, x):
    y = [sum(map(mul, row, x)) for row in weight]
    return y if bias is None else [a + b for a, b in zip(y, bias)]


def layernorm(x, gain, bias, epsilon):
    mean = sum(x) / len(x)
    variance = sum((value - mean) ** 2 for value in x) / len(x)
    scale = 1 / math.sqrt(variance + epsilon)
    return [(value - mean) * scale * g + b for value, g, b in zip(x, gain, bias)]


def rmsnorm(x, gain, epsilon):
    scale = 1 / math.sqrt(sum(value * value for value in x) / len(x) + epsilon)
    return [value * scale * g for value, g in zip(x, gain)]


def softmax(x):
    top = max(x)
    powers = [math.exp(value - top) for value in x]
    total = sum(powers)
    return [value / total for value in powers]


def rotate(x, position, theta, neighbours):
    """RoPE of one head (arXiv 2104.09864): pairs are neighbours (llama.cpp) or halves apart (transformers)."""
    size, y = len(x), list(x)
    for j in range(size // 2):
        a, b = (2 * j, 2 * j + 1) if neighbours else (j, j + size // 2)
        angle = position * theta ** (-2 * j / size)
        y[a] = x[a] * math.cos(angle) - x[b] * math.sin(angle)
        y[b] = x[b] * math.cos(angle) + x[a] * math.sin(angle)
    return y


def gelu_new(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class Gpt2:
    """layers: dicts of ln_1, ln_2 (gain, bias), q, k, v, o, up, down (weight, bias)."""

    def __init__(self, heads, epsilon, tokens, positions, layers, final, output):
        self.heads, self.epsilon, self.layers = heads, epsilon, layers
        self.tokens, self.positions, self.final, self.output = tokens, positions, final, output

    def embed(self, token, position):
        return [a + b for a, b in zip(self.tokens[token], self.positions[position])]

    def norm(self, x, parameters):
        return layernorm(x, *parameters, self.epsilon)

    def turn(self, head, position):
        return head

    def mlp(self, layer, x):
        return linear(*layer["down"], [gelu_new(value) for value in linear(*layer["up"], x)])

    def logits(self, ids):
        """The logits after each of the ids, in double precision."""
        stream = [self.embed(token, position) for position, token in enumerate(ids)]
        for layer in self.layers:
            stream = [self.add(x, y) for x, y in zip(stream, self.attention(layer, stream))]
            stream = [self.add(x, self.mlp(layer, self.norm(x, layer["ln_2"]))) for x in stream]
        return [linear(self.output, None, self.norm(x, self.final)) for x in stream]

    @staticmethod
    def add(x, y):
        return [a + b for a, b in zip(x, y)]

    def attention(self, layer, stream):
        size = len(layer["q"][0]) // self.heads
        normed = [self.norm(x, layer["ln_1"]) for x in stream]

        def heads_of(name, turns):
            rows = [linear(*layer[name], x) for x in normed]
            split = [[row[at : at + size] for at in range(0, len(row), size)] for row in rows]
            return [[self.turn(head, t) if turns else head for head in row] for t, row in enumerate(split)]

        q, k, v = heads_of("q", True), heads_of("k", True), heads_of("v", False)
        group = self.heads // len(k[0])  # query heads that share a key head
        result = []
        for t in range(len(stream)):
            mixed = []
            for h in range(self.heads):
                scores = [sum(map(mul, q[t][h], k[s][h // group])) / math.sqrt(size) for s in range(t + 1)]
                weights = softmax(scores)
                mixed += [sum(w * v[s][h // group][d] for s, w in enumerate(weights)) for d in range(size)]
            result.append(linear(*layer["o"], mixed))
        return result


class Llama(Gpt2):
    """The same with rmsnorm, rotary positions and a gated MLP; layers have gate besides, and no biases."""

    def __init__(self, heads, epsilon, tokens, theta, neighbours, layers, final, output):
        super().__init__(heads, epsilon, tokens, None, layers, final, output)
        self.theta, self.neighbours = theta, neighbours

    def embed(self, token, position):
        return self.tokens[token]

    def norm(self, x, parameters):
        return rmsnorm(x, *parameters, self.epsilon)

    def turn(self, head, position):
        return rotate(head, position, self.theta, self.neighbours)

    def mlp(self, layer, x):
        gate, up = linear(*layer["gate"], x), linear(*layer["up"], x)
        return linear(*layer["down"], [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up)])


def thirds(weight, bias):
    """The parts of q, k and v, which stand one below the other."""
    size = len(weight) // 3
    return [(weight[i * size : (i + 1) * size], bias[i * size : (i + 1) * size]) for i in range(3)]


def gpt2_of_folder(config, tensors):
    prefix = "" if config["tie_word_embeddings"] else "transformer."
    values = lambda name: tensors[prefix + name][2]
    of = lambda name: (turned(tensors[prefix + name + ".weight"]), values(name + ".bias"))
    norm = lambda name: (values(name + ".weight"), values(name + ".bias"))
    layers = []
    for i in range(config["n_layer"]):
        h = f"h.{i}."
        q, k, v = thirds(*of(h + "attn.c_attn"))
        layers.append({"ln_1": norm(h + "ln_1"), "ln_2": norm(h + "ln_2"), "q": q, "k": k, "v": v,
                       "o": of(h + "attn.c_proj"), "up": of(h + "mlp.c_fc"), "down": of(h + "mlp.c_proj")})
    tokens = matrix(tensors[prefix + "wte.weight"])
    output = tokens if config["tie_word_embeddings"] else matrix(tensors["lm_head.weight"])
    return Gpt2(config["n_head"], config["layer_norm_epsilon"], tokens, matrix(tensors[prefix + "wpe.weight"]), layers,
                norm("ln_f"), output)


def llama_of_folder(config, tensors):
    of = lambda name: (matrix(tensors[name + ".weight"]), None)
    norm = lambda name: (tensors[name + ".weight"][2],)
    names = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.o_proj",
             "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}
    layers = []
    for i in range(config["num_hidden_layers"]):
        h = f"model.layers.{i}."
        layer = {short: of(h + name) for short, name in names.items()}
        layers.append(layer | {"ln_1": norm(h + "input_layernorm"), "ln_2": norm(h + "post_attention_layernorm")})
    tokens = matrix(tensors["model.embed_tokens.weight"])
    output = tokens if config["tie_word_embeddings"] else matrix(tensors["lm_head.weight"])
    return Llama(config["num_attention_heads"], config["rms_norm_eps"], tokens, config["rope_theta"], False, layers,
                 norm("model.norm"), output)


def model_of_gguf(path):
    keys, tensors = read_gguf(path)
    architecture = keys["general.architecture"]
    key = lambda name: keys[f"{architecture}.{name}"]
    values = lambda name: tensors[name][2]
    names = {"o": "attn_output", "up": "ffn_up", "down": "ffn_down"}
    if architecture == "llama":
        names |= {"q": "attn_q", "k": "attn_k", "v": "attn_v", "gate": "ffn_gate"}
    layers = []
    for i in range(key("block_count")):
        def of(name):
            whole = f"blk.{i}.{name}"
            return matrix(tensors[whole + ".weight"]), values(whole + ".bias") if architecture == "gpt2" else None

        def norm(name):
            kinds = ("weight", "bias") if architecture == "gpt2" else ("weight",)
            return tuple(values(f"{name}.{kind}") for kind in kinds)

        layer = {short: of(name) for short, name in names.items()}
        layer |= {"ln_1": norm(f"blk.{i}.attn_norm"), "ln_2": norm(f"blk.{i}.ffn_norm")}
        if architecture == "gpt2":
            layer["q"], layer["k"], layer["v"] = thirds(*of("attn_qkv"))
        layers.append(layer)
    tokens, heads = matrix(tensors["token_embd.weight"]), key("attention.head_count")
    output = matrix(tensors["output.weight"]) if "output.weight" in tensors else tokens
    if architecture == "gpt2":
        return Gpt2(heads, key("attention.layer_norm_epsilon"), tokens, matrix(tensors["position_embd.weight"]), layers,
                    norm("output_norm"), output)
    return Llama(heads, key("attention.layer_norm_rms_epsilon"), tokens, key("rope.freq_base"), True, layers,
                 norm("output_norm"), output)


def model_of_llmc(path):
    sizes, tensors = read_llmc(path)
    layers = []
    for i in range(sizes["L"]):
        values = lambda name: tensors[f"{name}.{i}"][2]
        of = lambda name: (matrix(tensors[f"{name}w.{i}"]), values(name + "b"))
        q, k, v = thirds(*of("qkv"))
        layers.append({"ln_1": (values("ln1w"), values("ln1b")), "ln_2": (values("ln2w"), values("ln2b")), "q": q,
                       "k": k, "v": v, "o": of("attproj"), "up": of("fc"), "down": of("fcproj")})
    tokens = matrix(tensors["wte"])[: sizes["V"]]
    return Gpt2(sizes["heads"], 1e-5, tokens, matrix(tensors["wpe"]), layers, (tensors["lnfw"][2], tensors["lnfb"][2]),
                tokens)


def model_of_folder(folder):
    config, tensors = read_folder(folder)
    return {"gpt2": gpt2_of_folder, "llama": llama_of_folder}[config["model_type"]](config, tensors)
