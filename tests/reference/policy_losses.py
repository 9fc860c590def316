"""The losses of policy gradients, written from their papers: what `policy.json` holds.

An episode is a range of drawn tokens. Episodes of one prompt, `GROUP` each, follow each other.
"""

import math

import torch

GROUP = 3
LENGTHS = (4, 2, 7, 3, 5, 1)  # of the episodes, end to end
MAX_TOKENS = 8
BETA = 0.3
SEED = 23

# name: settings as in kiln's section policy
CASES = {
    "grpo": {"baseline": "group_mean", "scale": "group", "clip_low": 0.2, "clip_high": 0.2},
    "grpo_per_answer": {"baseline": "group_mean", "scale": "group", "loss_type": "grpo", "clip_low": 0.2, "clip_high": 0.2},
    "grpo_constant": {"baseline": "group_mean", "scale": "none", "loss_type": "dr_grpo", "clip_low": 0.1, "clip_high": 0.3},
    "grpo_k2": {"baseline": "group_mean", "scale": "batch", "kl": "k2_in_loss", "clip_low": 0.2, "clip_high": 0.2},
    "grpo_k3": {"baseline": "group_mean", "scale": "group", "kl": "k3_in_loss", "clip_low": 0.2, "clip_high": 0.2},
    "rloo": {"baseline": "leave_one_out", "scale": "none", "clip_low": 0.2, "clip_high": 0.2},
    "rloo_k3": {"baseline": "leave_one_out", "scale": "none", "kl": "k3_in_loss", "clip_low": 0.2, "clip_high": 0.2},
    "reinforce": {"baseline": "group_mean", "scale": "none"},
    "ppo": {"baseline": "value", "scale": "batch", "clip_low": 0.2, "clip_high": 0.2},
    "ppo_discounted": {
        "baseline": "value", "scale": "none", "clip_low": 0.2, "clip_high": 0.2,
        "gamma": 0.9, "gae_lambda": 0.8, "value_weight": 0.7, "value_clip": 0.4,
    },
}


def inputs():
    """Returns numbers of every token, and the score of each episode."""
    torch.manual_seed(SEED)
    tokens = sum(LENGTHS)
    behaviour = -3 * torch.rand(tokens, dtype=torch.float64) - 0.01
    return {
        "behaviour": behaviour,
        "log_probs": behaviour + 0.3 * torch.randn(tokens, dtype=torch.float64),
        "reference": behaviour + 0.5 * torch.randn(tokens, dtype=torch.float64),
        "old_values": torch.randn(tokens, dtype=torch.float64),
        "values": torch.randn(tokens, dtype=torch.float64),
        "scores": torch.randn(len(LENGTHS), dtype=torch.float64),
    }


def rewards_of(settings, given):
    """The reward of each token of each episode: its part of the divergence, and the score at the last one."""
    rewards = []
    for log_probs, reference, score in zip(
        given["behaviour"].split(LENGTHS), given["reference"].split(LENGTHS), given["scores"]
    ):
        in_reward = settings.get("kl", "k1_in_reward") == "k1_in_reward"
        reward = -BETA * (log_probs - reference) if in_reward else torch.zeros_like(log_probs)
        reward = reward.clone()
        reward[-1] += score
        rewards.append(reward)
    return rewards


def group_advantages(settings, given):
    """Scores less the mean of the group or of its other members, over a deviation of scores, and the divergence to the
    end less its own mean (arXiv:2402.03300, arXiv:2402.14740)."""
    scores = given["scores"]
    in_reward = settings.get("kl", "k1_in_reward") == "k1_in_reward"
    to_go = []
    for log_probs, reference in zip(given["behaviour"].split(LENGTHS), given["reference"].split(LENGTHS)):
        penalty = BETA * (log_probs - reference) * in_reward
        to_go.append(penalty.flip(0).cumsum(0).flip(0))
    whole = torch.stack([part[0] for part in to_go])
    advantages = []
    for i, part in enumerate(to_go):
        first = i // GROUP * GROUP
        members = [first + k for k in range(GROUP)]
        others = [k for k in members if k != i] if settings["baseline"] == "leave_one_out" else members
        scale = {"none": torch.tensor(1.0), "group": scores[members].std() + 1e-4, "batch": scores.std() + 1e-4}
        gain = (scores[i] - scores[others].mean()) / scale[settings["scale"]]
        advantages.append(gain - (part - whole[others].mean()))
    return torch.cat(advantages)


def value_advantages(settings, rewards, values):
    """Generalised advantage estimation (arXiv:1506.02438, eq. 16), written as the sum that it is."""
    gamma, lam = settings.get("gamma", 1.0), settings.get("gae_lambda", 0.95)
    advantages = []
    for reward, value in zip(rewards, values.split(LENGTHS)):
        after = torch.cat([value[1:], torch.zeros(1, dtype=torch.float64)])
        errors = reward + gamma * after - value
        n = len(errors)
        advantages.append(
            torch.stack([sum((gamma * lam) ** (s - t) * errors[s] for s in range(t, n)) for t in range(n)])
        )
    advantages = torch.cat(advantages)
    returns = advantages + values
    if settings["scale"] == "batch":
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-4)
    return advantages, returns


def loss(settings, given, advantages, returns, log_probs, values):
    """The sum over tokens, each times its weight, and what the step divides it by."""
    ratio = torch.exp(log_probs - given["behaviour"])
    clipped = ratio
    if "clip_low" in settings:
        clipped = ratio.clamp(1 - settings["clip_low"], 1 + settings["clip_high"])
    each = -torch.minimum(ratio * advantages, clipped * advantages)  # arXiv:1707.06347, eq. 7
    d = log_probs - given["reference"]
    if settings.get("kl") == "k2_in_loss":
        each = each + BETA * d**2 / 2
    if settings.get("kl") == "k3_in_loss":
        each = each + BETA * (torch.exp(-d) - 1 + d)
    if returns is not None:
        clip = settings.get("value_clip", 0.2)
        near = given["old_values"] + (values - given["old_values"]).clamp(-clip, clip)
        squares = torch.maximum((values - returns) ** 2, (near - returns) ** 2) / 2
        each = each + settings.get("value_weight", 0.1) * squares
    sums = [part.sum() for part in each.split(LENGTHS)]
    kind = settings.get("loss_type", "dapo")
    if kind == "dapo":
        return sum(sums), sum(LENGTHS)
    if kind == "grpo":
        return sum(s / n for s, n in zip(sums, LENGTHS)), len(LENGTHS)
    return sum(sums) / MAX_TOKENS, len(LENGTHS)


def fixture():
    given = inputs()
    cases = {}
    for name, settings in CASES.items():
        rewards, returns = rewards_of(settings, given), None
        if settings["baseline"] == "value":
            advantages, returns = value_advantages(settings, rewards, given["old_values"])
        else:
            advantages = group_advantages(settings, given)
        log_probs = given["log_probs"].clone().requires_grad_()
        values = given["values"].clone().requires_grad_()
        value, weight = loss(settings, given, advantages, returns, log_probs, values)
        value.backward()
        assert math.isfinite(value.item())
        cases[name] = {
            "policy": settings,
            "advantages": advantages.tolist(),
            "returns": None if returns is None else returns.tolist(),
            "loss": value.item(),
            "weight": weight,
            "gradient": log_probs.grad.tolist(),
            "value_gradient": None if returns is None else values.grad.tolist(),
        }
    return {
        "group": GROUP,
        "lengths": list(LENGTHS),
        "max_tokens": MAX_TOKENS,
        "beta": BETA,
        **{name: tensor.tolist() for name, tensor in given.items()},
        "cases": cases,
    }
