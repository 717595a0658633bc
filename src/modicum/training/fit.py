"""The one training loop: rate, gradient, clip, check, ledger, progress, checkpoint."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar, final

import numpy as np
import torch
from torch import Tensor, nn

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.training.checkpoint import Checkpoint
from modicum.training.distributed import add_gradients
from modicum.training.launch import Ranks

__all__ = ["Course", "Curve", "Descent", "Fitted", "Lesson", "Taken", "fit"]

Curve = Mapping[str, float]
"""Figures of one step, by name."""
FoundT = TypeVar("FoundT")

_CHECKED = ("loss", "grad_norm")
"""Figures that must be finite, where they are known."""


@dataclass(frozen=True)
class Taken:
    """One step that was taken."""

    figures: Curve
    tokens: tuple[int, ...]
    """Tokens of each optimiser step in it."""


@final
class Descent:
    """Takes optimiser steps: gradients cleared, made, added up over processes, clipped."""

    def __init__(
        self,
        optimiser: torch.optim.Optimizer,
        parameters: Sequence[nn.Parameter],
        clip: float = 1.0,
        joined: Ranks | None = None,
        write: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what is trained.

        Args:
            optimiser: Of these parameters.
            parameters: In the order in which their norm is taken.
            clip: Largest norm of a gradient.
            joined: The processes that train together; this one alone where None.
            write: Called after each step, where parameters are masters of what computes.
        """
        self.optimiser, self._parameters = optimiser, list(parameters)
        self._clip, self._joined, self._write = clip, joined, write

    def take(
        self, backward: Callable[[], FoundT], *, skips_none: bool = False
    ) -> tuple[FoundT, float]:
        """Take one optimiser step; return what `backward` found, and the gradient's norm before clipping.

        Args:
            backward: Leaves its gradient in the parameters.
            skips_none: Take no step along a gradient of norm 0.
        """
        self.optimiser.zero_grad(set_to_none=True)
        found = backward()
        if self._joined is not None:
            add_gradients(self._parameters, self._joined)
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self._clip))
        if norm > 0 or not skips_none:
            self.optimiser.step()
            self._write()
        return found, norm


class Lesson(ABC):
    """What is trained, and what one step of it is."""

    flops: float = 0.0
    """Of a forward pass, for each token."""
    rate_factors: Mapping[str, float] = MappingProxyType({})
    """What the learning rate of a parameter is multiplied by, by name; 1 for all others."""

    @property
    @abstractmethod
    def named(self) -> Mapping[str, nn.Parameter]:
        """What is trained, by name."""

    def state(self) -> dict[str, Tensor]:
        """Return a copy of all that changes while it is trained."""
        return {name: p.detach().cpu().clone() for name, p in self.named.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Set it again."""
        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(state[name])

    @abstractmethod
    def step(self, number: int, curves: Sequence[Curve], descent: Descent) -> Taken | str:
        """Take a step; return what was taken, or why there is no use in going on.

        Args:
            number: Which step, from 0; random choices depend on it alone.
            curves: Figures of the steps before.
            descent: Takes the optimiser's steps.
        """

    def watched(self, number: int, figures: Curve) -> Curve:
        """Return the figures of a step with what is looked at between steps."""
        del number
        return figures


@dataclass(frozen=True)
class Course:
    """How long and how fast, and what is told and kept on the way."""

    steps: int
    """At least 1."""
    rate: Callable[[int], float] | None = None
    """The learning rate of a step; the optimiser's own where None."""
    says: Callable[[Sequence[Curve]], None] = lambda _: None
    """Told of the curves after each step."""
    first: Mapping[str, Tensor] | None = None
    """Parameters at the very start, kept along."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What came of it."""

    curves: tuple[Curve, ...]
    """One entry a step."""
    stopped: str
    """Why it ended early; empty where it did not."""


def fit(
    lesson: Lesson,
    descent: Descent,
    course: Course,
    ledger: Ledger,
    kept: Checkpoint | None = None,
    done: Sequence[Curve] = (),
) -> Fitted:
    """Train until the steps are done, or the lesson says that there is no use in going on.

    Args:
        lesson: What is trained; changed in place.
        descent: Takes its steps.
        course: How long.
        ledger: Counts optimiser steps and tokens.
        kept: Keeps the run after each step, so that a killed one goes on; nothing is kept where None.
        done: Curves of the steps that a killed run took (`Checkpoint.restore`).

    Raises:
        TrialError: a loss or a gradient that is not finite.
    """
    curves = list(done)
    for step in range(len(curves), course.steps):
        if course.rate is not None:
            for group in descent.optimiser.param_groups:
                group["lr"] = course.rate(step) * group.get("factor", 1.0)
        taken = lesson.step(step, curves, descent)
        if isinstance(taken, str):
            return Fitted(tuple(curves), taken)
        for name in _CHECKED:
            if not np.isfinite(taken.figures.get(name, 0.0)):
                msg = f"{name} {taken.figures[name]} at step {step}; lower the learning rate"
                raise TrialError(msg)
        for tokens in taken.tokens:
            ledger.trained(tokens, lesson.flops)
        curves.append(lesson.watched(step, taken.figures))
        course.says(curves)
        if kept is not None:
            kept.keep(curves, course.first)
    return Fitted(tuple(curves), "")
