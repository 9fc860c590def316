#!/usr/bin/env python3
"""The other side of compare_pytorch.py: a GPT-2 in PyTorch, as fast as plain PyTorch lets it be, and its timed steps.

Run by compare_pytorch.py in a process of its own, so that its peak memory is its own; prints JSON:

    python3 bench/pytorch_gpt.py describe '[SHAPE, ...]'    # the installation, and each model's number of parameters
    python3 bench/pytorch_gpt.py time '{"shape": SHAPE, "precision": "fp32", "warmup": 2, "steps": 5, "seconds": 3}'

Shapes: B batch, T positions, C d_model, H heads, D d_head, V vocabulary, L layers. A SHAPE is an object with the keys
B, T, C, H, L and V.
"""
import json
import math
import os
import platform
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Causal self-attention, x (B,T,C) -> (B,T,C)."""

    def __init__(self, shape):
        super().__init__()
        C, T = shape["C"], shape["T"]
        self.n_heads = shape["H"]
        self.c_attn = nn.Linear(C, 3 * C)  # queries, keys and values in one product
        self.c_proj = nn.Linear(C, C)
        self.register_buffer("mask", torch.full((T, T), -math.inf).triu(1), persistent=False)  # added to the scores

    def forward(self, x):
        B, T, C = x.shape
        parts = self.c_attn(x).split(C, -1)
        y = self.attend(*(part.view(B, T, self.n_heads, -1).transpose(1, 2) for part in parts))
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))

    def attend(self, q, k, v):
        """Each (B,H,T,D)."""
        if hasattr(F, "scaled_dot_product_attention"):  # PyTorch 2: the fused kernel
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return torch.matmul(self.weights(q, k), v)

    def weights(self, q, k):
        """softmax(q k^T / sqrt(D)) over the past, (B,H,T,T); scaled and masked within the product, which is fastest."""
        B, H, T, D = q.shape
        q, k = q.reshape(B * H, T, D), k.reshape(B * H, T, D)
        scores = torch.baddbmm(self.mask[:T, :T], q, k.transpose(1, 2), alpha=1 / math.sqrt(D))
        return torch.softmax(scores, -1).view(B, H, T, T)


class Block(nn.Module):
    """A pre-norm block: attention, then an MLP of 4 C with GELU (the tanh form), each beside the residual stream."""

    def __init__(self, shape, attention=Attention):
        super().__init__()
        C = shape["C"]
        self.ln_1, self.attn = nn.LayerNorm(C), attention(shape)
        self.ln_2, self.c_fc, self.c_proj = nn.LayerNorm(C), nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    """GPT-2 with tied embeddings and no dropout: the mean cross-entropy of targets (B,T) after ids (B,T)."""

    def __init__(self, shape, attention=Attention):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(shape["V"], shape["C"]), nn.Embedding(shape["T"], shape["C"])
        self.h = nn.ModuleList(Block(shape, attention) for _ in range(shape["L"]))
        self.ln_f = nn.LayerNorm(shape["C"])
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids, targets):
        x = self.hidden(ids, self.wpe.weight)
        logits = F.linear(x, self.wte.weight)  # (B,T,V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def hidden(self, ids, positions):
        """The final states (B,T,C) of ids (B,T), with the positions' embeddings (T,C)."""
        x = self.wte(ids) + positions
        for block in self.h:
            x = block(x)
        return self.ln_f(x)


def count_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def make_optimizer(model):
    """AdamW in the fastest form there is; weight decay for matrices alone, as in kiln.

    That is PyTorch 2.4's fused loop, or else a tensor at a time: on a CPU, `foreach` goes over all of memory once an
    operation, which costs large models half as much again and gains small ones nothing.
    """
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() == 2], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.dim() != 2], "weight_decay": 0.0},
    ]
    settings = {"lr": 1e-3, "betas": (0.9, 0.99), "eps": 1e-8}
    try:
        return torch.optim.AdamW(groups, fused=True, **settings)
    except (TypeError, RuntimeError):  # no such argument, or not on a CPU
        return torch.optim.AdamW(groups, foreach=False, **settings)


def train_step(model, optimizer, batch, precision):
    """One step with everything that kiln's has: loss, gradients, clipping, update. Returns the loss."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        loss = model(*batch)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def time_steps(request):
    """Trains on random tokens, a new batch a step; returns the elapsed milliseconds of the steps after the warm-up.

    These are as many as asked for, and more until they have taken so many seconds, as in `kiln bench`.
    """
    shape, precision = request["shape"], request["precision"]
    torch.manual_seed(1337)
    model = Gpt(shape)
    optimizer = make_optimizer(model)
    elapsed_ms = []
    least, least_ms = request["warmup"] + request["steps"], 1e3 * request["seconds"]
    while len(elapsed_ms) < least or sum(elapsed_ms[request["warmup"] :]) < least_ms:
        batch = torch.randint(shape["V"], (2, shape["B"], shape["T"]))  # ids, targets
        begin = time.perf_counter()
        loss = train_step(model, optimizer, batch, precision)
        elapsed_ms.append(1e3 * (time.perf_counter() - begin))
        if not math.isfinite(loss):
            sys.exit(f"PyTorch's loss is {loss} in {precision}: such a step's time means nothing")
    elapsed_ms = elapsed_ms[request["warmup"] :]
    return {"ms_per_step": statistics.median(elapsed_ms), "elapsed_ms": elapsed_ms, "loss": loss}


def blas_in_use():
    """The BLAS library that is loaded, as FOLDER/FILE; PyTorch's own packages have MKL inside."""
    if torch.backends.mkl.is_available():
        return "MKL"
    try:
        with open("/proc/self/maps", encoding="utf-8") as file:
            paths = sorted({line.split()[-1] for line in file if "blas" in line})
    except OSError:
        paths = []
    paths.sort(key=lambda path: "libopenblas" not in path)  # rather than the libblas.so.3 that leads to it
    return "/".join(paths[0].split("/")[-2:]) if paths else "unknown"


def describe(shapes):
    """What runs here, and how many parameters each of the shapes has."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "blas": blas_in_use(),
        "parameters": [count_parameters(Gpt(shape)) for shape in shapes],
    }


def use_all_cores():
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("describe", "time"):
        sys.exit(__doc__)
    use_all_cores()
    request = json.loads(sys.argv[2])
    json.dump(describe(request) if sys.argv[1] == "describe" else time_steps(request), sys.stdout)
    print()


if __name__ == "__main__":
    main()
