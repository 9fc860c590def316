"""Word tables of the tale generator: people, animals, things, places, seasons.

A table is a list of rows; `rows()` turns the compact text form into dicts.
Every cell is itself a template (see generate_tales.py for the syntax), so a
cell may hold alternatives such as `{brass|iron}`; a cast member picks one when
the tale starts and keeps it to the end.

POOLS are phrases that any plot may use by writing `[name]`.
"""


def rows(columns, text):
    """Parse `a / b / c` lines into dicts keyed by the words of `columns`."""
    names = columns.split()
    out = []
    for line in text.strip().splitlines():
        cells = [cell.strip() for cell in line.split("/")]
        if len(cells) != len(names):
            raise ValueError("wrong number of cells: " + line)
        out.append(dict(zip(names, cells)))
    return out


WOMEN = """Mara Elsie Nell Tilda Rosa Hattie Juno Lina Petra Greta Bess Clara
Dora Mina Anya Thea Willa Ada Edith Lotte Nora Runa Sofi Ursa""".split()

MEN = """Tom Anselm Bram Corin Edwin Finn Gil Hugo Ivo Jasper Kit Leo Milo Ned
Oskar Perrin Rafe Silas Tobin Udo Viktor Walt Emil Jory""".split()

TRADES = rows("n past goods where tool", """
baker / baked / {round loaves|honey rolls|brown bread} / in the warm bakery / wooden shovel
weaver / wove / {striped blankets|linen cloth|grey cloaks} / at the loom / shuttle
shepherd / kept / {a small flock|forty sheep|sheep} / on the hill / crook
miller / ground / {corn|wheat and rye|barley} / in the mill / flour scoop
cobbler / mended / {boots|old shoes|boots and slippers} / at the bench by the window / hammer
potter / shaped / {clay bowls|jugs|blue plates} / at the wheel / cutting wire
carpenter / made / {tables and chairs|doors|oak chests} / in the sawdust of the workshop / saw
fisher / caught / {trout|silver fish|eels and perch} / on the river / net
beekeeper / tended / {twelve hives|the bees} / among the clover / smoke pot
gardener / grew / {beans and roses|cabbages|sweet peas} / behind the long wall / spade
tailor / sewed / {coats|wedding clothes|warm jackets} / in a room full of cloth / pair of scissors
blacksmith / forged / {nails and hinges|horseshoes|iron gates} / at the forge / tongs
candle maker / poured / {tall candles|candles} / in a shed that smelled of wax / copper pan
basket maker / wove / {willow baskets|reed mats} / on the doorstep / knife
clock maker / mended / {clocks|watches and clocks} / under a bright lamp / tiny screwdriver
cheese maker / pressed / {goat cheese|yellow cheeses} / in the cool cellar / cheese cloth
lamp maker / built / {lanterns|glass lamps} / in a narrow shop / pliers
woodcutter / split / {logs|firewood} / at the edge of the forest / axe
farmer / ploughed / {three fields|the lower fields} / along the stream / hoe
toy maker / carved / {wooden horses|dolls|spinning tops} / in a room of shavings / carving knife
hat maker / stitched / {felt hats|straw hats} / beside a tall mirror / needle
boat builder / built / {rowing boats|small boats} / on the shore / mallet
bookbinder / bound / {books|old books} / in a quiet attic / pot of glue
herb seller / dried / {mint and sage|herbs} / under the rafters / bunch of string
stonemason / cut / {steps and doorposts|grey stone} / in the quarry / chisel
rope maker / twisted / {ropes|strong rope} / along the rope walk / iron hook
painter / painted / {shop signs|shutters|signs for the inns} / high on a ladder / brush
glass blower / blew / {green bottles|glass bowls} / before the glowing oven / long pipe
saddler / stitched / {saddles|harness} / in a shop that smelled of leather / awl
dyer / dyed / {wool|yarn} / among the steaming vats / stirring pole
""")

