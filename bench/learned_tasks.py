#!/usr/bin/env python3
"""How much tuning by exact rewards (GRPO) adds to a small model on a task whose answers can be checked.

    python3 bench/learned_tasks.py --kiln build/kiln --work /tmp/tasks --task addition

Two tasks:
- addition: "123+456=" asks for the sum of two numbers of three digits, its last digit first: 975. That way each digit
  depends on a carry that is already known.
- letters: "how many r in strawberry?" asks for a digit. The words are random letters; the count is 0 to 5.

A model of about 1.4 million parameters, which reads bytes, learns from worked problems, from random weights, in rounds
until it answers a share of other problems right, drawn at temperature 1. Then it tunes itself by GRPO on problems of
its own, with the reward 1 for an exact answer that ends by itself and 0 for others. Both models answer the same 1,000
problems that neither has seen, once each at temperature 1. The interval of the difference is that of the mean of 1,000
paired differences. Standard library only.
"""
import argparse
import json
import math
import random
import statistics
import string
import subprocess
import sys
import time
from pathlib import Path

WORKED, TO_TUNE, TO_STOP_AT, TO_WATCH, UNSEEN = 40000, 20000, 500, 256, 1000  # problems of each kind
QUANTILE = 1.959963984540054  # of the normal distribution: 95% lie within so many deviations
ENOUGH, MOST = 0.45, 0.8  # shares of right answers: finetuning stops at the first, and must not pass the second


def addition(rng):
    a, b = rng.randint(100, 999), rng.randint(100, 999)
    return f"{a}+{b}=", str(a + b)[::-1]


def letters(rng):
    letter = rng.choice(string.ascii_lowercase)
    others = [other for other in string.ascii_lowercase if other != letter]
    count = rng.randint(0, 5)
    word = [letter] * count + [rng.choice(others) for _ in range(rng.randint(max(4, count + 1), 12) - count)]
    rng.shuffle(word)
    return f"how many {letter} in {''.join(word)}?", str(count)


# What makes a problem, the tokens that an answer needs, and the steps of a round of finetuning.
TASKS = {"addition": (addition, 5, 40), "letters": (letters, 2, 100)}


