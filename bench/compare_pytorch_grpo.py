#!/usr/bin/env python3
"""Times a GRPO step in kiln and in plain PyTorch, in turn, and kiln's drawing against its batched decoding.

    python3 bench/compare_pytorch_grpo.py build/bench/kiln_rollout_speed --rounds 5

16 prompts of 32 tokens, 8 answers each of 16 to 128 tokens, the quickstart's width and depth as a GPT-2, fp32. Prints a table,
or JSON with --json.
"""
import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="kiln_rollout_speed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="of a process")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kiln, pytorch = [], []
    for _ in range(options.rounds):
        kiln.append(run([options.program, str(options.steps)]))
        pytorch.append(run([sys.executable, str(HERE / "pytorch_grpo.py"), str(options.steps)]))
    median = lambda rows, key: statistics.median(row[key] for row in rows)
    ratios = [p["seconds"] / k["seconds"] for k, p in zip(kiln, pytorch)]
    drawing = [k["rollout_tokens_per_second"] / k["batched_tokens_per_second"] for k in kiln]
    result = {
        "kiln_seconds": median(kiln, "seconds"), "pytorch_seconds": median(pytorch, "seconds"),
        "kiln_answer_tokens": median(kiln, "answer_tokens"), "pytorch_answer_tokens": median(pytorch, "answer_tokens"),
        "times_as_fast": statistics.median(ratios), "least": min(ratios), "most": max(ratios),
        "rollout_tokens_per_second": median(kiln, "rollout_tokens_per_second"),
        "batched_tokens_per_second": median(kiln, "batched_tokens_per_second"),
        "drawing_share": statistics.median(drawing),
    }
    if options.json:
        return print(json.dumps(result, indent=1))
    print(f"a step: kiln {result['kiln_seconds']:.2f} s ({result['kiln_answer_tokens']:.0f} tokens of answers), "
          f"PyTorch {result['pytorch_seconds']:.2f} s ({result['pytorch_answer_tokens']:.0f}): "
          f"{result['times_as_fast']:.2f} times ({result['least']:.2f} to {result['most']:.2f})")
    print(f"drawing: {result['rollout_tokens_per_second']:.0f} tokens/s, batched decoding of 64 "
          f"{result['batched_tokens_per_second']:.0f}: {result['drawing_share']:.2f}")


if __name__ == "__main__":
    main()
