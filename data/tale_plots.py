"""The table of plots. To add a plot, add one `plot(...)` call here.

The text of a plot is a list of paragraphs divided by blank lines. A paragraph
may have several versions, divided by a line `OR`; a tale picks one of each.

Template syntax (expanded by generate_tales.py):
    {a|b|c}     one of the alternatives; may be nested, may be empty
    [pool]      a phrase of tale_words.POOLS not yet used in this tale
    $x  $x.y    a cast member, or one of its fields
    ^           capitalise the next letter (sentence starts are automatic,
                except after ?" and !" where it is needed)
Articles are mended afterwards, so `a old hat` becomes `an old hat`.

Every tale has: $h the hero, $o another person of the other sex (so that he and
she are never in doubt), $kin a relative of the hero, $town and $season.
Fields of $h and $o: he, him, his, self, n ("baker"), arole ("a young baker"),
did ("baked round loaves"), where ("in the warm bakery"), tool.
Further members come from the word tables named in the call; $thing also has
a ("a brass key"), the ("the brass key"), full ("small brass key") and from.
"""

from tale_words import (CONTESTS, CROPS, FEARS, LODGERS, MACHINES, QUARRELS,
                        SECRETS, SEEDS, SKILLS, STRAYS, THINGS, WISE, WISHES)

PLOTS = {}
WALKERS = [row for row in WISE if row["n"] not in ("pike", "snail", "donkey")]


def plot(name, text, seasons=None, **cast):
    """Register a plot: its paragraphs, its extra cast, the seasons it allows."""
    paragraphs = []
    for block in text.strip().split("\n\n"):
        versions = [" ".join(v.split()) for v in block.split("\nOR\n")]
        paragraphs.append(versions)
    PLOTS[name] = {"paragraphs": paragraphs, "cast": cast, "seasons": seasons}


plot("lost thing", thing=THINGS, text="""
[open] {among|of} all {$h.his things|the things in the house}, the one $h {loved|treasured} most was
$thing.a
that {$thing.from had given {to |}$h.him|had come from $thing.from|had once been carried by
$thing.from}.
OR
[open] $h {always carried $thing.a in one pocket|always wore $thing.a
on a string|never went out without $thing.a}{, a gift from $thing.from|}.
^{it|the $thing.n} was $thing.look, and {not worth much|nobody else would have wanted it},
but $h {would not have sold it for {a farm|a horse|ten cows}|held it tight {in every storm|at every
parting}}.

[oneday] $h {reached for|looked for|felt for} $thing.the and {it was not there|found {nothing|only a
hole in the pocket}}.
$h.he {searched|looked} [spot], then [spot], {and even|and then} [spot]. "{where can it be|who has
seen it|have I lost it for ever}?"
$h {asked|whispered} [sadly]. [weather]
OR
[oneday], {after|during} a {long|tiring|merry} {walk|dance|day of work}, $h {noticed|saw} that
$thing.the was {gone|missing}.
{$h.he turned out every pocket|$h.he emptied {the basket|two drawers|the whole cupboard}} and {went
back|crawled about} [spot] and [spot],
but {there was no {sign|trace} of it|found {only|nothing but} {dust|a button|an old nail}}. [gloom]

{$o the $o.n|$o, the {friendly|tall|old} $o.n,} {came by|heard the news|was passing} and
{offered|promised} to help. "{where did you {last have|last see} it|what were you doing {when you
last had it|yesterday}}?"
$o.he asked [how]. $h {thought {hard|back}|frowned}. "{I was|I think I was} [spot]," $h.he [said].
"{I stopped to help|I was talking to} [third]{, and I was in a hurry|}."
OR
$h {asked|went from door to door and asked} [third], and [third], {and even|and} [third], but {each
of them|everyone} {only shook a head|had seen nothing}.
{at last|[later]} [child] {pulled at $h.his sleeve|came running}. "{I saw something
{shine|lying}|there was something {bright|strange}} [spot]," said the child [how].

[later] {they|the two of them|$h and {a good friend|$o}} {went|walked} {there|to the place}
{together|with a lantern|without a word}. {something|a small thing} lay {half hidden|deep} {in the
{mud|leaves|straw}|beneath {a stone|a plank|a root}},
and it was $thing.the! {a [animal] had {slept on|played with|carried off} it|it had slipped
{through|between} {the boards|a torn seam|a crack}}. [joy]
OR
$h {ran|hurried} {to look|to the place}, and [later] {a [animal] {came out|looked up}|$h.he saw {a
nest|a heap of straw}}. {there|beneath it}, {between|among} {feathers and twigs|two eggs and a bit
of string|crumbs and buttons}, {lay|shone} $thing.the.
"{so you were the thief|you little thief}!" {laughed $h|$h.he cried}, and left {a crust of bread|a
bit of blue wool|a shiny pin} {in exchange|in its place}.

[since] $h {kept $thing.the {on a stronger {chain|string|cord}|in a pocket with a button}|sewed up
every hole {at once|the same day}}. {"What is dear should be held {close|carefully}," $h.he {used to
say|told everyone}.|"A thing is never so bright as when it is found," said {$h.his $kin.n|[third]}.}
OR
[evening] $h {polished $thing.the {until it {shone|gleamed}|with a sleeve}|set $thing.the {beside
the bed|on the sill}} and {told the story|thought of everyone who had helped}. {those who {help us
search|share our trouble} are {worth more than|as precious as} {anything we lose|the thing
itself}.|[since] $h helped {anyone|everyone} who had lost {anything|so much as a pin}.}
""")

plot("quarrel", quarrel=QUARRELS, text="""
[open] {next door|across the {lane|yard}|in the house opposite} lived $o the $o.n, and the two {had
been friends {since school|since they were children|for years}|shared {everything|tools, news and
[food]}}.

[oneday] they {quarrelled|fell out|began to argue} about $quarrel.about. $h {said|was sure|insisted}
that $quarrel.hers{, and that was that|}. $o {said|was just as sure|shouted} that $quarrel.his.
"You are {as stubborn as a {mule|post|rusty lock}|impossible}!" [cried] $h. "{and you|^you} {never
listen|have always been {blind|unfair|deaf}}!" [cried] $o. {two doors slammed|one door slammed, and
then another}.
OR
it began with {nothing|something very small}: [oneday] they {spoke|talked} about $quarrel.about.
"{everyone knows|any fool can see} that $quarrel.hers," [said] $h. "{nonsense|not at all}," [said]
$o [how]. "$quarrel.his."
{by {noon|evening} they were shouting|one hard word led to {another|ten more}}, and [third] {closed
a window|had to pull them apart}.

[days] they did not {speak|exchange a word|greet each other}. $h $h.did alone, and $o $o.did alone,
and {both|each} {were|was} {miserable|lonely|too proud to say so}. [weather] [gloom]
OR
[days] $h {looked away|crossed the lane} when $o {passed|came by}. {$o {took|went} the long way to
[walkplace]|$o hung a blanket over the window} {so as not to meet $h.him|in order not to see
$h.him}. {[third] tried to make peace {but gave up|and failed}|even the [animal] went {sadly |}from
one house to the other}. [weather]

then {a pipe burst|a chimney caught fire|a branch crashed through the roof|the stable door blew off}
at {$o's house|the house of $o}. $h {heard the noise|saw it from the window} and {did not stop to
think|forgot all about the quarrel|was over the wall in a moment}. {side by side|together} they
{worked|carried buckets and boards|pulled and hammered} until {midnight|the danger was over|the
stars came out}.
OR
[oneday] $o {fell ill|hurt $o.his leg|had a fever} and the {chimney|window} {gave no smoke|stayed
dark}. $h {stood {at the door|outside} for a {long while|minute}|walked up and down}, then
{knocked|went in} with {a pot of [soup]|a plate of [dry]}. "{I did not come to argue|eat first and
{scold|argue} later}," $h.he [said] [how].
OR
[oneday] [child] was {lost|missing} {on the moor|in the woods|in the fog}, and {every pair of hands
was needed|the bell was rung}. {by chance|as luck would have it} $h and $o {were sent {along|down}
the same path|shared one lantern}. {they called and listened|they walked in silence}, and
{together|[later]} they found the child {asleep|safe} [outside].

"I {was wrong|was a fool|said too much}," said $o [sadly]. "{no|^no}, I was {worse|just as bad},"
[said] $h. {they looked at each other and {laughed|began to laugh}|they shook hands twice}.
{$quarrel.about did not seem {so |}important any more.|nobody spoke of $quarrel.about that night.|as
for $quarrel.about, they {threw a coin|asked [child] to decide}.} [feast]
OR
{afterwards|when it was over}, $o {made|poured} {two cups of tea|some tea} and {$h {wiped|washed}
{the soot|the mud} from $h.his hands|they sat on the doorstep}. "{I missed you," [said] $o. "^and I
you|I counted the days," [said] $o. "^so did I}," [answer] $h{ [how]|}{. "^more than {I can say|I
would admit}."|.} {as for $quarrel.about, they {settled it in a minute|forgot it}.|they never did
agree about $quarrel.about.} [feast]

{a friend is worth more than the last word.|it is better to {lose an argument|give way} than to lose
a {friend|neighbour}.|[since] when either of them grew {angry|cross}, the other {began to
whistle|said only one word, {chimney|teapot|cabbage}}, and {both laughed|that was enough}.|pride
keeps the door shut, {but|and} trouble {opens|knocks on} it.}
""")

