#!/usr/bin/env python3
"""Whether two builds of kiln train to the same bytes: run it before and after a change that must alter no result.

    python3 bench/same_bytes.py --kiln build/kiln --output before.json    # records
    python3 bench/same_bytes.py --kiln build/kiln --compare before.json   # trains again and names what differs

Trains one short run for each architecture and option in RUNS, on data/tales.txt, in a fresh folder, on two threads. It
records the SHA-256 of the final weights, every logged loss to the last digit, the evaluation of the held-out text, and
a greedy and a seeded sample. Compare on one machine only: other processors round otherwise. Standard library only.
"""
import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOSSES = ("step", "loss", "grad_norm", "validation_loss", "bits_per_byte", "accuracy")

BASE = {
    "tokenizer.vocab_size": 320, "data.train": [str(HERE.parent / "data" / "tales.txt")],
    "model.n_layers": 2, "model.d_model": 64, "model.n_heads": 4, "model.n_ctx": 48,
    "train.steps": 20, "train.batch_size": 8, "train.eval_every": 10, "train.log_every": 1, "train.threads": 2,
    "schedule.warmup_steps": 5, "train.tensorboard": False,
}
LLAMA = {
    "model.position": "rope", "model.norm": "rmsnorm", "model.activation": "swiglu", "model.bias": False,
    "model.n_kv_heads": 2, "model.tie_embeddings": False,
}
RUNS = {  # each is trained as BASE with these changes
    "gpt2": {"model.activation": "gelu_new"},
    "llama with grouped queries": LLAMA,
    "alibi": {"model.position": "alibi"},
    "sinusoidal, heads of 24": {"model.position": "sinusoidal", "model.d_head": 24},
    "qk-norm with muon": {**LLAMA, "model.qk_norm": True, "optimizer.type": "muon"},
    "dropout": {"model.dropout": 0.1},
    "dropout in grouped queries": {**LLAMA, "model.dropout": 0.1},
    "recompute mlp": {"train.recompute": "mlp", "model.dropout": 0.1},
    "recompute block": {**LLAMA, "train.recompute": "block"},
    "bf16": {**LLAMA, "train.precision": "bf16"},
    "bf16 gpt2": {"train.precision": "bf16", "model.n_ctx": 96},
    "a batch of everything": {"train.batch_size": "all", "train.steps": 2, "train.eval_every": 1,
                              "data.validation_fraction": 0.3},
    "accumulation": {"train.gradient_accumulation": 3},
    "long context": {"model.n_ctx": 200, "train.batch_size": 2},
    "windows of 64": {"model.n_ctx": 64, "train.gradient_accumulation": 2},
    "windows of 64, bf16": {**LLAMA, "model.n_ctx": 64, "train.precision": "bf16", "optimizer.type": "muon"},
    "deterministic": {"train.deterministic": True, "train.batch_size": 7},
}


def nested(flat):
    """The JSON object of keys such as model.n_ctx."""
    config = {}
    for path, value in flat.items():
        *folders, key = path.split(".")
        place = config
        for folder in folders:
            place = place.setdefault(folder, {})
        place[key] = value
    return config


def record(kiln, name, folder):
    """What a run of RUNS comes to, as strings and numbers that must not change."""
    config, run = folder / "config.json", folder / "run"
    config.write_text(json.dumps(nested({**BASE, **RUNS[name]})), encoding="utf-8")

    def call(*arguments):
        done = subprocess.run([kiln, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode != 0:
            raise SystemExit(f"{name}: kiln {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    call("train", config, "--run", run, "--quiet")
    latest = run / "checkpoints" / (run / "checkpoints" / "latest").read_text(encoding="utf-8").strip()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    evaluation = json.loads(call("eval", run, "--json"))
    sample = ("sample", run, "Once there", "--max-tokens", "24")
    return {
        "weights": hashlib.sha256((latest / "model.safetensors").read_bytes()).hexdigest(),
        "losses": [{key: row[key] for key in LOSSES if key in row} for row in rows],
        "evaluation": {key: evaluation[key] for key in ("loss", "accuracy", "bits_per_byte", "tokens")},
        "greedy": call(*sample, "--greedy"),
        "seeded": call(*sample, "--seed", "5", "--samples", "3"),
    }


def differences(before, after):
    for name, then in before.items():
        for part, value in then.items():
            if name in after and after[name][part] != value:
                yield f"{name}: {part}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kiln", type=Path, default=HERE.parent / "build" / "kiln", help="default: build/kiln")
    parser.add_argument("--output", type=Path, help="write the record to this file")
    parser.add_argument("--compare", type=Path, help="a record to compare with")
    parser.add_argument("--only", nargs="+", choices=RUNS, metavar="NAME", help="these runs alone")
    arguments = parser.parse_args()
    results = {}
    for name in arguments.only or RUNS:
        print(name, file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="kiln-same-") as folder:
            results[name] = record(arguments.kiln.resolve(), name, Path(folder))
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=1), encoding="utf-8")
    if arguments.compare:
        found = list(differences(json.loads(arguments.compare.read_text(encoding="utf-8")), results))
        print("\n".join(found) or f"{len(results)} runs, the same to the bit")
        sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