TOWNS = rows("name kind", """
Elmford / village
Willowmere / village
Larkfield / village
Mossgate / town
Otterby / village
Pennywell / town
Redbarrow / town
Saltwick / village
Thornby / hamlet
Windle / hamlet
Ashcombe / village
Brindle / town
Coldwater / village
Dunmere / town
Fennel Green / hamlet
Heathertop / village
Kettlebrook / village
Longmarsh / village
Nettlefold / hamlet
Appleby Cross / town
""")

# Small things: they fit into a pocket, can be lost, traded, given, kept.
THINGS = rows("n mat look", """
key / {brass|iron|silver} / {small|heavy|bent|old}
ring / {gold|silver|copper} / {thin|plain|narrow|bright}
whistle / {tin|wooden|bone} / {little|shrill|painted|old}
thimble / {silver|brass|steel} / {tiny|dented|shiny|old}
button / {pearl|horn|brass} / {round|large|pretty|odd}
spoon / {silver|wooden|pewter} / {long|carved|little|worn}
comb / {bone|horn|wooden} / {fine|smooth|carved|narrow}
bell / {brass|silver|copper} / {small|clear|bright|round}
locket / {silver|gold|copper} / {oval|tiny|pretty|dented}
compass / {brass|steel|pocket} / {round|worn|heavy|handsome}
penknife / {steel|bone|silver} / {sharp|folding|handy|little}
buckle / {brass|silver|pewter} / {square|broad|bright|old}
marble / {glass|stone|clay} / {green|blue|striped|perfect}
flute / {wooden|reed|bone} / {slender|short|sweet|painted}
box / {tin|cedar|walnut} / {little|square|locked|painted}
brooch / {amber|silver|copper} / {round|lovely|heavy|old}
cup / {tin|pewter|clay} / {small|dented|plain|blue}
ribbon / {silk|velvet|satin} / {red|yellow|long|blue}
purse / {leather|velvet|linen} / {small|soft|brown|flat}
scarf / {woollen|silk|linen} / {red|long|green|striped}
medal / {bronze|silver|copper} / {heavy|worn|round|shining}
mirror / {silver|pocket|pewter} / {round|cracked|tiny|clear}
""")

# Large common things that break: part is what fails, use is what they are for.
MACHINES = rows("n where part bad fix sign", """
clock / in the tower / the smallest wheel / stopped / {filed a new tooth|cleaned the dust from the teeth} / {struck the hour|began to tick}
bridge / below the mill / the middle beam / cracked / {pegged a new beam into place|bound the beam with iron} / {carried a full cart|did not even creak}
pump / in the square / the leather washer / dried up / {cut a new washer from an old boot|oiled the leather} / {gave a long gush of water|coughed twice and ran clear}
mill / beside the weir / the main gear / stuck / {pulled a pebble from the gear|carved a new wooden cog} / {groaned and began to turn|rumbled like a happy cat}
organ / in the chapel / one of the bellows / fallen silent / {patched the bellows with goatskin|sewed up the torn bellows} / {sang out in one long note|filled the chapel with music}
ferry / at the crossing / the long rope / broken loose / {spliced the rope with a sailor's knot|plaited a stronger rope} / {slid across without a jerk|reached the far bank and came back}
gate / in the north wall / the lower hinge / jammed / {hammered the hinge straight|greased the hinge with goose fat} / {swung open at the push of a finger|closed with a soft click}
oven / behind the market hall / the back wall / split / {filled the crack with clay and straw|laid three new bricks} / {glowed red by evening|baked forty loaves at once}
river lamp / on the landing stage / the big lens / gone dark / {polished the lens with chalk|trimmed the wick by half} / {threw its beam across the water|burned white and steady}
wagon / at the inn / the front axle / broken down / {fitted an axle of green ash|bound the axle with wet hide} / {rolled down the lane|carried six barrels up the hill}
""")

CROPS = rows("n was it them field tool", """
barley / was / it / it / the long field / scythes
wheat / was / it / it / the upper field / sickles
hay / was / it / it / the water meadow / rakes
rye / was / it / it / the stony field / sickles
apples / were / they / them / the orchard / ladders
plums / were / they / them / the old orchard / baskets
pears / were / they / them / the walled orchard / ladders
potatoes / were / they / them / the sandy field / forks
turnips / were / they / them / the low field / forks
grapes / were / they / them / the vineyard / baskets
beans / were / they / them / the garden rows / baskets
cherries / were / they / them / the hill orchard / ladders
pumpkins / were / they / them / the bottom field / barrows
""")