plot("bargain", thing=THINGS, text="""
[open] $h {badly |}wanted $thing.a that {lay|hung} in the {window|cart|stall} of $o, {a trader from
{the coast|the south|the city}|a pedlar with a grey mule|a merchant who never smiled}. {it was
$thing.look, and it seemed to {wink|call|shine} whenever $h {passed|walked by}.|it would be the very
thing for {$h.his $kin.n|a wedding gift}.}

"What does {it|the $thing.n} cost?" asked $h {[how]|[oneday]}. $o {looked $h.him up and down|rubbed
$o.his {chin|hands}|took a pinch of snuff}. "{not money|money is dull|I have coins enough}," $o.he
[said]. "Bring me {a thing {that cannot be bought|no shop can sell}|something {warmer than
fire|sweeter than honey}}, and {it is yours|you shall have it}."
OR
"{how much for|what is the price of} $thing.the?" $h asked {[how]|[oneday]}. "{ten|twelve|twenty}
{silver coins|gold pieces}," said $o{ [how]|, who saw how much $h.he wanted it|}. $h had {only
two|barely three}. "{then|^well, then} {bring me|you may pay with} {something that {cannot be
bought|is worth more to me than to you}|a thing {warmer than fire|sweeter than honey}} {before I
leave|by {Sunday|Friday|market day}}," $o.he [said], {and laughed|thinking it could not be done}.

$h went home {deep in thought|and {thought|turned it over} [days]}. $h.he {tried|offered} {a jar of
{honey|butter|goose fat}|a {woollen|patched} blanket|a basket of {eggs|coals|pears}}, but $o {shook
$o.his head|only yawned|sent it back}. $h.he {tried|offered} {a song|a riddle|a feather}, {but|and}
{$o had heard a better one|that was not it either}. [gloom]
OR
$h {asked|begged for ideas from} [third], who {laughed|only shrugged|talked of {the weather|money}}.
$h.he asked [third], who {suggested|spoke of} {a cheese|a fat goose|a silk shirt}.
{[nextday]|[later]} $h {was no wiser|was still thinking}. [walk]

[nextday] $h {saw|noticed} {that $o {sat|ate} alone|$o {sitting|eating} alone} near [walkplace].
{nobody {talked to|greeted} a trader except to ask the price.|[weather]} "{come to supper|come and
eat with us}," said $h [how]. "{there is|we have} [food], and {my $kin.n tells good stories|there is
a chair by the stove}." {$o was {silent|quiet} for a {moment|while}|$o opened $o.his mouth and shut
it again}, and then {followed|came along}.
OR
[nextday] {a {wheel|strap} of the trader's cart broke|the trader's mule {went lame|ran off}} near
[walkplace]. {nobody {cared|stopped}|everyone had gone home}, but $h {came with {a rope|a
lantern}|rolled up $h.his sleeves} and {helped|worked} until {dark|it was put right}. "{why|^why} do
you help me?" $o {wondered|asked [how]}. "{because|you are far from home, and} {it is cold|you
looked tired|anybody would}," [said] $h, and shared {some|a little} [dry].

[later] $o {put|laid} $thing.the on the table. "{you have paid|the price is paid}," $o.he [said].
"{no one has {asked me in|shared a meal with me} for {three|seven|nine} years. A welcome {is the
thing|cannot be bought}.|kindness is {warmer than any fire|the one thing I have never been able to
buy}.}" [joy]
OR
{at the door|when the moon was up} $o {took out|unwrapped} $thing.the. "{take it|it is yours},"
$o.he [said] [how]. "I asked for {the impossible|something no shop can sell}, and you {gave it
without {knowing|counting}|did not even notice that you gave it}." [feast]

{[since] $o {stopped|stayed the night} in $town.name {every year|each spring}, and {the cart was
never locked|there was always a plate ready}.|{the best {bargain|trade} is one {in which both grow
rich|that leaves nobody poorer}.}|$h kept $thing.the {for years|a lifetime}, but {it was the guest
that $h.he remembered best|the friendship lasted longer}.}
""")

plot("journey", thing=THINGS, wise=WALKERS, text="""
[open] [oneday] a {letter|message} came: {$h.his $kin.n, who lived {beyond the
{mountains|moor|marshes}|on the coast}, was ill|$o the $o.n, far away {beyond the
{mountains|moor|marshes}|on the coast}, was to be married} and {longed for|wished for|had asked for}
$thing.the that {hung|lay} in $h's house.
OR
[open] [oneday] $h.his $kin.n {put|laid} $thing.the into $h.his {hands|bag}. "{carry|take} this to
$o the $o.n{, who lives beyond the {mountains|moor|marshes}|, {three|four} days from here}," {said
the old voice|came the words} [how]. "{it must arrive|it has to be there} before the {new
moon|feast|last leaf falls}."

$h {packed|took} [dry], {a blanket|a stick|a coil of rope} and {a box of matches|a warm cap|one
clean shirt}, {said goodbye to|locked the door and waved to} [third] and {set out|left} {at
dawn|before sunrise|while the town slept}. [walk]
OR
$h had never {been further than|gone beyond} [walkplace], but {$h.he {set out|left} {at dawn|at
first light}|the road was waiting}. {in the bag were|$h.he carried} [dry] {and|together with} {an
onion|a candle|a ball of string}, and {next to $h.his heart|deep in one pocket} was $thing.the.
[walk]

on the {second|third} day {the path came to {a river|a gorge}, and the bridge {had fallen|was
gone}|a fog {came down|rolled in}, so thick that $h could not see $h.his own boots|the road
{split|parted} into three, and the signpost {lay in the ditch|had no letters left}}. {"I shall never
get there," $h {said|murmured} [sadly].|$h {sat|sank} down on a stone and {ate the last crust|did
not know what to do}.}
then a {$wise.adj|} $wise.n $wise.came. {"You look {lost|tired}, {traveller|friend}," it said.|"{why
so sad|what troubles you}, {traveller|friend}?" it asked.}

"{help me|tell me the way|show me the way}, and {I shall share my {bread|supper} with you|I shall
not forget it}," said $h. "{people {always hurry|never wait}|all who come here want to hurry},"
[said] the $wise.n. "{wait until {the moon rises|the wind turns}, and {follow|look for} the {white
stones|old wall|sound of water}|go back a hundred steps, {and|then} keep {the wind|the stream} on
your left}." $h {did so|obeyed}, {and it was true|though it was hard to wait}: [later] the way {lay
clear|opened} {before $h.him|under the stars}.
OR
$h {broke the last piece of bread in two|counted the last six walnuts} and {gave|offered} half to
the $wise.n. {it ate {every crumb|politely}|"Not many share," it {said|remarked} [how]}. then it
{led|guided} $h {step by step|without hurry} {over {roots|slippery stones}|through {the thorns|a
narrow gap}|along the {edge|bank}}, {and at last|until} the {road|right road} {lay ahead|was there
again}. {"Go on," it said, and $wise.left.|^before $h could thank it, the $wise.n $wise.left.}

so $h {came|arrived} in time, {dusty and {thin|tired}|with wet boots and {a torn coat|a happy
face}}, and {delivered|handed over} $thing.the. {there were {tears|hugs} at the door, and [food] on
the table|the whole house woke up, and soon there was {supper|a hot supper} for the traveller}.
{"You have come {such a long way|so far}!" they {said|cried} again and again.|"Was the {road|way}
hard?" they asked. "^{only the lonely parts|I had good company}," said $h [how].}
OR
{at last|on the {fifth|sixth} day} $h {saw|reached} a {lighted window|door with roses round it|house
with a green door}. {everyone ran out|a dog barked, and {arms|doors} were opened wide}. $h
{put|laid} $thing.the on the table{ [how]|}, and {nobody spoke for a moment|it {shone|seemed to
glow} like {a star|a small sun}}. [feast]

{on the way home|weeks later, going back}, $h left {a loaf|a cake|a handful of nuts} for the $wise.n
{that had helped|by the road}. {a road is {shorter|never long} for those who share their
bread.|[since] whenever {a stranger|anybody} {asked the way|knocked}, $h {put on a coat and|stopped
work and} walked along {a little|a mile}.|those who wait {at the right moment|well} arrive
{first|sooner}.}
""")

plot("storm", stray=STRAYS, text="""
[open] {[weather]|} {but|yet} [oneday] the {sky|air} {turned {green|black|the colour of slate}|grew
strangely still}, and [third] {closed|barred} the shutters. "{a storm is coming|bad weather on the
way}," [said] $o the $o.n, {looking up|closing a window|and took in the washing}.
OR
[open] [oneday] {the swallows flew low|the cattle would not leave the gate|the wind dropped all at
once}. $h {looked up|sniffed the air}. "{there will be a storm|we shall have a storm} {by
night|before night|within the hour}," $h.he {told|said to} $o the $o.n, {and {so there was|it was
true}|who only laughed}.

{by {dusk|evening}|an hour later} {the wind {roared|howled} in the chimneys|rain {beat|drummed} on
{every roof|the shutters}} and {{tiles|branches} flew through the air|the river climbed over its
banks}. {$h {counted|looked around}: everyone was {safe|indoors} {but one|except one}|then someone
{cried out|began to weep}}. [child] {had gone|had run off} {to look for a {lost |}$stray.n|after a
$stray.n} and {had not come back|was nowhere to be found}.
OR
{at {nightfall|supper time}|[later]} it {broke|came}: {first|with} {hail|thunder}, then {wind|such
rain} that {nobody could {stand|hear a word}|trees {bent|lay down} like grass}. $h {was
{bolting|closing} the door|had just lit the lamp} when [third] {stumbled|rushed} in. "{the
{river|water} is rising|the lane is under water}, and [child] is {still out there|still} {looking
for a $stray.n|on the wrong side}!"

"{I will go|somebody must go|I know the path}," said $h, and {took|caught up} {a lantern and a
rope|the big lantern}. "{not alone|^you will not go alone}," [said] $o. {they {tied|knotted} the
rope round both their waists|they held on to {each other|one rope}} and {went out|fought their way}
past [walkplace], {step by step|bent double}, {calling|shouting} into the {dark|wind}.
OR
$h {did not wait|pulled on $h.his boots}. {"Ring the {chapel |}bell," $h.he {told|said to} $o, "{and
do not stop|so that we can find our way back}."|"Put a lamp in every window," $h.he {cried|told
$o}.} then $h {waded|crept|ran} past [walkplace] and on {along|down} the {lane|bank}, {with the
{rain|wind} in $h.his face|where the water {pulled at|reached} $h.his knees}.

{at last|[later]} {a faint $stray.cry|a small $stray.cry} {came through|was heard over} the
{storm|noise of the water}. {there|[outside]}, {wet|cold} {to the bone|and shaking}, {sat|was} the
child with {the|a} {$stray.adj |}$stray.n {under one arm|buttoned into a jacket}. "{I could not
leave it|it was crying}," said the child{ [how]|}. "{you did well|^quite right}," [said] $h, and
{took|lifted} them both up.
OR
{then|[later]} lightning {lit up|showed} {a {broken|fallen} tree|the old sheep pen|an upturned
boat}, and {beneath|behind} it {two|four} bright eyes. {the child {clung to|hugged}|there was the
child, holding} a {$stray.adj |}$stray.n. "{hold tight|shut your eyes and hold on}," [said] $h
[how]. {one step at a time|with the rope between them|towards the sound of the bell}, they
{turned|came} {home|back}.

{by {morning|dawn}|[nextday]} {the storm had {passed|blown itself out}|the sky was washed clean}.
{roofs|fences} were {broken|gone} and {mud lay everywhere|the lanes were full of branches}, but
{nobody|no one} was {lost|missing}. $o {heated|made} [soup], {the child slept {until noon|by the
stove}|[third] hugged everyone twice}, and the $stray.n had $stray.food.
OR
[nextday] [folk] {swept|picked up} {the broken tiles|leaves and glass}, and {everybody|all of them}
{wanted to shake $h's hand|told the story in a different way}. the $stray.n {was given|got}
$stray.food and {a name, Thunder|a bed by the stove|a name, Puddle}. [feast]

{courage is not {being without fear|a loud thing}; it is {a lantern carried into the dark|going out
all the same}.|[since] a lamp {burned|was lit} in the {chapel|mill} window {on every {wild|stormy}
night|whenever the wind rose}.|a storm {shows|tells} {who our friends are|which roofs are sound, and
which {friends|hearts}}.|when the wind {rises|howls} now, the $stray.n {hides|still hides} under
$h's {bed|chair}.}
""")

