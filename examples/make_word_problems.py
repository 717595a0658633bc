"""Writes GSM8K-shaped word problems of our own, the same 300 on every machine; CC0.

Each line of `data/word_problems.jsonl` holds a `question` and an `answer` whose worked solution
ends in `#### N`, with calculator marks `<<3*4=12>>` as that format has them. Run without an
argument it checks the file that lies beside it; with `--write` it writes that file anew.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from modicum.seeds import stream

PATH = Path(__file__).parent / "data" / "word_problems.jsonl"
N = 300
NAMES = ("Ada", "Bilal", "Chiara", "Dmitri", "Edda", "Farid", "Greta", "Hana", "Ivo", "Jun",
         "Kofi", "Lena", "Milo", "Noor", "Oskar", "Pia", "Rafa", "Suri", "Tomas", "Yara")  # fmt: skip
THINGS = ("marbles", "stickers", "walnuts", "postcards", "buttons", "pears", "pencils", "shells")


def bought_and_given(rng: np.random.Generator, name: str, thing: str) -> tuple[str, list[str], int]:
    """Bags of things, some given away."""
    bags, each = int(rng.integers(3, 13)), int(rng.integers(4, 16))
    total = bags * each
    given = int(rng.integers(2, total - 1))
    return (
        f"{name} buys {bags} bags with {each} {thing} in each bag and gives {given} {thing} to a "
        f"neighbour. How many {thing} does {name} have left?",
        [
            f"The bags hold {bags} * {each} = <<{bags}*{each}={total}>>{total} {thing}.",
            f"After the gift {total} - {given} = <<{total}-{given}={total - given}>>"
            f"{total - given} {thing} are left.",
        ],
        total - given,
    )


def shared_after_finding(
    rng: np.random.Generator, name: str, thing: str
) -> tuple[str, list[str], int]:
    """Things found twice and shared evenly."""
    people, share = int(rng.integers(2, 9)), int(rng.integers(3, 21))
    total = people * share
    first = int(rng.integers(1, total))
    second = total - first
    return (
        f"On Saturday {name} finds {first} {thing}, on Sunday {second} more. All of them are shared "
        f"evenly among {people} children. How many {thing} does each child get?",
        [
            f"Together {name} finds {first} + {second} = <<{first}+{second}={total}>>{total} "
            f"{thing}.",
            f"Each child gets {total} / {people} = <<{total}/{people}={share}>>{share} {thing}.",
        ],
        share,
    )


def earned_and_spent(rng: np.random.Generator, name: str, thing: str) -> tuple[str, list[str], int]:
    """Hours of work, two costs."""
    hours, wage = int(rng.integers(3, 11)), int(rng.integers(8, 20))
    pay = hours * wage
    meal = int(rng.integers(2, pay // 3))
    after = pay - meal
    price = int(rng.integers(2, after))
    return (
        f"{name} works {hours} hours for {wage} dollars an hour, then pays {meal} dollars for lunch "
        f"and {price} dollars for a box of {thing}. How many dollars remain?",
        [
            f"{name} earns {hours} * {wage} = <<{hours}*{wage}={pay}>>{pay} dollars.",
            f"After lunch {pay} - {meal} = <<{pay}-{meal}={after}>>{after} dollars remain.",
            f"After the {thing} {after} - {price} = <<{after}-{price}={after - price}>>"
            f"{after - price} dollars remain.",
        ],
        after - price,
    )


def twice_as_many(rng: np.random.Generator, name: str, thing: str) -> tuple[str, list[str], int]:
    """A multiple and a difference, summed."""
    own, times = int(rng.integers(4, 26)), int(rng.integers(2, 6))
    sister = own * times
    fewer = int(rng.integers(1, sister))
    brother = sister - fewer
    total = own + sister + brother
    return (
        f"{name} has {own} {thing}. A sister has {times} times as many, and a brother has {fewer} "
        f"fewer than the sister. How many {thing} do the three have together?",
        [
            f"The sister has {own} * {times} = <<{own}*{times}={sister}>>{sister} {thing}.",
            f"The brother has {sister} - {fewer} = <<{sister}-{fewer}={brother}>>{brother} {thing}.",
            f"Together they have {own} + {sister} + {brother} = "
            f"<<{own}+{sister}+{brother}={total}>>{total} {thing}.",
        ],
        total,
    )


def weeks_of_saving(rng: np.random.Generator, name: str, thing: str) -> tuple[str, list[str], int]:
    """How long until a price is saved."""
    weekly, weeks = int(rng.integers(3, 16)), int(rng.integers(4, 15))
    saved = weekly * weeks
    start = int(rng.integers(5, 60))
    price = saved + start
    return (
        f"A jar of {thing} for the fair costs {price} dollars. {name} has {start} dollars and saves "
        f"{weekly} dollars each week. After how many weeks can {name} pay for it?",
        [
            f"{name} still needs {price} - {start} = <<{price}-{start}={saved}>>{saved} dollars.",
            f"That takes {saved} / {weekly} = <<{saved}/{weekly}={weeks}>>{weeks} weeks.",
        ],
        weeks,
    )


KINDS: tuple[Callable[[np.random.Generator, str, str], tuple[str, list[str], int]], ...] = (
    bought_and_given,
    shared_after_finding,
    earned_and_spent,
    twice_as_many,
    weeks_of_saving,
)


def lines() -> str:
    """The whole file; no question stands in it twice."""
    found: dict[str, str] = {}
    rng = stream("word problems")
    while len(found) < N:
        kind = KINDS[len(found) % len(KINDS)]
        name, thing = str(rng.choice(NAMES)), str(rng.choice(THINGS))
        question, steps, answer = kind(rng, name, thing)
        row = {"question": question, "answer": "\n".join([*steps, f"#### {answer}"])}
        found.setdefault(question, json.dumps(row))
    return "\n".join(found.values()) + "\n"


if "--write" in sys.argv:
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(lines(), encoding="utf-8")
elif PATH.read_text(encoding="utf-8") != lines():
    sys.exit(f"{PATH} is not what this file writes: run it with --write")
print(f"{N} problems in {PATH.name}")
