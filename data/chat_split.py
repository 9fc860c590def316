"""Chance, and which combinations are kept out of the training chats.

A combination is a key such as ("sum", 3, 9), ("person", "Ursa", "weaver") or ("thing", "silver comb").
About a tenth of each sort is reserved: the training chats never use a reserved one, and the chats
held out use only reserved ones. Every use is noted, so that a test can tell that nothing leaked.
"""

import random

from chat_words import NUMBERS, facts, spelling_words
from chat_words import MOOD_FORMS, MOODS, NAMED_GREETINGS, UNKNOWN
from tale_words import (CONTESTS, CROPS, FEARS, KIN_F, KIN_M, LODGERS, MACHINES, MEN, STRAYS, THINGS, TOWNS,
                        TRADES, WISE, WOMEN)

TOP = len(NUMBERS) - 1      # no larger number occurs
TEN = 10                    # no sum adds larger ones
PEOPLE = WOMEN + MEN
TOWN_NAMES = [row["name"] for row in TOWNS]
FIXED_THINGS = ("silver whistle", "brass compass")      # they stand in the word tables' sentences


class Chance:
    """The only source of chance; `random()` has the same sequence on every Python."""

    def __init__(self, seed):
        self.random = random.Random(seed).random
        self.decks = {}

    def below(self, n):
        return int(self.random() * n)

    def pick(self, items):
        return items[self.below(len(items))]

    def likely(self, share):
        return self.random() < share

    def shuffled(self, items):
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items

    def deal(self, name, items):
        """The next card of a shuffled deck: every item comes equally often."""
        if not self.decks.get(name):
            self.decks[name] = self.shuffled(items)
        return self.decks[name].pop()


def alternatives(row, *columns):
    """Every way to say the cells of a row, as `a b`: the cells hold `{x|y}` or plain words."""
    ways = [""]
    for column in columns:
        cell = row[column]
        choices = cell[1:-1].split("|") if cell.startswith("{") else [cell]
        ways = [(way + " " + choice).strip() for way in ways for choice in choices]
    return ways


def sums():
    """Of two numbers up to ten, the smaller one first; both orders are held out together."""
    return [("sum", a, b) for a in range(TEN + 1) for b in range(a, TEN + 1)]


def differences():
    """What undoes the sums: 20 - 10, but not 20 - 3."""
    return [("difference", b + c, b) for b in range(TEN + 1) for c in range(TEN + 1)]


def products():
    return [("product", a, b) for a in range(1, TEN + 1) for b in range(a, TEN + 1) if a * b <= TOP]


def inner(key):
    """Whether a sum is not on the rim of its table, where fewer neighbours teach it."""
    _, a, b = key
    return min(a, b) >= 2 and max(a, b) <= (TEN - 1 if key[0] == "sum" else TOP - 2) and a != b