plot("contest", contest=CONTESTS, text="""
[open] {every year|each $season.name} $town.name held a $contest.n contest, and the prize was
$contest.prize. $h {had {come last|lost} {twice|three times}|had never dared to {enter|try}} and
{dreamed|thought} of {winning|nothing else}.
OR
[open] [oneday] {a notice|a sheet of paper} was {nailed|pinned} to the {chapel|inn} door: {there
would be a $contest.n contest|all were invited to the $contest.n contest}, with $contest.prize for
the {best|winner}. "{this time|this year} I will win," $h {told {$h.his $kin.n|[third]}|said to
$h.self}.

$h {worked|laboured} [days] on $contest.made of $contest.with. {$h.he {burned|bent|spoiled} the
first one and {threw away|gave up on} the second|it was {harder|slower} than it looked}, but {the
{third|fourth} was {a beauty|just right}|little by little it came right}. {in the next
{street|lane}|across the square} $o the $o.n was {busy|working} too, and {everyone|[third]}
{said|knew} that $o {always won|had the quicker hands}.
OR
{night after night|[days]} {a light burned in $h's window|$h sat up late}, {while $h.he made|making}
$contest.made of $contest.with. "{it will never do|that will not work}," [said] [third]. {$h took no
notice|but $h only smiled}. {$o the $o.n, who had won {the year before|four times},|a rival, $o the
$o.n,} {came to look through the fence|walked past with a proud nose}, {and said nothing|and
laughed}.

{the great day came|at last it was the day}. [weather] [folk] {filled|crowded} the square,
{and|while} {drums were beaten|flags flew from every window}. {but {just before|a minute before} the
start|then, as the bell rang,} $h {saw|noticed} $o {sitting|standing} [outside], {close to tears|as
pale as flour}: {there was|$o.he had found} $contest.fault, and {no time {left |}to mend it|nothing
{left |}to put it right with}.

{$h {could|might} have {walked on|smiled and gone by}|for a moment $h thought of the prize}. {then|instead}
$h.he {sat down beside $o|opened $h.his bag}. "{let me help|here, use {half of |}mine|two can mend
faster than one}," $h.he [said]. "{why|but why}?" asked $o{ [how]|}. "{because|^because} {I want to
win against your best|it would be no {fun|contest} without you}," [answer] $h.
OR
"{take|here is} {what I have left over|some of mine}," [said] $h{ [how]|}. {$o {stared|looked up}|$o
could not believe it}. "{but you could win|then I may beat you}," $o.he [said]. "{then you will beat
me|perhaps}," [said] $h, {already {at work|tying a knot}|with a shrug}, "{and we shall both {sleep
well|have done our best}|but not because of bad luck}." {they were ready just in time.|[third]
watched {from|over} the fence.}

{in the end|when all was over} the judges {whispered|argued} for {an hour|half an hour}. {$o won by
{a hair|a finger's breadth}, and {broke|cut|shared} the prize {in two {at once|on the spot}|with
$h}.|$h won, and the {first|one} who {cheered|clapped} was $o.|neither won: the prize went to
[child], and $h and $o {laughed until {they had to sit down|their sides hurt}|shook hands}.} [feast]
OR
the {judge|mayor} {walked up and down|put on two pairs of glasses} and {looked and looked
again|tested everything twice}. "{the best|first place}," {came the word|was the verdict}, "goes to
{$o|$h}!" {and {then|at once}|but} the {winner|winner, who was honest,} {called the other up|pulled
the other onto the stage}. "{we did it together|without my friend I would have nothing to show}."
{the crowd {roared|stamped}|hats flew into the air}. [joy]

{[since] they {entered|worked} together {every year|each time}, and {quarrelled only about|shared}
the {name|glory}.|{a prize {gathers|catches} dust, but a {good deed|kindness} {stays|keeps}
bright.}|those who {lift|help} others {stand|rise} higher {themselves|in the end}.|"$contest.prize
is {nice|well enough}," $h {used to say|said}, "but {a friend|a good rival} is better."}
""")

plot("secret", secret=SECRETS, text="""
[open] [oneday], {while looking for {mushrooms|a lost hen|firewood}|following a [animal]}, $h {came
upon|discovered} $secret.found. {$h.he {stood|sat} quite still|nobody had been there for {years|a
hundred years}}, and $season.scene.
OR
[open] [oneday] $h.his $kin.n {led|took} $h.him {through thorns and nettles|a long way beyond
[walkplace]} and {showed|pointed out to} $h.him $secret.found. "{tell no one|keep this in your
heart} {until it is needed|unless there is need}," {were the words|was all that was said}, and $h
{promised|nodded}.

{it was {hard|not easy} to be {silent|quiet}.|a secret {itches|tickles} like {a woollen shirt|straw
in the bed}.} {when|once, when} [third] asked {where $h.he had been|about the mud on $h.his boots},
$h {talked about|spoke of} {the weather|the price of eggs}. {$o the $o.n was {more curious|harder to
fool}|only $o the $o.n would not give up}. "{you {know something|are hiding something}|there is
something in your eyes}," $o.he [said]. "^perhaps," [said] $h [how], "{and I gave my word|but it is
not mine to tell}."
OR
[days] $h {went there|crept out to it} {alone|at dusk}, and {kept|guarded} {it|the secret}
{well|like a coin under the tongue}. $o the $o.n {offered|promised} {two|six} {silver coins|pots of
honey} to {know|learn} where $h.he {went|was going}. $h {was tempted|bit $h.his lip}, but {a promise
{is a promise|weighs more than silver}|shook $h.his head}. [weather]

then {came|there was} {a bad time|trouble}: $secret.needs. {[folk] {wept|gathered} in the
square|nobody knew {what to do|where to turn}}, and {the mayor {had no answer|could only
sigh}|[third] packed a bag to leave}. [gloom]
OR
[oneday] {the worst happened|there came bad news}: $secret.needs. {"What {shall|can} we do?" cried
[third].|[folk] stood about in {small groups|the lane} and {whispered|shook their heads}.} {$h {lay
awake|did not sleep} that night|$h walked up and down, thinking of the promise}.

"{now is the time|a secret is kept for a day like this}," $h {thought|said to $h.self}. [nextday]
$h.he {knocked at $o's door|went to $o first}. "{come with me|bring {a lantern|a basket}, and {ask
nothing|follow}}," $h.he [said]. {they {pushed|climbed} through {the brambles|ivy and stones}|past
[walkplace] they went, and over a wall}, and {there it was|$o {stopped|stood} with open mouth}:
$secret.found.
OR
[later] $h {climbed onto {a barrel|the well|a bench}|stood up before them all}. "{I have|there is}
{kept a secret|something I never told}," $h.he [said] [how]. "{now|today} it {belongs to all|is
yours as well}." {one after another|with $o in front}, they {followed|walked behind} $h.him past
[walkplace] {to the hidden place|until they stood before it}. "{all this time|and you said
nothing}!" [cried] $o.

{so|and so} $town.name had $secret.gift, {and|while} {nobody {had to leave|lost heart}|the bad time
passed}. {"You {were right|did well} to {wait|be silent}," said $o. "^{had I known, I would have
told everyone|I could not have kept it for a day}."|[third] {wept for joy|kissed $h on both
cheeks}.} [feast]
OR
{before {long|the week was out}|thanks to this} there was $secret.gift {for {young and old|rich and
poor}|in $town.name}. {they {built|put} {a little gate|a bench} there|they carved a small
{star|bird} into the rock}, {and|so that} {nobody ever took {too much|more than was needed}|all
would remember}. [joy]

{a secret is like {a seed|bread in the cupboard}: {it must be kept for the right day|one must know
when to open the door}.|keep a {secret|treasure} {as long as|while} it does good, and {share|give}
it when {it is needed|sharing does more}.|[since] [folk] {trusted $h with all their secrets|told $h
everything}, and {there were a great many|some of them were about cake}.}
""")

plot("gift", thing=THINGS, text="""
[open] {the birthday of $o the $o.n|$o's birthday} was {near|only a week away}, and $h wanted to
give $o.him {something {special|fine}|the best gift of all}. {the trouble was that|but} $h's
{purse|money box} {held|contained} {three pennies and {a bean|a button}|nothing but {dust|a
spider}}.
OR
[open] $h {owed|wished to thank} $o{, the kind $o.n,| the $o.n} {a great deal|more than words could
say}, for $o {had {nursed|fed} $h.him through a hard winter|had once {pulled|saved} $h.him from the
river}. {now|[oneday]} $o was {to marry|turning fifty|moving into a new house}, {and|but} $h {had no
money for a gift|could not afford a gift}.

$h {looked into|stood before} the {pedlar's|trader's|new shop's} window, where $thing.a {lay on
{velvet|blue paper}|shone in the lamplight}. it {cost more than {a cow|a year's rent}|was far too
dear}. {"I could {sell|trade} my $h.tool," $h {thought|said}, {and|but} {went pale|sighed}.|[gloom]}
OR
"{what would $o.he like|what can one give for nothing}?" $h asked {$h.his $kin.n|[third]}.
"{something from your own hands|time is a gift too|ask what $o.he has lost}," {came the answer|was
the answer}. {$h remembered that|then $h heard that} $o had once {lost|owned} $thing.a and {still
{spoke|dreamed} of it|missed it}.

so $h {worked|took work} [days]: {$h.he {swept|scrubbed} floors for [third]|$h.he carried water for
[third]}, {chopped wood|cleaned a stable} for [third] and {still |}$h.did {in between|besides}.
{coin by coin|little by little} the {money|jar} grew, until {[oneday]|at last} $h {could buy|bought}
$thing.the{ and wrapped it in {leaves|a clean cloth}|}.
OR
{so|and so} $h {decided|made up $h.his mind} to make $thing.a {alone|with $h.his own hands}. {the
first was {crooked|ugly}, the second {fell apart|broke}|$h.he {cut $h.his thumb|made a great mess}
and began again}. [third] {lent a {file|lamp}|showed $h.him a trick}, and {after many
evenings|[later]} it was {done|finished}: a $thing.full, {not perfect|a little uneven}, but {warm to
the hand|full of care}.

{on the way|going to $o's house}, $h {met|came upon} [child], {crying|weeping} [outside]. "{I am
hungry|my mother is ill and we have no {bread|wood}}," {sobbed the child|said the child}. $h
{stood|thought} for a {long |}moment, then {gave away {$h.his coat|$h.his supper}|turned back and
fetched [food]}, and {came|arrived} {late|so late that the guests were leaving}.
OR
{on the {day|evening}|[evening]} $h {stood at the door|came in last} and {saw|noticed} {the other
gifts|the table}: {silver plates, a {clock|rug}|a fur, a painted chest} and {silk|a tall vase}.
{$h.he {hid|held} the {small |}parcel behind $h.his back.|how small $h.his parcel seemed!} "{I have
only this|it is nothing much}," $h.he [said] [sadly].

$o {unwrapped|opened} {it|the parcel} and {was silent|said nothing for a long time}. {"You
{remembered|did this for me}," $o.he {whispered|said} {at last|[how]}.|"It is the {dearest|finest}
thing I have ever {held|been given}," $o.he [said].} {$o.he {pushed the other gifts aside|forgot the
guests} and {held $thing.the {to the light|to $o.his heart}|would not put $thing.the down}.} [feast]
OR
"{where did you {find|get} this|how did you know}?" [cried] $o, {holding|lifting} $thing.the {up to
the lamp|in both hands}. {when|after} $h had {told|explained} {everything|about the long days}, $o
{laughed and wept at once|took both $h.his hands}. "{the gift is lovely|I shall keep the $thing.n},"
$o.he [said], "but the {days|hours} in it are {lovelier|worth more}." [joy]

{a gift is {measured|weighed} by {the love|what it cost the heart|the care} in it{, not by {gold|its
price}|}.|[since] $thing.the {lay|stood} {in the middle of $o's table|beside $o's bed}, and {the
silver plates {gathered dust|stayed in the cupboard}|guests were always shown it first}.|{those who
give {with both hands|gladly} {are never poor|never go home empty}.}}
""")

