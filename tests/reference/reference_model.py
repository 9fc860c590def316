"""A decoder-only transformer as functions over a dict of tensors: the truth that kiln is held to.

Shapes: B batch, T positions, C d_model, H query heads, K key/value heads, D d_head, F d_mlp,
V vocabulary. Every weight matrix is [in, out] (y = x W + b); embeddings are [V, C].
Written to be read beside the formulas, not to be fast.
"""

import math

import torch

GATED = {"swiglu": "silu", "geglu": "gelu"}


def parameter_shapes(config):
    """{name: shape} in layout order, for a fixture's config object {"vocab_size", "model"}."""
    m, V = config["model"], config["vocab_size"]
    C, F, D = m["d_model"], m["d_mlp"], m["d_head"]
    H, K = m["n_heads"], m["n_kv_heads"]
    shapes = {}

    def norm(name):
        shapes[name + ".weight"] = (C,)
        if m["norm"] == "layernorm" and m["bias"]:
            shapes[name + ".bias"] = (C,)

    def linear(name, n_in, n_out):
        shapes[name + ".weight"] = (n_in, n_out)
        if m["bias"]:
            shapes[name + ".bias"] = (n_out,)

    shapes["wte.weight"] = (V, C)
    if m["position"] == "learned":
        shapes["wpe.weight"] = (m["n_ctx"], C)
    for i in range(m["n_layers"]):
        h = f"h.{i}."
        norm(h + "ln_1")
        linear(h + "attn.c_attn", C, (H + 2 * K) * D)
        if m["qk_norm"]:
            shapes[h + "attn.q_norm.weight"] = (D,)
            shapes[h + "attn.k_norm.weight"] = (D,)
        linear(h + "attn.c_proj", H * D, C)
        norm(h + "ln_2")
        linear(h + "mlp.c_fc", C, 2 * F if m["activation"] in GATED else F)
        linear(h + "mlp.c_proj", F, C)
    norm("ln_f")
    if not m["tie_embeddings"]:
        shapes["lm_head.weight"] = (V, C)
    return shapes


def random_weights(config, std=0.2):
    """Draws from torch's global generator; rounded to float32, which a file holds exactly."""
    weights = {}
    for name, shape in parameter_shapes(config).items():
        draw = torch.randn(shape, dtype=torch.float64)
        is_gain = "norm" in name or "ln_" in name
        draw = 1 + 0.1 * draw if is_gain and name.endswith(".weight") else std * draw
        weights[name] = draw.float().double()
    return weights


def activate(name, x):
    if name == "relu":
        return x.clamp(min=0)
    if name == "relu2":
        return x.clamp(min=0) ** 2
    if name == "silu":
        return x * torch.sigmoid(x)
    if name == "gelu":
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
    if name == "gelu_new":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    raise ValueError(name)


def layernorm(x, gain, bias, epsilon):
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred**2).mean(-1, keepdim=True)  # the biased estimate
    y = centred / torch.sqrt(variance + epsilon) * gain
    return y if bias is None else y + bias


def rmsnorm(x, gain, epsilon):
    return x / torch.sqrt((x**2).mean(-1, keepdim=True) + epsilon) * gain


