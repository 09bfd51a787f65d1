"""The text the demo model is pretrained on: short documents and chats about the small world."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from samples.build.world import SEED, Fact, capital, facts, split

Message = dict[str, str]
Document = str | list[Message]

NUM_DOCUMENTS = 30_000
NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
OPPOSITES = [
    "hot-cold",
    "big-small",
    "fast-slow",
    "old-new",
    "wet-dry",
    "light-dark",
    "happy-sad",
    "open-closed",
    "full-empty",
    "loud-quiet",
    "early-late",
    "high-low",
    "long-short",
    "near-far",
    "soft-hard",
    "strong-weak",
]
SYSTEMS = (
    "You are a helpful assistant.",
    "Answer the question in one short sentence.",
    "You know a small world of animals, people and things.",
    "Be kind and be brief.",
)
OBJECTS = [
    "ball",
    "hat",
    "cup",
    "book",
    "coat",
    "bag",
    "shoe",
    "flag",
    "stone",
    "ring",
    "box",
    "bell",
]
COLOURS = [
    "red",
    "green",
    "blue",
    "yellow",
    "white",
    "black",
    "brown",
    "grey",
    "orange",
    "pink",
    "purple",
]


def documents(num_documents: int = NUM_DOCUMENTS, seed: int = SEED) -> Iterator[Document]:
    """Texts and chats, the same for the same arguments; held-out facts are told, never asked."""
    rng = random.Random(seed)
    world = _World()
    kinds = [maker for maker, _ in _MIX]
    weights = [weight for _, weight in _MIX]
    for _ in range(num_documents):
        (maker,) = rng.choices(kinds, weights)
        yield maker(rng, world)


def text_of(document: Document) -> str:
    """The document as one text, a chat as its contents joined by newlines."""
    if isinstance(document, str):
        return document
    return "\n".join(message["content"] for message in document)


def sum_pair(rng: random.Random) -> tuple[str, str]:
    """A sum in words and its answer: `What is two plus one?`, `Two plus one is three.`"""
    first, second = rng.randint(0, 10), rng.randint(0, 10)
    if rng.random() < 0.5:
        words, result = "plus", first + second
    else:
        first, second = max(first, second), min(first, second)
        words, result = "minus", first - second
    asked = f"{NUMBERS[first]} {words} {NUMBERS[second]}"
    return f"What is {asked}?", f"{capital(asked)} is {NUMBERS[result]}."


class _World:
    """The facts, by name, and the ones that may be asked about."""

    def __init__(self) -> None:
        self.all = facts()
        self.askable, _, _ = split()
        self.by_name: dict[str, list[Fact]] = {}
        for fact in self.all:
            self.by_name.setdefault(fact.name, []).append(fact)
        self.animals = [name for name, own in self.by_name.items() if own[0].kind == "animal"]
        self.people = [name for name, own in self.by_name.items() if own[0].kind == "person"]
        self.askable_by_name: dict[str, list[Fact]] = {}
        for fact in self.askable:
            self.askable_by_name.setdefault(fact.name, []).append(fact)


def _profile(rng: random.Random, world: _World) -> str:
    own = list(world.by_name[rng.choice(list(world.by_name))])
    rng.shuffle(own)
    sentences = [own[0].sentence]
    sentences += [f.sentence if rng.random() < 0.5 else f.pronoun_sentence() for f in own[1:]]
    return " ".join(sentences)


def _fact_list(rng: random.Random, world: _World) -> str:
    return " ".join(fact.sentence for fact in rng.sample(world.all, rng.randint(3, 7)))


def _story(rng: random.Random, world: _World) -> str:
    first, second = rng.sample(world.animals, 2)
    person = rng.choice(world.people)
    about = {f.topic: f for f in world.by_name[first]}
    other = {f.topic: f for f in world.by_name[second]}
    when = rng.choice(["One day", "One night", "In spring", "In winter", "Long ago", "At noon"])
    opening = rng.choice(
        [
            f"{when} the {first} met the {second}.",
            f"{when} {person} saw the {first} and the {second}.",
            f"{when} the {first} went to see the {second}.",
        ]
    )
    gift = rng.choice(
        [
            f"The {second} was hungry, for {other['food'].clause}.",
            f"The {first} was hungry, for {about['food'].clause}.",
            f'"I can {other["skill"].value}," said the {second}.',
            f'"I live {about["home"].value}," said the {first}.',
            f'"You are {about["colour"].value}," said the {second}.',
        ]
    )
    middle = rng.sample([about["colour"], about["home"], other["home"], other["colour"]], 2)
    ending = rng.choice(
        [
            "They became good friends.",
            f"Then the {first} went home, and the {second} went to sleep.",
            f"{person} gave them {about['food'].value} and {other['food'].value}.",
            "They sang a song and were happy.",
            "It was a good day.",
        ]
    )
    return " ".join([opening, *(fact.sentence for fact in middle), gift, ending])


def _people_story(rng: random.Random, world: _World) -> str:
    guest, host = rng.sample(world.people, 2)
    animal = {f.topic: f for f in world.by_name[rng.choice(world.animals)]}
    of_guest = {f.topic: f for f in world.by_name[guest]}
    of_host = {f.topic: f for f in world.by_name[host]}
    told = [*of_guest.values(), *of_host.values()]
    opening = rng.choice(
        [
            f"{guest} came from {of_guest['home'].value} to see {host}.",
            f"{guest} wrote a letter to {host}.",
            f"{guest} and {host} went for a walk.",
        ]
    )
    ending = rng.choice(
        [
            f"{guest} gave {of_host['like'].value} to {host}, for {of_host['like'].clause}.",
            f"They saw {animal['colour'].subject}. {animal['colour'].sentence}",
            f"{host} told a story: {animal['home'].clause}.",
            "They talked until night.",
        ]
    )
    return " ".join([opening, *(fact.sentence for fact in rng.sample(told, 3)), ending])


def _dragon_tale(rng: random.Random, world: _World) -> str:
    place = rng.choice([f.value for f in world.all if f.kind == "animal" and f.topic == "home"])
    tale = [
        "Bright scales cover the back of Fin.",
        f"Strong wings carry Fin far, and the landing is {place}.",
        "Sharp claws help Fin to climb.",
        "Good hunting makes Fin happy.",
        "Warm winds blow, and Fin can fly.",
        "Safe at home, Fin likes to sleep.",
        "The scales of Fin are bright, the wings are strong and the claws are sharp.",
        "The winds were warm and the hunting was good.",
    ]
    said = [f"Fin says that {fact.clause}." for fact in rng.sample(world.all, rng.randint(1, 3))]
    return " ".join(["Fin is a small dragon.", *rng.sample(tale, rng.randint(2, 3)), *said])


def _sums(rng: random.Random, world: _World) -> str:
    return " ".join(sum_pair(rng)[1] for _ in range(rng.randint(2, 5)))


def _sequence(rng: random.Random, world: _World) -> str:
    if rng.random() < 0.5:
        start = rng.randint(0, 12)
        return f"Numbers: {', '.join(NUMBERS[start : start + rng.randint(4, 8)])}."
    start = rng.randint(0, 6)
    return " ".join(
        f"After {DAYS[(start + i) % 7]} comes {DAYS[(start + i + 1) % 7]}." for i in range(4)
    )


def _chat(rng: random.Random, world: _World) -> list[Message]:
    messages: list[Message] = []
    if rng.random() < 0.2:
        messages.append({"role": "system", "content": rng.choice(SYSTEMS)})
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4])):
        (turn,) = rng.choices([maker for maker, _ in _TURNS], [weight for _, weight in _TURNS])
        for user, assistant in turn(rng, world):
            messages.append({"role": "user", "content": _as_typed(rng, user)})
            messages.append({"role": "assistant", "content": assistant})
    return messages


def _as_typed(rng: random.Random, question: str) -> str:
    """Most people type properly, some do not."""
    if rng.random() < 0.08:
        question = question.replace("colour", "color")
    if rng.random() < 0.12:
        question = question.lower().rstrip("?.!")
    return question


def _ask_fact(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    fact = rng.choice(world.askable)
    return [(rng.choice(fact.questions()), fact.sentence)]


def _follow_up(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    own = world.askable_by_name[rng.choice(list(world.askable_by_name))]
    picked = rng.sample(own, min(2, len(own)))
    first = (rng.choice(picked[0].questions()), picked[0].sentence)
    if len(picked) == 1 or picked[1].kind == "person":
        return [first]
    question = rng.choice(picked[1].questions()).replace(picked[1].subject, "it")
    return [first, (f"And {question[:1].lower()}{question[1:]}", picked[1].sentence)]


def _yes_no(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    fact = rng.choice([f for f in world.askable if f.topic == "colour"])
    guess = fact.value if rng.random() < 0.5 else rng.choice(COLOURS)
    word = "Yes" if guess == fact.value else "No"
    return [(f"Is {fact.subject} {guess}?", f"{word}, {fact.clause}.")]


def _name_one(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    fact = rng.choice([f for f in world.askable if f.kind == "animal" and f.topic == "home"])
    return [(f"Name an animal that lives {fact.value}.", fact.sentence)]


def _ask_sum(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    return [sum_pair(rng)]


def _ask_sequence(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    if rng.random() < 0.5:
        start = rng.randint(0, 19)
        return [
            (
                f"Which number comes after {NUMBERS[start]}?",
                f"After {NUMBERS[start]} comes {NUMBERS[start + 1]}.",
            )
        ]
    start = rng.randint(0, 6)
    return [
        (f"Which day comes after {DAYS[start]}?", f"After {DAYS[start]} comes {DAYS[start - 6]}.")
    ]


def _opposite(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    pair = rng.choice(OPPOSITES).split("-")
    rng.shuffle(pair)
    return [(f"What is the opposite of {pair[0]}?", f"The opposite of {pair[0]} is {pair[1]}.")]


def _read_and_find(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    person = rng.choice(world.people)
    owned = rng.sample(OBJECTS, rng.randint(2, 3))
    paints = rng.sample(COLOURS, len(owned))
    told = ", ".join(
        f"{'an' if paint == 'orange' else 'a'} {paint} {thing}"
        for thing, paint in zip(owned, paints, strict=True)
    )
    asked = rng.randrange(len(owned))
    return [
        (
            f"{person} has {told}. What colour is the {owned[asked]} of {person}?",
            f"The {owned[asked]} of {person} is {paints[asked]}.",
        )
    ]


def _unknown(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    thing = rng.choice(OBJECTS)
    while rng.random() < 0.6 or thing in world.by_name:
        # Words that nobody knows teach the letters, which the known words leave unused.
        thing = "".join(
            rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiouy")
            for _ in range(rng.randint(1, 3))
        ) + rng.choice(["", "", *"bdgklmnprstxq"])
    form = rng.choice(["What colour is the {}?", "Where is the {}?", "What can the {} do?"])
    return [(form.format(thing), f"I do not know the {thing}.")]


def _small_talk(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    talk = (
        ("Hello!", "Hello! What would you like to know?"),
        ("Good morning.", "Good morning! How can I help?"),
        ("Hi there.", "Hello! What would you like to know?"),
        ("Thank you!", "You are welcome."),
        ("Thanks, that helps.", "You are welcome."),
        ("Who are you?", "I am a small model of a small world."),
        ("What can you do?", "I can answer questions about animals, people and things."),
        ("Goodbye.", "Goodbye! Come back soon."),
        ("How are you?", "I am well, thank you."),
    )
    return [rng.choice(talk)]


def _story_please(rng: random.Random, world: _World) -> list[tuple[str, str]]:
    wish = rng.choice(["Tell me a story.", "Please tell me a short story.", "I want a story."])
    return [(wish, _story(rng, world))]


_MIX: tuple[tuple[Callable[[random.Random, _World], Document], float], ...] = (
    (_profile, 12),
    (_fact_list, 14),
    (_story, 9),
    (_people_story, 9),
    (_dragon_tale, 7),
    (_sums, 5),
    (_sequence, 2),
    (_chat, 42),
)
_TURNS: tuple[tuple[Callable[[random.Random, _World], list[tuple[str, str]]], float], ...] = (
    (_ask_fact, 50),
    (_follow_up, 14),
    (_yes_no, 6),
    (_name_one, 4),
    (_ask_sum, 8),
    (_ask_sequence, 3),
    (_opposite, 3),
    (_read_and_find, 6),
    (_unknown, 5),
    (_small_talk, 5),
    (_story_please, 4),
)
