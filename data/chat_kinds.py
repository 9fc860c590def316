"""The kinds of chats. Each function below makes the exchanges of one chat.

An exchange is (question, answer). A function gets the World of its half and returns a list of
exchanges, or (system message, list). Where an answer is the only right one, its form follows from
the form of the question. The functions that QUESTIONS names return such an exchange alone.
"""

from chat_stories import ASKS, NEXT, STORIES, Short
from chat_split import (TOP, differences, products, slot_of, spelling_words, sums, unknown_fillers)
from chat_words import (BYES, BYE_BACK, COLOURS, COUNTED, END, GREETINGS, HOW, MOODS, MOOD_FORMS, NAMED_GREETINGS,
                        NIGHTS, NOTED, NUMBERS, SELF, SLEEP, THANKS, UNKNOWN, WELCOMES, WELCOME_BACK, WELL, WHY_NOT,
                        facts)
from generate_tales import Tale, polish
from tale_words import MEN, POOLS, WOMEN

FACTS = facts()


def an(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def capital(text):
    return text[0].upper() + text[1:]


# --- numbers -----------------------------------------------------------------

FORMS = {
    "sum": [("What is %s + %s?", "It is %s."), ("%s + %s = ?", "The answer is %s."),
            ("How much is %s plus %s?", "That makes %s.")],
    "difference": [("What is %s - %s?", "It is %s."), ("%s - %s = ?", "The answer is %s."),
                   ("How much is %s minus %s?", "That leaves %s.")],
    "product": [("What is %s times %s?", "It is %s."), ("How much is %s times %s?", "That makes %s.")],
}
KEYS = {"sum": sums(), "difference": differences(), "product": products()}


def counted(number, thing):
    one, many = thing.split("/")
    return "%d %s" % (number, one if number == 1 else many)


def told_sum(world, sort, a, b, c):
    """A sum as a little tale."""
    chance = world.chance
    thing = chance.pick(COUNTED)
    many = thing.split("/")[1]
    name, friend = chance.shuffled([chance.pick(WOMEN), chance.pick(MEN)])
    he = "she" if name in WOMEN else "he"
    if sort == "sum":
        q, a = chance.pick([
            ("%s has %s and finds %s. How many %s has %s now?"
             % (name, counted(a, thing), counted(b, thing), many, he),
             "%s has %s now." % (capital(he), counted(c, thing))),
            ("%s has %s. %s brings %s. How many %s are there?"
             % (name, counted(a, thing), friend, counted(b, thing), many),
             "There %s %s." % ("is" if c == 1 else "are", counted(c, thing)))])
        return q, a
    left = "%s has %s left." % (capital(he), counted(c, thing) if c else "no " + many)
    return chance.pick([
        ("%s has %s and loses %d of them. How many %s has %s left?"
         % (name, counted(a, thing), b, many, he), left),
        ("%s has %s and gives %d to %s. How many %s has %s left?"
         % (name, counted(a, thing), b, friend, many, he), left)])


def arithmetic_question(world, sort=None, style=None):
    """One sum, difference or product in digits, in words, or as a little tale."""
    chance = world.chance
    sort = sort or chance.pick(["sum"] * 10 + ["difference"] * 10 + ["product"] * 2)
    style = style or chance.pick(["digits"] * 12 + ["words"] * 4 + (["told"] * 4 if sort != "product" else []))
    while True:
        _, a, b = world.split.draw(chance, KEYS[sort])
        if sort != "difference" and chance.likely(0.5):
            a, b = b, a
        c = {"sum": a + b, "difference": a - b, "product": a * b}[sort]
        if style != "told" or (a > 1 and b > 0):
            break
    if style == "told":
        return told_sum(world, sort, a, b, c)
    forms = [form for form in FORMS[sort] if style == "digits" or not form[0].startswith("%s")
             and " + " not in form[0] and " - " not in form[0]]
    q, answer = chance.pick(forms)
    say = str if style == "digits" else (lambda n: NUMBERS[n])
    return capital(q % (say(a), say(b))), answer % say(c)


def arithmetic(world):
    return [arithmetic_question(world) for _ in range(3 + world.chance.below(3))]


def numbers_question(world):
    """Comparing, counting, and what comes before and after."""
    chance, draw = world.chance, world.split.draw
    way = chance.below(4)
    if way == 0:
        _, a, b = draw(chance, [("more", a, b) for a in range(1, TOP) for b in range(a + 1, TOP + 1)])
        first, second = chance.shuffled([a, b])
        return chance.pick([("Which is more, %d or %d?" % (first, second), "It is %d." % b),
                            ("Which is less, %d or %d?" % (first, second), "It is %d." % a)])
    if way == 1:
        _, a, b = draw(chance, [("from", a, b) for a in range(1, TOP) for b in range(a + 2, min(a + 8, TOP + 1))])
        return "Count from %d to %d." % (a, b), "I count: %s." % ", ".join(str(n) for n in range(a, b + 1))
    if way == 2:
        _, a, b = draw(chance, [("back", a, b) for a in range(3, TOP + 1) for b in range(max(a - 7, 0), a - 1)])
        return "Count back from %d to %d." % (a, b), "I count: %s." % ", ".join(str(n) for n in range(a, b - 1, -1))
    sort, n, form = draw(chance, [(way, n, form) for way in ("after", "before") for n in range(2, TOP - 1)
                                  for form in (0, 1)])
    say = str if form == 0 else (lambda n: NUMBERS[n])
    found = say(n + 1 if sort == "after" else n - 1)
    return "What number comes %s %s?" % (sort, say(n)), "%s %s comes %s." % (capital(sort), say(n), found)


def numbers(world):
    return [numbers_question(world) for _ in range(2 + world.chance.below(3))]


# --- letters -----------------------------------------------------------------

WORDS = [("word", word) for word in spelling_words()]


def letters_about(word, form):
    spelt = "-".join(word)
    count = "%s has %d letters." % (spelt, len(word))
    return [('Spell "%s".' % word, spelt + "."),
            ('How many letters are in "%s"?' % word, count),
            ('How many letters has the word "%s"?' % word, count),
            ("How many letters are in %s?" % spelt, count),
            ('What is the first letter of "%s"?' % word, 'The first letter of "%s" is %s.' % (word, word[0])),
            ('What is the last letter of "%s"?' % word, 'The last letter of "%s" is %s.' % (word, word[-1])),
            ("What word is %s?" % spelt, '%s is "%s".' % (spelt, word))][form]


def letters_question(world, form=None):
    word = world.split.draw(world.chance, WORDS)[1]
    return letters_about(word, world.chance.pick([0, 1, 1, 2, 2, 3, 3, 4, 5, 6]) if form is None else form)


def letters(world):
    chance = world.chance
    if chance.likely(0.4):                          # several questions about one word
        word = world.split.draw(chance, WORDS)[1]
        first = letters_about(word, 0)
        return [first, ("How many letters is that?", letters_about(word, 1)[1])] \
            + ([letters_question(world)] if chance.likely(0.5) else [])
    return [letters_question(world) for _ in range(2 + chance.below(3))]


# --- saying again --------------------------------------------------------------

def echo_question(world):
    """Words, numbers, letters or a sentence to say again: it teaches to look back."""
    chance = world.chance
    way = chance.below(4)
    if way == 0:
        words = [world.split.draw(chance, WORDS)[1] for _ in range(2 + chance.below(4))]
        said = ", ".join(words)
    elif way == 1:
        said = ", ".join(str(chance.below(TOP + 1)) for _ in range(3 + chance.below(4)))
    elif way == 2:
        said = "-".join(world.split.draw(chance, WORDS)[1])
    else:
        said = chance.pick([told(chance, world.person()), having(world)[0]])[:-1]
    return chance.pick(["Say: %s.", "Say after me: %s.", "Please say: %s."]) % said, "I say: %s." % said


def echo(world):
    return [echo_question(world) for _ in range(2 + world.chance.below(3))]


# --- people ------------------------------------------------------------------

def told(chance, person):
    """What is said of a person, with trade and town."""
    name, one, town = person["name"], an(person["n"]), person["town"]
    he = "She" if person["sex"] == "f" else "He"
    return chance.pick(["%s is %s in %s." % (name, one, town),
                        "%s is %s. %s lives in %s." % (name, one, he, town),
                        "%s the %s lives in %s." % (name, person["n"], town),
                        "In %s lives %s, who is %s." % (town, name, one)])


def asked(chance, person, seen=()):
    """A question about a person and its answer, none of `seen`."""
    name, one, town = person["name"], an(person["n"]), person["town"]
    he = "She" if person["sex"] == "f" else "He"
    ways = [("Who is %s?" % name, "%s is %s in %s." % (he, one, town)),
            ("Where does %s live?" % name, "%s lives in %s." % (he, town)),
            ("What is the work of %s?" % name, "%s is %s." % (he, one)),
            ("Who is the %s?" % person["n"], "It is %s." % name),
            ("Who lives in %s?" % town, "It is %s." % name)]
    return chance.pick([way for way in ways if way not in seen])


def having(world):
    """People with things: what is told, and a question about one of them."""
    first, second = world.couple()
    things = [world.thing()]
    things.append(world.thing(avoid=[things[0]["n"]]))
    owners = [(person["name"], an(row["mat"] + " " + row["n"]), row["mat"] + " " + row["n"],
               "She" if person["sex"] == "f" else "He")
              for person, row in zip((first, second), things)]
    told_first = " and ".join("%s has %s" % owner[:2] for owner in owners) + "."
    name, one, plain, he = world.chance.pick(owners)
    return told_first, world.chance.pick([("Who has the %s?" % plain, "It is %s." % name),
                                          ("What does %s have?" % name, "%s has %s." % (he, one))])


def who_question(world):
    """A fact and a question about it in one message."""
    chance = world.chance
    if chance.likely(0.25):
        fact, (q, a) = having(world)
        return fact + " " + q, a
    people = world.couple() if chance.likely(0.5) else [world.person()]
    q, a = asked(chance, chance.pick(people))
    return " ".join(told(chance, person) for person in people) + " " + q, a


def who(world):
    chance = world.chance
    way = chance.below(6)
    if way == 0:
        return [who_question(world) for _ in range(1 + chance.below(3))]
    if way == 1:                                    # one person, told first
        person = world.person()
        first = asked(chance, person)
        return [(told(chance, person), chance.pick(NOTED)), first, asked(chance, person, [first])]
    if way == 2:                                    # the user
        person = world.person()
        exchanges = [("My name is %s, and I am %s." % (person["name"], an(person["n"])),
                      chance.pick(["Hello, %s. %s" % (person["name"], chance.pick(WELCOMES)),
                                   "Good day to you, %s." % person["name"]]))]
        ways = [("What is my name?", "Your name is %s." % person["name"]),
                ("What is my work?", "You are %s." % an(person["n"])),
                ("Who am I?", "You are %s the %s." % (person["name"], person["n"]))]
        return exchanges + chance.shuffled(ways)[:1 + chance.below(2)]
    if way == 3:                                    # someone unknown, then told
        person = world.person()
        he = "she" if person["sex"] == "f" else "he"
        return [("Who is %s?" % person["name"], "I do not know %s. Who is %s?" % (person["name"], he)),
                (told(chance, person), chance.pick(NOTED)), asked(chance, person)]
    if way == 4:                                    # things, told first
        fact, (q, a) = having(world)
        return [(fact, chance.pick(NOTED)), (q, a)]
    people = world.couple()                         # a system message tells
    first = asked(chance, chance.pick(people))
    second = asked(chance, chance.pick(people), [first])
    return " ".join(told(chance, person) for person in people), [first, second][:1 + chance.below(2)]


# --- tales -------------------------------------------------------------------

def tell(world):
    """A story: what it is about, text, what came next, questions for before and after that."""
    plot = STORIES[world.chance.deal("story", sorted(STORIES))]
    tale = Short(plot, world.chance, world.couple(), world.rows_of, world.split.held_out)
    world.note(tale)
    return tale.write()


def story(world):
    subject, text, _, questions, _ = tell(world)
    exchanges = [(world.chance.pick(ASKS) % subject, text)]
    if world.chance.likely(0.5):
        exchanges.append(world.chance.pick(questions))
    return exchanges


def next_turn(world):
    subject, text, then, _, questions = tell(world)
    exchanges = [(world.chance.pick(ASKS) % subject, text), (world.chance.pick(NEXT), then)]
    if world.chance.likely(0.4):
        exchanges.append(world.chance.pick(questions))
    return exchanges


# --- small talk, facts, and what it cannot know --------------------------------

def varied(chance, template):
    return polish(Tale(chance).expand(template))


def mood(world):
    _, name, form = world.split.draw(world.chance, [("mood", row["n"], form) for row in MOODS for form in MOOD_FORMS])
    answer = [row["answer"] for row in MOODS if row["n"] == name][0]
    return form % name, varied(world.chance, answer)


def greeting(world):
    """Hello with a name."""
    name, form = world.split.draw(world.chance, [("greeting", name, form) for name in WOMEN + MEN
                                                 for form in NAMED_GREETINGS])[1:]
    return form % name, form.split(",")[0].rstrip(".") + ", %s. %s" % (name, world.chance.pick(WELCOMES))


def hello(chance):
    form = chance.pick(GREETINGS)
    return form, "%s %s" % (form if "there" not in form else "Hello.", chance.pick(WELCOMES))


def goodbye(chance):
    return chance.pick([(chance.pick(THANKS), chance.pick(WELCOME_BACK)),
                        (chance.pick(THANKS), chance.pick(WELCOME_BACK)),
                        (chance.pick(NIGHTS), chance.pick(SLEEP)), (chance.pick(BYES), chance.pick(BYE_BACK))])


def small_talk(world):
    chance = world.chance
    exchanges = [greeting(world) if chance.likely(0.75) else hello(chance)]
    if chance.likely(0.5):
        exchanges.append((chance.pick(HOW), chance.pick(WELL)))
    if chance.likely(0.75):
        exchanges.append(mood(world))
    if chance.likely(0.45):
        exchanges.append(chance.pick([(row["q"], row["a"]) for row in SELF]))
    if chance.likely(0.25):
        food = chance.pick(POOLS["food"])
        exchanges.append(("Do you like %s?" % food, "I cannot eat, but I like tales with %s in them." % food))
    if chance.likely(0.5) or len(exchanges) == 1:
        exchanges.append(goodbye(chance))
    return exchanges[:5]


def unknown_question(world):
    chance = world.chance
    row = chance.pick(UNKNOWN)
    slot = slot_of(row["q"])
    filler = world.split.draw(chance, [("unknown", row["q"], filler) for filler in unknown_fillers()[slot]],
                              row["q"])[2]
    time = chance.pick(["morning", "evening"])
    return tuple(cell.format(time=time, **{slot: filler}) for cell in (row["q"], row["a"] + END))


def unknown(world):
    exchanges = [unknown_question(world)]
    if world.chance.likely(0.4):
        exchanges.append(world.chance.pick(WHY_NOT))
    elif world.chance.likely(0.5):
        exchanges.append(fact_question(world) if world.chance.likely(0.5) else unknown_question(world))
    return exchanges


def fact_question(world):
    chance = world.chance
    _, subject, form = world.split.draw(chance, [("fact", subject, form) for subject, form, _, _ in FACTS])
    q, a = [(q, a) for s, f, q, a in FACTS if (s, f) == (subject, form)][0]
    if "{wrong}" in q:
        right = a[:-1].split()[-1]
        alike = ("yellow", "golden") if right in ("yellow", "golden") else (right,)
        q = q.format(wrong=chance.pick([colour for colour in COLOURS if colour not in alike]))
    return capital(q), capital(a)


def world_facts(world):
    return [fact_question(world) for _ in range(1 + world.chance.below(4))]


KINDS = {"arithmetic": arithmetic, "numbers": numbers, "letters": letters, "echo": echo, "who": who, "story": story,
         "next": next_turn, "small talk": small_talk, "unknown": unknown, "world": world_facts}

# What a file of questions holds: kind, how many, and the function that makes one.
QUESTIONS = [
    ("arithmetic", 30, lambda world: arithmetic_question(world, "sum", "digits")),
    ("arithmetic", 30, lambda world: arithmetic_question(world, "difference", "digits")),
    ("arithmetic", 20, lambda world: arithmetic_question(world, None, "words")),
    ("arithmetic", 30, lambda world: arithmetic_question(world, world.chance.pick(["sum", "difference"]), "told")),
    ("arithmetic", 5, lambda world: arithmetic_question(world, "product", "digits")),
    ("numbers", 30, numbers_question),
    ("letters", 25, lambda world: letters_question(world, 1 + world.chance.below(2))),
    ("letters", 15, lambda world: letters_question(world, 3)),
    ("letters", 10, lambda world: letters_question(world, 0)),
    ("echo", 20, echo_question),
    ("who", 40, who_question),
    ("unknown", 30, unknown_question),
    ("world", 30, fact_question),
]