# Animals that talk: home is where one meets them, came/left are how they move.
WISE = rows("n adj home came left", """
owl / {grey|old|white} / in the hollow oak / flew down to a low branch / drifted back into the leaves
toad / {old|brown|fat} / under the garden wall / crawled out of the shade / sank into the cool mud
heron / {tall|grey|thin} / in the reeds / stepped out of the water / rose slowly over the river
tortoise / {old|slow|dusty} / behind the chapel / put out its wrinkled head / drew its head back into its shell
fox / {red|lean|clever} / above the quarry / trotted out of the bracken / slipped away between the ferns
raven / {black|ragged|old} / on the ruined tower / hopped along the stones / flapped away over the roofs
badger / {broad|striped|gruff} / under the beech roots / came snuffling up the path / shuffled back into its hole
goat / {bearded|old|white} / on the cliff path / stopped chewing / went on chewing
otter / {sleek|merry|quick} / by the weir / rolled over in the water / dived without a splash
hare / {brown|long|restless} / in the clover / sat up on its hind legs / bounded off across the stubble
pike / {huge|green|ancient} / in the mill pond / rose to the surface / sank back into the dark water
donkey / {patient|grey|old} / in the inn yard / pricked up its long ears / went back to its thistles
crow / {black|bold|old} / on the scarecrow / turned its head to one side / flew off with a rough laugh
snail / {striped|small|slow} / on the well stone / stretched out both horns / curled up in its house
""")

# Young animals that stray, and those that make noises in an attic.
STRAYS = rows("n adj cry does food", """
lamb / {thin|muddy|white} / bleat / followed {$h.him} like a shadow / {warm milk|milk from a bottle}
kitten / {grey|striped|wet} / mew / slept in an old hat / {cream|a little fish}
puppy / {spotted|brown|shaggy} / whimper / chewed the corner of the mat / {broth|bread and gravy}
duckling / {yellow|fluffy|small} / peep / swam in the wash tub / {oats|soft bread}
gosling / {grey|downy|noisy} / honk / marched up and down the kitchen / {chopped grass|barley}
kid / {black|bony|bold} / bleat / jumped onto the table / {clover|milk}
hedgehog / {prickly|tiny|sleepy} / squeak / hid in one of {$h.his} boots / {crumbs of cheese|an egg}
jackdaw / {glossy|lame|young} / croak / stole the spoons / {seeds|cherries}
piglet / {pink|plump|dirty} / squeal / rooted under the stove / {turnip soup|cabbage leaves}
squirrel / {red|frightened|quick} / chatter / buried nuts in the flour / {hazelnuts|acorns}
""")

# Animals that might move into an attic.
LODGERS = rows("n adj cry does food", """
kitten / {grey|striped|thin} / mew / slept in an old hat / {cream|a little fish}
jackdaw / {glossy|lame|young} / croak / stole the spoons / {seeds|cherries}
squirrel / {red|lean|quick} / chatter / buried nuts in the flour / {hazelnuts|acorns}
owlet / {downy|white|solemn} / hoot / sat on the clock and blinked / {scraps of meat|a bit of liver}
marten / {brown|silky|nimble} / hiss / ran along the curtain rail / {an egg|dried plums}
pigeon / {speckled|dusty|lame} / coo / walked about among the plates / {crumbs|dry peas}
dormouse / {golden|tiny|sleepy} / squeak / slept in a teacup / {beech nuts|a slice of apple}
""")

