"""Optimizers, clipping and the learning-rate schedule of the trajectories.

SGD, Adam and AdamW are torch.optim's own. Lion and Muon are written out here; README.md states
their formulas. "Matrix" means a 2-D tensor, embeddings included: only matrices decay.
"""

import math

import torch

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def schedule(step, steps, warmup, min_ratio):
    """Multiplier of the peak learning rate at a 0-based step: linear warm-up, then cosine."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / (steps - warmup)
    return min_ratio + (1 - min_ratio) * 0.5 * (1 + math.cos(math.pi * progress))


def clip(gradients, max_norm):
    """Scales in place by min(1, max_norm / (norm + 1e-6)); returns the global L2 norm before it."""
    norm = torch.sqrt(sum((g**2).sum() for g in gradients.values()))
    factor = min(1.0, max_norm / (norm.item() + 1e-6))
    for g in gradients.values():
        g.mul_(factor)
    return norm.item()


class Torch:
    """A torch.optim optimizer; with weight_decay, it acts on matrices only."""

    def __init__(self, kind, weights, lr, weight_decay=0.0, **options):
        self.weights, self.lr = weights, lr
        groups = [
            {"params": [w for w in weights.values() if w.dim() == 2], "weight_decay": weight_decay},
            {"params": [w for w in weights.values() if w.dim() != 2], "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        self.optimizer = kind(groups, lr=lr, **options)

    def step(self, gradients, multiplier):
        for name, weight in self.weights.items():
            weight.grad = gradients[name]
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * multiplier
        self.optimizer.step()


class Lion:
    """arXiv 2302.06675, algorithm 2."""

    def __init__(self, weights, lr, betas, weight_decay):
        self.weights, self.lr, self.betas, self.weight_decay = weights, lr, betas, weight_decay
        self.momentum = {name: torch.zeros_like(w) for name, w in weights.items()}
        self.smallest = math.inf  # |c| nearest to 0 so far: how far a sign is from flipping

    def step(self, gradients, multiplier):
        lr, (beta1, beta2) = self.lr * multiplier, self.betas
        for name, w in self.weights.items():
            m, g = self.momentum[name], gradients[name]
            c = beta1 * m + (1 - beta1) * g
            if (c != 0).any():
                self.smallest = min(self.smallest, c[c != 0].abs().min().item())
            if w.dim() == 2:
                w.mul_(1 - lr * self.weight_decay)
            w.sub_(lr * torch.sign(c))  # sign(0) = 0
            m.copy_(beta2 * m + (1 - beta2) * g)


def newton_schulz(matrix, steps):
    """Roughly U V^T of matrix = U S V^T. arXiv 2502.16982; Jordan et al. 2024 (Muon)."""
    a, b, c = NEWTON_SCHULZ
    rows, columns = matrix.shape
    x = matrix.T if rows > columns else matrix
    x = x / (torch.linalg.norm(x) + 1e-7)  # Frobenius
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if rows > columns else x


class Muon:
    """Muon for the hidden matrices h.*.weight, AdamW for the rest."""

    def __init__(self, config, weights, lr, momentum, steps, weight_decay, auxiliary):
        self.model, self.lr, self.mu = config["model"], lr, momentum
        self.steps, self.weight_decay = steps, weight_decay
        hidden = {n for n, w in weights.items() if n.startswith("h.") and w.dim() == 2}
        self.weights = {n: w for n, w in weights.items() if n in hidden}
        self.momentum = {n: torch.zeros_like(w) for n, w in self.weights.items()}
        rest = {n: w for n, w in weights.items() if n not in hidden}
        self.auxiliary = Torch(torch.optim.AdamW, rest, **auxiliary)

    def columns(self, name, w):
        """Widths of the column groups that are matrices of their own."""
        m = self.model
        if name.endswith("attn.c_attn.weight"):
            return [m["n_heads"] * m["d_head"]] + 2 * [m["n_kv_heads"] * m["d_head"]]
        if name.endswith("mlp.c_fc.weight") and w.shape[1] == 2 * m["d_mlp"]:
            return 2 * [m["d_mlp"]]
        return [w.shape[1]]

    def step(self, gradients, multiplier):
        lr = self.lr * multiplier
        for name, w in self.weights.items():
            buffer, g = self.momentum[name], gradients[name]
            buffer.copy_(self.mu * buffer + (1 - self.mu) * g)
            update = (1 - self.mu) * g + self.mu * buffer
            parts = []
            for part in update.split(self.columns(name, w), 1):
                n_in, n_out = part.shape
                parts.append(newton_schulz(part, self.steps) * math.sqrt(max(1, n_out / n_in)))
            w.mul_(1 - lr * self.weight_decay)
            w.sub_(lr * torch.cat(parts, 1))
        self.auxiliary.step(gradients, multiplier)