def problems(rng, make, count, seen):
    made = []
    while len(made) < count:
        prompt, answer = make(rng)
        if prompt not in seen:
            seen.add(prompt)
            made.append({"prompt": prompt, "completion": answer})
    return made


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stderr}")
    return result.stdout


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = options.work
        self.make, self.max_tokens, self.round = TASKS[options.task]

    def path(self, name):
        return self.folder / f"{self.options.task}-{name}"

    def write_problems(self):
        rng, seen = random.Random(self.options.seed), set()
        for name, count in (("unseen", UNSEEN), ("stop", TO_STOP_AT), ("watch", TO_WATCH), ("tune", TO_TUNE),
                            ("worked", WORKED)):
            write_lines(self.path(f"{name}.jsonl"), problems(rng, self.make, count, seen))

    def start_config(self, steps):
        return {
            "name": "start", "seed": self.options.seed,
            "tokenizer": {"type": "byte"},
            "chat": {"template": "chatml"},
            "data": {"train": [str(self.path("worked.jsonl"))], "validation_fraction": 0},
            "objective": {"type": "sft"},
            "model": {"n_layers": 3, "d_model": 192, "n_heads": 6, "n_ctx": 64, "activation": "gelu",
                      "norm": "rmsnorm", "position": "rope", "bias": False, "dropout": 0},
            "optimizer": {"type": "muon", "muon_learning_rate": 0.01, "learning_rate": 2e-3, "beta2": 0.99,
                          "weight_decay": 0.01},
            "schedule": {"type": "constant", "warmup_steps": 20},
            "train": {"steps": steps, "batch_size": 32, "precision": "auto", "eval_every": 0, "checkpoint_every": 0,
                      "tensorboard": False, "threads": self.options.threads},
        }

    def policy_config(self):
        return {
            "name": "tuned", "seed": self.options.seed,
            "init_from": str(self.path("start")),
            "data": {"train": [str(self.path("tune.jsonl"))], "validation": [str(self.path("watch.jsonl"))]},
            "objective": {"type": "grpo", "beta": self.options.beta},
            "policy": {"rewards": [{"type": "exact"}], "prompts": 64, "answers": 8, "max_tokens": self.max_tokens,
                       "kl": "k3_in_loss"},
            "optimizer": {"type": "adamw", "learning_rate": self.options.learning_rate, "beta2": 0.99,
                          "weight_decay": 0.0, "clip_norm": 1.0},
            "schedule": {"type": "cosine", "warmup_steps": 5},
            "train": {"time_budget": self.options.time, "batch_size": 32, "precision": "auto",
                      "eval_every": 50, "checkpoint_every": 0, "log_every": 5, "tensorboard": False,
                      "threads": self.options.threads},
        }

    def train(self, name, config, *arguments):
        file = self.path(f"{name}.json")
        file.write_text(json.dumps(config, indent=2))
        run(self.options.kiln, "train", *(arguments or (file, "--run", self.path(name), "--overwrite")), "--quiet")

    def right(self, name, problem_file):
        """1 for each problem that the model answers right, else 0."""
        output, file = self.path("answers.jsonl"), self.path(problem_file)
        run(self.options.kiln, "answers", self.path(name), "--prompts", file, "--count", 1, "--temperature", 1,
            "--max-tokens", self.max_tokens, "--seed", self.options.seed, "--output", output)
        expected = [json.loads(line)["completion"] for line in file.read_text().splitlines()]
        given = [json.loads(line)["answers"][0] for line in output.read_text().splitlines()]
        assert len(expected) == len(given)
        return [int(one["ended"] and one["text"].strip() == want) for one, want in zip(given, expected)]

    def finetune(self):
        """Trains in rounds until enough answers are right."""
        steps = 0
        while True:
            steps += self.round
            resumes = (self.path("start"), "--resume", "--set", f"train.steps={steps}") if steps > self.round else ()
            self.train("start", self.start_config(steps), *resumes)
            share = statistics.fmean(self.right("start", "stop.jsonl"))
            print(f"{steps} steps: {100 * share:.1f}% right", file=sys.stderr, flush=True)
            if share > MOST:
                sys.exit(f"more than {100 * MOST:.0f}% of the answers are right already; make the rounds shorter")
            if share >= ENOUGH:
                return

    def steps(self, name):
        lines = (self.path(name) / "metrics.jsonl").read_text().splitlines()
        return json.loads(lines[-1])["step"]


def share_text(share, n):
    """A share with Wilson's interval."""
    z2 = QUANTILE ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    margin = QUANTILE * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return f"{100 * share:.1f}% ({100 * (middle - margin):.1f}% to {100 * (middle + margin):.1f}%)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kiln", type=Path, default=Path("build/kiln"), help="default: build/kiln")
    parser.add_argument("--work", type=Path, required=True, help="folder for the problems and the runs")
    parser.add_argument("--task", choices=sorted(TASKS), default="addition", help="default: %(default)s")
    parser.add_argument("--time", default="10m", help="wall time of the tuning; default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="of the tuning; default: %(default)s")
    parser.add_argument("--beta", type=float, default=0.002, help="of the tuning; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-start", action="store_true", help="tune the finetuned model that is in the folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    bench.write_problems()
    if not options.keep_start:
        bench.finetune()
    before = bench.right("start", "unseen.jsonl")
    begin = time.monotonic()
    bench.train("tuned", bench.policy_config())
    seconds = time.monotonic() - begin
    after = bench.right("tuned", "unseen.jsonl")
    differences = [b - a for a, b in zip(before, after)]
    gain = statistics.fmean(differences)
    margin = QUANTILE * statistics.stdev(differences) / math.sqrt(len(differences))
    result = {"task": options.task, "finetuning_steps": bench.steps("start"), "problems": len(before),
              "before": statistics.fmean(before), "after": statistics.fmean(after), "gain": gain,
              "confidence_interval": [gain - margin, gain + margin], "tuning_seconds": seconds,
              "tuning_steps": bench.steps("tuned")}
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print("| task | finetuned for | right before | right after | gain, points | tuned for |\n|---|--:|---|---|---|---|")
    print(f"| {options.task} | {result['finetuning_steps']} steps | {share_text(result['before'], len(before))} "
          f"| {share_text(result['after'], len(after))} "
          f"| {100 * gain:+.1f} ({100 * (gain - margin):+.1f} to {100 * (gain + margin):+.1f}) "
          f"| {result['tuning_steps']} steps, {seconds:.0f} s |")


if __name__ == "__main__":
    main()
