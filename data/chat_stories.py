"""Very short tales for the chats: a few sentences, what happened next, and questions about them.

The templates are those of tale_plots.py, expanded by the Tale of generate_tales.py; the word tables
are the same too. A story adds cast members of its own: $spot (a place out of doors) and $food.

To add a story, add one `story(...)` call: its subjects (what one asks a tale about), its text,
what happened next, and questions with answers, each `question = answer`. A `*` marks questions whose
answer comes in what happened next, and subjects that name no combination: only the training chats ask them.
"""

from generate_tales import FEMALE, MALE, Tale, polish, split_alternatives
from tale_words import (CONTESTS, CROPS, FEARS, LODGERS, MACHINES, POOLS, SEASONS, SECRETS, SKILLS,
                        STRAYS, THINGS, WISE)

STORIES = {}


def story(name, subjects, text, then, asked, **cast):
    """Register a story. Cast tables are named as in `plot` of tale_plots.py."""
    STORIES[name] = {
        "subjects": subjects.split(" / "), "text": " ".join(text.split()), "then": " ".join(then.split()),
        "asked": [tuple(part.strip() for part in line.split(" = ")) for line in asked.strip().splitlines()],
        "cast": cast,
    }


story("lost thing", "$thing.a / $h and $thing.a / $thing.a that was lost", """
$h the $h.n had $thing.a from $thing.from. [oneday] it was {gone|nowhere to be found}. $h.he
{looked|searched} [spot] and {then|even} [spot], but {found nothing|it was not there}. {At last|[later]} [child]
saw something {bright|shine} $spot. it was $thing.the!
""", """
$h {sewed up the hole in $h.his pocket|put $thing.the on a string}, and {gave the child|shared} $food. [since]
$h.he {never lost it again|held it tight|kept it close}.
""", """
Who lost $thing.the? = it was $h.
Where was $thing.the? = it was $spot.
What did $h lose? = it was $thing.the.
""", thing=THINGS)

story("gift", "$thing.a / $thing.a that was a gift / $h and $thing.a", """
{The birthday of $o was near|it was almost the birthday of $o}, {but|and} $h the $h.n had no money. so $h.he made
$thing.a {alone, [evening]|with $h.his own hands}. it was {a little|rather} uneven. "I have only this," [said] $h [how].
$o {lifted it to the light|held it in both hands} and {smiled|laughed for joy}.
""", """
"{It is the best gift of all|I shall keep it for ever}," [said] $o. [evening] they ate $food, and {nobody was sad|the
lamp burned late}.
""", """
Who made $thing.the? = it was $h.
Who got $thing.the? = it was $o.
What did $h make? = it was $thing.a.
""", thing=THINGS)

story("bargain", "$thing.a / $o and $thing.a / a trader and $thing.a", """
$h the $h.n wanted $thing.a that lay {in the window|on the stall} of $o the trader. "{I do not want money|money is
dull}," [said] $o. "Bring me something warmer than {fire|wool}." $h {thought|wondered} [days]. then $h.he {asked
$o.him to supper|called $o.him in from the cold} and gave $o.him $food.
""", """
"You have paid," [said] $o [how], and gave $h $thing.the. "{A welcome|kindness} is warmer than any fire."
""", """
Who wanted $thing.the? = it was $h.
What did $h give to $o? = it was $food.
Who was the trader? = it was $o.
""", thing=THINGS)

story("stray", "a $stray.adj $stray.n / $h and a $stray.adj $stray.n / a $stray.adj $stray.n that was lost", """
[oneday] $h the $h.n found a $stray.adj $stray.n $spot. {It was cold and hungry|nobody seemed to own it}. $h {took it
home|carried it home in a scarf} and gave it $stray.food. {soon|after two days} it was {well|quite at home}, and it
$stray.does.
""", """
then $o the $o.n came to the door. "{that is my $stray.n|there you are, little one}," [said] $o. so they shared it: {one
week here, one week there|summer with one, winter with the other}.
""", """
Where did $h find the $stray.n? = it was $spot.
What did the $stray.n eat? = it ate $stray.food.
Who found the $stray.n? = it was $h.
""", stray=STRAYS)

