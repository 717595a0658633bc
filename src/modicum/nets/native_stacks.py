"""Stacks of attention layers compiled from `stacks.c`, forwards and backwards; torch's own elsewhere.

At small widths torch spends more on passing activations from one operation to the next than on the
products. The compiled form takes a few boards through the whole stack while they stay in the cache. It
needs vectors of sixteen numbers (AVX-512) or of eight (AVX2 and FMA), whichever the processor has.
"""

import ctypes
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, final

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.files.compiled import built, processor_flags

__all__ = ["NativeStack", "StackShape", "native_stacks"]

_SOURCE = Path(__file__).with_name("stacks.c")
_PANEL = 64
"""Widths come in multiples of this."""
_LANES = 16
"""Numbers of a head come in multiples of this."""
_ROWS, _MORE_ROWS, _WIDE = 96, 192, 256
"""Positions that pass a stack together, at least, where there are so many: more of them from a width
on whose weights do not stay in the cache."""
_NEEDED = ({"avx512f"}, {"avx2", "fma"})
"""Flags of the processor, one set of which it has: there are vectors of sixteen and of eight numbers."""


class _Library:
    """The compiled functions."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Name the types of the arguments."""
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self.pack: Any = library.pack
        self.pack.argtypes = [*[pointer] * 3, number]
        self.run: Any = library.run
        self.run.argtypes = [pointer] * 8
        self.run_back: Any = library.run_back
        self.run_back.argtypes = [pointer] * 9
        for function in (self.pack, self.run, self.run_back):
            function.restype = None
        self.room: Any = library.room_of
        self.kept: Any = library.kept_of
        for function in (self.room, self.kept):
            function.argtypes, function.restype = [pointer], number


@functools.cache
def _library() -> _Library | None:
    flags = set(processor_flags().split())
    if not any(needed <= flags for needed in _NEEDED):
        return None
    library = built(_SOURCE, ["-fopenmp"]) or built(_SOURCE)
    return None if library is None else _Library(library)


