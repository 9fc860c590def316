"""Tables of the chat generator: numbers, facts of the tales' world, and what is said in small talk.

The people, trades, towns, things and animals themselves come from tale_words.py.
"""

import re

from tale_words import CROPS, LODGERS, MACHINES, POOLS, STRAYS, THINGS, TOWNS, TRADES, WISE, rows

NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen
fourteen fifteen sixteen seventeen eighteen nineteen twenty""".split()

# What a trade does, in the present: TRADES has only the past.
PRESENT = dict(pair.split("/") for pair in """baked/bakes wove/weaves kept/keeps ground/grinds
mended/mends shaped/shapes made/makes caught/catches tended/tends grew/grows sewed/sews
forged/forges poured/pours pressed/presses built/builds split/splits ploughed/ploughs
carved/carves stitched/stitches bound/binds dried/dries cut/cuts twisted/twists
painted/paints blew/blows dyed/dyes""".split())

CRIES = dict(pair.split("/") for pair in """bleat/bleats mew/mews whimper/whimpers peep/peeps
honk/honks squeak/squeaks croak/croaks squeal/squeals chatter/chatters hoot/hoots
hiss/hisses coo/coos""".split())

COLOURS = "red blue green white black grey brown yellow pink golden".split()

# thing / its verb / its colour
COLOURED = rows("n verb colour", """
snow / is / white
grass / is / green
coal / is / black
the sky / is / blue
a raven / is / black
a lemon / is / yellow
a cherry / is / red
butter / is / yellow
milk / is / white
blood / is / red
flour / is / white
soot / is / black
a pea / is / green
a mouse / is / grey
a piglet / is / pink
a strawberry / is / red
a chestnut / is / brown
a swan / is / white
a crow / is / black
a leaf in spring / is / green
a leaf in autumn / is / yellow
salt / is / white
a fox / is / red
a frog / is / green
a duckling / is / yellow
honey / is / golden
ashes / are / grey
cornflowers / are / blue
buttercups / are / yellow
beans / are / green
""")

OPPOSITES = """hot/cold old/young big/small long/short dry/wet dark/light full/empty
open/closed early/late happy/sad near/far poor/rich slow/quick high/low sweet/sour
loud/quiet clean/dirty hard/soft thick/thin first/last black/white wide/narrow
strong/weak good/bad""".split()

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
YEAR = "spring summer autumn winter".split()

# What belongs to a season.
SEASONAL = rows("what season", """
do the lambs come / spring
do the swallows come back / spring
do the violets open / spring
is the hay cut / summer
do the bees hum in the clover / summer
do the crickets sing / summer
do the leaves fall / autumn
are the apples picked / autumn
do the wild geese leave / autumn
does the snow fall / winter
do icicles hang from the roof / winter
is the pond frozen / winter
""")

# Things that can be counted in sums: one, many.
COUNTED = """apple/apples egg/eggs button/buttons candle/candles loaf/loaves pear/pears
nut/nuts coin/coins plum/plums spoon/spoons cherry/cherries marble/marbles stone/stones
hen/hens sheep/sheep feather/feathers cake/cakes nail/nails jug/jugs basket/baskets""".split()

GREETINGS = ["Hello.", "Good morning.", "Good evening.", "Good day.", "Hello there."]
WELCOMES = ["What would you like to hear?", "What shall we talk about?", "How can I help you?",
            "Come in and sit down.", "It is good to see you.", "Shall I tell you a tale?"]
NAMED_GREETINGS = ["Hello, I am %s.", "Good morning, I am %s.", "Hello, my name is %s.",
                   "Good evening, my name is %s.", "Good day, I am %s."]
HOW = ["How are you?", "How are you today?", "Are you well?", "How do you feel?"]
WELL = ["I am well, thank you.", "I am very well, thank you.", "I am as merry as a cricket.",
        "I am well, and glad that you are here.", "I am well, and ready to help."]
THANKS = ["Thank you.", "Thank you very much.", "Thank you, that was kind.", "That was good, thank you.",
          "Many thanks.", "That is all, thank you."]
WELCOME_BACK = ["You are welcome.", "You are very welcome.", "It was a pleasure.", "I was glad to help.",
                "You are welcome. Come back soon."]
NIGHTS = ["Good night.", "Good night to you.", "I am going to bed now.", "It is late. Good night."]
SLEEP = ["Good night. Sleep well.", "Good night, and sweet dreams.", "Sleep well. I will be here tomorrow.",
         "Good night. The moon is up."]
BYES = ["Goodbye.", "I have to go now.", "Goodbye for today.", "I must go home."]
BYE_BACK = ["Goodbye, and come back soon.", "Goodbye. Have a good day.", "Goodbye. I will be here.",
            "Walk safely. Goodbye."]
MOOD_FORMS = ["I am %s.", "I am %s today.", "I feel %s.", "I feel a little %s today."]
MOODS = rows("n answer", """
happy / {I am glad to hear it.|That is good to hear.} {What made you happy?|Joy grows when it is shared.}
sad / {I am sorry.|I am sorry to hear it.} {Shall I tell you a tale?|A warm soup may help.}
tired / {Then rest a little.|Then sit down by the stove.} {The work can wait.|You have done enough.}
hungry / {Then eat something warm.|Then it is time to eat.} {Bread and soup are good.|A pancake would help.}
cold / {Then sit by the fire.|Then put on a warm coat.} {Hot tea is good, too.|It is warm by the stove.}
lonely / {Then stay and talk with me.|I am here.} {We can tell tales.|You are not alone now.}
cross / {Take a deep breath.|Count slowly to ten.} {Then tell me about it.|Then it will be better.}
afraid / {You are not alone.|Be brave.} {It is only the wind.|The night will be over soon.}
proud / {You may be proud.|That is good.} {What have you done?|You must have worked hard.}
ill / {I am sorry.|I am sorry to hear it.} {Stay in bed and drink tea.|Rest until you are well.}
merry / {That is good to hear.|I am glad.} {Let us sing a song.|Let us tell a merry tale.}
sleepy / {Then go to bed.|Then close your eyes.} {Sleep well.|Tomorrow is a new day.}
curious / {That is good.|I like that.} {What would you like to know?|Ask me something.}
restless / {Then take a long walk.|Then go out for a while.} {The air is good for you.|Walk by the river.}
""")

# Questions about the one who answers: one answer each.
SELF = rows("q a", """
Who are you? / I am a small teller of tales.
What are you? / I am a small teller of tales.
What is your name? / I have no name. I am only a teller of tales.
What can you do? / I can tell tales, count to twenty and spell words.
What do you know? / I know the tales, and a few sums.
Where do you live? / I live in the tales.
Are you a person? / No, I am not a person. I only tell tales.
Can you see me? / No, I cannot see you. I can only read your words.
Do you sleep? / No, I never sleep. I wait for the next question.
Can you count? / Yes, I can count to twenty.
Can you spell? / Yes, I can spell short words.
Do you know everything? / No, I only know the tales.
""")

# What it cannot know: question / answer; slots are filled from tables. `END` follows every answer.
END = " I only know the tales."
UNKNOWN = rows("q a", """
What is the weather like in {town} today? / I cannot see the weather in {town}.
How is the weather in {town} this {time}? / I cannot see the weather in {town}.
Will it rain in {town} tomorrow? / I cannot know whether it will rain in {town}.
Is it cold in {town} this {time}? / I cannot know whether it is cold in {town}.
Is the sun shining in {town} now? / I cannot see the sun in {town}.
What is the news from {town}? / I cannot know the news from {town}.
What time is it in {town}? / I cannot know what time it is in {town}.
Who is the mayor of {town} this year? / I cannot know who is the mayor of {town}.
How many people live in {town} now? / I cannot know how many people live in {town}.
How old is my {kin}? / I cannot know how old your {kin} is.
What is the name of my {kin}? / I cannot know the name of your {kin}.
What did my {kin} eat this {time}? / I cannot know what your {kin} ate.
Where does my {kin} live? / I cannot know where your {kin} lives.
Is my {kin} well? / I cannot know whether your {kin} is well.
When will my {kin} come home? / I cannot know when your {kin} will come home.
I am {name}. How old am I? / I cannot know how old you are, {name}.
I am {name}. What did I eat this {time}? / I cannot know what you ate, {name}.
I am {name}. Where do I live? / I cannot know where you live, {name}.
I am {name}. When is my birthday? / I cannot know when your birthday is, {name}.
What is {name} doing now? / I cannot know what {name} is doing now.
Where is my {thing}? / I cannot know where your {thing} is.
What colour is my {thing}? / I cannot know what colour your {thing} is.
Who has taken my {thing}? / I cannot know who has taken your {thing}.
How much does a {thing} cost today? / I cannot know what a {thing} costs.
What will happen next {day}? / I cannot know what will happen next {day}.
Who will win the race on {day}? / I cannot know who will win on {day}.
What did I do last {day}? / I cannot know what you did last {day}.
""")
WHY_NOT = [("Why not?", "I cannot look out of a window, and nobody has told me."),
           ("Can you guess?", "I would rather not guess. A guess is not an answer."),
           ("Who can tell me?", "Ask someone who is near and can look."),
           ("That is a pity.", "I am sorry. Shall I tell you a tale instead?"),
           ("What do you know, then?", "I know the tales, and a few sums."),
           ("I see. Thank you.", "You are welcome.")]

SYSTEMS = ["You are a teller of tales.", "You are a small and friendly teller of tales.",
           "Answer in plain words.", "Answer kindly and in few words.", "You help a child to learn.",
           "You are patient and kind.", "Be honest. Say so when you cannot know something.",
           "You sit by the stove and answer questions.", "Answer with short sentences.",
           "You are a schoolteacher who tells tales.", "Be cheerful.", "You like questions."]

NOTED = ["I will remember that.", "That is good to know.", "Thank you for telling me.", "Now I know."]


def first_choice(cell):
    """A table cell with the first of its alternatives: one fact, not several."""
    while "{" in cell:
        cell = re.sub(r"\{([^{}|]*)(\|[^{}]*)?\}", r"\1", cell)
    return cell


def spelling_words():
    """Words of 3 to 6 letters from the tales' tables, in alphabetical order."""
    cells = [cell for table in (TRADES, THINGS, MACHINES, CROPS, WISE, STRAYS, LODGERS)
             for row in table for cell in row.values()]
    cells += [phrase for name in sorted(POOLS) if not name.startswith("scene_") for phrase in POOLS[name]]
    text = " ".join(re.sub(r"\$[a-z.]+|\[[a-z_]+\]|[A-Z][a-z]*|\w+['-]\w+", " ", cell) for cell in cells)
    return sorted(word for word in set(re.findall(r"\b[a-z]{3,6}\b", text)))