story("attic", "a $stray.adj $stray.n in the attic / $h and a $stray.adj $stray.n / *a noise in the attic", """
Every night $h the $h.n heard {steps|a noise} in the attic. "{Is it a ghost|who is there}?" asked $h. {only a bump came
back|nobody answered}. $o the $o.n {held|brought} the lamp, and they {went up|climbed the stairs}. between the trunks
sat a $stray.adj $stray.n.
""", """
"So this is our ghost!" laughed $o. $h gave it $stray.food. [since] it $stray.does, and {everyone slept well|nobody was
afraid}.
""", """
What was in the attic? = it was a $stray.adj $stray.n.
Who held the lamp? = it was $o.
Who heard the noise? = it was $h.
""", stray=LODGERS)

story("fear", "$h and $fear.was / *someone who feared $fear.was / *how $h lost a fear", """
$h the $h.n was afraid of $fear.was, because $fear.why. [oneday] $o the $o.n was {in trouble|alone and hurt}
$fear.place. {there was no time to lose|the day was nearly over}. $h {took a deep breath|took a lantern} and went, one
step and then another.
""", """
$h {found|reached} $o and brought $o.him home. {now|after that} $h knew that $fear.after.
""", """
What was $h afraid of? = of $fear.was.
Who was in need of help? = it was $o.
Who helped $o? = it was $h.
""", fear=FEARS)

story("wise animal", "a $wise.adj $wise.n / $h and a $wise.adj $wise.n / a $wise.adj $wise.n that could talk", """
$h the $h.n {could not sleep for worry|had a heavy heart}. [oneday] $h.he {met|saw} a $wise.adj $wise.n $wise.home.
"{What shall I do|who can help me}?" asked $h. "{Wait until the moon rises|sleep first, and then begin|ask for help,
and share your bread}," [said] the $wise.n.
""", """
the $wise.n $wise.left. $h did as it had said, and [nextday] {all was well|the trouble was gone}. [joy]
""", """
Where was the $wise.n? = it was $wise.home.
Who met the $wise.n? = it was $h.
Who helped $h? = it was the $wise.n.
""", wise=WISE)

story("repair", "the $machine.n of $town.name / $h and the $machine.n of $town.name", """
[oneday] the $machine.n of $town.name $machine.verb $machine.bad. {[folk] shook their heads|the mayor was in despair}.
"{Let me look|I can mend it}," [said] $h the $h.n. $h.he {looked|worked} {all day|until dark} and found the trouble in
$machine.part.
""", """
$h $machine.fix, and the $machine.n $machine.sign. {everyone clapped|[folk] cheered}. [evening] they ate $food.
""", """
Who looked at the $machine.n? = it was $h.
What was wrong with the $machine.n? = it $machine.verb $machine.bad.
Where was the trouble? = it was in $machine.part.
""", machine=[dict(row, verb="was" if row["bad"] in ("cracked", "stuck", "jammed", "split") else "had")
              for row in MACHINES])

story("harvest", "the $crop.n of $town.name / $h and the $crop.n of $town.name", """
{dark clouds stood over $town.name|A storm was near}, and the $crop.n {of $h the $h.n|in $crop.field}
$crop.was not in yet. "{who will help|we have one day}!" {called|cried} $h. $o {came|ran up} with $crop.tool, and then
the whole $town.kind came. they {sang and worked|worked} until dark.
""", """
the last cart was in when the {first drop|rain} fell. {nobody was dry, but everyone laughed|they sat in the barn and ate
$food}.
""", """
Who came to help? = it was $o, and then the whole $town.kind.
What did they use? = they used $crop.tool.
What was not in yet? = it was the $crop.n.
""", crop=CROPS)

story("contest", "the $contest.n contest of $town.name / $h and the $contest.n contest of $town.name", """
{In $town.name there was|[oneday] $town.name held} a $contest.n contest. $h the $h.n made $contest.made of
$contest.with. $o {had|came with} {a better one|one from the city}, but it had $contest.fault. $h {did not laugh|rolled
up $h.his sleeves|sat down at once} and helped $o to mend it.
""", """
$o won the prize: $contest.prize. "{It is half yours|we share it}," [said] $o. ^$h {smiled|laughed}, and they ate
$food.
""", """
*Who won the prize? = it was $o.
*What was the prize? = it was $contest.prize.
What did $h make? = it was $contest.made of $contest.with.
Who had $contest.fault? = it was $o.
""", contest=CONTESTS)