def rope(x, theta, positions):
    """Rotates x (B,heads,T,D): the pair (x[j], x[j+D/2]) by the angle position * theta^(-2j/D)."""
    D = x.shape[-1]
    frequency = theta ** (-torch.arange(0, D, 2, dtype=x.dtype) / D)
    angle = positions.to(x.dtype)[:, None] * frequency  # (T, D/2)
    first, second = x[..., : D // 2], x[..., D // 2 :]
    return torch.cat(
        (
            first * angle.cos() - second * angle.sin(),
            second * angle.cos() + first * angle.sin(),
        ),
        -1,
    )


def alibi(H, T, dtype):
    """-slope_h * (i - j), (H,T,T), slope_h = 2^(-8 (h+1) / H). arXiv 2108.12409."""
    slope = 2.0 ** (-8.0 * torch.arange(1, H + 1, dtype=dtype) / H)
    position = torch.arange(T, dtype=dtype)
    distance = position[:, None] - position[None, :]
    return -slope[:, None, None] * distance


class Gpt:
    """logits(weights, ids) and loss(weights, ids, targets), differentiable in the weights."""

    def __init__(self, config):
        self.m = config["model"]

    def positions(self, T):
        return torch.arange(T)

    def hidden(self, T):
        """(T,T): which position j a position i does not see."""
        return torch.ones(T, T, dtype=torch.bool).triu(1)

    def norm(self, w, name, x):
        if self.m["norm"] == "rmsnorm":
            return rmsnorm(x, w[name + ".weight"], self.m["norm_epsilon"])
        return layernorm(x, w[name + ".weight"], w.get(name + ".bias"), self.m["norm_epsilon"])

    def linear(self, w, name, x):
        y = x @ w[name + ".weight"]
        return y + w[name + ".bias"] if name + ".bias" in w else y

    def attention(self, w, h, x):
        m = self.m
        H, K, D = m["n_heads"], m["n_kv_heads"], m["d_head"]
        B, T, _ = x.shape
        fused = self.linear(w, h + "c_attn", x)  # (B,T,(H+2K)D): Q heads, K heads, V heads
        q, k, v = (
            part.reshape(B, T, -1, D).transpose(1, 2)
            for part in fused.split((H * D, K * D, K * D), -1)
        )
        if m["qk_norm"]:
            q = rmsnorm(q, w[h + "q_norm.weight"], m["norm_epsilon"])
            k = rmsnorm(k, w[h + "k_norm.weight"], m["norm_epsilon"])
        if m["position"] == "rope":
            q, k = (rope(part, m["rope_theta"], self.positions(T)) for part in (q, k))
        # Query head i reads key/value head i / (H/K), rounded down.
        k, v = k.repeat_interleave(H // K, 1), v.repeat_interleave(H // K, 1)
        scores = q @ k.transpose(-1, -2) / math.sqrt(D)  # (B,H,T,T)
        if m["position"] == "alibi":
            scores = scores + alibi(H, T, x.dtype)
        weights = torch.softmax(scores.masked_fill(self.hidden(T), -math.inf), -1)
        y = (weights @ v).transpose(1, 2).reshape(B, T, H * D)
        return self.linear(w, h + "c_proj", y)

    def mlp(self, w, h, x):
        name = self.m["activation"]
        y = self.linear(w, h + "c_fc", x)
        if name in GATED:
            gate, up = y.chunk(2, -1)
            y = activate(GATED[name], gate) * up
        else:
            y = activate(name, y)
        return self.linear(w, h + "c_proj", y)

    def logits(self, w, ids):
        x = w["wte.weight"][ids]
        if self.m["position"] == "learned":
            x = x + w["wpe.weight"][self.positions(ids.shape[1])]
        for i in range(self.m["n_layers"]):
            h = f"h.{i}."
            x = x + self.attention(w, h + "attn.", self.norm(w, h + "ln_1", x))
            x = x + self.mlp(w, h + "mlp.", self.norm(w, h + "ln_2", x))
        x = self.norm(w, "ln_f", x)
        return x @ w["wte.weight" if self.m["tie_embeddings"] else "lm_head.weight"].T

    def loss(self, w, ids, targets):
        """Mean over all B*T positions of -log softmax(logits)[target]."""
        log_p = torch.log_softmax(self.logits(w, ids), -1)
        return -log_p.gather(-1, targets[..., None]).mean()

    def gradients(self, w, ids, targets):
        """Returns (loss, {name: gradient}); a tied embedding's gradient sums both of its uses."""
        leaves = {name: value.detach().requires_grad_() for name, value in w.items()}
        loss = self.loss(leaves, ids, targets)
        values = torch.autograd.grad(loss, list(leaves.values()))
        gradients = dict(zip(leaves, values))
        self.clear_key_bias(gradients)
        return loss.detach(), gradients

    def clear_key_bias(self, gradients):
        """Sets the gradient of the keys' bias to its true value, 0, where autograd leaves rounding.

        Without rotation or qk_norm, a constant added to every key adds the same number to a whole
        row of scores, which softmax ignores. Left at 1e-18, Adam and Lion would amplify the noise.
        """
        m = self.m
        if m["position"] == "rope" or m["qk_norm"] or not m["bias"]:
            return
        begin, count = m["n_heads"] * m["d_head"], m["n_kv_heads"] * m["d_head"]
        for i in range(m["n_layers"]):
            part = gradients[f"h.{i}.attn.c_attn.bias"][begin : begin + count]
            assert part.abs().max() < (1e-6 if part.dtype == torch.float32 else 1e-14)
            part.zero_()


class PackedGpt(Gpt):
    """Sequences of these lengths laid end to end in one row of ids (1,N), each with positions from 0.

    No sequence sees another. Only the rows `scored` (M) count in the loss, with weights (M).
    """

    def __init__(self, config, lengths, scored, row_weights):
        super().__init__(config)
        self.lengths = lengths
        self.scored, self.row_weights = scored, row_weights

    def positions(self, T):
        return torch.cat([torch.arange(length) for length in self.lengths])

    def hidden(self, T):
        hidden = torch.ones(T, T, dtype=torch.bool)
        begin = 0
        for length in self.lengths:
            end = begin + length
            hidden[begin:end, begin:end] = torch.ones(length, length, dtype=torch.bool).triu(1)
            begin = end
        return hidden

    def loss(self, w, ids, targets):
        """Weighted mean over the scored rows of -log softmax(logits)[target]."""
        log_p = torch.log_softmax(self.logits(w, ids)[0, self.scored], -1)
        losses = -log_p.gather(-1, targets[:, None])[:, 0]
        row_weights = self.row_weights.to(losses.dtype)
        return (row_weights * losses).sum() / row_weights.sum()
