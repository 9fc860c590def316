#!/usr/bin/env python3
"""Generate the chats that teach a model of the tales to answer.

    python3 data/generate_chats.py --seed 11 --output data     # writes the five files
    python3 data/generate_chats.py --stats                     # counts the figures of the files
    python3 data/generate_chats.py --check                     # regenerates in memory, compares, looks for leaks

    chats.jsonl            for finetuning: {"messages": [{"role", "content"}, ...], "kind"} on each line
    chats_held_out.jsonl   the same, of combinations that chats.jsonl never uses
    chat_questions.jsonl   {"prompt", "completion", "kind"}: held-out questions with one right answer
    tale_requests.txt      requests for a tale, one on each line, of which answers are judged
    tale_requests_held_out.txt   the same, of combinations that the others never use

The same seed gives the same bytes on every Python >= 3.9: the only source of chance is
random.Random(seed).random(), whose sequence Python guarantees.

    chat_kinds.py     makes the exchanges of each kind of chat
    chat_split.py     says which combinations (sums, words, names with trades ...) are held out
    chat_stories.py   the very short tales
    chat_words.py     numbers, facts and small talk
"""

import argparse
import json
import os
import re
import sys

sys.dont_write_bytecode = True

from chat_kinds import KINDS, QUESTIONS, goodbye, hello  # noqa: E402
from chat_split import Chance, Split, World, reserved_keys  # noqa: E402
from chat_stories import prepare  # noqa: E402
from chat_words import NUMBERS, SYSTEMS  # noqa: E402

FILES = ("chats.jsonl", "chats_held_out.jsonl", "chat_questions.jsonl", "tale_requests.txt",
         "tale_requests_held_out.txt")
REQUESTS = (400, 300)       # to train on, held out

# Chats of each kind: to train on, held out.
COUNTS = {"arithmetic": (1700, 150), "numbers": (300, 40), "letters": (650, 60), "echo": (500, 40),
          "who": (720, 80), "story": (430, 50), "next": (430, 50), "small talk": (350, 50),
          "unknown": (350, 40), "world": (500, 60)}
MAX_BYTES = 680             # of the contents of a chat
MAX_EXCHANGES = 5


# --- making ------------------------------------------------------------------

def chat(kind, world):
    """One chat, as the object that a line holds."""
    chance = world.chance
    made = KINDS[kind](world)
    system, exchanges = made if isinstance(made, tuple) else (None, made)
    if kind != "small talk":
        if chance.likely(0.1):
            exchanges = [hello(chance)] + exchanges
        if chance.likely(0.12):
            exchanges = exchanges + [goodbye(chance)]
    if system is None and chance.likely(0.13):
        system = chance.pick(SYSTEMS)
    messages = [{"role": "system", "content": system}] if system else []
    for question, answer in exchanges:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages, "kind": kind}


def contents(line):
    return [message["content"] for message in line["messages"]]


def acceptable(line):
    asked = [m["content"] for m in line["messages"] if m["role"] == "user"]
    size = sum(len(text) for text in contents(line))
    return size <= MAX_BYTES and len(asked) <= MAX_EXCHANGES and len(asked) == len(set(asked))


def make_chats(world, which):
    """Chats of all kinds, mixed, each once."""
    lines, seen = [], set()
    for kind in sorted(COUNTS):
        for _ in range(COUNTS[kind][which]):
            while True:
                line = chat(kind, world)
                text = "\n".join(contents(line))
                if acceptable(line) and text not in seen:
                    break
            seen.add(text)
            lines.append(line)
    return world.chance.shuffled(lines)


def make_questions(world, avoid):
    """Questions with one right answer, none of which is in `avoid`."""
    lines, seen = [], set(avoid)
    for kind, count, make in QUESTIONS:
        for _ in range(count):
            for _ in range(1000):
                prompt, completion = make(world)
                if prompt not in seen:
                    break
            else:
                raise ValueError("too few held-out questions of the kind " + kind)
            seen.add(prompt)
            lines.append({"prompt": prompt, "completion": completion, "kind": kind})
    return lines


def make_requests(world, count, avoid):
    """Requests for a tale, each once, none of which is in `avoid`."""
    requests, seen = [], set(avoid)
    while len(requests) < count:
        (request, _), *_ = KINDS["story"](world)
        if request not in seen:
            seen.add(request)
            requests.append(request)
    return requests


def user_messages(lines):
    return [m["content"] for line in lines for m in line["messages"] if m["role"] == "user"]


def generate(seed):
    """The texts of FILES, and the combinations that the two halves use."""
    prepare()
    reserved = reserved_keys(Chance(seed))
    training, held_out = Split(reserved, False), Split(reserved, True)
    chats = make_chats(World(training, Chance(seed + 1)), 0)
    others = make_chats(World(held_out, Chance(seed + 2)), 1)
    questions = make_questions(World(held_out, Chance(seed + 3)), user_messages(chats))
    asked = user_messages(chats)
    requests = make_requests(World(training, Chance(seed + 4)), REQUESTS[0], [])
    other_requests = make_requests(World(held_out, Chance(seed + 5)), REQUESTS[1], asked + requests)
    texts = ["".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
             for lines in (chats, others, questions)]
    texts += ["".join(request + "\n" for request in lines) for lines in (requests, other_requests)]
    return texts, training.used, held_out.used


# --- leaks, looked for in the files themselves ---------------------------------

