"""Nested brackets of several kinds with letters between; shifts nest deeper than was learned."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.corpora.made_corpus import MadeCorpus, Source
from modicum.stats import Bools, Ints

__all__ = ["Brackets"]

_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("<", ">"))
_LETTERS = "abcdefgh"


@final
@dataclass(frozen=True)
class Brackets(MadeCorpus):
    """Whole trees of brackets, one document a line: `a(b[]c)d{}`.

    Chosen for what a shift is: which bracket closes hangs on one that was opened before, as far back as
    the tree is deep. Opening and closing are a fair walk between depth 1 and a deepest one where it must
    turn, so that texts of a larger distance are the same below the depth that was learned, choice by
    choice, and differ in what lies deeper alone: their closings reach further back. Before each bracket
    stand up to `gap` letters that say nothing, at which a net cannot gain.

    Of each tree the walk is expected at every depth below the deepest twice and there once, so that
    deepest D gives D pairs: D ln(kinds) + 2 (D - 1) ln 2 nats, and letters before each of the 2 D brackets.

    Source: Chomsky and Schutzenberger 1963 (languages of well nested brackets); Hewitt et al. 2020
    (2010.07515) for bounded depth as what a net has to remember.
    """

    called: ClassVar[str] = "brackets"
    ranges: ClassVar[Mapping[str, tuple[int, int]]] = {
        "kinds": (1, len(_PAIRS)),
        "depth": (1, 100),
        "further": (0, 100),
        "letters": (1, len(_LETTERS)),
        "gap": (0, 100),
        "trees": (1, 100),
    }

    kinds: int = 4
    """Kinds of brackets, 1 to 4."""
    depth: int = 3
    """Deepest nesting that is learned."""
    further: int = 2
    """Depth that each distance adds."""
    letters: int = 4
    """Different letters, 1 to 8."""
    gap: int = 2
    """Letters before a bracket at most; their number is drawn evenly from 0 on."""
    trees: int = 3
    """Trees in a document."""
    seed: str = "0"
    """Names the documents."""

    @property
    def alphabet(self) -> str:
        """Brackets, letters, the line's end."""
        return "".join(sum(_PAIRS[: self.kinds], ())) + _LETTERS[: self.letters] + "\n"

    def deepest(self, distance: int) -> int:
        """Return how deep the trees of a distance may be."""
        return self.depth + self.further * distance

    def shifted(self, distance: int) -> str:
        """Say how deep brackets nest."""
        return f"depth to {self.deepest(distance)}"

    def source(self, distance: int) -> Source:
        """Return what a document is on average."""
        deepest, between = self.deepest(distance), math.log(self.gap + 1)
        between += self.gap / 2 * math.log(self.letters)
        nats = deepest * math.log(self.kinds) + 2 * (deepest - 1) * math.log(2)
        nats += 2 * deepest * between
        return Source(self.trees * nats, self.trees * 2 * deepest * (1 + self.gap / 2) + 1)

    def asked(self, ids: Ints) -> Bools:
        """Say which predicted characters close a bracket."""
        closings = [2 * kind + 1 for kind in range(self.kinds)]
        return np.isin(ids[:, 1:], closings)

    def document(self, distance: int, rng: np.random.Generator) -> str:
        """Draw a document."""
        deepest, draws = self.deepest(distance), _draws(rng)
        parts: list[str] = []
        for _ in range(self.trees):
            waiting: list[str] = []
            while True:
                size = int(next(draws) * (self.gap + 1))
                parts += [_LETTERS[int(next(draws) * self.letters)] for _ in range(size)]
                if not waiting or (len(waiting) < deepest and next(draws) < 0.5):
                    opening, closing = _PAIRS[int(next(draws) * self.kinds)]
                    parts.append(opening)
                    waiting.append(closing)
                    continue
                parts.append(waiting.pop())
                if not waiting:
                    break
        return "".join([*parts, "\n"])


def _draws(rng: np.random.Generator) -> Iterator[float]:
    """Yield uniform draws in [0, 1); many are made at once, for a call of the stream takes long."""
    while True:
        yield from rng.random(64).tolist()
