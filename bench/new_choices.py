#!/usr/bin/env python3
"""What `kiln new` chooses against nine configs made by hand, in bits per byte, for the same time on the same machine.

    python3 bench/new_choices.py                                   # data/tales.txt, 20 seconds a run: four minutes
    python3 bench/new_choices.py TEXT... --times 1m 5m             # any texts and times, each with each
    python3 bench/new_choices.py TEXT... --times 1m 5m --list      # what it would run, and how long that takes
    python3 bench/new_choices.py TEXT... --times 1m 5m --plan-only # first, on an idle machine ...
    python3 bench/new_choices.py TEXT... --times 1m 5m --by-steps  # ... then on a busy one

For each text and time, kiln's choice and the nine configs are trained one after another, and the best checkpoint of each
is scored on the whole held-out text (`kiln eval`). All have the same recipe, the same held-out text and the same time;
the nine differ in vocabulary, width, depth, context and dropout. With --by-steps each is trained for the steps that
`kiln plan` says fit into the time on an idle machine (--plan-only writes these plans), so that other work on the machine
changes nothing. A result is kept in --results as soon as it is there, and a run that is there is not made again: stop and
start it as you like. Prints a Markdown table for each text and time; progress goes to stderr. Standard library only.
"""
import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from compare_pytorch import HERE, processor, run, run_json

SECONDS = {"s": 1, "m": 60, "h": 3600}
MOST_PLANS = 5  # of a config, while the machine is busy
LONG_SECONDS = 150  # from here on the hand takes the larger models

# (entries of the vocabulary, layers, width, heads, context, windows a step): what one would try, small to large.
SHORT = [
    (512, 4, 64, 2, 128, 32), (2048, 4, 64, 2, 128, 32), (8192, 4, 64, 2, 128, 32),
    (1024, 4, 96, 3, 128, 32), (4096, 4, 96, 3, 128, 32), (2048, 4, 96, 3, 256, 16),
    (1024, 4, 128, 4, 128, 32), (4096, 4, 128, 4, 128, 32), (2048, 4, 192, 6, 128, 32),
]
LONG = [
    (2048, 4, 96, 3, 128, 32), (1024, 4, 128, 4, 128, 32), (4096, 4, 128, 4, 128, 32),
    (1024, 4, 192, 6, 128, 32), (4096, 4, 192, 6, 128, 32), (8192, 4, 192, 6, 256, 16),
    (2048, 6, 256, 4, 256, 16), (8192, 6, 256, 4, 256, 16), (4096, 6, 384, 6, 256, 16),
]
SHORT_TEXT = 2_000_000  # bytes: below it the hand adds dropout to its longer runs


def seconds_of(text):
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"{text}: a time such as 20s, 5m or 1h30m is expected")
    return sum(float(number) * SECONDS[unit] for number, unit in parts)


def hand_name(choice, dropout):
    vocabulary, layers, width, _, context, _ = choice
    drop = f", dropout {dropout:g}" if dropout else ""
    return f"{vocabulary:,} entries, {layers} layers, width {width}, context {context}{drop}"


def describe(config):
    """The same words for a run's config."""
    model = config["model"]
    choice = (config["tokenizer"]["vocab_size"], model["n_layers"], model["d_model"], 0, model["n_ctx"], 0)
    return hand_name(choice, model["dropout"])


def by_hand(base, text, seconds):
    """Name and config of each of the nine: kiln's recipe and data, and a size of the hand's own."""
    long = seconds >= LONG_SECONDS
    dropout = 0.1 if long and text.stat().st_size < SHORT_TEXT else 0.0
    for choice in LONG if long else SHORT:
        vocabulary, layers, width, heads, context, windows = choice
        config = json.loads(json.dumps(base))
        config.setdefault("tokenizer", {})["vocab_size"] = vocabulary
        config["model"].update(n_layers=layers, d_model=width, n_heads=heads, n_ctx=context, dropout=dropout)
        for derived in ("n_kv_heads", "d_head", "d_mlp"):
            config["model"].pop(derived, None)
        narrowing = min(1.0, 128 / width)
        config["optimizer"].update(muon_learning_rate=float(f"{0.05 * narrowing**0.5:.1g}"),
                                   learning_rate=float(f"{5e-3 * narrowing:.1g}"))
        config["train"].update(batch_size=windows)
        config["train"].pop("eval_every", None)  # the default's: what a hand would leave alone
        config["train"].pop("checkpoint_every", None)
        yield hand_name(choice, dropout), config


