"""Graph colouring as a puzzle."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modicum.errors import ConfigError
from modicum.puzzles.colouring import ColouringPuzzle, renamed
from modicum.puzzles.splits import split_of
from tests.support.texts import anything

FIVE = ColouringPuzzle(5)
graphs = st.lists(st.booleans(), min_size=10, max_size=10).map(FIVE.ids_of)


def _brute(question: tuple[int, ...]) -> set[tuple[int, ...]]:
    """All proper colourings with colours named in order, by trying all."""
    edges = [pair for pair, token in zip(FIVE.pairs, question, strict=False) if token == 5]
    proper = (
        colours
        for colours in product((1, 2, 3), repeat=5)
        if all(colours[a] != colours[b] for a, b in edges)
    )
    return {renamed(colours) for colours in proper}


@given(question=graphs)
@settings(max_examples=25)
def test_solutions_are_those_of_brute_force(question: tuple[int, ...]) -> None:
    found = FIVE.solutions(question, 1000)
    assert len(set(found)) == len(found)
    assert {ids[10:] for ids in found} == _brute(question)


@given(question=graphs, colours=st.lists(st.integers(0, 4), min_size=5, max_size=5))
@settings(max_examples=25)
def test_the_checker_agrees_with_brute_force(question, colours: list[int]) -> None:
    ids = question[:10] + tuple(colours)
    assert FIVE.is_valid(question, ids) == (
        set(colours) <= {1, 2, 3} and renamed(colours) in _brute(question)
    )


@given(question=graphs, seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_orders_of_nodes_keep_solutions_and_split(question, seed: int) -> None:
    for answer in FIVE.solutions(question, 2):
        asked, ids = FIVE.transformed(question, answer, np.random.default_rng(seed))
        assert ids in FIVE.solutions(asked, 1000)
        assert FIVE.invariant(asked) == FIVE.invariant(question)
        assert split_of(FIVE, asked) == split_of(FIVE, question)


@given(question=graphs)
@settings(max_examples=25)
def test_graphs_go_to_text_and_back(question: tuple[int, ...]) -> None:
    assert FIVE.encode(f"Colour 5 nodes. Edges: {FIVE.edges_text(question)}") == question
    for answer in FIVE.solutions(question, 3):
        gold = FIVE.gold(question, answer)
        assert (FIVE.given(gold), FIVE.target(gold)) == (question, answer)
        found = FIVE.find(f"The answer: {gold}.")
        assert found is not None
        assert (found.ids[10:], found.given) == (answer[10:], question)


def test_only_nodes_are_answered() -> None:
    grid = FIVE.grid
    assert grid.answered == (False,) * 10 + (True,) * 5
    assert (grid.length, grid.vocabulary, grid.rows) == (15, 6, 0)


def test_colours_by_other_names_are_the_same_answer() -> None:
    question = FIVE.encode("Edges: 1-2 2-3")
    ids = (0,) * 10 + (3, 1, 3, 3, 2)
    assert FIVE.is_valid(question, ids)
    assert FIVE.decode(question, ids) == "1 2 1 1 3"
    found = FIVE.find("3, 1, 3, 3, 2")
    assert found is not None
    assert found.ids[10:] == (1, 2, 1, 1, 3)


def test_nodes_with_labels_are_read() -> None:
    found = ColouringPuzzle(3).find("Node 1: 1, node 2: 2, node 3: 1")
    assert found is not None
    assert found.ids[3:] == (1, 2, 1)


def test_what_is_no_colour_is_a_dot() -> None:
    assert FIVE.decode((), (0,) * 10 + (1, 5, 0, 2, 1)) == "1 . . 2 1"


@given(text=anything)
@settings(max_examples=20)
def test_reading_never_raises(text: str) -> None:
    found = FIVE.find(text)
    assert found is None or len(found.ids) == 15


@pytest.mark.parametrize("text", ["", "1-2 2-3", "Edges: ", "Edges: 1-6", "Edges: 2-1", "Edges: a"])
def test_what_names_no_graph_is_no_question(text: str) -> None:
    with pytest.raises(ValueError, match=r"no `Edges:`|no edges"):
        FIVE.encode(text)


@pytest.mark.parametrize("nodes", [2, 13])
def test_sizes_that_cannot_be_listed_are_refused(nodes: int) -> None:
    with pytest.raises(ConfigError, match="3 to 12"):
        ColouringPuzzle(nodes)
