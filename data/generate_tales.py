#!/usr/bin/env python3
"""Generate data/tales.txt: a corpus of short tales for training kiln.

    python3 data/generate_tales.py --seed 7 --bytes 1050000 --output data/tales.txt
    python3 data/generate_tales.py --stats          # count the figures of the file

The same seed gives the same bytes on every Python >= 3.9: the only source of
chance is random.Random(seed).random(), whose sequence Python guarantees.

How a tale comes about
    1. A plot is drawn from PLOTS (tale_plots.py), each plot equally often.
    2. Its cast is drawn from the word tables (tale_words.py): hero, friend,
       town, season, and what the plot needs (a thing, an animal, a crop, ...).
    3. One version of each paragraph is expanded (the syntax is described in
       tale_plots.py), and spaces, capitals and a/an are put right.
    4. That is done a few times over, and the candidate that repeats the fewest
       8-word spans of the tales written so far is kept.

To add a plot, add a plot(...) call to tale_plots.py; nothing else is needed.
"""

import argparse
import os
import random
import re
import sys

sys.dont_write_bytecode = True

from tale_plots import PLOTS  # noqa: E402
from tale_words import (KIN_F, KIN_M, MEN, POOLS, SEASONS, TOWNS,  # noqa: E402
                        TRADES, WOMEN)

SEPARATOR = "<|endoftext|>"
SPAN = 8                    # words in the spans whose repetition is measured
CANDIDATES = 8              # tales tried for each tale kept
MIN_WORDS, MAX_WORDS = 80, 250

FEMALE = {"he": "she", "him": "her", "his": "her", "self": "herself"}
MALE = {"he": "he", "him": "him", "his": "his", "self": "himself"}

HERO_ADJECTIVES = ["young", "poor", "skilled", "lonely", "cheerful", "quiet", "busy", "merry"]
GIVERS = ["an old sailor", "$h.his grandfather", "$h.his grandmother", "a dear friend",
          "$h.his great-aunt", "a queer old pilgrim", "$h.his godfather", "a travelling doctor"]

FREQUENT = {"said", "answer", "cried"}      # pools whose phrases may come again

SPEECH = set("said asked cried called shouted exclaimed answered replied whispered laughed "
             "told sobbed murmured added remarked wondered begged sighed".split())


# --- templates ---------------------------------------------------------------

TOKEN = re.compile(r"\$([a-z]+)(?:\.([a-z]+))?|\[([a-z]+(?:_[a-z]+)?)\]|([{|}])|([^$\[{|}]+)")
_parsed = {}


def parse(template):
    """Template text -> list of nodes: str, ('var', x, y), ('pool', p), ('alt', lists)."""
    if template not in _parsed:
        stack = [[[]]]                      # stack of lists of alternatives
        position = 0
        while position < len(template):
            match = TOKEN.match(template, position)
            if not match:
                raise ValueError("bad template near: " + template[position:position + 40])
            position = match.end()
            name, field, pool, brace, text = match.groups()
            if text:
                stack[-1][-1].append(text)
            elif name:
                stack[-1][-1].append(("var", name, field or "name"))
            elif pool:
                stack[-1][-1].append(("pool", pool))
            elif brace == "{":
                stack.append([[]])
            elif brace == "|":
                if len(stack) == 1:
                    raise ValueError("| outside braces: " + template)
                stack[-1].append([])
            else:
                alternatives = stack.pop()
                if not stack:
                    raise ValueError("too many }: " + template)
                stack[-1][-1].append(("alt", alternatives))
        if len(stack) != 1:
            raise ValueError("missing }: " + template)
        _parsed[template] = stack[0][0]
    return _parsed[template]