plot("repair", machine=MACHINES, text="""
[open] the {pride|best thing} of $town.name was the $machine.n $machine.where. [oneday] it
{failed|would not work}: $machine.part had $machine.bad, {and|so that} {everyone
{suffered|complained}|nothing was as it should be}.
OR
[open] [oneday] {a {crack|bang|groan} {was heard|came}|[third] came running with bad news}: the
$machine.n $machine.where {was broken|had failed}. "{{who|who in the world} can mend it|what shall
we do without it}?" asked [folk] {in the square|at every corner}.

the mayor {sent for|called} {an expert|a famous engineer|a master} from the city, who {came with
{six|nine} boxes of tools|wore a tall hat}. {he {tapped|measured} here and {tapped|measured}
there|for three days he drew on large sheets of paper}, {asked for {a great deal of|more}
money|shook his head} and {went away|said it was hopeless}.
OR
first [third] tried, with {a hammer|a crowbar}, and {made it worse|only bent a nail}. then [third]
{tried|had a go}, with {soap|a prayer|a song}, {and nothing moved|without any luck}. "{buy|get} a
new one," said {some|the rich}. "{with what money|^and who will pay}?" said {others|the poor}.

$h {said little|was no expert}, but {liked to know how things worked|had good eyes and time}. $h.he
{sat|lay} {beside|under} the $machine.n [days] with {a candle|a lamp}, and {listened|looked}. {$o
the $o.n {brought|carried over} [food] and {held the light|asked what $h.he saw}|"What are you doing
there?" asked $o the $o.n. "^{listening|learning}," [answer] $h [how]}. {"It is only $machine.part,"
said $h at last. "The rest is sound."|at last $h saw it: everything was sound except $machine.part.}
OR
"{may I {try|look}?" asked $h [how]|let me look at it," [said] $h [how]}. {the {mayor|crowd}
laughed|[third] laughed}, but $o the $o.n did not. "{let $h.him try," $o.he [said]|what is there to
lose?" $o.he asked}. {so $h {climbed in|went to work} with a $h.tool and {a lamp|a little oil}|$h
took off $h.his jacket}. {[later] $h.he {nodded|smiled}|[later] a voice came from inside}:
{$machine.part had $machine.bad, and no more than that|only $machine.part was to blame}.

{with $o's help|with $o beside $h.him|while $o held the light}, $h $machine.fix. {the work
{took|lasted} [days]|twice it {slipped|went wrong}, and twice they began again}, {and|but} {neither
of them|nobody} {gave up|lost patience}. [weather]
OR
$h {borrowed|begged} {an old nail|what was needed} from [third], {a bit of wire|something} from
[third] and {good advice|some wax} from $h.his $kin.n. then, {while|as} $o {held the lamp|steadied
the ladder}, $h.he $machine.fix. {"Slowly," {said|warned} $o. "^{you have only one|we have all
night}."|$h.his hands {shook|were black}, but they knew what to do.}

[nextday] {the whole town|everybody} {came to see|gathered}. {$h {took a deep breath|nodded},
{and|then} {stepped back|gave the sign}|for a moment nothing happened}. {then|and then} the
$machine.n $machine.sign! [joy]
OR
{[later] it was done|at last $h stood up and wiped $h.his hands}. "{now|try it now}," $h.he [said].
{$o {pushed|pulled}|there was a {click|creak}}, and the $machine.n $machine.sign. {[folk]
{cheered|threw up their caps}|the mayor {blew his nose|forgot his speech}}. [feast]

{{great|big} troubles often have a small cause.|those who {listen|look long} {find|see} what
{experts|loud voices} {miss|pass by}.|"{how did you know|what was your secret}?" asked the mayor.
"^{it told me|I asked it}," [answer] $h.|[since] [child] {came|sat with $h} {every
{week|Saturday}|each day} to {learn|hold the lamp}, and {so|that way} the $machine.n {never failed
again|was always in good hands}.}
""")

plot("wise animal", wise=WISE, text="""
[open] but $h {had a trouble|was unhappy}: {{however hard $h.he worked|whatever $h.he did}, {there
was never time for anything|the day was too short}|{$h.he could not decide whether to {stay or
go|marry or wait}|two roads were open, and $h.he could not choose}|{$h.he was never content|nothing
$h.he made seemed good enough}}.
"{go and ask|you should ask} the $wise.n $wise.home," said {$h.his $kin.n|[third]}. "{it knows {more
than people do|everything}|it has an answer for {everyone|all of us}}."

[oneday] $h {went|set out} {to find|to look for} the $wise.n $wise.home. [walk] {$h.he waited {an
hour|until the sun was low}|$h called three times}, and [later] the $wise.n $wise.came.

"{well|so}?" {it asked|said the $wise.n}. $h {told it everything|poured out $h.his heart}. the
$wise.n {listened with its eyes shut|was silent for a long while|looked at the sky}. "{bring me {a
handful of|a little} {water from the stream|sand|mist}|fill {this|that} {nutshell|acorn cup|cracked
jug} to the brim|count the {leaves of one {oak|willow}|blades of grass before your door|nails in
your floor}}," it {said|answered}, "{without {haste|spilling|stopping}|and do not hurry}. {then
{come back|ask again}|after that I shall answer}."
OR
$h {bowed|sat down in the grass} and {explained|told the creature all about it|spoke of everything}.
"{hm|I see}," said the $wise.n. "{tell me|first}: {what is it that|what} {grows when it is
{shared|given away}|has roots nobody sees|runs but never walks}?" "{I do not know|is that an
answer}?" [cried] $h. "{it is a question|no}," [answer] the $wise.n. "{go home and {ask|answer} it
slowly|come back when you have stopped hurrying}." {and|then} it $wise.left.

$h {was {angry|puzzled} at first|thought it {a foolish|an odd} task}, {but {tried|tried all the
same}|yet did as $h.he was told}. [days] $h.he {failed|got it wrong}. {$o the $o.n {laughed|came by
and {shook $o.his head|watched}}|[third] thought $h had gone mad}. {yet|but} {slowly|little by
little} {$h's {hands|breath} {grew|became} quiet|$h.he {began to notice|saw} things {that were
new|never seen before}}: [scene].
OR
{all the way home|[days]} $h {thought about it|turned the words over}, {while $h.he worked|at work
and at table}. $o the $o.n {wondered|asked} {why $h was so {quiet|still}|what was the matter}. "{I
am {thinking|listening}|I have a task}," [said] $h. {they {sat|watched the [animal]} together
[spot]|$o sat down and thought as well}, and for {the first time {in months|in years}|once} $h
{heard|noticed} {the {birds|clock}|$h.his own heart} and {was not in a hurry|wanted nothing}.

[nextday] $h {returned|went back} to the $wise.n. "{I could not do it|I have no answer}," $h.he
[said] [how], "but {while I tried|on the way} I {forgot|lost} my {trouble|worry}." "{that was the
answer|then you have it}," [said] the $wise.n. "{you were looking {at your feet|too far ahead}|a
muddy pond {clears|grows clear} when {nobody|no one} stirs it}." {and it $wise.left.|$h {laughed
aloud|bowed deeply}, and the $wise.n $wise.left.}
OR
{suddenly|[oneday]}, {in the middle of work|over a plate of [food]}, $h {understood|put down $h.his
spoon}. {$h.he ran back|$h hurried} to the $wise.n. "{the task {does not matter|was only a door}|it
was never about the task}," $h.he [said]. "{you wanted me to {stop|be still}|I only had to
{wait|stand still}}." the $wise.n {almost smiled|blinked}. "{it took the last one {two|ten}
years|most people need longer}," it said. [joy]

{[since] $h {sat|rested} {for an hour|a while} [spot] {every evening|each day}, and {somehow there
was time for everything|all the rest came right}.|{haste is a {lame|blind} horse.|{still|quiet}
water {shows|holds} the {stars|moon}.|a {good question|slow answer} is {worth more|better} than {a
quick answer|ten quick ones}.}|when others {were in trouble|came for advice}, $h {sent them|pointed}
to the $wise.n{ $wise.home|}.}
""")

