"""Products of bfloat16 weights with the rows in flight: single-precision sums, nothing copied.

Two ways to the same figures. `NativeProducts` are compiled from `products.c`: on processors whose
vector units multiply bfloat16 (AVX512-BF16) they run near the units' own rate at any number of rows.
`TorchProducts` are oneDNN's, which uses matrix units (AMX) where the processor has them.
"""

import ctypes
import functools
from pathlib import Path
from typing import Any, Protocol, final

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.files.compiled import built, processor_flags
from modicum.sampling.linear import Activation, activated
from modicum.sampling.native import Kernel, Norm
from modicum.sampling.weights_left import LeftWeights, times

__all__ = [
    "COLUMNS",
    "HalfProducts",
    "NativeProducts",
    "TorchProducts",
    "half_products",
    "native_products",
]

_SOURCE = Path(__file__).with_name("products.c")
COLUMNS = 16
"""Rows in flight are rounded up to a multiple of this."""


class HalfProducts(Protocol):
    """What stands between the attention of one layer and the next; columns are rows in flight."""

    def normed(self, hidden: Float[Tensor, "width columns"], norm: Norm | None) -> Tensor:
        """Return activations as a product wants them, normalised where there is a norm."""
        ...

    def taken(self, rows: Float[Tensor, "columns width"]) -> Tensor:
        """Return rows as a product wants them."""
        ...

    def product(self, layer: LeftWeights, x: Tensor) -> Float[Tensor, "out columns"]:
        """Return `W x + b`."""
        ...

    def add_product(
        self, layer: LeftWeights, x: Tensor, hidden: Float[Tensor, "out columns"]
    ) -> None:
        """Add `W x + b` to `hidden`, in place."""
        ...

    def gated(
        self, gate: LeftWeights, up: LeftWeights, x: Tensor, activation: Activation
    ) -> Tensor:
        """Return `activation(G x) * (U x)` as a product wants it; neither has a bias."""
        ...