CONTESTS = rows("n made verb with fault prize", """
kite flying / a kite / fly / {blue paper and willow|old silk and string} / a torn wing / {a silver whistle|a new coat}
pie baking / a pie / bake / {plums and honey|apples and cloves} / a broken crust / {a copper kettle|a sack of sugar}
boat racing / a little boat / race / {pine bark and cloth|cork and canvas} / a hole in the hull / {a fine oar|a brass compass}
lantern making / a lantern / light / {red glass and wire|thin paper and reeds} / a crooked frame / {a golden ribbon|a barrel of oil}
puppet / a puppet / show / {lime wood and rags|string and corn husks} / a broken arm / {a velvet curtain|a purse of coins}
sledge / a sledge / ride / {ash boards and bone|an old door and iron} / a loose runner / {a fur hat|a sheepskin}
soup / a soup / cook / {leeks and cream|mushrooms and barley} / too much salt / {a great ladle|a ham}
scarecrow / a scarecrow / raise / {straw and an old gown|sacks and buttons} / a missing head / {two fat hens|a new spade}
quilt / a quilt / hang / {scraps of wool|velvet and flannel} / a split seam / {a pair of scissors|a bolt of cloth}
whistle carving / a whistle / play / {elder wood|a goose bone} / a dull note / {a carved box|a tame finch}
""")

# Foolish wishes: what is asked for, how it goes wrong, what is given up.
WISHES = rows("want good bad worse", """
that everything {$h.he} touched would turn to {sugar|honey cake} / {the spoon tasted sweet, and so did the chair|the table was a feast} / {the bed crumbled|the roof began to melt in the sun} / {the ants came in long lines|wasps came from every garden}
that it would never be night again / {the sun stood still above the chimney|children played until they fell over} / {nobody could sleep|the cocks crowed without a pause} / {the wells ran low|the leaves curled on the trees}
that {$h.he} could hear every thought in $town / {it was as good as a play|every secret lay open like a book} / {the noise never stopped|nobody's thoughts were about {$h.him}} / {even the dogs were grumbling|{$h.he} could not hear the birds}
that {$h.he} would never have to work again / {the broom swept alone|every tool did its task without a hand} / {the days grew long and empty|{$h.his} hands forgot what they knew} / {the broom swept the cat out of the door|the bucket would not stop fetching water}
that everyone would do as {$h.he} said / {neighbours bowed and carried {$h.his} baskets|no one argued about anything} / {nobody laughed at a joke unless told to|no one would tell {$h.him} the truth} / {friends stood about like posts, waiting for orders|the children forgot how to play}
to be as tall as the tower / {{$h.he} could see the sea|{$h.he} picked apples from the very top of the trees} / {no door was high enough|{$h.his} feet were cold beyond the blanket} / {cows ran from {$h.his} shadow|{$h.he} stepped on the washing}
to have a hundred servants / {there was a servant for every button|soup came before {$h.he} could ask for it} / {they ate the whole pantry by noon|there was no room to sit down} / {they quarrelled on the stairs|they all waited by the bed and sneezed}
that it would rain only when {$h.he} slept / {the washing was always dry|every walk was sunny} / {{$h.he} lay awake and the gardens turned to dust|{$h.he} took one nap and the cellar flooded} / {farmers came and begged {$h.him} to go to bed|the river shrank to a thread}
""")

FEARS = rows("n was place why after", """
the dark / the dark / in the old cellar / {shadows had too many corners|the dark seemed to breathe} / {the dark was only the day with its eyes shut|there was nothing there at night that was not there by day}
deep water / deep water / on the far side of the river / {the water had no floor|the river never stopped pulling} / {the water could carry as well as pull|the river was wide but not unkind}
high places / high places / at the top of the tower / {the ground seemed to swing|the stairs had no rail} / {a step is only a step, however high it stands|the view was larger than the fear}
the forest / the forest / in the hut beyond the pines / {every tree looked like the next|the branches whispered} / {the whispering was only wind|the trees had been pointing the way}
the big bull / the big bull / at the far end of the meadow / {its horns were as wide as a door|it stamped and snorted} / {the bull only wanted to be scratched|the bull was lonely}
thunder / thunder / in the shepherd's hut on the ridge / {it seemed to look for {$h.him}|the windows shook} / {thunder was only the sky moving its chairs|the loudest things are often far away}
strangers / strangers / in the crowded inn / {strange faces gave nothing away|they spoke too fast} / {a stranger is a story that has not been told yet|every friend had once been a stranger}
""")

