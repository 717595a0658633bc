"""Keys and values of the rows in flight, in pages of a few tokens that the native kernel reads.

A prompt's pages are written once and read by all its rows; a row takes a page of its own every few
tokens and gives all back when it ends. Nothing is copied when rows come, go or move, nothing is
masked, and memory follows the tokens that are alive.

Source: Kwon et al. 2023, arXiv:2309.06180, section 4 (pages, and prompts shared by samples).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from modicum.sampling.native import PAGE, CacheShape, Kernel

__all__ = ["PagePool", "Pools", "RowPages"]

_SLAB_BYTES = 32 * 2**20
"""Memory asked for at once."""
_LINE = 64
"""Bytes at which vectors must begin."""


class PagePool:
    """Pages that are free; more memory where there is none."""

    def __init__(self, shape: CacheShape, layers: int) -> None:
        """Set the size of a page: PAGE tokens of all layers."""
        self._page = shape.size * 2 * layers * shape.keys * shape.head * PAGE
        self._slabs: list[npt.NDArray[np.uint8]] = []
        self._free: list[int] = []

    def take(self, n: int) -> list[int]:
        """Return the addresses of `n` pages with anything in them.

        Raises:
            MemoryError: there is no more.
        """
        while len(self._free) < n:
            count = max(1, _SLAB_BYTES // self._page)
            # numpy asks the system for large pages, which halves the cost of reading at random.
            slab = np.empty(count * self._page + _LINE, dtype=np.uint8)
            self._slabs.append(slab)
            first = -(-slab.ctypes.data // _LINE) * _LINE
            self._free.extend(first + i * self._page for i in reversed(range(count)))
        return [self._free.pop() for _ in range(n)]

    def give(self, pages: Sequence[int]) -> None:
        """Take pages back."""
        self._free.extend(pages)

    @property
    def size(self) -> int:
        """Bytes held, free pages included."""
        return sum(slab.nbytes for slab in self._slabs)


class Pools:
    """Pools for blocks that run one after the other or side by side."""

    def __init__(self, *, kept: bool) -> None:
        """Begin empty.

        Args:
            kept: Whether memory stays for the next block. The system hands out fresh memory page
                by page, which costs a small model as much as several steps.
        """
        self._kept = kept
        self._free: list[PagePool] = []

    def take(self, shape: CacheShape, layers: int) -> PagePool:
        """Return a pool that nobody uses."""
        try:
            return self._free.pop()
        except IndexError:
            return PagePool(shape, layers)

    def give(self, pool: PagePool) -> None:
        """Take back a pool with all its pages free."""
        if self._kept:
            self._free.append(pool)


class RowPages:
    """The pages of each row in flight: its prompt's, which rows share, and then its own."""

    def __init__(self, kernel: Kernel, pool: PagePool, *, rows: int, prompt: int, own: int) -> None:
        """Set the sizes.

        Args:
            kernel: Writes the prompts.
            pool: Where pages come from.
            rows: Most rows in flight.
            prompt: Tokens of the longest prompt.
            own: Most tokens of a completion.
        """
        self._kernel, self.pool = kernel, pool
        self.table = np.zeros((rows, -(-prompt // PAGE) + -(-own // PAGE)), dtype=np.int64)
        """Addresses of each row's pages."""
        self.prompt = np.zeros(rows, dtype=np.int64)
        """Length of each row's prompt."""
        self.own = np.zeros(rows, dtype=np.int64)
        """Tokens of each row after its prompt whose keys and values are kept."""
        self._users: Counter[int] = Counter()
        """Rows that read each prompt, named by its first page."""

    def insert(
        self,
        pairs: Sequence[tuple[Tensor, Tensor]],
        rows: slice,
        which: Tensor,
        lengths: Tensor,
    ) -> None:
        """Return rows the pages of their prompts; see `RowCache.insert`."""
        written: dict[int, list[int]] = {}
        places = range(rows.start, rows.stop)
        for row, index, length in zip(places, which.tolist(), lengths.tolist(), strict=True):
            if index not in written:
                written[index] = self._write(pairs, index, length)
            pages = written[index]
            self.table[row, : len(pages)] = pages
            self.prompt[row], self.own[row] = length, 0
            self._users[pages[0]] += 1

    def free(self, rows: npt.NDArray[np.int64]) -> None:
        """Take back the pages of rows that ended."""
        for row in rows.tolist():
            before = -(-int(self.prompt[row]) // PAGE)
            after = before + -(-int(self.own[row]) // PAGE)
            self.pool.give(self.table[row, before:after].tolist())
            first = int(self.table[row, 0])
            self._users[first] -= 1
            if not self._users[first]:
                del self._users[first]
                self.pool.give(self.table[row, :before].tolist())

    def move(self, sources: Tensor, targets: Tensor) -> None:
        """Return rows the pages of others; no row may be both."""
        for array in (self.table, self.prompt, self.own):
            array[targets.numpy()] = array[sources.numpy()]

    def open(self, n_rows: int) -> None:
        """Make room for one more token of each of the first rows, and count it."""
        own = self.own[:n_rows]
        lacking = np.flatnonzero(own % PAGE == 0)
        if len(lacking):
            places = -(-self.prompt[lacking] // PAGE) + own[lacking] // PAGE
            self.table[lacking, places] = self.pool.take(len(lacking))
        own += 1

    def read(self, n_rows: int) -> tuple[npt.NDArray[np.int64], ...]:
        """Return what the kernel reads of the first rows; see `Kernel.attend`."""
        order = np.argsort(self.table[:n_rows, 0], kind="stable")
        return self.table[:n_rows], self.prompt[:n_rows], self.own[:n_rows], order

    def settle(self, n_rows: int, *, is_final: bool) -> None:
        """Do nothing: there is no mask, and pages are free already."""

    def _write(self, pairs: Sequence[tuple[Tensor, Tensor]], index: int, length: int) -> list[int]:
        pages = self.pool.take(-(-length // PAGE))
        table = np.array(pages, dtype=np.int64)
        for layer, (keys, values) in enumerate(pairs):
            first = keys.shape[2] - length
            own = [part[index, :, first:].float() for part in (keys, values)]
            self._kernel.keep(table, own[0], own[1], layer)
        return pages