def unknown_fillers():
    return {"town": TOWN_NAMES, "kin": KIN_F + KIN_M, "name": PEOPLE, "thing": [row["n"] for row in THINGS],
            "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()}


def slot_of(question):
    for slot in unknown_fillers():
        if "{" + slot + "}" in question:
            return slot
    raise ValueError("no slot in: " + question)


def reserved_keys(chance):
    """The keys that are kept out of the training chats."""
    kept = set()

    def reserve(keys, count):
        kept.update(chance.shuffled(keys)[:count])

    reserve([key for key in sums() if inner(key)], 6)
    reserve([key for key in differences() if inner(key)], 12)
    reserve([key for key in products() if key[1] >= 2 and key[1] != key[2]], 2)
    reserve([("more", a, b) for a in range(1, TOP) for b in range(a + 1, TOP + 1)], 30)
    reserve([("from", a, b) for a in range(1, TOP) for b in range(a + 2, min(a + 8, TOP + 1))], 14)
    reserve([("back", a, b) for a in range(3, TOP + 1) for b in range(max(a - 7, 0), a - 1)], 14)
    reserve([(way, n, form) for way in ("after", "before") for n in range(2, TOP - 1) for form in (0, 1)], 10)
    reserve([("word", word) for word in spelling_words()], 120)
    for name in PEOPLE:
        reserve([("person", name, row["n"]) for row in TRADES], 3)
        reserve([("home", name, town) for town in TOWN_NAMES], 2)
        reserve([("feared", name, row["n"]) for row in FEARS], 1)
        reserve([("greeting", name, form) for form in NAMED_GREETINGS], 1)
    reserve([("pair", woman, man) for woman in WOMEN for man in MEN], 58)
    for town in TOWN_NAMES:
        reserve([("machine", town, row["n"]) for row in MACHINES], 1)
        reserve([("crop", town, row["n"]) for row in CROPS], 2)
        reserve([("contest", town, row["n"]) for row in CONTESTS], 1)
    things = [way for row in THINGS for way in alternatives(row, "mat", "n") if way not in FIXED_THINGS]
    reserve([("thing", way) for way in things], 12)
    for sort, table in (("stray", STRAYS), ("stray", LODGERS), ("wise", WISE)):
        reserve([(sort, way) for row in table for way in alternatives(row, "adj", "n")], 5)
    for row in UNKNOWN:
        fillers = unknown_fillers()[slot_of(row["q"])]
        reserve([("unknown", row["q"], filler) for filler in fillers], len(fillers) // 7)
    for row in MOODS:
        reserve([("mood", row["n"], form) for form in MOOD_FORMS], 1)
    forms = {}
    for subject, form, _, _ in facts():
        forms.setdefault(subject, []).append(("fact", subject, form))
    for subject in chance.shuffled(sorted(s for s in forms if len(forms[s]) >= 3))[:len(forms) // 3]:
        reserve(forms[subject], 1)
    return kept


class Split:
    """What one half of the chats may use, and what it has used."""

    def __init__(self, reserved, held_out):
        self.reserved, self.held_out, self.used = reserved, held_out, set()

    def may(self, key):
        return (key in self.reserved) == self.held_out

    def use(self, key):
        if not self.may(key):
            raise ValueError("a combination of the other half: %r" % (key,))
        self.used.add(key)

    def those(self, keys):
        return [key for key in keys if self.may(key)]

    def draw(self, chance, keys, deck=None):
        """One of the keys that this half may use, all equally often; equal decks hold equal keys."""
        keys = self.those(keys)
        key = chance.deal(deck or keys[0][0], keys)
        self.use(key)
        return key


class World:
    """People, things and animals in combinations that the split allows."""

    def __init__(self, split, chance):
        self.split, self.chance = split, chance

    def person(self, name=None, avoid=()):
        """A person with a trade and a town, none of them among `avoid`."""
        name = name or self.chance.pick([n for n in PEOPLE if n not in avoid])
        trade = self.chance.pick([row for row in TRADES if self.split.may(("person", name, row["n"]))
                                  and row["n"] not in avoid])
        town = self.chance.pick([row for row in TOWNS if self.split.may(("home", name, row["name"]))
                                 and row["name"] not in avoid])
        self.split.use(("person", name, trade["n"]))
        self.split.use(("home", name, town["name"]))
        return {"name": name, "sex": "f" if name in WOMEN else "m", "row": trade, "town_row": town,
                "n": trade["n"], "town": town["name"]}

    def couple(self):
        """Two people of different sex, in either order, with different trades."""
        key = self.split.draw(self.chance, [("pair", woman, man) for woman in WOMEN for man in MEN])
        names = self.chance.shuffled(key[1:])
        while True:
            first = self.person(names[0])
            second = self.person(names[1])
            if first["n"] != second["n"] and first["town"] != second["town"]:
                return first, second

    def things(self):
        """Rows of THINGS, each with one material, that this half may use."""
        return [dict(row, mat=way.rsplit(" ", 1)[0]) for row in THINGS for way in alternatives(row, "mat", "n")
                if self.split.may(("thing", way))]

    def thing(self, avoid=()):
        row = self.chance.pick([row for row in self.things() if row["n"] not in avoid])
        self.split.use(("thing", row["mat"] + " " + row["n"]))
        return row

    def rows_of(self, name, table, town, hero):
        """The rows of a story's table that this half may use; the drawn one is noted by `note`."""
        if name == "thing":
            return self.things()
        if name in ("stray", "wise"):
            return [dict(row, adj=way[:-len(row["n"]) - 1]) for row in table
                    for way in alternatives(row, "adj", "n") if self.split.may((name, way))]
        if name == "fear":
            return [row for row in table if self.split.may(("feared", hero, row["n"]))]
        if name in ("machine", "crop", "contest"):
            return [row for row in table if self.split.may((name, town, row["n"]))]
        return table

    def note(self, tale):
        """Notes the combinations that a story has drawn."""
        cast = tale.cast
        for name in tale.plot["cast"]:
            if name == "thing":
                self.split.use(("thing", cast[name]["mat"] + " " + cast[name]["n"]))
            elif name in ("stray", "wise"):
                self.split.use((name, cast[name]["adj"] + " " + cast[name]["n"]))
            elif name == "fear":
                self.split.use(("feared", cast["h"]["name"], cast[name]["n"]))
            elif name in ("machine", "crop", "contest"):
                self.split.use((name, cast["town"]["name"], cast[name]["n"]))

