#!/usr/bin/env python3
"""How near a reward model comes to the best that any model can do, on made-up judgements of known noise.

    python3 bench/reward_ceiling.py --kiln build/kiln

An answer is a few letters; its reward is a weighted sum of them, scaled so that the difference of two answers has a
standard deviation of 2. A judgement says that answer a is better than b with probability sigmoid(r(a) - r(b)), so the
best model is right on 77.8% of the pairs that it has not seen, in expectation. Trains one model for each number of
judgements, each pair judged once and seen once, and prints a Markdown table. Standard library only.
"""
import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LETTERS = "abcdefgh"
LENGTHS = (6, 14)  # letters of an answer
DEVIATION = 2.0    # of the difference of two rewards
UNSEEN = 6000      # pairs


def reward_of(scale):
    """A letter adds its place in the alphabet, counted from the middle; a letter after itself counts double."""
    def reward(text):
        total = 0.0
        for i, letter in enumerate(text):
            weight = LETTERS.index(letter) - (len(LETTERS) - 1) / 2
            total += weight * (2 if i > 0 and text[i - 1] == letter else 1)
        return total * scale
    return reward


def answer(rng):
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(*LENGTHS)))


def pairs(rng, count):
    made = []
    while len(made) < count:
        a, b = answer(rng), answer(rng)
        if a != b:
            made.append((a, b))
    return made


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def judged(rng, reward, made):
    """The pairs as records, the answer that the judgement likes better first."""
    for a, b in made:
        if rng.random() >= sigmoid(reward(a) - reward(b)):
            a, b = b, a
        yield {"prompt": "Write letters.", "chosen": a, "rejected": b}


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def config_of(data, labels, options):
    return {
        "name": "reward",
        "seed": options.seed,
        "tokenizer": {"type": "byte"},
        "chat": {"template": "chatml"},
        "data": {"train": [str(data)], "validation_fraction": 0.02},
        "objective": {"type": "reward", "weight_of": "comparison"},
        "model": {"n_layers": 2, "d_model": 64, "n_heads": 4, "n_ctx": 64, "activation": "gelu"},
        "optimizer": {"type": "adamw", "learning_rate": 2e-3, "weight_decay": 0.01},
        "schedule": {"type": "cosine", "warmup_steps": 20},
        "train": {"epochs": 1, "batch_size": 24 if labels > 2000 else 8, "eval_every": 0, "checkpoint_every": 0,
                  "log_every": 20, "tensorboard": False},
    }


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr}")
    return result.stdout


def expected_accuracy(kiln, folder, model, reward, unseen):
    """The mean, over unseen pairs, of the probability that a judgement agrees with the model's scores."""
    texts = sorted({text for pair in unseen for text in pair})
    data, scored = folder / "unseen.jsonl", folder / "scored.jsonl"
    write_lines(data, ({"prompt": "Write letters.", "answers": [{"text": text} for text in texts[i:i + 500]]}
                       for i in range(0, len(texts), 500)))
    run(kiln, "score", model, "--data", data, "--output", scored, "--quiet")
    score = {}
    for line in scored.read_text().splitlines():
        for one in json.loads(line)["answers"]:
            score[one["text"]] = one["score"]
    agreed = []
    for a, b in unseen:
        p = sigmoid(reward(a) - reward(b))
        difference = score[a] - score[b]
        agreed.append(p if difference > 0 else 1 - p if difference < 0 else 0.5)
    return statistics.fmean(agreed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kiln", type=Path, default=Path("build/kiln"), help="default: build/kiln")
    parser.add_argument("--labels", default="500,2000,8000,20000", help="numbers of judgements; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    unscaled = reward_of(1.0)
    spread = statistics.pstdev(unscaled(a) - unscaled(b) for a, b in pairs(rng, 20000))
    reward = reward_of(DEVIATION / spread)
    unseen = pairs(rng, UNSEEN)
    chances = [sigmoid(reward(a) - reward(b)) for a, b in unseen]
    ceiling = statistics.fmean(max(p, 1 - p) for p in chances)
    print(f"{len(unseen):,} unseen pairs; the ceiling is {100 * ceiling:.1f}%\n")
    print("| judgements | expected accuracy | below the ceiling |\n|--:|--:|--:|")
    counts = [int(text) for text in options.labels.split(",")]
    made = pairs(rng, max(counts))
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_lines(folder / "judged.jsonl", judged(random.Random(options.seed + 1), reward, made[:count]))
            config = folder / "reward.json"
            config.write_text(json.dumps(config_of(folder / "judged.jsonl", count, options)))
            run(options.kiln, "train", config, "--run", folder / "run", "--quiet")
            reached = expected_accuracy(options.kiln, folder, folder / "run", reward, unseen)
        print(f"| {count:,} | {100 * reached:.1f}% | {100 * (ceiling - reached):.1f} points |", flush=True)


if __name__ == "__main__":
    main()
