#!/usr/bin/env python3
"""How kiln's cost per token grows: with the length of the context, and with the number of steps taken.

    python3 bench/scaling.py            # some minutes; prints two Markdown tables

The first table times `kiln bench` on a model whose context grows while a step keeps its 4,096 tokens; the second divides
one long run of `kiln train`, on the tales that ship with kiln, into tenths. Standard library only.
"""
import argparse
import json
import statistics
import tempfile
from pathlib import Path

from compare_pytorch import HERE, run, run_json

TOKENS_PER_STEP = 4096
CONTEXTS = (128, 256, 512, 1024, 2048, 4096)
STEPS = 4000


def config_of(context, steps, data):
    return {
        "name": "scaling",
        "tokenizer": {"type": "byte"},
        "data": {"train": [str(data)], "validation_fraction": 0},
        "model": {"n_layers": 4, "d_model": 256, "n_heads": 4, "n_ctx": context, "position": "rope"},
        "train": {"steps": steps, "batch_size": TOKENS_PER_STEP // context, "eval_every": 0, "checkpoint_every": 0,
                  "sample_every": 0},
    }


def write(folder, config):
    path = folder / "scaling.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def context_table(kiln, folder, data):
    """A token's cost in microseconds, and the share of it that is attention's own."""
    yield "| context | a token's cost | attention | everything else |"
    yield "|--:|--:|--:|--:|"
    for context in CONTEXTS:
        report, _ = run_json([kiln, "bench", write(folder, config_of(context, 1, data)), "--json"], folder, "parts")
        total = report["ms_per_step"] * 1e3 / TOKENS_PER_STEP
        attention = report["parts"]["attention"] * 1e3 / TOKENS_PER_STEP
        yield f"| {context:,} | {total:.2f} µs | {attention:.2f} µs | {total - attention:.2f} µs |"


def step_table(kiln, folder, data):
    """The median cost of a token in each tenth of a run."""
    config = config_of(64, STEPS, data)
    config["model"].update(n_layers=2, d_model=64)
    config["train"].update(batch_size=16, log_every=20)
    run([kiln, "train", write(folder, config), "--run", folder / "run", "--quiet"], folder)
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    costs = [1e6 / row["tokens_per_second"] for row in rows]
    tenth = len(costs) // 10
    yield "| steps | a token's cost |"
    yield "|---|--:|"
    for i in range(10):
        part = costs[i * tenth : (i + 1) * tenth]
        yield f"| {i * STEPS // 10 + 1:,} to {(i + 1) * STEPS // 10:,} | {statistics.median(part):.2f} µs |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", default=HERE.parent / "build" / "kiln", metavar="PATH", help="default: build/kiln")
    kiln, data = Path(parser.parse_args().kiln).resolve(), HERE.parent / "data" / "tales.txt"
    with tempfile.TemporaryDirectory(prefix="kiln-scaling-") as name:
        for table in (context_table, step_table):
            for line in table(kiln, Path(name), data):
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