class Campaign:
    def __init__(self, arguments, folder):
        self.kiln, self.folder = Path(arguments.kiln).resolve(), folder
        self.results, self.by_steps = Path(arguments.results), arguments.by_steps
        self.plans = self.results.with_suffix(".plans.json")
        self.planned = json.loads(self.plans.read_text(encoding="utf-8")) if self.plans.exists() else {}
        self.done = {}
        if self.results.exists():
            for line in self.results.read_text(encoding="utf-8").splitlines():
                result = json.loads(line)
                self.done[result["key"]] = result

    def key(self, text, limit, config):
        """A run is the same where text, time and config are."""
        parts = (hashlib.sha256(text.read_bytes()).hexdigest(), f"{limit:g}", json.dumps(config, sort_keys=True))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def train(self, config, text, limit, name):
        """The result of a run, made unless it is there."""
        key = self.key(text, limit, config)
        if key in self.done:
            return self.done[key]
        if self.by_steps:
            config = json.loads(json.dumps(config))
            config["train"]["steps"] = self.planned[key]
            config["train"].pop("time_budget")
        print(f"{text.name}, {limit:g} s: {name}", file=sys.stderr, flush=True)
        path, out = self.folder / "choice.json", self.folder / "run"
        shutil.rmtree(out, ignore_errors=True)
        path.write_text(json.dumps(config), encoding="utf-8")
        begun = time.time()
        state, _ = run_json([self.kiln, "train", path, "--run", out, "--quiet", "--json"], self.folder, "step")
        score, _ = run_json([self.kiln, "eval", out, "--json"], self.folder, "bits_per_byte")
        result = {"key": key, "text": text.name, "seconds": limit, "name": name,
                  "choice": describe(json.loads((out / "config.json").read_text(encoding="utf-8"))),
                  "steps": state["step"], "tokens": state["tokens"], "parameters": state["parameters"],
                  "bits_per_byte": score["bits_per_byte"], "elapsed": time.time() - begun, "processor": processor()[0]}
        with self.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        self.done[key] = result
        return result

    def plan(self, text, limit):
        """Keeps kiln's choice, and how many steps of each config fit into the time."""
        config = self.choose(text, limit)
        path = self.folder / "plan.json"
        for name, candidate in [("kiln new", config), *by_hand(config, text, limit)]:
            path.write_text(json.dumps(candidate), encoding="utf-8")
            steps = 0
            for _ in range(MOST_PLANS):  # other work can only make steps slower
                plan, _ = run_json([self.kiln, "plan", path, "--json"], self.folder, "steps")
                steps = max(steps, plan["steps"])
                if not plan["busy"]:
                    break
            busy = ", the machine is busy" if plan["busy"] else ""
            print(f"{text.name}, {limit:g} s: {name}: {steps:,} steps{busy}", file=sys.stderr, flush=True)
            self.planned[self.key(text, limit, candidate)] = steps
        self.plans.write_text(json.dumps(self.planned), encoding="utf-8")

    def choose(self, text, limit):
        """The config that `kiln new` writes; the one that was planned with, if any was."""
        kept = f"{text.name} {limit:g}"
        if kept in self.planned:
            return self.planned[kept]
        path = self.folder / "new.json"
        run([self.kiln, "new", "--data", text, "--for", f"{limit:g}s", "--output", path, "--overwrite", "--quiet"],
            self.folder)
        self.planned[kept] = json.loads(path.read_text(encoding="utf-8"))
        return self.planned[kept]

    def table(self, text, limit):
        config = self.choose(text, limit)
        chosen = self.train(config, text, limit, "kiln new")
        hands = [self.train(hand, text, limit, name) for name, hand in by_hand(config, text, limit)]
        best = min(hand["bits_per_byte"] for hand in hands)
        yield f"{text.name}, {text.stat().st_size / 1e6:.1f} MB, {limit:g} s a run, on {processor()[0]}:"
        yield ""
        yield "| config | parameters | steps | tokens | bits per byte | against the best by hand |"
        yield "|---|--:|--:|--:|--:|--:|"
        for result in sorted([chosen, *hands], key=lambda result: result["bits_per_byte"]):
            name = f"**kiln new**: {chosen['choice']}" if result is chosen else result["name"]
            yield (f"| {name} | {result['parameters']:,} | {result['steps']:,} | {result['tokens']:,} | "
                   f"{result['bits_per_byte']:.3f} | {100 * (result['bits_per_byte'] / best - 1):+.1f}% |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", type=Path, metavar="TEXT", help="default: data/tales.txt")
    parser.add_argument("--times", nargs="+", type=seconds_of, metavar="TIME", help="default: 20s")
    parser.add_argument("--kiln", default=HERE.parent / "build" / "kiln", metavar="PATH", help="default: build/kiln")
    parser.add_argument("--results", default="new_choices.jsonl", metavar="FILE",
                        help="what is done, a line a run; default: new_choices.jsonl")
    parser.add_argument("--list", action="store_true", help="print what would be run, and how long it takes")
    parser.add_argument("--plan-only", action="store_true", help="write --results' plans for --by-steps, and train nothing")
    parser.add_argument("--by-steps", action="store_true", help="train by the steps that --plan-only found, not by time")
    arguments = parser.parse_args()
    texts = [text.resolve() for text in arguments.texts or [HERE.parent / "data" / "tales.txt"]]
    pairs = [(text, limit) for text in texts for limit in arguments.times or [20.0]]
    if arguments.list:
        for text, limit in pairs:
            print(f"{text.name}, {limit:g} s: kiln new and {len(SHORT)} by hand, {10 * limit / 60:.0f} minutes")
        return
    with tempfile.TemporaryDirectory(prefix="kiln-choices-") as name:
        campaign = Campaign(arguments, Path(name))
        for text, limit in pairs:
            if arguments.plan_only:
                campaign.plan(text, limit)
                continue
            for line in campaign.table(text, limit):
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