plot("foolish wish", wish=WISHES, wise=WALKERS, text="""
[open] [oneday] $h {found|freed} a $wise.n {caught in {a net|a trap|brambles}|with its foot under a
stone} and {set it free|let it go}. "{thank you|you are kind}," said the $wise.n. "{I can grant one
wish, so {think|choose} {well|slowly}|you may have one wish}."
OR
[open] [oneday], {digging|clearing weeds} [outside], $h {found|turned up} {a {blue|dusty|cracked}
bottle|an old brass lamp}. {out of it came|when $h.he rubbed it, there was} {a thread of smoke|a
cough}, and then {a thin|a sleepy} voice: "{one wish|you have one wish}. {make it quick|the last
owner wished for soup}."

$h did not {think|stop to think} for {long|more than a minute}. $h.he {wished|wished aloud}
$wish.want. {there was {a puff of wind|a small bang}|somewhere a bell rang}, and {it was done|so it
was}. {at first|for an hour or two} {all was well|it was wonderful}: $wish.good. [joy]

but {before {long|evening}|by the {second|third} day} {things went wrong|the wish turned sour}:
$wish.bad. "{this is not what I {meant|wanted}|oh dear}," said $h [how]. {$o the $o.n {came|hurried}
over. "^what have you done?" $o.he [cried].|$o the $o.n {stared|put both hands to $o.his head}.}
{and|then} {it became worse|worse was to come}: $wish.worse.
OR
$o the $o.n was the first to {notice|complain}. "{see what you have done|this cannot go on|look
around you}!" $o.he [cried]. {and it was true|$h had to admit it}: $wish.bad. {the next day|on top
of that}, $wish.worse. [gloom]

"{help me|I want to undo it}," said $h. "{go back|^we must go back} {where|to where} it began,"
[said] $o, {who was sensible|taking $h.his arm}. {so they {went|walked}|they ran} past [walkplace]
{and|until they} found {the {giver|one} of the wish|the place again}, and $h {begged|asked} {for
help|to be free of it}. "{a wish can be {returned|taken back}|I can take it back}," said the voice,
"if {you give up {something dear|what you love best}|you {can tell|tell} me what you {really|truly}
need}."
OR
$h {walked about|lay awake} {all night|until the cocks crew}. {"It is {my own fault|nobody's fault
but mine}," $h.he {told|said to} $o.|$o sat with $h.him and did not scold.} [nextday] {they
{climbed|went} to [walkplace] and|at [walkplace] they} called {three times|into the wind}. {"Well?"
said the voice.|"Already?" said the voice.} "{please|^please}, {take it back|undo the wish},"
[cried] $h. "{I ask for nothing else|I have learned my lesson}."

"{I need {very little|work, and bread, and a friend|only my own two hands}|I give {my pride|back all
I got}}," said $h{ [how]|}. {"That was the {right|wisest} answer," said the voice,|"Good," said the
voice,} and {the {air|ground} trembled|it was like waking up}. {everything was as before|the world
was itself again}, {even|and} {the soup was {still |}warm|the [animal] {yawned|looked surprised}}.
[feast]
OR
{there was {silence|a long silence}|the voice laughed}. "{it is done|so be it}," it said, "{and
{next time|in future} {wish|ask} for less|and the next one may wish for soup again}." {in the
{lane|square}|at home} {all was as it had been|things were in their places}, and $h {went
straight|was glad to go back} to {work|doing what $h.he had always done}: $h.he $h.did{ with
[care]|, and was happy|}.

{be careful with wishes; {some|they} {come true|have teeth}.|[since] whenever {someone|[third]} said
"I wish", $h {covered $h.his ears.|ran out of the room.|said, "{quietly|hush}!"}|{enough is {better
than too much|a feast}.|what we {have|need} is {often|mostly} {at home already|what we already
have}.}|$o {never|still} {teased $h about it|told the tale}{, or not more than once a {day|week}| at
every wedding}.}
""")

plot("harvest", crop=CROPS, seasons=["summer", "autumn"], text="""
[open] {that|this} year the $crop.n in $crop.field $crop.was {better|finer} than ever, and {all of
it|everything} {depended on|hung on} {one dry week|a few dry days}. $h had promised {$h.his
$kin.n|[third]} to bring $crop.them in.
OR
[open] besides, $h {owned|looked after} $crop.field, {where|and there} the $crop.n $crop.was {ready
at last|ripe}. "{two more days|we must begin tomorrow}," [said] $h.his $kin.n, {sniffing|looking at}
the {wind|clouds}. "{then|after that} comes the rain."

{but {there|at that time} were no {hands|helpers}|who was to help}? {{the reapers|the usual helpers}
had {gone|gone off} to {the city|the war|another town}|half of $town.name had a {cold|fever}}. $h
{took one of the $crop.tool|began} {alone|at sunrise}, {and {worked|toiled}|working} until $h.his
{back ached|hands were sore}. {[later]|at noon} {not even|hardly} a {tenth|quarter} was done, and
{clouds|black clouds} {stood|rose} in the west.
OR
[oneday] $h {began|went out} {alone|before sunrise} with {a jug of water|[dry] in a cloth}. $h.he
{worked|bent and rose} {all day|hour after hour}, {but|and yet} {the {field|row} seemed to
{grow|have no end}|every time $h.he looked up there was more}. {far away|in the west} {it
thundered|the sky grew dark}. {"I shall lose {half of it|it all}," said $h [sadly].|[gloom]}

$o the $o.n {saw|heard of} it {from the {road|hill}|on the way home}. $o.he {was no farmer|had work
enough}, but {came {over|through the gate}|climbed over the wall}. "{give me one of the
$crop.tool|where shall I start}?" $o.he [said]. {then {came|there came}|behind $o came} [third], and
[third], {and|and after them} [child], {each with|carrying} {a basket|a rake|a sack}{ and a joke|}.
{soon|within the hour} {the whole field was {singing|full of voices}|there were {twenty|thirty} of
them}.
OR
{$h swallowed $h.his pride|"I cannot do it alone," thought $h}. $h.he {ran|went} {to the square|from
door to door} and {rang the bell|knocked}. "{the rain is coming|I need help}," $h.he [said]. {nobody
{asked questions|said no}.|"{why|^why} did you not {say so|ask} before?" [said] $o the $o.n.}
{[third] {put down a hammer|left the dinner on the stove}|[third] fetched the $crop.tool}, [third]
{harnessed the mule|brought a wagon}, and {off they went|even [child] came along}.

they {worked|kept on} {through the {evening|night}|by lantern light}, and {[folk] who had not spoken
for {years|a year}|[folk]} {passed {sheaves|baskets}|sang} {side by side|from hand to hand}. the
{first|first big} drop {fell|splashed} {on $h's nose|in the dust} {as|just when} the {last|very
last} load of $crop.n {rolled|went} {under the roof|into the barn}.
OR
{row by row|basket by basket}, the $crop.n {came|went} {into the barn|under cover}.
"{faster|hurry}!" [cried] $h.his $kin.n. "{the rain is {at the mill|on the hill}|I can smell it}!"
{they ran|the wagons flew}. {the barn door closed|the door was shut}, and {in that moment|a breath
later} the rain {came down like {a river|a wall}|began to {drum|roar}}, and {everyone|they all}
{cheered|laughed}.

[feast] {"How can I {pay|thank} you?" asked $h. "^{save me a {pie|basket}|one day it will rain on
us}," [answer] $o.|$h {gave|filled} {a basket|a sack} for {everyone|each of them}, and {the
{biggest|best} went to $o|kept the smallest}.} {outside|on the roof} the rain {sang|fell}, {and
nobody minded|but the barn was full and dry}.

{{many hands make {one short day|a field small}.|ask {in time|early}, and {help|it} comes in
time.|{no one|nobody} is {poor|alone} {who can|who dares to} {call a neighbour|ask}.}|[since] {it
was|that became} the custom in $town.name: {nobody|no one} {brought in|gathered} the $crop.n
alone.|in the spring, when $o's roof {leaked|blew off}, $h was {the first on the ladder|there before
the rain was}.}
""")

plot("new arrival", skill=SKILLS, text="""
[open] [oneday] a {stranger|newcomer} {came|moved} to $town.name, $o the $o.n, with {one
{trunk|suitcase}|a cart of boxes} and {an odd {hat|accent}|a green parrot}. {[folk]
{stared|whispered} behind the curtains|nobody said good morning}. {"Who knows {what $o.he
wants|where $o.he comes from}?" asked [third].|"We have a $o.n already," [answer] [third].}
OR
[open] the empty house {by the {ditch|bridge}|at the end of the lane} had {stood|been} {silent|dark}
for years. [oneday] {there was {smoke|light} in it|someone swept the step}: $o, a $o.n from {far
away|over the sea}, had {moved in|come to stay}. {the dogs barked, and [third] bolted a door|[folk]
crossed the street, and so did [third]}.

$h {did not like it|watched this for {a week|some days}}. $h.he {remembered|knew} how it was to {be
alone|be new}. {so|one {evening|noon}} $h.he {carried|took} {a pot of [soup]|a plate of [dry]} to
the door. "{welcome|good evening}," $h.he [said] [how]. {$o {blinked|looked surprised}|the door
opened a crack}. "{you are the first|nobody else has come}," [said] $o{, and {fetched|found} two
cups|}. $h {learned|found out} that $o $skill.does.
OR
"{what have they done to you|are they afraid of you}?" $h asked $o [how] {at the well|[spot]}.
"{they do not know me|it is always so at first}," [answer] $o. "{it takes|give it} time." {so they
{walked|talked}|they shared [food] and talked}, and {it {turned out|came out}|$h was amazed to hear}
that $o $skill.does. {"You must show them!" said $h. "^{nobody has asked|they will not want to
see}," [said] $o.|$h told {everyone|[third]}, but nobody {listened|cared}.}

{then|[oneday]} $skill.need. {everyone {talked at once|ran about}|nobody knew {what to do|a way
out}}. "{if only there were someone|who can help us}?" {asked|cried} [third]. $h {stepped
forward|stood up on a bench}. "{there is someone|we have someone}, {at the end of the lane|and you
never asked $o.him in}," $h.he [said].
OR
it {happened|came about} {that winter|not long after|[oneday]} that $skill.need. {$h did not
{hesitate|wait}: $h.he ran to $o.|"{fetch|go and fetch} the stranger!" $h [cried].} "{will they
{let|want} me|do they want my help}?" asked $o. "{they will|^come and see}," [answer] $h, {pulling
$o.him along|out of breath}.

$o {asked for|wanted} {nothing|no payment} and {came {at once|in slippers}|set to work}. {[folk]
{made way|stood with open mouths}|it grew very quiet}. {within {an hour|a day}|by
{morning|nightfall}} {the trouble was over|all was well}, {thanks to|and all because of} $o.his
{skill|quick hands|patience}. [third] {turned red|looked at the floor} and {was the first to {say
thank you|clap}|held out a hand}.
OR
{what happened next|what $o did then} was {talked of|remembered} for years. {without a word|calmly},
$o {rolled up $o.his sleeves|did what $o.he knew best}, {and {soon|[later]}|until} {all was well|the
worst was over}. "{forgive us|we were fools}," [said] [third] [how]. "{you were only {shy|afraid}|it
is forgotten}," [said] $o, {smiling|and meant it}.

[nextday] there {stood|were} {a loaf, a {cheese|pie}|flowers, a jar of {jam|honey}} and {a {live
hen|knitted cap}|six eggs} {on|before} $o's doorstep, and [child] {asked for lessons|wanted to see
the {parrot|hat}}. [feast]
OR
[since] {$o's door {was never still|stood open}|there was always someone at $o's table}, and {the
{odd|strange} {songs|words} of far away|$o.his stories} {were heard|could be heard} in {every
kitchen|the inn}. {"I have never {moved|travelled} again," $o {said|told $h}. "^{here I am known|I
am home}."|[joy]}

{{a stranger is a {friend|neighbour} {we have not {met|fed} yet|nobody has greeted}.|open the door
first, and {judge|ask questions} {later|afterwards}.|{every|each} {town|house} needs {a new
window|fresh air} now and then.}|and $h? $h.he {was {proud|glad} to have been the first|still brings
[food] on {Sundays|Fridays}}.}
""")