QUARRELS = rows("n about hers his", """
fence / where the new fence should stand / the fence belonged by the pear tree / the fence belonged by the ditch
well / who should clean the well / it was a task for the strong / it was a task for the one who used it most
rooster / a rooster that crowed too early / a rooster must crow / a rooster could be taught to wait
tree / the shade of a walnut tree / the tree was too old to cut / the tree stole all the sun
song / the last line of a song / the song ended sadly / the song ended with a wedding
ladder / a borrowed ladder / the ladder had come back broken / the ladder had always been broken
recipe / how much pepper belongs in a stew / three pinches were right / one pinch was already too much
boat / the colour of a shared boat / blue was the only colour for a boat / a boat should be green
path / a path across the beans / a path is for walking / beans are not a carpet
goat / a goat that had eaten a hat / a goat cannot be blamed for being a goat / a goat should be tied
""")

SEEDS = rows("look grew gave", """
{black and shiny|as flat as a coin|no larger than a flea} / {a vine with blue flowers|a vine that climbed to the chimney} / {sweet blue berries|shade for the whole yard}
{round and red|as hard as a stone|shaped like an ear} / {a slender tree with silver leaves|a small crooked tree} / {golden pears|nuts that tasted of cream}
{striped like a wasp|soft and furry|curled like a snail} / {a flower as wide as a cartwheel|a tall yellow flower} / {oil for every lamp|a cloud of bees}
{white as a tooth|brown and wrinkled|light as a feather} / {a bush of white roses|a bush full of thorns and scent} / {roses in the middle of winter|petals enough for a hundred weddings}
""")

SECRETS = rows("n found needs gift", """
spring / a clear spring behind a curtain of ivy / the wells of $town ran dry / {clean water|water}
path / a narrow path through the marsh / the flood closed the road / {a way out|a dry way}
nest / the nest of a pair of eagles / hunters came to $town with traps / {a safe nest|peace}
cave / a dry cave full of crystals / the storm took the roofs / {a shelter|a dry floor}
meadow / a hidden meadow of wild strawberries / the gardens of $town failed / {fruit for all|red berries}
beehive / wild bees in a fallen tower / the blossom of $town set no fruit / {bees for the orchards|a swarm}
library / a room of old books under the chapel / the school of $town burned down / {books for the children|new lessons}
""")

SKILLS = rows("n does need", """
music / played the {fiddle|accordion|harp} / {the dancing master broke his leg on the eve of the fair|the wedding had no musician}
medicine / knew every {root and leaf|herb} / {a fever went from house to house|half the children had a cough}
baking / baked bread with {seeds|figs|walnuts} / {the oven of the inn went cold before the feast|the old baker burned her hand}
digging wells / could {smell water|find water with a hazel stick} / {the last well went dry|the pump gave only mud}
taming horses / spoke {softly|in whispers} to horses / {a runaway team came down the hill|the miller's stallion broke its rope}
reading stars / knew the {name|path} of every star / {the boats were lost in the fog|the herd was lost on the moor}
climbing / could climb {like a cat|any wall} / {a child was stuck on the chapel roof|the tower bell came loose in a gale}
telling stories / knew {a hundred stories|a story for every button on a coat} / {snow shut the school for a week|the long rain made everyone cross}
""")

KIN_F = "grandmother mother aunt godmother sister".split()
KIN_M = "grandfather father uncle godfather brother".split()

