#!/usr/bin/env python3
"""The other side of compare_pytorch_grpo.py: a GRPO step in plain PyTorch, with a key/value cache, batched generation and
padding to the longest answer. Prints JSON:

    python3 bench/pytorch_grpo.py [STEPS]

A step draws 8 answers to each of 16 prompts, scores them, computes log p under the reference, and takes one AdamW step, in
micro-batches. The shape and the lengths of the answers are those of rollout_speed.cpp.
"""
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F

from pytorch_gpt import Attention, Gpt, make_optimizer, use_all_cores

SHAPE = {"B": 8, "T": 256, "C": 128, "H": 4, "L": 4, "V": 1536}
PROMPT, PROMPTS, ANSWERS, LEAST, MOST = 32, 16, 8, 16, 128
MICRO_BATCH = 32  # sequences of at most 160 tokens: faster here than 8, 16, 64 or all 128
BETA, CLIP = 0.05, 0.2


class CachedAttention(Attention):
    """Attention that keeps keys and values (B,H,T,D) while `cache` is a list."""

    cache = None

    def forward(self, x):
        if self.cache is None:
            return super().forward(x)
        B, T, C = x.shape
        q, k, v = (part.view(B, T, self.n_heads, -1).transpose(1, 2) for part in self.c_attn(x).split(C, -1))
        if self.cache:
            k, v = torch.cat([self.cache[0], k], 2), torch.cat([self.cache[1], v], 2)
            self.cache[:] = [k, v]
            y = F.softmax(q @ k.transpose(2, 3) / (C // self.n_heads) ** 0.5, -1) @ v  # of one token
        else:
            self.cache[:] = [k, v]
            y = self.attend(q, k, v)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))


class Policy(Gpt):
    def __init__(self, shape):
        super().__init__(shape, CachedAttention)

    def set_cache(self, on):
        for block in self.h:
            block.attn.cache = [] if on else None

    def logits(self, ids, first=0):
        x = self.hidden(ids, self.wpe.weight[first : first + ids.shape[1]])
        return F.linear(x, self.wte.weight)

    @torch.no_grad()
    def generate(self, prompts):
        """Draws until all answers are over; returns tokens (B,MOST or fewer) and lengths (B)."""
        self.set_cache(True)
        logits = self.logits(prompts)[:, -1]
        drawn, lengths = [], None
        for t in range(MOST):
            token = torch.multinomial(F.softmax(logits, -1), 1)
            drawn.append(token)
            if lengths is None:
                lengths = LEAST + (token[:, 0] * 7919 + prompts[:, 0] * 31) % (MOST - LEAST + 1)
            if t + 1 >= int(lengths.max()):
                break
            logits = self.logits(token, prompts.shape[1] + t)[:, -1]
        self.set_cache(False)
        return torch.cat(drawn, 1), lengths


def log_probs(model, ids, answers):
    """log p of the answers' tokens (B,A), which follow the prompts in ids (B,PROMPT+A)."""
    logits = model.logits(ids[:, :-1])[:, PROMPT - 1 :]
    return F.log_softmax(logits, -1).gather(2, answers[..., None])[..., 0]


def step(model, reference, optimizer, prompts):
    """Returns the tokens of the answers."""
    prompts = prompts.repeat_interleave(ANSWERS, 0)
    answers, lengths = model.generate(prompts)
    rewards = (answers[:, 0] % 2).double().view(PROMPTS, ANSWERS)
    advantages = ((rewards - rewards.mean(1, True)) / (rewards.std(1, keepdim=True) + 1e-4)).flatten().float()
    mask = torch.arange(answers.shape[1]) < lengths[:, None]
    ids = torch.cat([prompts, answers], 1)
    optimizer.zero_grad(set_to_none=True)
    total = mask.sum()
    for first in range(0, len(ids), MICRO_BATCH):
        part = slice(first, first + MICRO_BATCH)
        with torch.no_grad():
            before = log_probs(reference, ids[part], answers[part])
        now = log_probs(model, ids[part], answers[part])
        ratio = torch.exp(now - now.detach())
        d = before - now
        gain = advantages[part, None]
        loss = -torch.minimum(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain) + BETA * (torch.exp(d) - d - 1)
        ((loss * mask[part]).sum() / total).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return int(total)


def main():
    use_all_cores()
    torch.manual_seed(1337)
    model, reference = Policy(SHAPE), Policy(SHAPE)
    reference.load_state_dict(model.state_dict())
    optimizer = make_optimizer(model)
    seconds, tokens = [], []
    for _ in range(1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 3)):
        prompts = torch.randint(SHAPE["V"], (PROMPTS, PROMPT))
        begin = time.perf_counter()
        tokens.append(step(model, reference, optimizer, prompts))
        seconds.append(time.perf_counter() - begin)
    json.dump({"seconds": statistics.median(seconds[1:]), "answer_tokens": statistics.mean(tokens[1:]),
               "steps": seconds[1:]}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
