"""What a sampler can reach at most on this machine: products of matrices, and bytes.

The floor of a run is the time that its matrix products alone take, each step at the number of rows
it really had, by the fastest of three ways, with as many threads at work beside each other as the
sampler uses. In single precision: MKL; oneDNN; oneDNN with packed and joined weights. In bfloat16:
oneDNN, with the weights as they lie or packed and joined; the sampler's own compiled products.
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

from benchmarks.spying import watched
from modicum.sampling.half import is_half
from modicum.sampling.half_steps import LeanHalf
from modicum.sampling.linear import linear
from modicum.sampling.llama_steps import LeanLlama
from modicum.sampling.local import Local
from modicum.sampling.products import COLUMNS
from modicum.sampling.weights_left import LeftWeights

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


def measure(model: Local, most: int, abreast: int, sizes: Sequence[int] = _ROWS) -> Rates:
    """Time the products of one step at each number of rows up to `most`.

    Args:
        model: A plain Llama or Qwen2, in single precision or with bfloat16 products.
        most: Most rows in flight.
        abreast: Threads at work beside each other.
        sizes: Numbers of rows, fewest first.
    """
    plain, joined = _matrices(model)
    rows = tuple(n for n in sizes if n <= most)
    seconds = []
    for n in rows:
        packed = [
            (w.shape[1], torch.ops.mkldnn._reorder_linear_weight(w, n))
            for w in [*joined, plain[-1]]
        ]
        inputs = {w.shape[1]: torch.randn(n, w.shape[1], dtype=w.dtype) for w in plain}
        ways: list[Callable[[], object]] = [
            lambda x=inputs: [torch.nn.functional.linear(x[w.shape[1]], w) for w in plain],
            _compiled(model, n, plain)
            if is_half(model.module)
            else lambda x=inputs: [linear(x[w.shape[1]], w) for w in plain],
            lambda x=inputs, p=packed: [
                torch.ops.mkldnn._linear_pointwise(x[width], w, None, "none", [], "")
                for width, w in p
            ],
        ]
        seconds.append(min(_together(way, abreast) for way in ways))
    flops = 2.0 * sum(w.numel() for w in plain)
    table = torch.ones(64 * 2**20)  # written, for untouched memory is one page of zeros
    read = _together(lambda: torch.sum(table), abreast)
    bandwidth = abreast * table.numel() * table.element_size() / read
    return Rates(rows, tuple(seconds), abreast, bandwidth, flops)


def _matrices(model: Local) -> tuple[list[Tensor], list[Tensor]]:
    """Return the weights of every product, the vocabulary's last; and those that are joined."""
    plain: list[Tensor] = []
    joined: list[Tensor] = []
    for layer in model.module.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        taken = [attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]
        gates = [mlp.gate_proj.weight, mlp.up_proj.weight]
        others = (attention.o_proj.weight, mlp.down_proj.weight)
        plain += [*taken, others[0], *gates, others[1]]
        joined += [torch.cat(taken), others[0], torch.cat(gates), others[1]]
    return [*plain, model.module.lm_head.weight], joined


def _compiled(model: Local, rows: int, weights: list[Tensor]) -> Callable[[], object]:
    """Return the products as the sampler computes them in bfloat16."""
    products = LeanHalf(model.module, 8).products
    size = -(-rows // COLUMNS) * COLUMNS
    inputs = {w.shape[1]: products.taken(torch.randn(size, w.shape[1])) for w in weights}
    layers = [LeftWeights(w.detach(), None) for w in weights]
    return lambda: [products.product(layer, inputs[layer.weight.shape[1]]) for layer in layers]


@contextmanager
def spied_rows() -> Iterator[list[int]]:
    """Yield a list that receives the number of rows of every step taken within."""
    seen: list[int] = []

    def spied(step: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def spy(self: object, ids: Tensor, *rest: object) -> Tensor:
            seen.append(len(ids))
            return step(self, ids, *rest)

        return spy

    with watched([(LeanLlama, "step_in_pages"), (LeanHalf, "step_in_pages")], spied):
        yield seen


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