class Tale:
    """One tale in the making: its cast and the phrases it has used already."""

    def __init__(self, rng):
        self.rng = rng
        self.cast = {}
        self.used = set()

    def pick(self, items):
        return items[int(self.rng.random() * len(items))]

    def from_pool(self, name):
        """A phrase of the pool that this tale has not used, if one is left."""
        if name == "scene":
            name = "scene_" + self.cast["season"]["name"]
        fresh = [p for p in POOLS[name] if (name, p) not in self.used]
        phrase = self.pick(fresh or POOLS[name])
        if name not in FREQUENT:
            self.used.add((name, phrase))
        return self.expand(phrase)

    def expand(self, template):
        return "".join(self.node(node) for node in parse(template))

    def node(self, node):
        if isinstance(node, str):
            return node
        if node[0] == "alt":
            return "".join(self.node(n) for n in self.pick(node[1]))
        if node[0] == "pool":
            return self.from_pool(node[1])
        value = self.cast[node[1]][node[2]]
        return self.expand(value) if node[1] == "season" else value

    def fix(self, row):
        """A table row with its alternatives settled for this tale."""
        return {key: self.expand(cell) for key, cell in row.items()}

    def person(self, name, sex, avoid=None):
        trade = self.pick([row for row in TRADES if row["n"] != avoid])
        person = dict(FEMALE if sex == "f" else MALE, name=name)
        person.update(self.fix(trade))
        person["did"] = person["past"] + " " + person["goods"]
        person["arole"] = "a %s %s" % (self.pick(HERO_ADJECTIVES), person["n"])
        return person

    def thing(self, row):
        thing = self.fix(row)
        plain = thing["mat"] + " " + thing["n"]
        thing.update(a="a " + plain, the="the " + plain, full=thing["look"] + " " + plain)
        thing["from"] = self.expand(self.pick(GIVERS))
        return thing

    def choose_cast(self, plot):
        sex = self.pick("fm")
        names = (WOMEN, MEN) if sex == "f" else (MEN, WOMEN)
        self.cast["h"] = self.person(self.pick(names[0]), sex)
        other = "m" if sex == "f" else "f"
        self.cast["o"] = self.person(self.pick(names[1]), other, self.cast["h"]["n"])
        self.cast["kin"] = {"n": self.pick(KIN_F + KIN_M)}
        self.cast["town"] = self.fix(self.pick(TOWNS))
        allowed = plot["seasons"]
        season = self.pick([s for s in SEASONS if not allowed or s["name"] in allowed])
        self.cast["season"] = dict(season, scene="[scene]")
        for name, table in plot["cast"].items():
            row = self.pick(table)
            self.cast[name] = self.thing(row) if name == "thing" else self.fix(row)

    def write(self, plot):
        self.choose_cast(plot)
        texts = [self.expand(self.pick(versions)) for versions in plot["paragraphs"]]
        return "\n\n".join(polish(text) for text in texts)


# --- mending -----------------------------------------------------------------

def article(match):
    """`a` or `an`, whichever the next word asks for."""
    word = match.group(2).lower()
    vowel = word[0] in "aeiou" and not re.match(r"one\b|once|use|usu|uni|eu", word)
    vowel = vowel or re.match(r"hour|honest|heir", word)
    return match.group(1) + ("n " if vowel else " ") + match.group(2)


def after_quote(match):
    """After ?" or !": lower case if the speaker is named next, else a new sentence."""
    rest = match.group(2)
    words = re.findall(r"[a-z]+", rest.split(",")[0].split(".")[0].lower())
    if SPEECH & set(words[:5]):
        return match.group(1) + rest
    return match.group(1) + rest[0].upper() + rest[1:]


def resume(match):
    """A quotation going on after `," he said, "`: lower case, except I."""
    word = match.group(2)
    return match.group(1) + (word if word == "I" else word[0].lower() + word[1:])