VALUES = dict({word: n for n, word in enumerate(NUMBERS)}, **{str(n): n for n in range(len(NUMBERS))})
NUMBER = r"\b(%s)\b" % "|".join(sorted(VALUES, key=len, reverse=True))
SUM = re.compile(NUMBER + r" (\+|plus|-|minus|times) " + NUMBER + r"(?: =|\?)", re.I)
TOLD_SUM = re.compile(r"has (\d+) .*(finds|brings) (\d+)|has (\d+) .*(loses|gives) (\d+)")
SPELT = re.compile(r"\b[a-z](?:-[a-z])+\b")
TRADE = re.compile(r"\b(?!He|She)([A-Z][a-z]+)(?: is an?| the) ([a-z]+(?: maker| builder| blower| seller)?)\b")


def combinations(texts):
    """Sums, spelt words and names with trades found in texts; sums without regard to order."""
    found = set()
    for text in texts:
        for a, sign, b in SUM.findall(text):
            a, b = VALUES[a.lower()], VALUES[b.lower()]
            sign = {"plus": "+", "minus": "-"}.get(sign, sign)
            found.add((sign,) + ((a, b) if sign == "-" else tuple(sorted((a, b)))))
        for a, _, b, c, _, d in TOLD_SUM.findall(text):
            found.add(("-", int(c), int(d)) if c else ("+",) + tuple(sorted((int(a), int(b)))))
        found.update(("spelt", word) for word in SPELT.findall(text))
        found.update(("quoted", word) for word in re.findall(r'(?:Spell|in|word|of|is) "([a-z]+)"', text))
        found.update(("trade",) + pair for pair in TRADE.findall(text))
    return found


def leaks(chats, others, questions):
    """What of the held-out sums, words and people is in the training chats; and whole questions."""
    trained = combinations(text for line in chats for text in contents(line))
    kinds = ("arithmetic", "letters", "echo", "who")
    held = combinations(text for line in others if line["kind"] in kinds for text in contents(line))
    held |= combinations(q[part] for q in questions if q["kind"] in kinds for part in ("prompt", "completion"))
    asked = set(user_messages(chats))
    return sorted(trained & held) + [q["prompt"] for q in questions if q["prompt"] in asked]


# --- figures -----------------------------------------------------------------

def read(folder):
    texts = []
    for name in FILES:
        with open(os.path.join(folder, name), encoding="ascii", newline="") as file:
            texts.append(file.read())
    return texts


def prefixes(lines):
    """What each user message ends: the chat up to it."""
    return ["\n".join(contents(line)[:i + 1]) for line in lines
            for i, message in enumerate(line["messages"]) if message["role"] == "user"]


def parsed(text):
    return [json.loads(line) for line in text.splitlines()]


def report(texts):
    """The counted figures of the files, as lines."""
    texts = texts[:3]
    chats, others, questions = [parsed(text) for text in texts]
    asked = set(user_messages(chats))
    lines = ["                       chats  held out  questions",
             "bytes              %9d %9d %10d" % tuple(len(text) for text in texts),
             "lines              %9d %9d %10d" % (len(chats), len(others), len(questions))]
    for kind in COUNTS:
        lines.append("%-18s %9d %9d %10d" % (("  " + kind,) + tuple(
            sum(line["kind"] == kind for line in part) for part in (chats, others, questions))))
    sizes = sorted(sum(len(text) for text in contents(line)) for line in chats)
    answers = [m["content"] for line in chats for m in line["messages"] if m["role"] == "assistant"]
    exchanges = len(answers)
    systems = sum(line["messages"][0]["role"] == "system" for line in chats)
    lines += [
        "of the %d training chats:" % len(chats),
        "  exchanges              %d, %.1f a chat, at most %d" % (
            exchanges, exchanges / len(chats), max(len(user_messages([line])) for line in chats)),
        "  with a system message  %.1f %%" % (100.0 * systems / len(chats)),
        "  bytes of contents      %d to %d, median %d, 95 %% below %d" % (
            sizes[0], sizes[-1], sizes[len(sizes) // 2], sizes[len(sizes) * 95 // 100]),
        "  distinct answers       %.1f %%" % (100.0 * len(set(answers)) / exchanges),
        "held-out user messages that the training chats have word for word; with all that was said before:"]
    trained = set(prefixes(chats))
    for kind in COUNTS:
        these = [line for line in others if line["kind"] == kind]
        said, begun = user_messages(these), prefixes(these)
        lines.append("  %-14s %5.1f %% %8.1f %% of %d" % (
            kind, 100.0 * sum(text in asked for text in said) / len(said),
            100.0 * sum(text in trained for text in begun) / len(said), len(said)))
    lines.append("held-out combinations found in the training chats: %d" % len(leaks(chats, others, questions)))
    return lines


def check(folder, seed):
    """What is wrong with the files in a folder, as lines."""
    texts, training, held_out = generate(seed)
    wrong = [name + " is not what seed %d gives" % seed for name, text, found in zip(FILES, texts, read(folder))
             if text != found]
    wrong += ["leaked: %r" % (key,) for key in sorted(training & held_out, key=str)]
    wrong += ["leaked: %r" % (key,) for key in leaks(*[parsed(text) for text in texts[:3]])]
    return wrong


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--output", default=here, help="folder of the files")
    parser.add_argument("--stats", action="store_true", help="write nothing; print the figures of the files")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the files differ or leak")
    args = parser.parse_args()
    if args.stats:
        print("\n".join(report(read(args.output))))
    elif args.check:
        wrong = check(args.output, args.seed)
        print("\n".join(wrong) or "the chats are what the seed gives, and nothing leaks")
        sys.exit(1 if wrong else 0)
    else:
        for name, text in zip(FILES, generate(args.seed)[0]):
            with open(os.path.join(args.output, name), "w", encoding="ascii", newline="\n") as file:
                file.write(text)
            print("wrote", os.path.join(args.output, name))


if __name__ == "__main__":
    main()