@final
class NativeProducts:
    """The compiled products, on as many threads as torch has set for the calling one."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Name the types of the arguments."""
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self._multiply: Any = library.multiply
        self._multiply.argtypes = [*[pointer] * 4, *[number] * 5]
        self._gated: Any = library.multiply_gated
        self._gated.argtypes = [*[pointer] * 4, *[number] * 5]
        self._pack: Any = library.pack
        self._pack.argtypes = [*[pointer] * 3, *[number] * 2, ctypes.c_float]
        self._pack_rows: Any = library.pack_rows
        self._pack_rows.argtypes = [*[pointer] * 2, *[number] * 2]
        self._multiply_rows: Any = library.multiply_rows
        self._multiply_rows.argtypes = [*[pointer] * 5, *[number] * 4]
        self._weigh: Any = library.weigh
        self._weigh.argtypes = [*[pointer] * 2, *[number] * 2, ctypes.c_float, number]
        self._chances: Any = library.chances
        self._chances.argtypes = [*[pointer] * 3, *[number] * 2, ctypes.c_float, number]
        functions = (self._multiply, self._gated, self._pack, self._pack_rows, self._multiply_rows)
        for function in (*functions, self._weigh, self._chances):
            function.restype = None

    def normed(self, hidden: Float[Tensor, "width columns"], norm: Norm | None) -> Tensor:
        """Return columns, normalised where there is a norm, rounded in pairs: `[width / 2, columns]`."""
        out = _words(*hidden.shape)
        weight = None if norm is None else norm.weight.data_ptr()
        epsilon = 0.0 if norm is None else norm.epsilon
        self._pack(out.data_ptr(), hidden.data_ptr(), weight, *hidden.shape, epsilon)
        return out

    def taken(self, rows: Float[Tensor, "columns width"]) -> Tensor:
        """Return rows as columns, rounded in pairs."""
        columns, width = rows.shape
        out = _words(width, columns)
        self._pack_rows(out.data_ptr(), rows.data_ptr(), width, columns)
        return out

    def product(self, layer: LeftWeights, x: Tensor) -> Float[Tensor, "out columns"]:
        """Return `W x + b`."""
        out = torch.empty(layer.weight.shape[0], x.shape[1])
        self._into(out, layer, x, add=False)
        return out

    def add_product(
        self, layer: LeftWeights, x: Tensor, hidden: Float[Tensor, "out columns"]
    ) -> None:
        """Add `W x + b` to `hidden`, in place."""
        self._into(hidden, layer, x, add=True)

    def gated(
        self, gate: LeftWeights, up: LeftWeights, x: Tensor, activation: Activation
    ) -> Tensor:
        """Return `activation(G x) * (U x)`, rounded in pairs."""
        outs, width = gate.weight.shape
        out = _words(outs, x.shape[1])
        matrices = (gate.weight.data_ptr(), up.weight.data_ptr())
        sizes = (outs, width, x.shape[1], int(activation == "gelu"), torch.get_num_threads())
        self._gated(out.data_ptr(), *matrices, x.data_ptr(), *sizes)
        return out

    def softmax(
        self, scores: Float[Tensor, "vocab columns"], scale: float
    ) -> tuple[Float[Tensor, " columns"], Float[Tensor, " columns"]]:
        """Return each column's logarithm of the sum of `e^(scale score)`, and its entropy in nats."""
        threads = torch.get_num_threads()
        found = torch.empty(threads, 3, scores.shape[1])
        self._weigh(found.data_ptr(), scores.data_ptr(), *scores.shape, scale, threads)
        most, total, moment = found.unbind(1)
        top = most.amax(0)
        moved = most - top
        kept = moved.exp()
        moment = (kept * (moment + total * moved)).sum(0)
        total = (kept * total).sum(0)
        logarithm = total.log()
        return top + logarithm, logarithm - moment / total

    def minus_chances(
        self,
        scores: Float[Tensor, "vocab columns"],
        total: Float[Tensor, " columns"],
        scale: float,
    ) -> Float[Tensor, "columns vocab"]:
        """Return `-e^(scale score - total)`, rounded to bfloat16; there is an even number of scores."""
        out = torch.empty(*reversed(scores.shape), dtype=torch.bfloat16)
        named = (out.data_ptr(), scores.data_ptr(), total.data_ptr())
        self._chances(*named, *scores.shape, scale, torch.get_num_threads())
        return out

    def rows(self, layer: LeftWeights, x: Float[Tensor, "rows width"]) -> Float[Tensor, "rows out"]:
        """Return `x W^T + b` for any number of rows; none of them depends on what stands beside it.

        Args:
            layer: Weights `[out, width]`, contiguous, and a bias in single precision.
            x: Single precision.
        """
        x = x.contiguous()
        rows, width = x.shape
        out = torch.empty(rows, layer.weight.shape[0])
        room = _words(width, -(-rows // COLUMNS) * COLUMNS)
        bias = None if layer.bias is None else layer.bias.data_ptr()
        named = (out.data_ptr(), layer.weight.data_ptr(), bias, x.data_ptr(), room.data_ptr())
        self._multiply_rows(*named, *layer.weight.shape, rows, torch.get_num_threads())
        return out

    def _into(self, out: Tensor, layer: LeftWeights, x: Tensor, *, add: bool) -> None:
        bias = None if layer.bias is None else layer.bias.data_ptr()
        named = (out.data_ptr(), layer.weight.data_ptr(), bias, x.data_ptr())
        sizes = (*layer.weight.shape, x.shape[1], int(add), torch.get_num_threads())
        self._multiply(*named, *sizes)


@final
class TorchProducts:
    """oneDNN's products, whose results are rounded to bfloat16."""

    def __init__(self, kernel: Kernel) -> None:
        """Take what turns columns into rows."""
        self._kernel = kernel

    def normed(self, hidden: Float[Tensor, "width columns"], norm: Norm | None) -> Tensor:
        """Return columns, normalised where there is a norm, as rounded rows: `[columns, width]`."""
        return self._kernel.turn(hidden, *(norm or ())).bfloat16()

    def taken(self, rows: Float[Tensor, "columns width"]) -> Tensor:
        """Return rounded rows."""
        return rows.bfloat16()

    def product(self, layer: LeftWeights, x: Tensor) -> Float[Tensor, "out columns"]:
        """Return `W x + b`."""
        out = times(LeftWeights(layer.weight, None), x).float()
        return out if layer.bias is None else out.add_(layer.bias[:, None])

    def add_product(
        self, layer: LeftWeights, x: Tensor, hidden: Float[Tensor, "out columns"]
    ) -> None:
        """Add `W x + b` to `hidden`, in place."""
        hidden.add_(times(LeftWeights(layer.weight, None), x))
        if layer.bias is not None:
            hidden.add_(layer.bias[:, None])

    def gated(
        self, gate: LeftWeights, up: LeftWeights, x: Tensor, activation: Activation
    ) -> Tensor:
        """Return `activation(G x) * (U x)` as rounded rows."""
        opened = activated(times(gate, x).float(), activation)
        return opened.mul_(times(up, x)).bfloat16().t().contiguous()


def half_products(kernel: Kernel) -> HalfProducts:
    """Return the products that suit this processor: compiled ones unless it has matrix units."""
    return native_products() or TorchProducts(kernel)


def native_products() -> NativeProducts | None:
    """Return the compiled products where they suit this processor."""
    return None if "amx_bf16" in processor_flags() else _native()


@functools.cache
def _native() -> NativeProducts | None:
    library = _library()
    return None if library is None else NativeProducts(library)


@functools.cache
def _library() -> ctypes.CDLL | None:
    return built(_SOURCE, ["-fopenmp"]) or built(_SOURCE)


def _words(width: int, columns: int) -> Tensor:
    """Return room for pairs of rounded numbers, a word each."""
    return torch.empty(width // 2, columns, dtype=torch.int32)