def facts():
    """(subject, form, question, answer) of the world's fixed facts; a subject has several forms.

    A question may hold `{wrong}` (another colour), which is drawn when it is asked.
    """
    found = []

    def add(subject, *pairs):
        found.extend((subject, form, q, a) for form, (q, a) in enumerate(pairs))

    def an(noun):
        return ("an " if noun[0] in "aeiou" else "a ") + noun

    for row in TRADES:
        one = an(row["n"])
        where = row["where"].replace("smelled", "smells")
        does = "%s %s" % (PRESENT[row["past"]], first_choice(row["goods"]))
        add("trade " + row["n"],
            ("What does %s do?" % one, "%s %s." % (one, does)),
            ("Who %s?" % does, "%s %s." % (one, does)),
            ("Where does %s work?" % one, "%s works %s." % (one, where)),
            ("Who works %s?" % where, "%s works %s." % (one, where)))
    for row in TOWNS:
        name, kind = row["name"], row["kind"]
        other = {"village": "town", "town": "hamlet", "hamlet": "village"}[kind]
        add("town " + name,
            ("What is %s?" % name, "It is a %s." % kind),
            ("Is %s a %s?" % (name, kind), "Yes, it is a %s." % kind),
            ("Is %s a %s?" % (name, other), "No, it is a %s." % kind),
            ("Is %s a %s or a %s?" % (name, other, kind), "It is a %s." % kind))
    for row in {row["n"]: row for row in STRAYS + LODGERS}.values():
        one = an(row["n"])
        food = first_choice(row["food"])
        add("cry " + row["n"],
            ("What noise does %s make?" % one, "%s %s." % (one, CRIES[row["cry"]])),
            ("Does %s %s?" % (one, row["cry"]), "Yes, %s %s." % (one, CRIES[row["cry"]])),
            ("What does %s eat?" % one, "%s eats %s." % (one, food)),
            ("What can I give to %s?" % one, "Give it %s." % food))
    for row in WISE:
        one = an(row["n"])
        add("home " + row["n"],
            ("Where does %s live?" % one, "%s lives %s." % (one, row["home"])),
            ("Where can I find %s?" % one, "You can find %s %s." % (one, row["home"])),
            ("Who lives %s?" % row["home"], "%s lives %s." % (one, row["home"])))
    for row in COLOURED:
        thing, verb, colour = row["n"], row["verb"], row["colour"]
        it = "it is" if verb == "is" else "they are"
        add("colour " + thing,
            ("What colour %s %s?" % (verb, thing), "%s %s." % (it, colour)),
            ("%s %s %s or {wrong}?" % (verb, thing, colour), "%s %s." % (it, colour)),
            ("%s %s {wrong} or %s?" % (verb, thing, colour), "%s %s." % (it, colour)),
            ("%s %s {wrong}?" % (verb, thing), "No, %s %s." % (it, colour)),
            ("%s %s %s?" % (verb, thing, colour), "Yes, %s %s." % (it, colour)))
    for row in CROPS:
        crop, grow = row["n"], "grows" if row["it"] == "it" else "grow"
        add("crop " + crop,
            ("Where %s %s grow?" % ("does" if grow == "grows" else "do", crop),
             "%s %s in %s." % (crop, grow, row["field"])),
            ("What grows in %s?" % row["field"], "%s %s in %s." % (crop, grow, row["field"])),
            ("What do I need to bring in the %s?" % crop, "You need %s to bring in the %s." % (row["tool"], crop)))
    for row in MACHINES:
        thing = row["n"]
        add("machine " + thing,
            ("Where is the %s?" % thing, "The %s is %s." % (thing, row["where"])),
            ("What is %s?" % row["where"], "The %s is %s." % (thing, row["where"])),
            ("Where can I find the %s?" % thing, "You can find the %s %s." % (thing, row["where"])))
    for pair in OPPOSITES:
        left, right = pair.split("/")
        add("opposite " + left,
            ("What is the opposite of %s?" % left, "The opposite of %s is %s." % (left, right)),
            ("What is the opposite of %s?" % right, "The opposite of %s is %s." % (right, left)))
    for names, what in ((DAYS, "day"), (YEAR, "season")):
        for i, name in enumerate(names):
            after = names[(i + 1) % len(names)]
            add(what + " " + name,
                ("What %s comes after %s?" % (what, name), "After %s comes %s." % (name, after)),
                ("What %s comes before %s?" % (what, after), "Before %s comes %s." % (after, name)))
    for row in SEASONAL:
        verb, rest = row["what"].split(" ", 1)
        add("season " + rest,
            ("When %s %s?" % (verb, rest), "In %s." % row["season"]),
            ("In what season %s %s?" % (verb, rest), "In %s." % row["season"]))
    return found