plot("fear", fear=FEARS, thing=THINGS, text="""
[open] {only one thing|there was one thing that} {troubled|frightened} $h{, and that was|:}
$fear.was. $fear.why, {and|so} $h {went|would go} {a mile out of the way|a long way round} {to avoid
it|rather than face it}.
OR
[open] {but|yet} $h was {terribly|dreadfully} afraid of $fear.n. {nobody {knew|guessed} it but $o
the $o.n|$h.he hid it well}. {"It is because $fear.why," $h {once |}{said|explained}.|whenever
{it|$fear.was} {was mentioned|came up}, $h found something to do elsewhere, because $fear.why.}

[oneday] $h.his $kin.n {lay in bed with|had} a fever and {asked for|could not rest without}
$thing.the. {it was|they had left it} $fear.place, and {nobody {else |}was there to {go|fetch
it}|there was no one else to send}. $h {went white|turned the colour of cheese}. "{I will go|of
course I will go}," $h.he [said] all the same.
OR
[oneday] [child] came {weeping|crying}. "{I left|someone has hidden} $thing.the $fear.place," {said
the child|the child said} [sadly]. "{and I|my father will be so cross, and I} {dare not go|am too
small to go} {there|back}." {why there|why did it have to be there|why there, of all places}? $h
{swallowed|shivered}. {but|yet} the child's eyes were {so {wet|round}|full of hope}.

$o the $o.n {met|saw} $h {on the way|at the gate}. "{you are trembling|you look like a ghost},"
$o.he [said]. "{I am afraid|my knees will not obey me}," [said] $h. "{then|^well}, {be afraid, and
{walk|go} anyway|take the fear along, like a {small dog|sister}}," [said] $o, and {gave $h.him {a
candle|an apple}|held $h.his hand for a moment}.
OR
{first|before leaving} $h {asked|went to} $o the $o.n. {"How do you do {brave|such} things?" {|$h.he
asked. }"{I {count|count my steps}|I sing, badly and loudly|I think of the one who waits}," [answer]
$o{ [how]|}.|"Are you never afraid?" {|$h.he asked. }"{always|often}," [answer] $o{ [how]|}. "{so I
{count|count my steps}|then I sing, badly and loudly|then I think of the one who waits}."} {$h
{nodded|took a deep breath}|that was not much help}, and $h.he {set off|went}. [weather]

{the {first|nearest} steps were the {worst|hardest}|$h's heart {beat|hammered} like {a drum|a bird
in a box}}. {"One," $h {counted|whispered}. "Two. Three."|$h {hummed|sang} {the only song $h.he
could remember|a song about a [animal]}.} {something {moved|rustled}|there was a noise}, and $h
{stood still|nearly ran}; {but it was only {a [animal]|the wind}|then a [animal] came out and
{yawned|looked at $h.him}}. {[later]|at the end of it all} $h.he {saw|found} $thing.the
{lying|shining} {in {the|thick} dust|in a corner|on a {flat |}stone}.
OR
{halfway|in the middle} $h {stopped|wanted to turn back}. {all was just as $h.he had feared|it was
every bit as bad as in $h.his dreams}. {then|but} $h.he {thought of {the promise|the one who
waited}|remembered who was waiting}, {took|and took} {another step|a breath}, and {another|ten
more}. {the fear {came along|did not go}|$h.his knees shook}, {but|and yet} {so did the courage|it
grew no bigger}. there{, at last,|} {lay|was} $thing.the, {cold|small} and {ordinary|real}.

$h {came|walked} back {with {dirty hands|a straight back}|quite slowly, almost sorry that it was
over}. "{you did it|there you are}!" [cried] $o. "{yes|^yes}," [said] $h, {surprised|who could
hardly believe it}. {and|now} $h.he knew that $fear.after. [joy]
OR
$thing.the was {handed over|soon in the right hands}, and there were {many thanks|hugs|hugs and
tears|no words for it}. "{was it {terrible|very bad}|were you afraid}?" asked {everyone|[third]}.
"{yes, {the whole time|all the way}|terribly}," [answer] $h. {and|then} $h.he {laughed|smiled},
because $fear.after. [feast]

{{courage is fear that {has said its prayers|keeps walking}.|fear is {a long shadow|loud}, but it
{has no hands|cannot bite}.|what we {run from|avoid} {grows|follows us}; what we walk towards
{shrinks|grows smaller}.}|[since] $h {was still {a little |}afraid of $fear.n, but {never|no longer}
afraid of being afraid|{faced|went to meet} $fear.n {once a week|now and then}, {if only to say
hello|just to prove it}}.}
""")

plot("noise in the attic", stray=LODGERS, text="""
[open] [oneday], {late at night|after midnight}, there was a {noise|sound} {above|over} $h's
{ceiling|bed}: {thump, thump, {scratch|drag}|scratch, bump, {and then|} a $stray.cry}. $h {pulled
the blanket over $h.his ears|sat up straight}.
OR
[open] {the house {was old|had an attic}|$h's attic was full of {old chairs|trunks}}, and nobody had
{been up|looked in} there {for years|since {the wedding|the flood}}. [oneday] {something {moved|ran}
about|steps were heard} in it. "{who is there|is anybody up there}?" [cried] $h. {there was no
answer|only a bump came back}.

[nextday] {everyone|all $town.name} {had an opinion|talked of it}. "{a ghost|it is a ghost}," said
[third]. "{thieves|it must be thieves}," said [third]. "{the wind|it is nothing but the wind}," said
[third], who {had never been wrong|knew everything}. {$o the $o.n {said|thought}: "^{let us go and
look|one could look}."|only $o the $o.n asked, "^{has anyone looked|did it sound sad}?"}
OR
{[days] it {went on|came back}.|every night it was the same.} {$h {put|left} {flour|ashes} on the
stairs and {found|saw} {strange marks|no marks at all}|$h hung a bell on the attic door, and at
midnight it rang}. [third] {brought|lent $h.him} {garlic|a horseshoe}. "{you need|what you need is}
{a priest|a bigger dog}," said [third]. {at last|so} $h {told|asked} $o the $o.n, who {was afraid of
nothing|liked a riddle}.

[evening] {they|the two of them} {sat|waited} {on the stairs|under the trap door} with {a lamp|one
candle} and [food]. {midnight {struck|came}|the clock struck twelve}. "{do you hear|there}!"
{whispered|said} $o. {up they went|they climbed}, {one behind the other|on tiptoe}, {and|until} $h
{pushed open|opened} the {door|trap door} {with a broom|an inch at a time}.
OR
"{I will hold the lamp|you hold the lamp}," {whispered|said} $o. "{and who goes|who will go}
{first|in front}?" {asked|whispered} $h. {the {stairs|steps} creaked|a cobweb touched $h.his face}.
{in the {corner|dark}|between {the trunks|two chairs}} something {breathed|moved|rustled}, and {two
{eyes|green eyes} {shone|looked at them}|a hat walked across the floor}.

{it was|there sat} a $stray.n, {$stray.adj and {hungry|half starved}|no bigger than a loaf}, {which
had come in through {a broken {tile|window}|the roof}|that had fallen through a hole} and {could not
get out|lost its way}. "{is that all|so this is our ghost}!" {laughed|cried} $o. {it gave a
{tiny|sad} $stray.cry|it looked far more frightened than they were}. $h {brought|fetched}
$stray.food, {and it ate {everything|for an hour}|and the trembling stopped}.
OR
"{do not hurt it|look}!" {said|cried} $h. {out|from under the hat} came a {$stray.adj|frightened}
$stray.n. {$o began to laugh, and {could not stop|had to sit down}|they both laughed until the dust
flew}. {"All that noise {from|for} {one|such a} small creature!" [said] $o.|"Thieves indeed!" $o.he
[said].} $h {gave|offered} it $stray.food and {made|it had} {a bed|a nest} {in a basket|of old
coats}.

[nextday] {all $town.name|[third]} {came to see|wanted to see} the {ghost|terrible ghost}. {"I
{always said|knew} it was {something|an animal}," said [third].|[third] {blushed|coughed}.} the
$stray.n {stayed|was given a name, Midnight}, and {soon|before long} it $stray.does.
OR
{the hole {in the roof |}was mended|they mended the roof}, {but|and} the $stray.n {was asked to
stay|would not leave}. {it $stray.does,|at night it slept, and by day it $stray.does,} and {nobody
slept better than|no house was merrier than that of} $h. [joy]

{{look|climb the stairs} before you {shiver|run}.|{most ghosts {are hungry|want supper}.|fear is
{biggest|largest} {in the dark|before the door is opened}.|a {lamp|candle} and a {friend|good
friend} {are the end of|frighten} {most|all} {ghosts|monsters}.}|[since] when [child] {was
afraid|heard a noise} at night, $h {told the story of the $stray.n.|said, "^{perhaps it is
hungry|let us go and look}."}}
""")

