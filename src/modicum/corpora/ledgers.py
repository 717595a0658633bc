"""Short ledgers: amounts, postings, and what each one has at the end; shifts post more than was learned."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.corpora.made_corpus import MadeCorpus, Source
from modicum.stats import Bools, Ints

__all__ = ["Ledgers"]

_NAMES = ("ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal")
_AMOUNTS = 10


@final
@dataclass(frozen=True)
class Ledgers(MadeCorpus):
    """One account of a few people a line: `ann 3 bob 5; ann +2; bob -3; = ann 5 bob 2.`.

    Chosen for what a shift is: the last clause follows from all before it, and the work that it takes is
    one step for each posting. Amounts are counted modulo 10, so that every posting can follow every other
    and all choices are even: distance 0 has 1 to `steps` postings, each further distance `further` more
    at both ends. Nothing else changes.

    A document of s postings by p people has ln(p! C(8, p)) nats of names, p ln 10 of amounts, s ln(2 p
    `largest`) of postings, and the logarithm of how many numbers of postings there are;
    its last clause has none.

    Source: our own, of the kind of state that Kim and Schuster 2023 (2305.02363) ask language models for.
    """

    called: ClassVar[str] = "ledgers"
    ranges: ClassVar[Mapping[str, tuple[int, int]]] = {
        "people": (1, len(_NAMES)),
        "steps": (1, 1000),
        "further": (0, 1000),
        "largest": (1, _AMOUNTS - 1),
    }

    people: int = 2
    """People of an account, 1 to 8."""
    steps: int = 4
    """Postings at most that are learned."""
    further: int = 4
    """Postings that each distance adds."""
    largest: int = 3
    """Largest amount that is posted, 1 to 9."""
    seed: str = "0"
    """Names the documents."""

    @property
    def alphabet(self) -> str:
        """Letters of the names, digits, signs, the line's end."""
        return "".join(sorted(set("".join(_NAMES)))) + "0123456789+-;=. \n"

    def least(self, distance: int) -> int:
        """Return the fewest postings of a distance; the most are `steps - 1` more."""
        return 1 + self.further * distance

    def shifted(self, distance: int) -> str:
        """Say how many postings there are."""
        least = self.least(distance)
        return f"{least} to {least + self.steps - 1} postings"

    def source(self, distance: int) -> Source:
        """Return what a document is on average."""
        people, postings = self.people, self.least(distance) + (self.steps - 1) / 2
        nats = math.log(math.perm(len(_NAMES), people)) + people * math.log(_AMOUNTS)
        nats += postings * math.log(people * 2 * self.largest) + math.log(self.steps)
        clause = 6 * people - 1
        return Source(nats, 2 * clause + 8 * postings + 6)

    def asked(self, ids: Ints) -> Bools:
        """Say which predicted characters are amounts of the last clause, which follow from all before."""
        inside = _count(ids, self.alphabet.index("=")) > _count(ids, self.alphabet.index("."))
        zero = self.alphabet.index("0")
        digits = (ids >= zero) & (ids < zero + _AMOUNTS)
        found: Bools = (digits & inside)[:, 1:]
        return found

    def document(self, distance: int, rng: np.random.Generator) -> str:
        """Draw a document."""
        names = [_NAMES[i] for i in rng.permutation(len(_NAMES))[: self.people]]
        amounts = [int(amount) for amount in rng.integers(_AMOUNTS, size=self.people)]
        first = _clause(names, amounts)
        posted = []
        for _ in range(self.least(distance) + int(rng.integers(self.steps))):
            who, falls = int(rng.integers(self.people)), bool(rng.integers(2))
            amount = 1 + int(rng.integers(self.largest))
            amounts[who] = (amounts[who] + (-amount if falls else amount)) % _AMOUNTS
            posted.append(f"{names[who]} {'-' if falls else '+'}{amount};")
        return f"{first}; {' '.join(posted)} = {_clause(names, amounts)}.\n"


def _clause(names: list[str], amounts: list[int]) -> str:
    return " ".join(f"{name} {amount}" for name, amount in zip(names, amounts, strict=True))


def _count(ids: Ints, sought: int) -> Ints:
    """Return how often an id has come so far in each row."""
    found: Ints = np.cumsum(ids == sought, axis=1)
    return found