SEASONS = rows("name day scene", """
spring / {mild|rainy|windy|fresh|wet|bright} / {{the hedges were|every hedge was} {white with blossom|full of nests}|lambs called {from the hill|across the fields}|{a light rain|a soft rain} {ran down the windows|dripped from the roofs}|{the first swallows|two storks} {circled above the barn|came back to the tower}|the {stream|brook} was {loud with melted snow|high and brown}|{violets|primroses} {opened along the ditch|shone under the trees}}
summer / {hot|golden|bright|still|dusty|long} / {{the heat|a blue haze} {lay|hung} over the {fields|meadows}|{bees|dragonflies} hummed {in the clover|over the pond}|the {road|lane} was {white with dust|too hot for bare feet}|{crickets|grasshoppers} {sang|chirped} in the {dry grass|stubble}|{a warm breeze|the breeze} {smelled of hay|moved the curtains}|the {cows|horses} stood {in the shade|up to their knees in the stream}}
autumn / {misty|grey|windy|crisp|red|chilly} / {{leaves|yellow leaves} {blew along the lane|covered the path}|{mist|a thin mist} {lay in the valley|hid the river}|{geese|wild geese} {flew over the chimneys|cried high in the air}|the {smell of smoke|smell of apples} {hung in the yards|drifted from house to house}|{mushrooms|toadstools} {stood in rings under the trees|grew by the gate}|the {wind|gale} {rattled the shutters|shook the last nuts down}}
winter / {cold|frosty|snowy|dark|icy|white} / {{snow|deep snow} {lay on every roof|covered the fences}|{icicles|long icicles} {hung from the gutters|shone like glass}|the {river|pond} was {frozen hard|under thick ice}|{smoke|blue smoke} {rose straight from the chimneys|stood above the roofs}|the {north wind|wind} {whistled under the doors|blew through every crack}|{sparrows|robins} {begged at the windows|hopped about the yard}}
""")

