"""The losses of judged answers, written from their papers: what `preferences.json` holds.

An answer is a range of log probabilities. A comparison names its chosen answer and those it was liked better than.
"""

import math

import torch

BETA = 0.25
LENGTHS = (4, 2, 7, 3, 5)  # of the answers, end to end
SEED = 21

# chosen, rejected, weight, probability that the judgement is right, margin
PAIRS = [
    (0, [1], 1.0, 1.0, 0.0),
    (2, [3], 0.5, 0.8, 0.0),
    (2, [4], 0.5, 0.5, 0.0),  # a tie
    (4, [0], 2.0, 1.0, 0.0),
]
MARGINS = [(c, r, w, p, 0.3 * (i + 1)) for i, (c, r, w, p, _) in enumerate(PAIRS)]
RANKING = [(2, [0, 1, 3], 0.5, 1.0, 0.0), (0, [1, 3], 0.5, 1.0, 0.0), (4, [3], 1.0, 1.0, 0.0)]

# name: (settings as in kiln's objective, comparisons)
CASES = {
    "dpo": ({"type": "dpo"}, PAIRS),
    "dpo_smoothed": ({"type": "dpo", "label_smoothing": 0.1}, PAIRS),
    "dpo_nll": ({"type": "dpo", "nll_weight": 0.7}, PAIRS),
    "dpo_ranking": ({"type": "dpo", "ranking": "plackett_luce"}, RANKING),
    "ipo": ({"type": "ipo"}, PAIRS),
    "ipo_nll": ({"type": "ipo", "nll_weight": 0.2}, PAIRS),
    "reward": ({"type": "reward"}, PAIRS),
    "reward_margin": ({"type": "reward"}, MARGINS),
    "reward_smoothed": ({"type": "reward", "label_smoothing": 0.2}, MARGINS),
    "reward_ranking": ({"type": "reward", "ranking": "plackett_luce"}, RANKING),
}


def inputs():
    """Returns log p of every token, that of the whole answers under the reference, and a score of each answer."""
    torch.manual_seed(SEED)
    log_probs = -3 * torch.rand(sum(LENGTHS), dtype=torch.float64) - 0.01
    reference = -1.5 * torch.tensor(LENGTHS, dtype=torch.float64) - torch.rand(len(LENGTHS), dtype=torch.float64)
    scores = 2 * torch.randn(len(LENGTHS), dtype=torch.float64)
    return log_probs, reference, scores


def loss(settings, comparisons, outputs, reference):
    """The sum of the comparisons' losses, each times its weight."""
    kind = settings["type"]
    if kind == "reward":
        rewards, answers = outputs, None
    else:
        answers = torch.split(outputs, LENGTHS)
        sums = torch.stack([answer.sum() for answer in answers])
        lengths = torch.tensor(LENGTHS, dtype=torch.float64)
        rewards = BETA * (sums - reference) if kind == "dpo" else (sums - reference) / lengths
    total = torch.zeros((), dtype=torch.float64)
    for chosen, rejected, weight, probability, margin in comparisons:
        smoothing = settings.get("label_smoothing", 0.0)
        p = probability * (1 - smoothing) + (1 - probability) * smoothing
        if kind == "ipo":  # arXiv:2310.12036, eq. 17
            d = rewards[chosen] - rewards[rejected[0]]
            one = p * (d - 1 / (2 * BETA)) ** 2 + (1 - p) * (d + 1 / (2 * BETA)) ** 2
        elif len(rejected) == 1:  # arXiv:2305.18290, eq. 7 and appendix A.3; Bradley and Terry 1952
            d = rewards[chosen] - rewards[rejected[0]] - margin
            one = -p * torch.log(torch.sigmoid(d)) - (1 - p) * torch.log(torch.sigmoid(-d))
        else:  # Plackett 1975
            one = -torch.log(torch.exp(rewards[chosen]) / torch.exp(rewards[[chosen, *rejected]]).sum())
        if answers is not None:  # arXiv:2404.19733, eq. 3
            one = one - settings.get("nll_weight", 0.0) * answers[chosen].mean()
        total = total + weight * one
    return total


def fixture():
    log_probs, reference, scores = inputs()
    cases = {}
    for name, (settings, comparisons) in CASES.items():
        outputs = (scores if settings["type"] == "reward" else log_probs).clone().requires_grad_()
        value = loss(settings, comparisons, outputs, reference)
        value.backward()
        assert math.isfinite(value.item())
        cases[name] = {
            "objective": {**settings, "beta": BETA},
            "comparisons": [
                {"chosen": c, "rejected": r, "weight": w, "probability": p, "margin": m} for c, r, w, p, m in comparisons
            ],
            "loss": value.item(),
            "gradient": outputs.grad.tolist(),
        }
    return {
        "lengths": list(LENGTHS),
        "log_probs": log_probs.tolist(),
        "reference": reference.tolist(),
        "scores": scores.tolist(),
        "cases": cases,
    }
