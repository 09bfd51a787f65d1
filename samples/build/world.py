"""The small world that the demo model knows: animals, people and things, one fact per topic."""

from __future__ import annotations

import random
from dataclasses import dataclass

SEED = 20261123
NUM_HELD_OUT = 48
NUM_SHOWN = 8

# name: colour, where it lives, what it eats, what it can do
ANIMALS = """
fox: red, in the forest, berries, dig
frog: green, by the pond, flies, jump
owl: brown, in the old tower, mice, see at night
bear: black, in the mountains, honey, climb
crow: black, on the roof, corn, count to five
duck: yellow, on the lake, bread, swim
goat: white, on the hill, grass, climb
horse: grey, on the farm, oats, run fast
mouse: grey, in the barn, cheese, hide
rabbit: white, in the meadow, carrots, jump
snake: green, in the desert, eggs, hide
swan: white, on the river, reeds, fly far
tiger: orange, in the jungle, fish, swim
turtle: green, on the beach, seaweed, swim
wolf: grey, in the forest, meat, sing
bee: yellow, in the garden, nectar, dance
ant: black, under the stone, crumbs, carry stones
bat: brown, in the cave, moths, see at night
camel: brown, in the desert, thorns, carry water
cat: orange, in the kitchen, fish, climb
cow: brown, on the farm, grass, sing
crab: red, on the beach, shrimps, dance
deer: brown, in the forest, leaves, run fast
dog: white, in the village, bones, find lost things
dolphin: blue, in the sea, squid, sing
donkey: grey, in the valley, hay, carry stones
eagle: brown, in the mountains, rabbits, fly far
elephant: grey, in the jungle, leaves, carry water
goose: white, by the pond, grass, count to five
hare: brown, on the hill, clover, run fast
hedgehog: brown, in the garden, worms, hide
heron: blue, on the river, frogs, stand still
lion: yellow, in the valley, meat, run fast
lizard: green, under the stone, flies, climb
mole: black, in the meadow, worms, dig
monkey: brown, in the jungle, bananas, dance
moose: brown, on the lake, reeds, swim
otter: brown, on the river, clams, swim
parrot: red, in the jungle, nuts, count to five
penguin: black, on the ice, squid, stand still
pig: pink, in the barn, apples, find lost things
robin: red, in the garden, crumbs, sing
seal: grey, on the ice, fish, dance
sheep: white, in the meadow, clover, stand still
spider: purple, in the old tower, moths, dig
squirrel: red, in the forest, nuts, hide
whale: blue, in the sea, shrimps, sing
zebra: white, in the valley, grass, jump
"""

# name: job, town, what the person likes
PEOPLE = """
Ada: baker, Millbrook, rain
Ben: sailor, Saltport, old maps
Cora: teacher, Highfield, riddles
Dan: farmer, Millbrook, strong tea
Ella: doctor, Saltport, long walks
Finch: painter, Oakdale, sunsets
Gus: smith, Highfield, loud music
Hana: weaver, Oakdale, snow
Ivo: miller, Millbrook, quiet mornings
Jill: pilot, Northgate, clouds
Karl: cook, Saltport, hot soup
Lena: singer, Northgate, old songs
Milo: gardener, Oakdale, roses
Nora: judge, Highfield, chess
Omar: tailor, Northgate, bright buttons
Pia: potter, Millbrook, wet clay
Quin: hunter, Oakdale, silence
Rosa: nurse, Highfield, cold milk
Sam: carpenter, Saltport, new wood
Tess: writer, Northgate, candles
Uma: dancer, Saltport, red shoes
Vera: lawyer, Northgate, short letters
Will: fisher, Saltport, early tides
Yara: beekeeper, Oakdale, wild flowers
"""

