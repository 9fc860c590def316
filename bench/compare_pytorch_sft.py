#!/usr/bin/env python3
"""Supervised tokens a second of finetuning on conversations, in kiln and in PyTorch, on the same data, in turn.

    /usr/bin/python3 bench/compare_pytorch_sft.py chats.json --tokenizer gpt2     # GPT-2's vocab.json and merges.txt

The model is a GPT-2 of 124M in fp32. A round is a process of `kiln train`, one of PyTorch that pads the conversations
of a batch to the longest, as TRL's trainer does by default, and one of PyTorch that lays them end to end
(pytorch_sft.py). PyTorch takes --batch conversations a step; kiln fills as many rows as so many have on average. A step
is forward, backward, gradient clipping and AdamW. Prints a Markdown table; progress goes to stderr. Standard library
and PyTorch only.
"""
import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from pathlib import Path

from compare_pytorch import HERE, MODELS, CompareError, PyTorch, at_least, config_of, machine, note, run, run_json

MODEL = "gpt2-124M"
MOST_CONTEXT = 1024
LAYOUTS = {
    "kiln": "kiln",
    "padded": "PyTorch, padded to the longest of the batch",
    "packed": "PyTorch, end to end",
}


def sft_config(options, n_ctx, batch_size):
    """kiln's config of the finetuning, with a batch of so many rows of n_ctx."""
    config = config_of(MODEL, "fp32", options.warmup + options.steps)
    config["tokenizer"] = {"path": str(options.tokenizer.resolve())}
    config["chat"] = {"template": "plain"}  # has no tokens of its own
    config["objective"] = {"type": "sft"}
    config["data"] = {"train": [str(options.data.resolve())], "validation_fraction": 0}
    config["model"].update(n_ctx=n_ctx, n_layers=options.layers)
    config["train"].update(batch_size=batch_size, eval_every=0, log_every=1, tensorboard=False)
    return config


class Data:
    """The conversations in the order of the run, as kiln reads them, and the batch size that holds --batch of them."""

    def __init__(self, kiln, folder, options):
        self.path = folder / "sft.json"
        first = self.show(kiln, folder, options, MOST_CONTEXT, 1, 0)["census"]
        longest = min(first["longest"] - 1, MOST_CONTEXT)
        self.n_ctx = 64 * math.ceil(longest / 64)
        mean_rows = first["tokens"] / first["examples"] - 1
        self.batch_size = max(1, round(options.batch * mean_rows / self.n_ctx))
        self.steps = options.warmup + options.steps
        rows = max(options.batch, self.batch_size * self.n_ctx)  # each conversation has one row at least
        shown = self.show(kiln, folder, options, self.n_ctx, self.batch_size, self.steps * rows)
        self.conversations, self.census = shown["examples"], shown["census"]
        if len(self.conversations) < options.batch:
            raise CompareError(f"{options.data}: holds fewer than {options.batch} conversations; lower --batch")

    def show(self, kiln, folder, options, n_ctx, batch_size, count):
        self.path.write_text(json.dumps(sft_config(options, n_ctx, batch_size)), encoding="utf-8")
        shown, _ = run_json([kiln, "data", "show", self.path, "--json", "--count", count], folder, "examples", "census")
        return shown

    def conversation(self, k):
        """Conversation k of the run; later epochs repeat the first, whose lengths they share."""
        return self.conversations[k % len(self.conversations)]

    def batches(self, size):
        return [[self.conversation(step * size + b) for b in range(size)] for step in range(self.steps)]


def time_kiln(kiln, folder, data, options):
    """Takes the run's steps; returns the seconds and supervised tokens of those timed."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        root = Path(name) / "run"
        run([kiln, "train", data.path, "--run", root], folder)
        lines = (root / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["loss"] is not None]
    steps, k, tokens = [], 0, 0
    for before, row in zip([None, *rows], rows):
        supervised = 0
        while tokens < row["tokens"]:  # the conversations of this step
            conversation = data.conversation(k)
            tokens += len(conversation["ids"]) - 1
            supervised += sum(conversation["supervised"][1:])
            k += 1
        if before is not None and row["step"] > options.warmup:
            steps.append({"seconds": row["seconds"] - before["seconds"], "supervised": supervised, "loss": row["loss"]})
    return steps


def time_pytorch(form, folder, data, options):
    shape = {**MODELS[MODEL], "T": data.n_ctx, "L": options.layers}
    request = {"shape": shape, "form": form, "warmup": options.warmup, "batches": data.batches(options.batch)}
    path = folder / f"{form}.json"
    path.write_text(json.dumps(request), encoding="utf-8")
    result, _ = run_json([sys.executable, HERE / "pytorch_sft.py", path], folder, "steps")
    return result["steps"]


def speed(steps):
    """Supervised tokens a second of a process's timed steps."""
    return sum(step["supervised"] for step in steps) / sum(step["seconds"] for step in steps)