story("friends", "$h and $o / two friends, $h and $o / how $h and $o made peace", """
$h the $h.n and $o the $o.n were friends, but [oneday] they quarrelled over a {song|ladder|goat|hat}. [days] they did
not speak. then {a storm broke the roof|a fire came to the barn} of $o. $h {ran to help|came with two buckets} and {did
not stop|worked} until {dark|midnight}.
""", """
"I was a fool," [said] $o [how]. "So was I," [answer] $h. they ate $food together and {laughed|sang the old songs}.
""", """
Who was the friend of $h? = it was $o.
Who came to help $o? = it was $h.
*Who was a fool? = it was both of them.
""")

story("skill", "$h the $h.n / a $h.n named $h / *a $h.n of $town.name", """
$h was {new in|a stranger in} $town.name, and {nobody spoke to $h.him|people looked away}. nobody knew
that $h.he $skill.does. [oneday] $skill.need. "I can help," [said] $h [how].
""", """
$h.he helped, and all went well. [since] every door in $town.name stood open, and $h ate $food at many tables.
""", """
Where was $h new? = it was in $town.name.
Who said that $h.he could help? = it was $h.
What was the work of $h? = $h.he was a $h.n.
""", skill=SKILLS)

story("secret", "$h the $h.n / a secret of $h the $h.n / *$h and $secret.found", """
$h the $h.n {found|knew} $secret.found, and told nobody. $h.he went there {every Sunday|in the evenings|when the day was
long}. then
$secret.needs, and {everyone was in despair|[folk] wept}. $h {lay awake all night|could not sleep}.
""", """
[nextday] $h led them all there. "{A secret grows when it is shared|I should have told you before|now it is
for all of us}," [said] $h. [evening] they all had $food.
""", """
What did $h find? = it was $secret.found.
Who found $secret.found? = it was $h.
""", secret=SECRETS)

ASKS = ["Tell me a story about %s.", "Tell me a tale about %s.", "Please tell me a story about %s.",
        "Can you tell me a tale about %s?", "I would like a story about %s.", "Do you know a tale about %s?",
        "Tell me a short tale about %s."]
NEXT = ["What happened next?", "What happened then?", "And then?", "Please go on.", "Go on.",
        "How did it end?", "What came after that?"]


class Short(Tale):
    """A very short tale. `people` gives its hero and friend, `allowed` its tables' rows."""

    def __init__(self, plot, chance, people, rows_of, held_out):
        super().__init__(chance)
        self.plot = plot
        self.subjects = [s.lstrip("*") for s in plot["subjects"] if not (held_out and s[0] == "*")]
        for role, person in zip("ho", people):
            row = dict(FEMALE if person["sex"] == "f" else MALE, name=person["name"])
            self.cast[role] = row
            row.update(self.fix(person["row"]))
        self.cast["town"] = self.fix(people[0]["town_row"])
        self.cast["season"] = dict(self.pick(SEASONS), scene="[scene]")
        self.cast["spot"] = {"name": self.from_pool("outside")}
        self.used.add(("spot", self.cast["spot"]["name"]))
        self.cast["food"] = {"name": self.from_pool("food")}
        for name, table in sorted(plot["cast"].items()):
            row = self.pick(rows_of(name, table, self.cast["town"]["name"], people[0]["name"]))
            self.cast[name] = self.thing(row) if name == "thing" else self.fix(row)

    def say(self, template):
        return polish(self.expand(template))

    def write(self):
        """(what it is about, its text, what happened next, questions for before and after that)"""
        subject = polish("x " + self.expand(self.pick(self.subjects)))[2:]
        text, then = self.say(self.plot["text"]), self.say(self.plot["then"])
        asked = [(q[0] == "*", self.say(q.lstrip("*")), self.say(a)) for q, a in self.plot["asked"]]
        return subject, text, then, [(q, a) for later, q, a in asked if not later], [(q, a) for _, q, a in asked]


def prepare():
    """Makes the seasons' scenes a pool, as generate_tales.generate does."""
    for season in SEASONS:
        POOLS["scene_" + season["name"]] = split_alternatives(season["scene"])

