"""A solver of Sudoku that finds every solution: candidates as bit boards, most constrained first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

import numpy as np

from modicum.errors import ConfigError
from modicum.nets.grid import Ids

__all__ = ["BOXES", "SudokuUnits", "is_solved", "solutions_of", "units_of"]

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}
"""Rows and columns of a box, by the size of the board."""


@dataclass(frozen=True)
class SudokuUnits:
    """The units of a board; a set of cells is an integer with one bit a cell."""

    size: int
    """Rows, columns and digits."""
    units: tuple[int, ...]
    """Every row, column and box as a set of cells."""
    cells: tuple[tuple[int, ...], ...]
    """The same as lists of cells."""
    others: tuple[int, ...]
    """Once a cell: all cells but those that share a unit with it."""
    everywhere: int
    """All cells."""


@cache
def units_of(size: int) -> SudokuUnits:
    """Return the units of a board.

    Raises:
        ConfigError: no size of `BOXES`.
    """
    if size not in BOXES:
        raise ConfigError(
            f"a Sudoku of size {size}", "4, 6 or 9", "choose one of the sizes that have boxes"
        )
    high, wide = BOXES[size]
    places = [(row, column) for row in range(size) for column in range(size)]
    named = [
        (("row", row), ("column", column), ("box", row // high, column // wide))
        for row, column in places
    ]
    cells = tuple(
        tuple(cell for cell, names in enumerate(named) if name in names)
        for name in dict.fromkeys(name for names in named for name in names)
    )
    units = tuple(sum(1 << cell for cell in unit) for unit in cells)
    everywhere = (1 << size * size) - 1
    others = [everywhere] * len(places)
    for unit, members in zip(units, cells, strict=True):
        for cell in members:
            others[cell] &= ~unit
    return SudokuUnits(size, units, cells, tuple(others), everywhere)


def is_solved(size: int, ids: Sequence[int]) -> bool:
    """Say whether a board holds each digit once in every row, column and box.

    >>> is_solved(4, [1, 2, 3, 4, 3, 4, 1, 2, 2, 1, 4, 3, 4, 3, 2, 1])
    True
    """
    if len(ids) != size * size or min(ids) < 1 or max(ids) > size:
        return False
    return all(len({ids[cell] for cell in unit}) == size for unit in units_of(size).cells)


def solutions_of(
    size: int, ids: Sequence[int], most: int, rng: np.random.Generator | None = None
) -> list[Ids]:
    """Return the solutions of a board, at most `most`; none where what is given contradicts itself.

    Args:
        size: 4, 6 or 9.
        ids: Digits `[size * size]`, 0 where a cell is empty.
        most: At least 1.
        rng: Tries cells and digits in an order that it draws; in a fixed order where None.
    """
    return list(islice(_search(size, ids, rng), most))


@dataclass
class _State:
    """What is left of a search: where each digit may still stand, and which cells are settled."""

    places: list[int]
    settled: int = 0


def _search(size: int, ids: Sequence[int], rng: np.random.Generator | None) -> Iterator[Ids]:
    """Yield solutions, depth first; an explicit stack, so that no board is too deep."""
    board = units_of(size)
    places = [board.everywhere] * size
    for cell, digit in enumerate(ids):
        if digit:
            bit = 1 << cell
            places = [p if d == digit - 1 else p & ~bit for d, p in enumerate(places)]
    stack = [_State(places)]
    while stack:
        state = stack.pop()
        if not _settle(board, state):
            continue
        if state.settled == board.everywhere:
            yield _ids(size, state.places)
            continue
        branches = _branches(board, state)
        if rng is not None:
            rng.shuffle(branches)
        for digit, bit in branches:
            places = [p if d == digit else p & ~bit for d, p in enumerate(state.places)]
            stack.append(_State(places, state.settled))


def _settle(board: SudokuUnits, state: _State) -> bool:
    """Draw every conclusion from single candidates and single places; False at a contradiction."""
    places, everywhere = state.places, board.everywhere
    seen = [-1] * board.size
    while True:
        once = twice = 0
        for held in places:
            twice |= once & held
            once |= held
        if once != everywhere:
            return False
        single = once & ~twice & ~state.settled
        if single:
            if not _place(board, state, single):
                return False
            if state.settled == everywhere:
                return True
            continue
        alone = _single_places(board, state, seen)
        if not alone:
            return alone is not None
        for bit, digit in alone.items():
            for other in range(board.size):
                if other != digit:
                    places[other] &= ~bit


def _place(board: SudokuUnits, state: _State, single: int) -> bool:
    """Settle cells with one candidate: their digit leaves the rest of their units."""
    others = board.others
    for digit in range(board.size):
        held = state.places[digit]
        left = held & single
        while left:
            bit = left & -left
            if not held & bit:  # a settled neighbour took the only candidate
                return False
            held = held & others[bit.bit_length() - 1] | bit
            left ^= bit
        state.places[digit] = held
    state.settled |= single
    return True


def _single_places(board: SudokuUnits, state: _State, seen: list[int]) -> dict[int, int] | None:
    """Return open cells, as bits, that alone in some unit can hold a digit, and that digit.

    Args:
        board: The units.
        state: What is left.
        seen: Places of each digit when its units were last looked at; brought up to date.

    Returns:
        None where a digit has no place left in a unit, or two have the same one.
    """
    open_cells = ~state.settled
    alone: dict[int, int] = {}
    for digit, held in enumerate(state.places):
        if held == seen[digit]:
            continue
        seen[digit] = held
        for unit in board.units:
            inside = held & unit
            if not inside & (inside - 1) and (not inside or inside & open_cells):
                if not inside or alone.get(inside, digit) != digit:
                    return None
                alone[inside] = digit
    return alone


def _branches(board: SudokuUnits, state: _State) -> list[tuple[int, int]]:
    """Return what to try: the digits of a cell, or the cells of a digit, as few as can be found."""
    at_least = [board.everywhere] + [0] * 4
    for held in state.places:
        for k in (3, 2, 1, 0):
            at_least[k + 1] |= at_least[k] & held
    for k in (2, 3):
        found = at_least[k] & ~at_least[k + 1]
        if found:
            bit = found & -found
            break
        if k == 2:
            pair = _two_places(board, state)
            if pair:
                return pair
    else:
        free = board.everywhere & ~state.settled
        bit = free & -free
    return [(digit, bit) for digit, held in enumerate(state.places) if held & bit]


def _two_places(board: SudokuUnits, state: _State) -> list[tuple[int, int]]:
    """Return the two cells of a digit that has no more in some unit; none where each has more."""
    for digit, held in enumerate(state.places):
        for unit in board.units:
            inside = held & unit
            rest = inside & (inside - 1)
            if rest and not rest & (rest - 1):
                return [(digit, rest), (digit, inside ^ rest)]
    return []


def _ids(size: int, places: Sequence[int]) -> Ids:
    ids = [0] * (size * size)
    for digit, held in enumerate(places):
        left = held
        while left:
            bit = left & -left
            ids[bit.bit_length() - 1] = digit + 1
            left ^= bit
    return tuple(ids)
