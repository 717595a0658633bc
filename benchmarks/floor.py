"""What a sampler can reach at most on this machine: products of matrices, and bytes.

The floor of a run is the time that its matrix products alone take, each step at the number of rows
it really had, by the fastest of three ways that torch offers (MKL; oneDNN; oneDNN with packed and
joined weights), with as many threads at work beside each other as the sampler uses.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Barrier

import numpy as np
import torch
from torch import Tensor

from modicum.sampling.linear import linear
from modicum.sampling.llama_steps import LeanLlama
from modicum.sampling.local import Local

__all__ = ["Rates", "measure", "spied_rows"]

_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Rates:
    """Seconds of one step's matrix products, by rows, with all threads at work."""

    rows: tuple[int, ...]
    seconds: tuple[float, ...]
    abreast: int
    bandwidth: float
    """Bytes a second that all threads together read."""
    flops_per_row: float

    def at(self, rows: int) -> float:
        """Return the seconds at a number of rows, between those measured."""
        return float(np.interp(rows, self.rows, self.seconds))

    def floor(self, steps: Sequence[int], prompt_tokens: int) -> float:
        """Return the least wall-clock seconds of a run: steps shared evenly by the threads."""
        prefill = prompt_tokens * self.seconds[-1] / self.rows[-1]
        return (sum(map(self.at, steps)) + prefill) / self.abreast

    def rate(self, rows: int) -> float:
        """Return FLOPs a second of all threads at a number of rows."""
        return self.abreast * rows * self.flops_per_row / self.at(rows)


def measure(model: Local, most: int, abreast: int) -> Rates:
    """Time the products of one step at each number of rows up to `most`.

    Args:
        model: A plain Llama.
        most: Most rows in flight.
        abreast: Threads at work beside each other.
    """
    lean = LeanLlama(model.module, 8)
    head, layers = lean.head[0], lean.layers
    plain = [[*layer.query[:1], layer.key[0], layer.value[0]] for layer in layers]
    joined: list[Tensor] = []
    for layer, parts in zip(layers, plain, strict=True):
        parts += [layer.output[0], layer.gate[0], layer.up[0], layer.down[0]]
        qkv, gates = torch.cat(parts[:3]), torch.cat([layer.gate[0], layer.up[0]])
        joined += [qkv, layer.output[0], gates, layer.down[0]]
    weights = [weight for parts in plain for weight in parts] + [head]
    rows = tuple(n for n in _ROWS if n <= most)
    seconds = []
    for n in rows:
        packed = [
            (w.shape[1], torch.ops.mkldnn._reorder_linear_weight(w, n)) for w in [*joined, head]
        ]
        inputs = {w.shape[1]: torch.randn(n, w.shape[1]) for w in weights}
        ways: list[Callable[[], object]] = [
            lambda x=inputs: [torch.nn.functional.linear(x[w.shape[1]], w) for w in weights],
            lambda x=inputs: [linear(x[w.shape[1]], w) for w in weights],
            lambda x=inputs, p=packed: [
                torch.ops.mkldnn._linear_pointwise(x[width], w, None, "none", [], "")
                for width, w in p
            ],
        ]
        seconds.append(min(_together(way, abreast) for way in ways))
    flops = 2.0 * sum(w.numel() for w in weights)
    table = torch.ones(64 * 2**20)  # written, for untouched memory is one page of zeros
    read = _together(lambda: torch.sum(table), abreast)
    bandwidth = abreast * table.numel() * table.element_size() / read
    return Rates(rows, tuple(seconds), abreast, bandwidth, flops)


@contextmanager
def spied_rows() -> Iterator[list[int]]:
    """Yield a list that receives the number of rows of every step taken within."""
    seen: list[int] = []
    original = LeanLlama.step_in_pages

    def spy(self: LeanLlama, ids: Tensor, *rest: object) -> Tensor:
        seen.append(len(ids))
        return original(self, ids, *rest)  # type: ignore[arg-type]

    LeanLlama.step_in_pages = spy  # type: ignore[assignment]
    try:
        yield seen
    finally:
        LeanLlama.step_in_pages = original  # type: ignore[method-assign]


def _together(work: Callable[[], object], abreast: int) -> float:
    """Return the median seconds of `work` while all threads do it."""
    barrier = Barrier(abreast)

    def one(_: int) -> list[float]:
        torch.set_num_threads(1)
        taken = []
        with torch.inference_mode():
            work()
            for _turn in range(5):
                barrier.wait()
                start = time.perf_counter()
                work()
                taken.append(time.perf_counter() - start)
        return taken

    with ThreadPoolExecutor(abreast) as executor:
        turns = [seconds for taken in executor.map(one, range(abreast)) for seconds in taken]
    return float(np.median(turns))
