"""Symmetries of Sudoku: digits, rows within bands, bands, the same of columns, and the diagonal."""

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import cache
from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from modicum.nets.grid import Ids
from modicum.puzzles.sudoku_solver import BOXES

__all__ = ["drawn_symmetry", "sudoku_invariant"]

_LARGEST_SMALL = 4
"""Size up to which every symmetry is tried: 128 of cells at 4 x 4, and 3,456 at 6 x 6 already."""


def drawn_symmetry(size: int, rng: np.random.Generator) -> tuple[Ids, Ids]:
    """Draw a symmetry evenly.

    Returns:
        The cell each cell comes from `[size * size]`, and what each id becomes `[size + 1]`, where
        the blank stays.
    """
    high, wide = BOXES[size]
    # One sort of uniforms a permutation: cheaper than many calls, since boards are drawn by the million.
    drawn = rng.random((4, size))
    rows = _line_order(drawn[0], drawn[1], high)
    columns = _line_order(drawn[2], drawn[3], wide)
    cells = [size * row + column for row in rows for column in columns]
    if high == wide and rng.random() < 0.5:
        cells = [size * column + row for row in rows for column in columns]
    digits = rng.permutation(size).tolist()
    return tuple(cells), (0, *(digit + 1 for digit in digits))


def _line_order(
    bands: npt.NDArray[np.float64], lines: npt.NDArray[np.float64], n: int
) -> list[int]:
    """Return lines in an order that keeps bands of n together."""
    order: list[int] = []
    for band in bands[: len(lines) // n].argsort().tolist():
        first = band * n
        order += [first + line for line in lines[first : first + n].argsort().tolist()]
    return order


def sudoku_invariant(size: int, ids: Sequence[int]) -> Hashable:
    """Return what all symmetric forms of a board share.

    At 4 x 4 the least of all forms, so that only symmetric boards share it. Above that how many
    digits stand in each line, box and with each digit, which other boards may share as well.
    """
    if size <= _LARGEST_SMALL:
        return _least_form(size, np.array(ids))
    high, wide = BOXES[size]
    board = [ids[size * row : size * row + size] for row in range(size)]
    across = _profile(board, high, wide)
    down = _profile(list(zip(*board, strict=True)), wide, high)
    digits = tuple(sorted(Counter(digit for digit in ids if digit).values()))
    # The diagonal swaps rows and columns, where boxes are square.
    return digits, tuple(sorted((across, down))) if high == wide else (across, down)


def _profile(board: Sequence[Sequence[int]], high: int, wide: int) -> tuple[Hashable, ...]:
    """Return bands of a board by the givens in each line of each box, all without order."""
    size = len(board)
    rows = [
        tuple(sorted(sum(map(bool, row[first : first + wide])) for first in range(0, size, wide)))
        for row in board
    ]
    return tuple(sorted(tuple(sorted(rows[i : i + high])) for i in range(0, size, high)))


@cache
def _cell_orders(size: int) -> npt.NDArray[np.int64]:
    """Return every symmetry of cells, `[symmetries, cells]`, for a size of square boxes."""
    n = BOXES[size][0]
    lines = [
        [n * band + line for band, inner in zip(bands, inside, strict=True) for line in inner]
        for bands in permutations(range(size // n))
        for inside in product(permutations(range(n)), repeat=size // n)
    ]
    straight = [
        [size * r + c for r in rows for c in columns] for rows in lines for columns in lines
    ]
    turned = [[size * c + r for r in rows for c in columns] for rows in lines for columns in lines]
    return np.array(straight + turned)


def _least_form(size: int, ids: npt.NDArray[np.int64]) -> Hashable:
    """Return the smallest of all symmetric forms, digits named in the order in which they appear."""
    forms = ids[_cell_orders(size)]
    length = forms.shape[1]
    # Where each digit first stands in each form; one that is missing stands behind the end.
    first = np.stack(
        [
            np.where((forms == digit).any(1), (forms == digit).argmax(1), length)
            for digit in range(1, size + 1)
        ],
        axis=1,
    )
    names = np.zeros((len(forms), size + 1), dtype=np.int64)
    names[:, 1:] = first.argsort(1, kind="stable").argsort(1, kind="stable") + 1
    named = np.take_along_axis(names, forms, axis=1)
    weights = (size + 1) ** np.arange(length, dtype=np.int64)
    return int((named @ weights).min())
