"""Colouring of random graphs with three colours: every colouring without conflict is right."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import final

from modicum.errors import ConfigError
from modicum.marking.puzzle_task import MOST_SOLUTIONS, PuzzleTask
from modicum.nets.grid import Ids
from modicum.puzzles.colouring import ColouringPuzzle
from modicum.puzzles.splits import solutions_level, split_of
from modicum.seeds import key, stream
from modicum.types import Problem, Split

__all__ = ["GraphColouring"]

_TRIES = 400
"""Graphs a wanted problem may cost before its split counts as exhausted."""


@final
@dataclass(frozen=True)
class GraphColouring(PuzzleTask):
    """Graphs in which each pair is joined with one probability, where three colours are enough."""

    nodes: int = 6
    """Nodes of each graph, 3 to 12."""
    edges: float = 0.4
    """Probability of an edge between two nodes, above 0 and below 1."""

    def check(self) -> None:
        """Refuse a size or a probability that is none."""
        ColouringPuzzle(self.nodes)
        if not 0 < self.edges < 1:
            raise ConfigError(
                f"edges = {self.edges}", "a probability above 0 and below 1", "such as edges=0.4"
            )

    @property
    def _puzzle(self) -> ColouringPuzzle:
        return ColouringPuzzle(self.nodes)

    def asked(self, question: Ids) -> str:
        """Return the question in words."""
        return (
            f"Colour the {self.nodes} nodes of a graph with the colours 1, 2 and 3 so that no edge joins "
            "two nodes of one colour. Name colours in the order in which they appear, and give those of "
            "nodes 1, 2, 3 and so on with spaces between them. "
            f"Edges: {self._puzzle.edges_text(question)}"
        )

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n distinct graphs of a split.

        Raises:
            ConfigError: the split has fewer, as far as could be seen.
        """
        found = dict(islice(self._drawn(split, _TRIES * (n + 10)), n))
        if len(found) < n:
            raise ConfigError(
                f"{len(found)} distinct graphs of {self.nodes} nodes in split {split!r}",
                f"{n}",
                "ask for fewer, or for larger graphs",
            )
        return tuple(found.values())

    def _drawn(self, split: Split, tries: int) -> Iterator[tuple[str, Problem]]:
        """Yield distinct problems of a split with their names."""
        rng = stream("graph_colouring", split, self.nodes, self.edges)
        puzzle = self._puzzle
        seen: set[Ids] = set()
        for _ in range(tries):
            question = puzzle.ids_of((rng.random(len(puzzle.pairs)) < self.edges).tolist())
            if question in seen or split_of(puzzle, question) != split:
                continue
            seen.add(question)
            solutions = puzzle.solutions(question, MOST_SOLUTIONS)
            if solutions:
                name = (
                    f"graph_colouring/{self.nodes}/{puzzle.edges_text(question).replace(' ', ',')}"
                )
                gold = solutions[key("graph_colouring gold", name) % len(solutions)]
                yield name, self.problem(name, question, gold, solutions_level(len(solutions)))
