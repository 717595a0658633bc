"""Lays a steering nudge on a module while it runs, and checks that it really acted."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from modicum.errors import TrialError
from modicum.nudge.sites import blocks, site_module
from modicum.nudge.steering import Steering

__all__ = [
    "Attached",
    "Columns",
    "attached",
    "columns_of",
    "laid",
    "steered",
    "steered_by",
    "text_columns",
]

Columns = Float[Tensor, "rows width"] | int | slice
"""Where a pass is steered: a mask of 0 and 1 a position, one column, or a run of columns."""

_ALL = slice(None)
_NONE = slice(0, 0)


class _Pass:
    """What the hooks know of the forward pass that runs."""

    columns: Columns | None = None
    """Where it is steered; None where hooks let it through uncounted."""
    which: Tensor | None = None
    """The nudge of each row, in a stack."""
    calls = 0


class _ThreadsPass(threading.local, _Pass):
    """The same, of each thread for itself."""


class Attached:
    """A steering on a module: told before each forward pass where in it the directions are added."""

    def __init__(self, module: nn.Module, steering: Steering, *, is_threaded: bool = False) -> None:
        """Register the hooks; `detach` takes them away.

        Args:
            module: A causal language model.
            steering: Its directions.
            is_threaded: Whether threads run passes side by side, each steered as it said itself. Not
                for training, whose backward pass may run a layer again in another thread.
        """
        layers = blocks(module)
        for direction in steering.directions:
            if not 0 <= direction.layer < len(layers):
                msg = f"a direction for layer {direction.layer} of a model of {len(layers)} layers"
                raise TrialError(msg)
        self.steering = steering
        self._pass = _ThreadsPass() if is_threaded else _Pass()
        home = next(module.parameters())
        self._handles = [
            site_module(layers[d.layer], d.site).register_forward_hook(
                self._hook(d.values.to(home.device))
            )
            for d in steering.directions
        ]

    @property
    def calls(self) -> int:
        """Hook calls since the last `begin`."""
        return self._pass.calls

    @contextmanager
    def steering_one(self, columns: Columns, which: Tensor | None = None) -> Iterator[None]:
        """Steer the one forward pass inside, this thread's; other passes go by unchanged.

        Args:
            columns: Where it is steered.
            which: The nudge of each row, `[rows]`, where they are a stack.

        Raises:
            TrialError: the pass did not reach every hook exactly once.
        """
        if isinstance(columns, slice) and columns == _NONE:
            yield
            return
        self.begin(columns, which)
        try:
            yield
        finally:
            self._pass.columns = self._pass.which = None
        self.require()

    def begin(self, columns: Columns, which: Tensor | None = None) -> None:
        """Say where the next pass is steered, and in a stack by which nudge each row.

        Raises:
            TrialError: the last pass did not reach every hook exactly once.
        """
        self.check()
        self._pass.columns, self._pass.which = columns, which
        self._pass.calls = 0

    def check(self) -> None:
        """Look whether the last pass reached every hook exactly once; a silent miss is an error.

        Raises:
            TrialError: it did not.
        """
        if self.calls not in (0, len(self._handles)):
            msg = (
                f"the steering hooks ran {self.calls} times in one forward pass, expected "
                f"{len(self._handles)}: this model does not call its layers as modules"
            )
            raise TrialError(msg)

    def require(self) -> None:
        """Look, after a pass, whether it was steered at all.

        Raises:
            TrialError: no hook ran, or some more than once.
        """
        if self.calls == 0:
            msg = "no steering hook ran in a forward pass: the nudge would silently do nothing"
            raise TrialError(msg)
        self.check()

    def detach(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, values: Float[Tensor, "*nudges hidden"]) -> Any:  # noqa: ANN401 - torch's own signature
        def add(_module: nn.Module, _args: object, output: Any) -> Any:  # noqa: ANN401 - tensor or tuple
            columns, which = self._pass.columns, self._pass.which
            if columns is None:
                return None
            self._pass.calls += 1
            added = values if which is None else values[which.to(values.device)][:, None]
            if not isinstance(output, (tuple, list)):
                return _add(output, added, columns)
            parts = [_add(output[0], added, columns), *output[1:]]
            return parts if isinstance(output, list) else tuple(parts)

        return add


@contextmanager
def attached(
    module: nn.Module, steering: Steering, *, is_threaded: bool = False
) -> Iterator[Attached]:
    """Lay a steering on a module for a while; see `Attached`."""
    on_it = Attached(module, steering, is_threaded=is_threaded)
    try:
        yield on_it
    finally:
        on_it.detach()


def steered_by(
    nudge: Attached | None, columns: Columns, which: Tensor | None = None
) -> AbstractContextManager[None]:
    """Steer the one forward pass inside by what hangs on the module, where something does.

    Args:
        nudge: What hangs on it.
        columns: Where the pass is steered.
        which: The nudge of each row, `[rows]`, where they are a stack.

    Raises:
        TrialError: the pass did not reach every hook exactly once.
    """
    return nudge.steering_one(columns, which) if nudge else nullcontext()


def laid(module: nn.Module, steering: Steering | None) -> AbstractContextManager[Attached | None]:
    """Lay a steering on a module that several threads run; nothing where there is none."""
    return attached(module, steering, is_threaded=True) if steering else nullcontext()


@contextmanager
def steered(
    module: nn.Module, steering: Steering | None, columns: Columns, which: Tensor | None = None
) -> Iterator[None]:
    """Steer the one forward pass inside, and check that every hook ran; does nothing without a nudge.

    Args:
        module: A causal language model.
        steering: The nudge, or None.
        columns: Where the pass is steered.
        which: The nudge of each row, `[rows]`, where they are a stack.

    Raises:
        TrialError: the pass did not reach every hook exactly once.
    """
    if steering is None:
        yield
        return
    with attached(module, steering) as on_it, on_it.steering_one(columns, which):
        yield


def columns_of(
    steering: Steering | None,
    *,
    is_prompt: bool,
    is_shared: bool = False,
    count: Tensor | None = None,
) -> Columns:
    """Return the columns of a sampling pass: of prompts aligned at the right, or of one new token a row.

    Args:
        steering: The nudge, or None.
        is_prompt: Whether the pass runs prompts.
        is_shared: Whether it runs a prefix that prompts share, and hence no prompt's last position.
        count: Tokens that each row has generated, the one that is run included, `[rows]`.
    """
    if steering is None:
        return _NONE
    if steering.where == "all":
        return _ALL
    if is_prompt:
        return -1 if not is_shared and steering.acts_at_prompt else _NONE
    if steering.where == "generated":
        return _ALL
    if count is None or not steering.offset:
        return _NONE
    acts = torch.eq(count, steering.offset)
    return acts[:, None].float() if bool(acts.any()) else _NONE


def text_columns(
    steering: Steering | None,
    width: int,
    starts: Sequence[int],
    device: torch.device | None = None,
) -> Columns:
    """Return the columns of a pass over whole texts, prompts with their answers.

    Args:
        steering: The nudge, or None.
        width: Columns of the pass.
        starts: Column of each row's last prompt token.
        device: Where the pass runs; the processor where None.
    """
    if steering is None or steering.where == "all":
        return _ALL
    columns = torch.arange(width, device=device)
    first = torch.tensor(starts, device=device)[:, None]
    if steering.where == "generated":
        return (columns >= first).float()
    return torch.eq(columns, first + steering.offset).float()


def _add(
    hidden: Float[Tensor, "rows width hidden"],
    values: Float[Tensor, "*rows hidden"],
    columns: Columns,
) -> Float[Tensor, "rows width hidden"]:
    """Return the activations with directions added at the columns; gradients flow to both.

    Args:
        hidden: What a site gives.
        values: One direction, or one of each row, `[rows, 1, hidden]`.
        columns: Where they are added.
    """
    if isinstance(columns, Tensor):
        return hidden + columns[..., None].to(hidden.dtype) * values.to(hidden.dtype)
    if columns == _NONE:
        return hidden
    # the activations' format may be finer than the weights'
    values = values.to(hidden.dtype)
    if columns == _ALL:
        return hidden + values
    mask = torch.zeros(hidden.shape[1], device=hidden.device, dtype=hidden.dtype)
    mask[columns] = 1.0
    return hidden + mask[:, None] * values