# name: colour, where it is kept, what it is used for
THINGS = """
lamp: yellow, on the shelf, reading
rope: white, in the boat, climbing
kettle: silver, on the stove, making tea
hammer: black, in the shed, building
basket: brown, by the door, carrying eggs
blanket: blue, on the bed, keeping warm
broom: green, behind the door, sweeping
bucket: red, by the well, carrying water
candle: white, in the window, making light
clock: gold, in the hall, telling the time
drum: red, under the stairs, making music
kite: purple, in the attic, playing
ladder: brown, behind the shed, picking apples
mirror: silver, in the hall, combing hair
needle: silver, in the box, sewing
oven: black, in the kitchen, baking
pencil: yellow, in the drawer, drawing
pillow: pink, on the bed, sleeping
spade: grey, in the shed, digging
umbrella: blue, by the door, staying dry
"""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is true in the world, with its plain sentence and its questions."""

    kind: str
    """animal, person or thing."""
    name: str
    topic: str
    """colour, home, food, skill, job, like or use."""
    value: str

    @property
    def subject(self) -> str:
        """The subject inside a sentence: `the fox` or `Ada`."""
        return self.name if self.kind == "person" else f"the {self.name}"

    @property
    def clause(self) -> str:
        """The plain sentence without capital and full stop: `the fox is red`."""
        return f"{self.subject} {_predicate(self)}"

    @property
    def sentence(self) -> str:
        """The plain sentence: `The fox is red.`"""
        return capital(self.clause) + "."

    def pronoun_sentence(self) -> str:
        """The same with `It` or `This person` as the subject."""
        return f"{'This person' if self.kind == 'person' else 'It'} {_predicate(self)}."

    def questions(self) -> list[str]:
        """Every way in which this world asks for the fact; the first is the plainest."""
        return [capital(form.format(s=self.subject)) for form in _QUESTIONS[self.kind, self.topic]]


def facts() -> list[Fact]:
    """Every fact of the world, always in the same order."""
    found: list[Fact] = []
    for kind, table, topics in (
        ("animal", ANIMALS, ("colour", "home", "food", "skill")),
        ("person", PEOPLE, ("job", "home", "like")),
        ("thing", THINGS, ("colour", "home", "use")),
    ):
        for line in table.strip().splitlines():
            name, values = line.split(": ")
            found += [
                Fact(kind, name, topic, value)
                for topic, value in zip(topics, values.split(", "), strict=True)
            ]
    return found


def split() -> tuple[list[Fact], list[Fact], list[Fact]]:
    """Facts that may be asked about, held-out facts and shown facts; the three do not overlap.

    No text of the project asks for a held-out or a shown fact. They are told, never asked.
    """
    pool = facts()
    random.Random(SEED).shuffle(pool)
    secret: list[Fact] = []
    used: set[str] = set()
    for fact in pool:
        # At most one per name: every name keeps questions about its other topics.
        if fact.name not in used and len(secret) < NUM_HELD_OUT + NUM_SHOWN:
            secret.append(fact)
            used.add(fact.name)
    shown = _one_per_form(secret)
    held_out = [fact for fact in secret if fact not in shown]
    hidden = set(secret)
    return [fact for fact in facts() if fact not in hidden], held_out, shown


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


_QUESTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("animal", "colour"): (
        "what colour is {s}?",
        "which colour does {s} have?",
        "tell me the colour of {s}.",
        "can you say what colour {s} is?",
    ),
    ("animal", "home"): (
        "where does {s} live?",
        "where is the home of {s}?",
        "tell me where {s} lives.",
        "do you know where {s} lives?",
    ),
    ("animal", "food"): (
        "what does {s} eat?",
        "what is the food of {s}?",
        "tell me what {s} eats.",
        "do you know what {s} eats?",
    ),
    ("animal", "skill"): (
        "what can {s} do?",
        "what is {s} able to do?",
        "tell me what {s} can do.",
        "do you know what {s} can do?",
    ),
    ("person", "job"): (
        "what is the job of {s}?",
        "what does {s} do for a living?",
        "tell me the job of {s}.",
        "what kind of work does {s} do?",
    ),
    ("person", "home"): (
        "where does {s} live?",
        "in which town does {s} live?",
        "tell me where {s} lives.",
        "do you know where {s} lives?",
    ),
    ("person", "like"): (
        "what does {s} like?",
        "what makes {s} happy?",
        "tell me what {s} likes.",
        "do you know what {s} likes?",
    ),
    ("thing", "colour"): (
        "what colour is {s}?",
        "which colour does {s} have?",
        "tell me the colour of {s}.",
        "can you say what colour {s} is?",
    ),
    ("thing", "home"): (
        "where is {s}?",
        "where can I find {s}?",
        "tell me where {s} is.",
        "do you know where {s} is?",
    ),
    ("thing", "use"): (
        "what is {s} for?",
        "what do people do with {s}?",
        "tell me what {s} is for.",
        "do you know what {s} is for?",
    ),
}


def _predicate(fact: Fact) -> str:
    forms = {
        ("animal", "colour"): f"is {fact.value}",
        ("animal", "home"): f"lives {fact.value}",
        ("animal", "food"): f"eats {fact.value}",
        ("animal", "skill"): f"can {fact.value}",
        ("person", "job"): f"is a {fact.value}",
        ("person", "home"): f"lives in {fact.value}",
        ("person", "like"): f"likes {fact.value}",
        ("thing", "colour"): f"is {fact.value}",
        ("thing", "home"): f"is {fact.value}",
        ("thing", "use"): f"is for {fact.value}",
    }
    return forms[fact.kind, fact.topic]


def _one_per_form(secret: list[Fact]) -> list[Fact]:
    """The first secret fact of each kind and topic, at most NUM_SHOWN, animals first."""
    chosen: dict[tuple[str, str], Fact] = {}
    for fact in secret:
        chosen.setdefault((fact.kind, fact.topic), fact)
    ordered = [chosen[form] for form in _QUESTIONS if form in chosen]
    return ordered[:NUM_SHOWN]