plot("apprentice", text="""
[open] but it had not always {gone so well|been so easy}. {when|once, when} $h {was
{ten|twelve|fourteen}|first came to the work}, {everything went wrong|nothing went right}. $h.his
master, $o, {was {strict|strict but fair}|said {little|very little}} and {could {see|spot} {a
mistake|a fault} across the {yard|room}|never raised $o.his voice}.
OR
[oneday] $h, {a {shy|thin|clumsy} {child|young thing} of {ten|twelve|fourteen}|the
{youngest|smallest} of {five|seven} children}, {came|was sent} to {learn|study} with $o, the
{best|finest} $h.n in $town.name. "{I know nothing|I have two left hands}," said $h{ [how]|}.
"{good|^good}," [said] $o. "{then {there is|you have} nothing to forget|we can begin at the
beginning}."

{the first {week|month}|[days]} $h {was allowed only to|did nothing but} {sweep the floor|carry
{wood|water}} and watch. {then|at last} $o {put|laid} the $h.tool {in $h.his hand|before $h.him}.
{$h {pressed|pulled} too hard|$h was too quick}, and {it {broke|slipped}|there was a {crash|mess}}.
{"Again," {said $o|was all that $o said}.|"^{what did you learn|why did it happen}?" asked $o.
"^{not to hurry|I do not know}," [answer] $h [sadly].}
OR
"Watch," said $o, {and {worked|did it} {slowly|as easily as breathing}|picking up the $h.tool}. $h
watched [days]. {then {it was|came} $h.his turn|"Now you," said $o}. {the first {try|piece} was
{crooked|terrible}, the second {worse|no better}, {and the [animal] {ran away from|sat down on} the
third|and the tenth was thrown into the stove}.}

[oneday] $h {threw down|dropped} the $h.tool. "{I shall never learn|I am too stupid}!" $h.he
{cried|said} and {ran out|hid} [spot]. {$o {came|followed} after a while|[later] $o sat down beside
$h.him} {with [food]|and said nothing for a while}. "{come|look at this}," $o.he {said|went on}
[how], and {showed|brought out} {a {box|shelf} full of {ugly|crooked|broken} things|something
{ugly|crooked} wrapped in cloth}. "{who made {that|those}|what is that}?" {asked $h|$h wanted to
know}. "{I did|^I did}. {it took me|for} {three|five} years."
OR
{one {evening|night}|[evening]} $h {packed|tied up} {a bundle|$h.his things} and {crept|tiptoed} {to
the door|past [walkplace]}. {[weather]|} $o was {sitting|waiting} there {in the dark|on the step}.
"{leaving|so you are going}?" $o.he asked. "{I {spoil|ruin} everything|I do everything wrong},"
[said] $h. {"^so did I, {once|for years}," [said] $o. "{the difference is {only|just} that I
stayed|one more day, and then decide}."|$o {moved aside|shrugged}. "^a {thousand|hundred} mistakes
{is the price|must be made}. {how many have you made|you have made {ninety|barely fifty}}."}

{so $h {stayed|came back}|$h wiped $h.his eyes and stayed}. {$h.he {failed|tried} again, {and|but}
better|every day went a little better}. {slowly|month by month} $h.his hands {grew clever|learned
what $h.his head did not know}. [weather]
OR
{after that|from then on} $h {counted|laughed at} $h.his mistakes: {sixty|seventy}, {eighty|ninety},
{a hundred|a hundred and four}. {then|and then}, [oneday], {there were no more to count|something
was different}. the $h.tool {seemed light|moved as if {by itself|alive}}, {and|while} {$h {forgot to
be afraid|did not think at all}|the [animal] slept on undisturbed}.

{when|as soon as} the {piece|work} was {finished|done}, $h {carried|took} it to $o. {$o
{turned|held} it {to|towards} the light|$o looked at it for a {long |}while} and {put it in the
{window|shop window}|set it beside $o.his own}. "{I cannot tell which is {mine|yours}|a customer
asked {which of us made it|for this one first}}," $o.he [said]. [joy]
OR
[nextday] [third] {came in|came into the shop} and {pointed|looked about}. "{I want that one|who
made this}? {it is the best in the {room|place}|I will pay double}." $o {smiled|laid a hand on $h's
shoulder}. "{my {apprentice|pupil} made it|ask $h.him}," $o.he [said]. {$h {turned red|did not know
where to look}, {and|but} {stood very straight|had never been so happy}.|[feast]}

{{nobody|no one} is born with clever hands.|{mistakes|failures} are {steps|stairs}, {if one
{climbs|looks at} them|not walls}.|patience {teaches|learns} what {force|talent} {cannot|never
will}.|{years later|many years after}, when $h had {a pupil|an apprentice} of $h.his own, {there
stood|$h.he kept} a box of {ugly|crooked} things {on the shelf|behind the door}.|"Again," says $h
{now|today} {to the young ones|to every beginner}, {and smiles|but always with a smile}.}
""")

plot("boast", text="""
[open] {$h had one fault|there was only one trouble}: $h.he {boasted|loved to boast}. [oneday], {at
the {inn|well}|before a crowd of [folk]}, $h {heard $h.self say|said loudly}: "{{I once|why, I}
{wrestled|rode} a {bear|bull}|I can {swim across the lake|cross the moor} {in the dark|before
breakfast}|I {know|have met} the {queen|king}, {and we are friends|who asks for my advice}}."
OR
[open] [oneday] {a traveller|[third]} {told of|spoke about} {great|brave} deeds, and {everyone
{listened|marvelled}|all eyes shone}. {$h could not bear it|$h felt small}. "{that is nothing|pah},"
$h.he {said|called out}. "{{I once|why, I} {wrestled|rode} a {bear|bull}|I can {swim across the
lake|cross the moor} {in the dark|before breakfast}|I {know|have met} the {queen|king}, {and we are
friends|who asks for my advice}}."

"{really|is that so|is it true}?" asked $o the $o.n. "{then {show|prove it to} us|then you can do it
again} {on Sunday|tomorrow}." {[folk] {clapped|cheered}|the whole room cheered}, {and|while} $h
{smiled|laughed} {with {dry|stiff} lips|weakly}. {at home|[evening]} $h.he {lay awake|walked up and
down}. [gloom]
OR
{by {noon|evening} the {story|news} was everywhere|the story grew {legs|wings}}. [child] {looked at
$h with shining eyes|wanted to hear {it|everything} {again|three times}}, [third] {sent a
{cake|ham}|wrote a song about it}, and $o the $o.n {asked|invited} $h to {show it|do it once more}
{at the fair|on market day}. {each|every} {kind word|praise} {hurt|weighed} like {a stone|a small
stone} in the shoe.

$h {tried|thought of} {every way out|many excuses}. $h.he {limped|tied up one {arm|foot}|coughed},
{but|and} $o {sent {tea|a doctor}|said it could wait a week}. $h.he {prayed|hoped} for {rain|an
early {snow|frost}}, and {the sun shone|$season.scene}. [walk]
OR
"{{what am I to do|how can I get out of it}?" $h asked $h.his $kin.n. "^{there is only one way {out
of|from} a lie|the shortest road is the true one}," {was the answer|came the answer}. "{the way you
came in|through the front door}."} {$h {hung $h.his head|groaned}|it was not what $h wanted to
hear}. [weather]

{the day came|at last the day came}, and {everyone|half of $town.name} {stood|gathered} {in the
square|at the inn|before [walkplace]}. $h {looked|climbed up and looked} at {the {faces|many
faces}|them all}. {"I {lied|made it up}," $h.he [said] [how]. "^{it never happened|there was no such
thing}. {I wanted you to {like|admire} me|I am only $h.arole, and I am sorry}."|{$h opened $h.his
mouth to make an excuse, {and|but} {out came the truth|told the truth instead}|there was an excuse
on $h.his tongue, but $h.he {swallowed it|bit it back} and told the truth}, {the whole of it|from
beginning to end}.}
OR
[nextday] $h {did not wait|could bear it no longer}. $h.he {knocked at|went to} $o's door. "{it is
not true|I have lied}," $h.he [said], {"and I am {ashamed|sorry}."|{red to the ears|hat in hand}.}
{and|then} {to everyone else|in the square} $h.he {said|told} the same, {door by door|one by one},
{which was {harder|worse} than any {bear|deed} could have been|though the words were like
{gravel|thorns}}.

{it was {so |}quiet|nobody spoke}. {one could hear a [animal] {breathe|scratch itself}|somebody
coughed}. {then|and then} $o {began to clap|came forward}. "{{that|now that} was brave|that took
more courage than {any bear|all the rest}}," $o.he [said]. {"I {knew|guessed} it {all along|from the
first}," $o.he added{ with a wink|, laughing}.|"And I have never {been to sea|shot a wolf},"
{added|said} [third].} [feast]
OR
{some|a few} {were cross|laughed}, and {[third] {wanted|asked for} the {cake|ham} back|[child]
{looked sad|wept a little}}. but $o {held out {a|one} hand|only smiled}. "{anyone can {tell a tall
tale|wrestle a bear}|we liked you before}," $o.he [said]. "{few can {take it back|say what you
said}|we like you better now}." [joy]

{the truth {is small|walks slowly}, but it {needs no {crutches|memory}|gets home}.|{{a lie|a boast}
is a coat {that never fits|made of snow}.|it is {easier|better} to be {liked|loved} for what {one
is|is true}.}|[since] $h told {tall tales|stories} {only at bedtime|only to children}, {and
began|always beginning} with the words: "^this {is not true|never happened}."}
""")

