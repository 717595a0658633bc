"""Colouring of a graph with three colours as a puzzle: tokens for pairs of nodes, then for nodes."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import final

import numpy as np

from modicum.errors import ConfigError
from modicum.nets.grid import BLANK, Ids, TokenGrid
from modicum.puzzles.puzzle import FoundAnswer, Puzzle
from modicum.puzzles.reading import EQUALS, before_equals, last_cells, split_gold

__all__ = ["COLOURS", "ColouringPuzzle", "renamed"]

COLOURS = 3
_APART, _JOINED = COLOURS + 1, COLOURS + 2
"""Ids of a pair of nodes without an edge, and with one."""
_SMALLEST, _LARGEST = 3, 12
_NO_EDGES = "none"


def renamed(colours: Sequence[int]) -> Ids:
    """Return colours named in the order in which they appear; what is no colour becomes blank.

    >>> renamed([3, 1, 3, 2]), renamed([2, 0, 1])
    ((1, 2, 1, 3), (1, 0, 2))
    """
    names: dict[int, int] = {}
    return tuple(
        names.setdefault(colour, len(names) + 1) if 1 <= colour <= COLOURS else BLANK
        for colour in colours
    )


@final
@dataclass(frozen=True)
class ColouringPuzzle(Puzzle):
    """Graphs of one size; colours are named in the order of the nodes, so that renaming is no answer.

    >>> puzzle = ColouringPuzzle(3)
    >>> question = puzzle.encode("Edges: 1-2 2-3")
    >>> [puzzle.decode(question, ids) for ids in puzzle.solutions(question, 5)]
    ['1 2 1', '1 2 3']
    """

    nodes: int = 6
    """Nodes of each graph, 3 to 12."""

    def __post_init__(self) -> None:
        """Refuse graphs whose colourings are too many to list, or too few nodes to colour.

        Raises:
            ConfigError: fewer than 3 or more than 12 nodes.
        """
        if not _SMALLEST <= self.nodes <= _LARGEST:
            raise ConfigError(
                f"a graph of {self.nodes} nodes",
                f"{_SMALLEST} to {_LARGEST}",
                "choose another size",
            )

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of nodes, counted from 0, in the order of their tokens."""
        return tuple(combinations(range(self.nodes), 2))

    @property
    def grid(self) -> TokenGrid:
        """First one position a pair of nodes, then one a node; only the nodes are answered."""
        n = len(self.pairs)
        return TokenGrid(n + self.nodes, _JOINED + 1, (False,) * n + (True,) * self.nodes)

    def encode(self, question: str) -> Ids:
        """Return the ids of a graph: pairs, then blank nodes.

        Raises:
            ValueError: the text names no edges, or one that is none of this graph.
        """
        head, found, tail = question.rpartition("Edges:")
        if not found:
            raise ValueError(f"no `Edges:` in {head[-100:]!r}")
        return self._graph(tail.strip().partition("\n")[0])

    def ids_of(self, edges: Sequence[bool]) -> Ids:
        """Return the question of a graph by its edges, once a pair."""
        return tuple([_JOINED if edge else _APART for edge in edges]) + (BLANK,) * self.nodes

    def edges_text(self, question: Sequence[int]) -> str:
        """Return the edges of a question as text."""
        joined = [pair for pair, i in zip(self.pairs, question, strict=False) if i == _JOINED]
        return " ".join(f"{a + 1}-{b + 1}" for a, b in joined) or _NO_EDGES

    def decode(self, question: Sequence[int], ids: Sequence[int]) -> str:  # noqa: ARG002 - all is in the answer
        """Return the nodes' colours as text, named in order, a dot for what is no colour."""
        colours = renamed(ids[len(self.pairs) :])
        return " ".join(str(colour) if colour else "." for colour in colours)

    def target(self, answer: str) -> Ids:
        """Return the ids of a gold: its graph, then the colours.

        Raises:
            ValueError: it is no gold.
        """
        given, whole = split_gold(answer)
        found = last_cells(whole, self.nodes, COLOURS, (1,))
        if found is None or EQUALS not in answer:
            raise ValueError(f"edges and {self.nodes} colours were expected, not {answer!r:.200}")
        return self._graph(given)[: len(self.pairs)] + found[0]

    def given(self, answer: str) -> Ids:
        """Return the ids of a gold's graph.

        Raises:
            ValueError: it is no gold.
        """
        return self._graph(split_gold(answer)[0])

    def gold(self, question: Sequence[int], ids: Sequence[int]) -> str:
        """Return edges and colours, joined by `=`."""
        return self.edges_text(question) + EQUALS + self.decode(question, ids)

    def find(self, text: str) -> FoundAnswer | None:
        """Return the last row of colours in a text, named in order."""
        found = last_cells(text, self.nodes, COLOURS, (1, self.nodes))
        if found is None:
            return None
        colours, start = found
        ids = (BLANK,) * len(self.pairs) + renamed(colours)
        given = before_equals(text, start, "0123456789- " + _NO_EDGES)
        try:
            return FoundAnswer(ids, None if given is None else self._graph(given))
        except ValueError:  # an equals sign behind something else
            return FoundAnswer(ids)

    def is_valid(self, question: Sequence[int], ids: Sequence[int]) -> bool:
        """Say whether each node has a colour and no edge joins two of one colour, by any names."""
        n = len(self.pairs)
        colours = ids[n:]
        return (
            len(ids) == n + self.nodes
            and all(1 <= colour <= COLOURS for colour in colours)
            and all(
                colours[a] != colours[b]
                for (a, b), token in zip(self.pairs, question, strict=False)
                if token == _JOINED
            )
        )

    def solutions(self, question: Sequence[int], most: int) -> list[Ids]:
        """Return every colouring with colours named in order, the first `most` in order."""
        edges = tuple(question[: len(self.pairs)])
        near: list[list[int]] = [[] for _ in range(self.nodes)]
        for (a, b), token in zip(self.pairs, edges, strict=True):
            if token == _JOINED:
                near[b].append(a)
        found: list[Ids] = []
        stack: list[Ids] = [()]
        while stack and len(found) < most:
            colours = stack.pop()
            node = len(colours)
            if node == self.nodes:
                found.append(edges + colours)
                continue
            used = {colours[other] for other in near[node]}
            new = min(max(colours, default=0) + 1, COLOURS)
            stack += [(*colours, colour) for colour in range(new, 0, -1) if colour not in used]
        return found

    def transformed(
        self, question: Sequence[int], ids: Sequence[int], rng: np.random.Generator
    ) -> tuple[Ids, Ids]:
        """Return both with the nodes in a drawn order, and the colours named anew."""
        n = len(self.pairs)
        old = rng.permutation(self.nodes).tolist()
        place = {pair: i for i, pair in enumerate(self.pairs)}
        moved = [place[min(old[a], old[b]), max(old[a], old[b])] for a, b in self.pairs]
        nodes = [n + node for node in old]
        asked = tuple([question[i] for i in moved]) + renamed([question[i] for i in nodes])
        return asked, tuple([ids[i] for i in moved]) + renamed([ids[i] for i in nodes])

    def invariant(self, question: Sequence[int]) -> Hashable:
        """Return the nodes' degrees, refined three times by their neighbours', without order.

        Source: Weisfeiler and Leman 1968, colour refinement.
        """
        near: list[list[int]] = [[] for _ in range(self.nodes)]
        for (a, b), token in zip(self.pairs, question, strict=False):
            if token == _JOINED:
                near[a].append(b)
                near[b].append(a)
        labels = [len(others) for others in near]
        told: list[tuple[int, tuple[int, ...]]] = []
        for _ in range(3):
            told = [
                (labels[i], tuple(sorted(labels[j] for j in near[i]))) for i in range(self.nodes)
            ]
            # Ranks instead of nested tuples; they depend on the graph alone, not on its order.
            ranks = {value: rank for rank, value in enumerate(sorted(set(told)))}
            labels = [ranks[value] for value in told]
        return tuple(sorted(told))

    def _graph(self, text: str) -> Ids:
        """Return the ids of a graph by its edges as `edges_text` writes them."""
        words = [] if text.strip() == _NO_EDGES else text.split()
        found = [re.fullmatch(r"([0-9]{1,2})-([0-9]{1,2})", word) for word in words]
        joined = {(int(m.group(1)) - 1, int(m.group(2)) - 1) for m in found if m}
        if not text.strip() or None in found or not joined <= set(self.pairs):
            raise ValueError(f"no edges between {self.nodes} nodes: {text!r:.200}")
        return self.ids_of([pair in joined for pair in self.pairs])
