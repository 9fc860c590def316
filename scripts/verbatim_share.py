#!/usr/bin/env python3
"""Share of the 8-word spans of generated texts that stand verbatim in a training text.

    kiln sample RUN --samples 50 --json > samples.json
    python3 scripts/verbatim_share.py samples.json data/tales.txt

Words are what white space separates; case and punctuation count. Standard library only.
"""
import json
import sys

SPAN = 8


def spans(text):
    words = text.split()
    return [tuple(words[i:i + SPAN]) for i in range(len(words) - SPAN + 1)]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        samples = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        known = set(spans(file.read()))
    found = [span for sample in samples for span in spans(sample["text"])]
    verbatim = sum(span in known for span in found)
    print(f"{verbatim} of {len(found)} spans of {SPAN} words stand in the training text: {verbatim / len(found):.1%}")


if __name__ == "__main__":
    main()