def compare(kiln, folder, data, options):
    rounds = []
    for i in range(options.rounds):
        speeds = {}
        for layout in LAYOUTS:
            is_kiln = layout == "kiln"
            steps = time_kiln(kiln, folder, data, options) if is_kiln else time_pytorch(layout, folder, data, options)
            speeds[layout] = speed(steps)
        note(
            f"round {i + 1} of {options.rounds}, supervised tokens/s: kiln {speeds['kiln']:.1f}, "
            f"PyTorch padded {speeds['padded']:.1f}, end to end {speeds['packed']:.1f}"
        )
        rounds.append(speeds)
    return rounds


def table(rounds):
    """Markdown: medians over the rounds, the ratio taken within each round."""
    lines = ["| | supervised tokens/s | kiln is faster by |", "|---|--:|--:|"]
    for layout, name in LAYOUTS.items():
        ratios = [speeds["kiln"] / speeds[layout] for speeds in rounds]
        against = f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
        median = statistics.median(speeds[layout] for speeds in rounds)
        lines.append(f"| {name} | {median:,.1f} | {'' if layout == 'kiln' else against} |")
    return "\n".join(lines)


def describe(found, data, options):
    """The lines above the table."""
    census = data.census
    return (
        f"{found['processor']} ({' '.join(found['instructions'])}), {found['threads']} threads on {found['cores']} "
        f"cores, {found['system']}; PyTorch {found['torch']} with {found['blas']}.\n"
        f"{options.data.name}: {census['examples']:,} conversations of up to {data.n_ctx} tokens, on average "
        f"{census['tokens'] / census['examples']:.0f}, {100 * census['supervised_share']:.0f}% of them supervised; "
        f"{census['too_long']} longer ones left out.\n"
        f"{options.layers} layers. PyTorch takes {options.batch} conversations a step, kiln as many as fit into "
        f"{data.batch_size} x {data.n_ctx} tokens. Rounds, in turn: {options.rounds}; steps timed in each: {options.steps}, after {options.warmup} of "
        f"warm-up. Medians (least to most). Load before: {found['load_before']}."
    )


def read_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="conversations, .jsonl or .json, as kiln reads them")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, metavar="PATH", help="GPT-2's tokenizer.json, or folder of vocab.json"
    )
    program = HERE.parent / "build" / "kiln"
    parser.add_argument("--kiln", type=Path, default=program, metavar="PATH", help="default: build/kiln")
    parser.add_argument(
        "--layers", type=at_least(1), default=MODELS[MODEL]["L"], metavar="N", help="of the model; default: 12"
    )
    parser.add_argument("--batch", type=at_least(1), default=8, metavar="N", help="conversations a step; default: 8")
    parser.add_argument("--rounds", type=at_least(1), default=3, metavar="N", help="of all three; default: 3")
    parser.add_argument("--steps", type=at_least(1), default=5, metavar="N", help="timed in each process; default: 5")
    parser.add_argument("--warmup", type=at_least(1), default=2, metavar="N", help="steps before those; default: 2")
    parser.add_argument("--json", action="store_true", help="print every round as JSON in place of the table")
    options = parser.parse_args()
    options.models = [MODEL]  # for PyTorch's description
    return options


def compare_all(options):
    kiln = options.kiln.resolve()
    if not os.access(kiln, os.X_OK) or kiln.is_dir():
        raise CompareError(f"{options.kiln}: no such program; build kiln, or say where it is with --kiln")
    with tempfile.TemporaryDirectory(prefix="kiln-compare-") as name:
        folder = Path(name).resolve()
        found = machine(PyTorch(folder, options).about)
        if found["load_before"] > 0.5:
            note(f"the load of this machine is {found['load_before']}: something else runs, and will be in the figures")
        data = Data(kiln, folder, options)
        rounds = compare(kiln, folder, data, options)
    if options.json:
        print(json.dumps({"machine": found, "census": data.census, "rounds": rounds}, indent=2))
    else:
        print(f"{describe(found, data, options)}\n\n{table(rounds)}")


def main():
    try:
        compare_all(read_options())
    except CompareError as error:
        sys.exit(f"compare_pytorch_sft.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