class StackShape:
    """Sizes of a stack, as the compiled functions read them."""

    def __init__(self, places: int, width: int, heads: int, inner: int, layers: int) -> None:
        """Take positions, numbers a position, heads, hidden width of a SwiGLU, layers."""
        self.fixed = (places, width, heads, inner, layers)
        self._group = -(-(_MORE_ROWS if width >= _WIDE else _ROWS) // places)
        self.room = torch.empty(0)
        """What calls work in: kept, for a fresh block costs as much as filling it."""
        self.spare: list[Tensor] = []
        """Blocks for what gradients need, out of use."""

    @property
    def is_native(self) -> bool:
        """Whether there are compiled functions for it."""
        _, width, heads, inner, _ = self.fixed
        fits = width % _PANEL == 0 and inner % _PANEL == 0 and width // heads % _LANES == 0
        return fits and _library() is not None

    def of(self, boards: int, threads: int) -> ctypes.Array[ctypes.c_int64]:
        """Return them for a number of boards on at most so many threads, each with some of the boards."""
        group = max(1, min(self._group, -(-boards // threads)))
        threads = min(threads, -(-boards // group))
        return (ctypes.c_int64 * 8)(*self.fixed, boards, group, max(1, threads))


@final
class NativeStack:
    """A stack as its weights stand; whoever changes them makes another."""

    def __init__(
        self,
        library: _Library,
        shape: StackShape,
        weights: Sequence[Tensor],
        rotary: tuple[Tensor, Tensor] | None,
    ) -> None:
        """Pack the weights: `read`, `write`, `rise` and `fall` of each layer in turn."""
        self._library, self._shape, self._weights = library, shape, weights
        self._threads = torch.get_num_threads()
        self._turns = (None, None) if rotary is None else tuple(part.data_ptr() for part in rotary)
        self._rotary = rotary  # held, for its address is kept
        self._ahead = self._packed(back=False)
        self._back: Tensor | None = None
        self._grads: Tensor | None = None
        self._token: Tensor | None = None
        if torch.is_grad_enabled() and any(weight.requires_grad for weight in weights):
            weighed: Callable[..., Tensor] = _Weighed.apply
            self._token = weighed(self, *weights)

    def __call__(
        self, rows: Float[Tensor, "rows places width"]
    ) -> Float[Tensor, "rows places width"]:
        """Apply the stack."""
        rows = rows.contiguous()
        if self._token is None or not torch.is_grad_enabled():
            return self.run(rows, None)
        applied: Callable[..., Tensor] = _Applied.apply
        return applied(self, rows, self._token)

    def run(self, rows: Tensor, kept: Tensor | None) -> Tensor:
        """Return what the stack makes of rows, keeping what its gradient needs in `kept`."""
        sizes, out = self._shape.of(len(rows), self._threads), torch.empty_like(rows)
        named = (rows.data_ptr(), self._ahead.data_ptr(), *self._turns)
        held = None if kept is None else kept.data_ptr()
        room = self._roomy(sizes).data_ptr()
        self._library.run(sizes, *named, held, out.data_ptr(), room)
        return out

    def run_back(self, rows: Tensor, kept: Tensor, grad: Tensor) -> Tensor:
        """Return the gradient before the stack; that of the weights is added up here."""
        sizes = self._shape.of(len(rows), self._threads)
        if self._back is None:
            self._back = self._packed(back=True)
        if self._grads is None:
            self._grads = rows.new_zeros(self._threads, len(self._ahead))
        grad = grad.clone(memory_format=torch.contiguous_format)
        named = (rows.data_ptr(), self._back.data_ptr(), *self._turns, kept.data_ptr())
        room = self._roomy(sizes).data_ptr()
        self._library.run_back(sizes, *named, self._grads.data_ptr(), grad.data_ptr(), room)
        self._shape.spare.append(kept)
        return grad

    def kept(self, rows: Tensor) -> Tensor:
        """Return space for what the gradient of a call needs."""
        sizes = self._shape.of(len(rows), self._threads)
        groups = -(-len(rows) // sizes[6])
        numbers = groups * sizes[4] * self._library.kept(sizes)
        spare = self._shape.spare
        while spare:
            if len(spare[-1]) == numbers:
                return spare.pop()
            spare.clear()  # for another number of boards
        return rows.new_empty(numbers)

    def gradients(self) -> list[Tensor]:
        """Return the gradient of every weight and begin anew."""
        grads, self._grads = self._grads, None
        if grads is None:
            return [torch.zeros_like(weight) for weight in self._weights]
        parts = grads.sum(0).split([weight.numel() for weight in self._weights])
        return [part.view_as(w) for part, w in zip(parts, self._weights, strict=True)]

    def _packed(self, *, back: bool) -> Tensor:
        weights = [weight.detach().contiguous() for weight in self._weights]
        out = weights[0].new_empty(sum(weight.numel() for weight in weights))
        named = (ctypes.c_void_p * len(weights))(*(weight.data_ptr() for weight in weights))
        self._library.pack(self._shape.of(1, 1), named, out.data_ptr(), int(back))
        return out

    def _roomy(self, sizes: ctypes.Array[ctypes.c_int64]) -> Tensor:
        numbers = self._library.room(sizes) * sizes[7]
        if len(self._shape.room) < numbers:
            self._shape.room = torch.empty(numbers)
        return self._shape.room


class _Held(Protocol):
    """What torch hands from a call to its gradient."""

    stack: NativeStack
    kept: Tensor | None
    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep tensors for the gradient."""
        ...


class _Weighed(torch.autograd.Function):
    """Stands for all weights of a stack: their gradient is handed over once every call has gone back."""

    @staticmethod
    def forward(ctx: _Held, stack: NativeStack, *weights: Tensor) -> Tensor:
        ctx.stack = stack
        return weights[0].new_zeros(())

    @staticmethod
    def backward(ctx: _Held, *_: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.stack.gradients()


class _Applied(torch.autograd.Function):
    """One call of a stack."""

    @staticmethod
    def forward(ctx: _Held, stack: NativeStack, rows: Tensor, token: Tensor) -> Tensor:
        kept = stack.kept(rows)
        ctx.stack, ctx.kept = stack, kept
        ctx.save_for_backward(rows, token)
        return stack.run(rows, kept)

    @staticmethod
    def backward(ctx: _Held, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, token = ctx.saved_tensors
        kept, ctx.kept = ctx.kept, None
        if kept is None:
            msg = "the gradient of a compiled stack was asked for twice; what it needs is gone"
            raise RuntimeError(msg)
        return None, ctx.stack.run_back(rows, kept, grads[0]), torch.zeros_like(token)


def native_stacks(
    shape: StackShape, weights: Sequence[Tensor], rotary: tuple[Tensor, Tensor] | None
) -> NativeStack | None:
    """Return the compiled stack with these weights; None where there is none for them.

    Args:
        shape: Its sizes.
        weights: `read`, `write`, `rise` and `fall` of each layer in turn.
        rotary: Cosines and sines, `[places, half a head]`; None without rotary positions.
    """
    plain = all(w.device.type == "cpu" and w.dtype == torch.float32 for w in weights)
    library = _library() if plain and shape.is_native else None
    if library is None or torch.is_autocast_enabled("cpu"):
        return None
    return NativeStack(library, shape, weights, rotary)