POOLS = {
    # --- time -------------------------------------------------------------
    "oneday": [
        "one $season.day {morning|morning in $season.name|afternoon|evening|day}",
        "on {a|one} $season.day $season.name {morning|evening|afternoon}",
        "early one $season.name {morning|day}",
        "{late|early} in {the $season.name|$season.name}",
        "one {Monday|Tuesday|Thursday|Saturday|Sunday} in {$season.name|the $season.name}",
        "on the {first|last|third} day of {the fair|$season.name|the month}",
    ],
    "later": [
        "{an hour|two hours|a while|a little} later", "before {noon|supper|long|sunset}",
        "by {evening|noon|nightfall|lamplight}", "after {a while|some time|supper|that}",
        "when {the bell rang|the lamps were lit|the sun was low|the shadows grew long}",
        "{soon|not long} after {that|dinner|dusk}",
    ],
    "nextday": [
        "the next {morning|day}", "{at|before} {dawn|sunrise} the next day",
        "the following {morning|day|evening}", "as soon as it was light",
        "on the {second|third} {day|morning}", "{two|three} days later",
        "when the {cock crew|sun came up|bakers lit their fires}",
    ],
    "days": [
        "for {two|three|four|five|six} {whole |long |}days",
        "for {a|nearly a|almost a} {week|month}", "day after day",
        "from {Monday|Tuesday} {to|until} {Friday|Saturday}",
        "all {week|that week|through the week}",
    ],
    "evening": [
        "that {night|evening}", "when {evening|night|dusk} came",
        "after {sunset|supper|dark}", "as the {stars came out|moon rose|lamps were lit}",
        "before {bed|sleep} that night",
    ],
    "weather": [
        "$season.scene, and $season.scene.", "$season.scene.",
        "it was {a|a very|a rather} $season.day day, and $season.scene.",
        "{outside|in the valley|beyond the roofs|all around}, $season.scene.", "$season.scene, {as if|as though} "
        "the {whole valley|world|year} were {holding its breath|in no hurry|waiting for news}.",
    ],
    # --- people -----------------------------------------------------------
    "trait": "patient|cheerful|clever|honest|stubborn|gentle|proud|quick|careful|shy|"
             "brave|thoughtful|curious|quiet|friendly|hopeful|generous|sensible|lively|"
             "warm-hearted|hard-working|dreamy|restless".split("|"),
    "habit": [
        "{often|always|sometimes} {sang|whistled|hummed|talked to the cat} at work",
        "{never|seldom} {hurried|complained|wasted a crumb|said an unkind word}",
        "liked {long walks|old songs|strong tea|hot soup|the smell of rain} {very much|best of all|more than money}",
        "{could never|could not} {pass a beggar|sit still|keep a tidy shelf|say no to a child}",
        "{knew|remembered} {everyone by name|the birthday of every child|all the old songs}",
        "kept {a lame hen|a tame crow|two cats|a sleepy dog|a one-eyed cat} for company",
    ],
    "care": "great care|a light heart|steady hands|much patience|a song|a smile|"
            "quick fingers|few words|real love|great skill".split("|"),
    "how": "softly|quietly|kindly|gravely|slowly|at once|with a smile|with a sigh|"
           "in a low voice|after a pause|with a laugh|cheerfully|gently|calmly".split("|"),
    "sadly": "sadly|in a small voice|with wet eyes|with a sigh|bitterly|in despair|"
             "with a heavy heart|without looking up|in a shaking voice".split("|"),
    "said": "said|said|said|said|said|said|remarked|declared".split("|"),
    "answer": "said|said|answered|answered|replied".split("|"),
    "cried": "cried|called|shouted|exclaimed".split("|"),
    "folk": "neighbours|people|children|villagers|old women|farmers|shopkeepers|"
            "old men|washerwomen|cousins".split("|"),
    "third": "the miller's wife|the priest|the schoolteacher|the old sexton|the innkeeper|"
             "the carter|the mayor|the midwife|a passing tinker|the postman|the goose girl|"
             "the judge|the night watchman|an old soldier|the chimney sweep|the gatekeeper".split("|"),
    "child": "a small boy with muddy knees|a girl with a red cap|a girl with braids|"
             "a barefoot boy|the miller's youngest girl|a boy with a kite|"
             "the innkeeper's little son|a girl with a goose".split("|"),
    # --- places and objects --------------------------------------------------
    "setting": [
        "{a|one} {day's|morning's} walk from the {sea|mountains|city}",
        "at the {foot of {a green hill|the mountains}|edge of {the great forest|the moor}}",
        "where {the river bends|two rivers meet|the road ends}",
        "between {the river and the woods|two round hills|the marsh and the moor}",
        "in {a deep|a quiet|a green} valley", "beside {a slow river|a blue lake|an old road}",
    ],
    "spot": "under the stone bridge|behind the woodpile|beside the mill pond|in the orchard|"
            "at the well|near the chapel wall|among the nettles|on the attic stairs|"
            "under the kitchen table|by the garden gate|in the hayloft|along the ditch|"
            "behind the stove|beneath the market stalls|in the stable|by the duck pond|"
            "at the crossroads|under the apple tree|in the long grass|in the coal shed|"
            "between the cabbages|on the river bank|in the churchyard|under the stairs".split("|"),
    "outside": "under the stone bridge|behind the woodpile|beside the mill pond|in the orchard|"
               "at the well|near the chapel wall|among the nettles|by the garden gate|"
               "along the ditch|by the duck pond|at the crossroads|under the apple tree|"
               "in the long grass|on the river bank|in the churchyard|behind a hedge".split("|"),
    "seat": "by the stove|at the long table|around the fire|by the window|in the kitchen|"
            "before the hearth|on the warm bench|under the lamp|at the open door".split("|"),
    "walkplace": "the market|the harbour|the old mill|the chapel|the crossroads|the well|"
                 "the meadow|the quarry|the inn|the school|the bridge|the orchard|"
                 "the square|the forge|the ferry|the wood".split("|"),
    "food": "warm bread|onion soup|plum cake|roasted apples|cheese and pickles|honey tea|"
            "potato pie|bean stew|ginger biscuits|barley broth|pancakes|baked pears|"
            "hot chestnuts|buttered toast|pea soup|oat cakes|cherry tart|mint tea".split("|"),
    "dry": "dry bread|oat cakes|ginger biscuits|hard cheese|smoked fish|dried plums|"
           "cold potato pie|salted nuts|rye bread|honey cake|seed cake|sausages".split("|"),
    "soup": "onion soup|bean stew|barley broth|pea soup|leek soup|mushroom soup|"
            "cabbage soup|chicken broth|pumpkin soup|lentil stew".split("|"),
    "animal": "cat|dog|hen|sparrow|horse|cow|goose|mule|mouse|robin|rooster|pigeon".split("|"),
    "adj": "small|quiet|pretty|sleepy|busy|friendly|windy|neat|crooked|old".split("|"),
    # --- shared sentences ------------------------------------------------------
    "open": [
        "in the $town.kind of $town.name, [setting], {there lived|lived} $h.arole {named|called} $h{, who $h.did {every day|from morning to night|with [care]}|}.",
        "$h was $h.arole {from|in} $town.name, {a|an} [adj] $town.kind [setting]. {every day|all day|most days|in all weathers} $h.he $h.did{| with [care]| $h.where}.",
        "{once|long ago|many years ago} there {was|lived} $h.arole in $town.name {whose name was|who was called} $h. $h.he $h.did $h.where{, and [habit]|}.",
        "$h, $h.arole of $town.name, was {known|famous|liked} {for {being|always being} [trait]|as a [trait] person}. {[folk] said that|everyone knew that|it was said that} $h.he [habit].",
        "[folk] in $town.name {were fond of|trusted|often spoke of} $h, $h.arole who $h.did with [care]. $h.he was [trait] and [trait]{, and [habit]|}.",
        "$h.arole named $h lived in $town.name, {a|an} [adj] $town.kind [setting]. $h.he was [trait]{, and [habit]|, and more [trait] than most| and [trait]}.",
        "there was {no one|nobody} in $town.name {as|quite as|half as} [trait] as $h, $h.arole who [habit].",
        "[setting] {lay|stood} the [adj] $town.kind of $town.name, and {there|in it} lived $h, $h.arole. $h.he $h.did {$h.where|with [care]}.",
    ],
    "walk": [
        "$h.he {walked|went|hurried} {past|by} [walkplace] and {along|down} {the lane|the river path|the muddy road}, where $season.scene.",
        "the {way|road|path} {led|ran} past [walkplace] and {over|up} {a steep hill|a stony field|a low ridge}. $season.scene.",
        "on the {way|road} $h.he met [third], who {gave $h.him|offered $h.him} {a piece of bread|a drink of water|some [dry]} and {wished $h.him luck|shook a grey head|pointed {east|west}}.",
        "{all the way|as $h.he walked}, $h {counted the fence posts|hummed an old tune|thought of nothing else|talked to the [animal] by the road}, and $season.scene.",
    ],
    "gloom": [
        "$h {sat|sat down} [spot] and {stared at $h.his hands|put $h.his head on $h.his knees|watched {a|one} [animal] go by}.",
        "$h could {hardly|not} {eat or {sleep|work} that day|eat or sleep that night}, and even the [food] tasted of {nothing|dust|straw}.",
        "$h felt as {empty as {an old sack|a dry well}|heavy as a {wet coat|millstone}|small as {a mouse in a barn|a crumb}|lonely as {the moon|a lost glove}}.",
        "$h {kicked a stone|leaned on a gate|sighed} and {looked up at the clouds|said nothing to anyone|went home without supper}.",
    ],
    "joy": [
        "$h {laughed|smiled} {so much|so widely} that {even the [animal]|[third]} {smiled too|began to laugh|joined in}.",
        "$h {danced|skipped|ran} {all the way|straight} {home|to [walkplace]}, and [folk] {waved|stared|clapped} from the {windows|doors|wall}.",
        "$h {felt|was} as {light as {a lark|a kite|a feather}|glad as {a spring lamb|a child in May}|bright as {a new penny|the morning}|merry as {a cricket|a wedding}}.",
        "$h {could not stop|could not help} {smiling|singing|telling everyone about it} {for the rest of the day|until bedtime|all week}.",
    ],
    "feast": [
        "they had [food], and [food], and {a fiddle to dance to|stories until midnight|enough for everyone}.",
        "[evening] {they|the two of them|they all} {sat|ate} {together |}[seat] with [food] and [food], and $season.scene.",
        "{someone|[third]} brought [food], {someone else|[third]} brought [food], and {nobody|no one} went home {hungry|early|alone}.",
    ],
    "since": [
        "from that day {on |}", "ever {since|after}, ", "{since then|after that}, ",
        "and from then on ", "all through the next year ",
    ],
}
