#!/usr/bin/env python3
"""The other side of compare_pytorch_sft.py: steps of finetuning on conversations in PyTorch.

Run by compare_pytorch_sft.py in a process of its own; prints JSON:

    python3 bench/pytorch_sft.py REQUEST.json

REQUEST.json holds "shape" (as pytorch_gpt.py has it), "warmup" (steps that are not timed), "form" and "batches", one a
step: a list of conversations {"ids", "supervised"}. The form is one of
- padded: (B,T) ids up to the longest conversation of the batch, logits of all positions, as TRL's trainer does it;
- packed: the conversations laid end to end, (1,N); the blocks of the block-diagonal mask alone are computed, and logits
  of the supervised tokens alone.
"""
import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from pytorch_gpt import Attention, Gpt, make_optimizer, train_step, use_all_cores

IGNORED = -100  # the target of a position that is not scored


class PackedAttention(Attention):
    """Attention within each of `lengths`, x (1,N,C) -> (1,N,C)."""

    lengths = []  # of the batch, for all layers

    def forward(self, x):
        parts = [part[0].split(self.lengths) for part in self.c_attn(x).split(x.shape[2], -1)]
        heads = [[y.view(1, len(y), self.n_heads, -1).transpose(1, 2) for y in part] for part in parts]
        attended = [self.attend(q, k, v).transpose(1, 2).flatten(2) for q, k, v in zip(*heads)]
        return self.c_proj(torch.cat(attended, 1))


class PaddedGpt(Gpt):
    """The mean cross-entropy of the supervised tokens of a padded batch."""

    def forward(self, ids, targets):
        logits = F.linear(self.hidden(ids, self.wpe.weight[: ids.shape[1]]), self.wte.weight)  # (B,T,V)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


class PackedGpt(Gpt):
    """The same of a batch that lies end to end: ids and positions (1,N), scored (M), targets (M)."""

    def __init__(self, shape):
        super().__init__(shape, PackedAttention)

    def forward(self, ids, positions, scored, targets):
        x = self.hidden(ids, self.wpe(positions))
        return F.cross_entropy(F.linear(x[0, scored], self.wte.weight), targets)


def padded_batch(conversations):
    T = max(len(c["ids"]) for c in conversations) - 1
    ids = torch.zeros(len(conversations), T, dtype=torch.long)
    targets = torch.full_like(ids, IGNORED)
    for row, c in enumerate(conversations):
        n = len(c["ids"]) - 1
        ids[row, :n] = torch.tensor(c["ids"][:-1])
        supervised = torch.tensor(c["supervised"][1:], dtype=torch.bool)
        targets[row, :n] = torch.where(supervised, torch.tensor(c["ids"][1:]), torch.tensor(IGNORED))
    return ids, targets


def packed_batch(conversations):
    PackedAttention.lengths = [len(c["ids"]) - 1 for c in conversations]
    inputs = torch.cat([torch.tensor(c["ids"][:-1]) for c in conversations])
    nexts = torch.cat([torch.tensor(c["ids"][1:]) for c in conversations])
    positions = torch.cat([torch.arange(n) for n in PackedAttention.lengths])
    scored = torch.cat([torch.tensor(c["supervised"][1:], dtype=torch.bool) for c in conversations]).nonzero()[:, 0]
    return inputs[None], positions[None], scored, nexts[scored]


FORMS = {"padded": (PaddedGpt, padded_batch), "packed": (PackedGpt, packed_batch)}


def time_steps(request):
    """Takes a step on each batch; returns each timed step's seconds, supervised tokens and loss."""
    kind, batch_of = FORMS[request["form"]]
    torch.manual_seed(1337)
    model = kind(request["shape"])
    optimizer = make_optimizer(model)
    steps = []
    for conversations in request["batches"]:
        begin = time.perf_counter()
        loss = train_step(model, optimizer, batch_of(conversations), "fp32")
        seconds = time.perf_counter() - begin
        supervised = sum(sum(c["supervised"][1:]) for c in conversations)
        steps.append({"seconds": seconds, "supervised": supervised, "loss": loss})
    return {"steps": steps[request["warmup"] :]}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    use_all_cores()
    json.dump(time_steps(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), sys.stdout)
    print()


if __name__ == "__main__":
    main()