def polish(text):
    """Spaces, articles and capital letters of an expanded paragraph."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r" ([,.!?;:])", r"\1", text)
    text = re.sub(r"\b([Aa])n? (\w+)", article, text)
    text = re.sub(r"([.!?]) (\w)", lambda m: m.group(1) + " " + m.group(2).upper(), text)
    text = re.sub(r'(\.") (\w)', lambda m: m.group(1) + " " + m.group(2).upper(), text)
    text = re.sub(r'((?:^| )")(\w)', lambda m: m.group(1) + m.group(2).upper(), text)
    text = re.sub(r'([!?]" )([^"]+)', after_quote, text)
    text = re.sub(r'(," [^".!?:]*, ")(\w+)', resume, text)
    text = re.sub(r"\^+(\w)", lambda m: m.group(1).upper(), text)
    return text[0].upper() + text[1:]


# --- measures ----------------------------------------------------------------

def words_of(text):
    return re.findall(r"[a-z]+(?:['-][a-z]+)*", text.lower())


def sentences_of(text):
    """Sentences of a tale, split after . ! ? (and a closing quote) before a capital."""
    parts = []
    for paragraph in text.split("\n\n"):
        parts += re.split(r'(?:(?<=[.!?])|(?<=[.!?]"))\s+(?=["A-Z])', paragraph.strip())
    return [part for part in parts if part]


def spans_of(words):
    return [" ".join(words[i:i + SPAN]) for i in range(len(words) - SPAN + 1)]


def spans_within_tales(text):
    return [span for tale in text.split(SEPARATOR) for span in spans_of(words_of(tale))]


def acceptable(tale):
    sentences = [s for s in sentences_of(tale) if len(s) > 25]
    return (MIN_WORDS <= len(words_of(tale)) <= MAX_WORDS
            and len(sentences) == len(set(sentences)))


def report(text):
    """The counted figures of a corpus, as lines."""
    tales = text.strip().split("\n" + SEPARATOR + "\n")
    words = words_of(text.replace(SEPARATOR, " "))
    sentences = [s for tale in tales for s in sentences_of(tale)]
    cut = len(text) * 9 // 10
    head = set(spans_within_tales(text[:cut]))
    tail = spans_within_tales(text[cut:])
    lengths = sorted(len(words_of(tale)) for tale in tales)
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    rare = sum(1 for n in counts.values() if n < 5)
    return [
        "bytes                      %d" % len(text.encode("utf-8")),
        "tales                      %d" % len(tales),
        "words                      %d" % len(words),
        "words a tale               %d to %d, median %d"
        % (lengths[0], lengths[-1], lengths[len(lengths) // 2]),
        "distinct words             %d (%d of them seen fewer than 5 times)"
        % (len(counts), rare),
        "sentences                  %d" % len(sentences),
        "distinct sentences         %.1f %%" % (100.0 * len(set(sentences)) / len(sentences)),
        "8-word spans of the last 10 %% found in the first 90 %%: %.1f %%"
        % (100.0 * sum(span in head for span in tail) / len(tail)),
    ]


# --- the corpus --------------------------------------------------------------

def shuffled(items, rng):
    items = list(items)
    for i in range(len(items) - 1, 0, -1):
        j = int(rng.random() * (i + 1))
        items[i], items[j] = items[j], items[i]
    return items


def best_tale(plot, rng, seen):
    """The most novel of some candidate tales; its spans are added to `seen`."""
    best, best_score = None, None
    found = 0
    while found < CANDIDATES:
        tale = Tale(rng).write(plot)
        if not acceptable(tale):
            continue
        found += 1
        spans = spans_of(words_of(tale))
        score = sum(span in seen for span in spans) / len(spans)
        if best is None or score < best_score:
            best, best_score = tale, score
    seen.update(spans_of(words_of(best)))
    return best


def generate(seed, size):
    """A corpus of at least `size` bytes."""
    for season in SEASONS:                      # the alternatives become a pool
        POOLS["scene_" + season["name"]] = split_alternatives(season["scene"])
    rng = random.Random(seed)
    tales, total, seen, deck = [], 0, set(), []
    while total < size:
        if not deck:
            deck = shuffled(sorted(PLOTS), rng)
        tale = best_tale(PLOTS[deck.pop()], rng, seen)
        tales.append(tale)
        total += len(tale) + len(SEPARATOR) + 2
    return ("\n" + SEPARATOR + "\n").join(tales) + "\n"


def split_alternatives(text):
    """The outer alternatives of `{a|b|c}`, each still a template."""
    parts, depth = [""], 0
    for char in text[1:-1]:
        depth += (char == "{") - (char == "}")
        if char == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--bytes", type=int, default=1050000, help="least size of the corpus")
    parser.add_argument("--output", default=os.path.join(here, "tales.txt"))
    parser.add_argument("--stats", action="store_true",
                        help="write nothing; print the figures of the output file")
    args = parser.parse_args()
    if not args.stats:
        with open(args.output, "w", encoding="ascii", newline="\n") as file:
            file.write(generate(args.seed, args.bytes))
        print("wrote", args.output)
    else:
        with open(args.output, encoding="ascii") as file:
            print("\n".join(report(file.read())))


if __name__ == "__main__":
    main()