plot("winter soup", seasons=["winter"], text="""
[open] that {year the snow came {early|in October}|winter was the {hardest|longest} in
{forty|thirty} years}, and the {road|pass} was closed. {in every {house|cellar}|behind every door}
{there was {a little|too little}|the shelves grew empty}, and {each {family|house} hid what it
had|nobody shared a crumb}.
OR
[open] [oneday] {the mill {froze|stood still}|the snow closed the road}, and {no {cart|wagon}
came|nothing could be bought} for {weeks|a month}. {[folk] {locked|bolted} their
{cupboards|doors}|everyone counted {beans|potatoes} in secret}. "{I have nothing to {spare|give}|we
must look after ourselves}," said [third], and {so said|the same was said by} [third].

$h {had|found} {one {onion|carrot}|two {turnips|bones}} and {a big pot|the biggest pot in town}.
{$h.he {carried|dragged} it {to the square|out into the snow} and {made|lit} a fire|in the middle of
the square $h.he lit a fire under it}. "{what are you doing|have you lost your mind}?" asked $o the
$o.n, {stamping $o.his feet|from a window}. "{cooking for {all of us|everyone}|^I am making soup for
the whole town}," [answer] $h{ [how]|}. "{it wants only a little {salt|barley}|the only thing
missing is {salt|a bit of barley}}."
OR
"{this cannot go on|we shall starve one by one}," {said|thought} $h. [nextday] $h.he {hung|set} a
{great|huge} pot over a fire near [walkplace] and {threw in|put in} {all $h.he had|everything from
$h.his shelf}: {an onion|a cabbage} and {a handful of peas|half a sausage}. {the smell {crept|went}
round the corners, and {soon|before long} $o the $o.n came to look|$o the $o.n came to look}. "{that
is thin|that is hardly more than water}," {said|remarked} $o. "{it is|^yes}," [said] $h, "{but it is
{hot|a beginning}|but there is room in the pot}."

$o {scratched $o.his head|was silent}, {went|hurried} {home|away} and {came back|returned} with {a
bag of {lentils|barley}|a string of {mushrooms|garlic}}. {then|after that} came [third] with {a
{marrow |}bone|three {leeks|carrots}}, and [third] with {a {piece|rind} of bacon|dried
{beans|herbs}}. {[child] brought {one potato|a single bean}, {and it was {welcomed|put in} like a
king's gift|which went in with a splash}.|even [third], who {never gave|was not known to give}
anything, {came with|threw in} {a cheese|a lump of butter}.}
OR
{at first|for a while} {nobody moved|they only watched}. {then|and then} [child] {put|dropped} {one
potato|a single bean} into the pot. {that did it|after that it went quickly}: $o {fetched|brought}
{lentils|dried mushrooms}, [third] {cut up|came with} {a ham|three leeks}, and [third]
{found|remembered} {a sack of {flour|peas} under the stairs|a jar of {fat|salted beans}}. {"I had
{quite |}forgotten it was there," {everyone|they all} said.|nobody {asked|said} where it had been
{before|hidden}.}

{by {noon|dusk}|[later]} the soup was {so thick that the spoon stood {up|upright}|the colour of
gold}. {they {ate|sat} {on benches|round the fire}|bowls were passed from hand to hand}, and
{someone|[third]} {played|sang}, and $season.scene. {"I have {never|not} {eaten|tasted}
{better|anything so good}," said $o [how].|"{what is in it|what do you call it}?" asked $o. "^{all
of us|a bit of everyone}," [answer] $h.}
OR
[evening] the whole of $town.name {ate|stood} {round|about} the fire, {and|while} {nobody {was|went}
hungry|there was a second {bowl|helping} for all}. {it {tasted of {smoke|summer}|warmed even the
toes}|old quarrels melted like the snow on the pot's rim}. "{and tomorrow|what about tomorrow}?"
asked $o. "{the pot {stays|will stay}|^tomorrow we cook again}," [answer] $h. [joy]

{so they {came|got} through the winter, {all|every one} of them|the pot {hung|stood} there until
{the thaw|the swallows came}, and nobody starved}. {{alone|apart} we had {crumbs|little},
{together|shared} {we had a feast|it was enough}.|{a shared pot is never empty.|{little|small} and
{little|small} {makes|together make} {plenty|enough}.}|when the first wagon {came|arrived} in
{March|spring}, {the driver wondered at|they gave the driver soup, and he could not believe} {so
many round faces|what he saw}.}
""")

plot("strange seed", seed=SEEDS, seasons=["spring"], text="""
[open] [oneday] {an old {pedlar|beggar|sailor} {gave|handed} $h a seed {in return for {a bowl of
soup|a night in the barn}|instead of a coin}|$h {found|picked up} a seed [spot]}. it was
$seed.look{, and nobody {could name it|had seen the like}|}. "{throw it {away|to the hens}|it will
come to nothing}," [said] $o the $o.n.
OR
[open] {when|after} $h.his $kin.n {moved away|went to sea}, $h was {left|given} {a {flower
pot|little bag}|a small paper bag} with {a single|one} seed in it. it was $seed.look. {"^{it
grows|this grows} {slowly|only for the patient}," was {written|scratched} on the {pot|paper}.|$h
showed it to $o the $o.n, who {laughed|had never seen the like}.}

$h {planted|put} it {in the {best|sunniest} corner of the yard|by the south wall}, {watered it|gave
it water} {every {morning|evening}|twice a day} and {waited|built a little fence}. {a week passed,
{and a month|and then another}|[days] $h.he looked}. {nothing {came|happened}|there was only {bare
earth|a weed}}. "{what are you {watering|growing} there|how is your mud}?" {asked|called} [third].
[weather]
OR
{first|at first} {nothing came|there was nothing}. {the {hens|sparrows} {scratched|dug} there|a
[animal] {lay down|slept} on the spot}, {hail fell|a cart drove over the corner}, and {[folk]
{laughed|made jokes}|[third] laughed}. {but|yet} {day after day|[days]} $h {carried|brought} water
and {pulled out the weeds|said good morning to the ground}. {"You are {talking to|in love with} a
hole," said $o.|"Give it up," said $o [how].}

{even $h began to {doubt|lose hope}|one evening $h was close to giving up}. "{just one more
{week|day}|it has not said no}," $h.he {told $h.self|[said]} [how]. {and|then}, [nextday], there it
was: {a green {point|tip}, no {bigger|longer} than a {fingernail|grain of rice}|one {curled|tiny}
leaf}. $h {lay on $h.his stomach|knelt down} and {looked at it|laughed aloud}. [joy]
OR
[oneday] there was {a storm|a late frost}. $h {ran out|got up} {at midnight|in a nightshirt} and
{covered the {place|spot} with $h.his {coat|own blanket}|put a {bucket|barrel} over the place}.
{"All this for {nothing|some mud}!" {called|said} $o from {a|the} window.|[third] shook a head.}
{but when|yet when} $h {lifted|took away} the cover {in the morning|at dawn}, {there it was: a
shoot, {pale|green} and {straight|stubborn}|a shoot had come up}.

{now it {grew|rose} {by the hour|as if to make up for lost time}|from that day it grew}, {and|until}
{by {midsummer|June}|in the second year} it was $seed.grew. {[folk] {came to|stopped at} the fence|nobody laughed any more}. {then|and} {it gave|what it gave was} $seed.gave.
OR
{week by week|leaf by leaf} it {became|turned into} $seed.grew. "{well I never|I take it all back},"
[said] $o{ [how]|}. {it {gave|brought} $seed.gave|when the time came there was more: $seed.gave},
{and|so that} {people {came|travelled} {a long way|for miles} to {see|admire} it|the whole town
smelled of {summer|it and was glad}}. [feast]

{"May I have {a|one} seed?" asked $o{ one day|}. "^{if you can wait|of course}," [answer] $h,
{and|who} {gave $o.him {two|three}|put one in $o.his hand}.|$h {gave|sent} a seed to {every
house|each child} {in $town.name|of the town}, {with a {note|label}: "^{wait|be patient}."|and told
them all to wait.}}

{{not everything that is {silent|slow} is {dead|empty}.|under the earth {much|a great deal} is going
on.|hope is {watering|tending} what {one cannot see|nobody can see yet}.|good things {take their
time|hate to be hurried}.}|now there {stands|is} one in {every garden|front of every house}, and {in
$season.name|when it flowers} $town.name {looks like a {wedding|bride}|can be smelled from the
{sea|hills}}.}
""")

plot("stray", stray=STRAYS, text="""
[open] [oneday] $h {found|discovered} a {$stray.adj|lost} $stray.n [outside]. {it {looked
up|shivered} and gave a {weak|small} $stray.cry|it had {a cut on one {foot|leg}|burrs all over it}},
and {$h {could not walk on|looked about for its owner}|nobody seemed to own it}.
OR
[open] {a $stray.cry {woke|called} $h|there was a $stray.cry} [oneday], {very faint|half lost in the
wind}. {$h {followed|went after} it|$h.he went out to look}, and [outside] {lay|was} a
{$stray.adj|lost} $stray.n, {all alone|tangled in {string|wire}|cold and hungry}.

{"You {come|are coming} with me," [said] $h{ [how]|}.|$h {wrapped|rolled} it in {a scarf|$h.his
jacket} and {carried|took} it home.} {it {was given|got} $stray.food|$h fed it with $stray.food},
and {by {nightfall|the next day}|after {two|three} days} it was {well|quite at home}: it
$stray.does. {$h {called|named} it {Button|Pepper|Moss|Crumb|Biscuit}|$h told $h.self not to give it
a name}.
OR
{at home|in the kitchen} $h {warmed|dried} it {by the stove|with a towel} and {offered|gave} it
$stray.food. {"It will not live," {said|sighed} [third].|"Only until tomorrow," $h told [third].}
but {it {lived|grew stronger}|tomorrow came and went}, and {soon|[later]} it $stray.does. {the house
{had never been so {untidy|merry}|was no longer quiet}|$h had not laughed so much in years}.

then $o the $o.n came {to the door|along the lane}, {pale|tired} and {dusty|out of breath}. "{I have
lost|I am looking for} a $stray.n," $o.he [said]. "{I raised it {by hand|from its first day}|it is
all I have}." {$h's heart {sank|grew heavy}|$h could {hardly speak|have shut the door}}. {behind the
{stove|door}|in the yard} there was a {happy|loud} $stray.cry.
OR
[oneday] $h {saw|read} a {notice|paper} on {the wall of the inn|a post}: "{lost|missing}: a
$stray.adj $stray.n. {please bring it to|ask for} $o the $o.n." $h {read it {twice|three
times}|stood before it a long time}. {nobody would {know|ever know}|it would be so easy to walk on}.
{[weather]|} {but|yet} {$h {thought of|imagined} someone {calling|waiting} in the {dark|evening}|a
stolen joy is no joy}, {and {went|so $h.he went}|so $h went} to $o's house.

"{it is here|this must be the one}," $h [said] [how]. {the $stray.n {ran|tumbled} {to|towards} $o|$o
went down on $o.his knees}, and {there was {a great|such a} {joy|noise} |the two were beside
themselves}. {$h {looked away|smiled, though it hurt}.|"You have {cared for|fed} it well," said $o{
[how]|}. "^{it is {fatter|rounder} than before|I can see that you love it}."}
OR
{$o {wept|laughed} for joy|$o could not thank $h.him enough}. {the $stray.n {ran|went} from one to
the other|but the $stray.n looked {back|from one to the other}}, {as if it {wanted to|could not}
choose|and would not go without $h}. "{take it|go home, little one}," [said] $h, {and {something|a
lump} {stuck|sat} in $h.his throat|trying to smile}. [evening] the house was {far too
|}{quiet|tidy}.

[nextday] {there was a {knock|scratch} at the door|somebody knocked}. {it was|there stood} $o with
the $stray.n. "{it {will not eat|cries} without you|it would not sleep}," $o.he [said]. "{could
we|shall we not} {share it|keep it together}?" {so {it was agreed|they did}|$h did not have to
think}: {one week here, one week there|summer with one, winter with the other}. [feast]
OR
"{come and see it {on Sundays|whenever you like}|my door is open}," [said] $o. {so $h {went|came}
{every|each} {Sunday|evening}|and $h did}, and {over {tea|[food]}|little by little} {the two
{became|were soon} {friends|good friends}|they found much to talk about}. {{in spring|a year later}
$o brought {a basket|a box}, and in it {was|sat} another $stray.n, {smaller|even smaller}, {for
$h|with a ribbon round its neck}.|[joy]}

{{what we {give back|let go} {finds|knows} {its|the} way {to us|home}.|love {shared|divided}
{grows|is doubled}.|honest hands are never {empty|empty for long}.}|the $stray.n {grew {fat|old and
fat}|thought it had two houses}, and {was spoiled in both|nobody ever told it the difference}.}
""")
