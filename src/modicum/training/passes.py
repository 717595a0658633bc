"""Which of n things each step sees: whole shuffled passes, cut into steps."""

from collections.abc import Callable
from typing import final

import numpy as np
import numpy.typing as npt

__all__ = ["Passes"]


@final
class Passes:
    """Whole passes over n things, each in an order of its own, cut into steps of one size.

    >>> passes = Passes(3, 2, lambda number: np.array([[2, 0, 1], [1, 2, 0]][number]))
    >>> [passes.step(i).tolist() for i in range(3)]
    [[2, 0], [1, 1], [2, 0]]
    """

    def __init__(self, n: int, size: int, shuffled: Callable[[int], npt.NDArray[np.int64]]) -> None:
        """Begin with nothing shuffled.

        Args:
            n: Things, at least 1.
            size: Things a step, at least 1; more than n where a step takes several passes.
            shuffled: Returns the order of the pass of a number, from 0; asked once while it is needed.
        """
        self._n, self._size, self._shuffled = n, size, shuffled
        self._held: dict[int, npt.NDArray[np.int64]] = {}

    def step(self, number: int) -> npt.NDArray[np.int64]:
        """Return the places of the things that a step sees."""
        first, last = number * self._size, (number + 1) * self._size
        wanted = range(first // self._n, (last - 1) // self._n + 1)
        held = self._held
        self._held = {p: held[p] if p in held else self._shuffled(p) for p in wanted}
        joined = np.concatenate([self._held[p] for p in wanted])
        skip = first - wanted[0] * self._n
        return joined[skip : skip + self._size]
