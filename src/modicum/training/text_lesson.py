"""One update on windows of text, whatever the net's kind."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor, nn

from modicum.training.averaged_lesson import AveragedLesson
from modicum.training.fit import Curve, Descent, Taken
from modicum.training.launch import Ranks
from modicum.training.text_learner import TextBatches, TextRecipe

__all__ = ["TextLesson"]

NetT = TypeVar("NetT", bound=nn.Module)


class TextLesson(AveragedLesson[NetT]):
    """Subclasses say what the loss of windows is.

    Figures of an update: `loss`, nats a token as the net's kind trains it, and what else it says.
    """

    def __init__(
        self, net: NetT, batches: TextBatches, recipe: TextRecipe, joined: Ranks | None = None
    ) -> None:
        """Take what is trained.

        Args:
            net: The net, on its device.
            batches: Where windows come from.
            recipe: How.
            joined: The processes that share the windows of an update; this one alone where None.
        """
        super().__init__(net, recipe, joined)
        self._batches = batches
        self._device = next(net.parameters()).device

    @abstractmethod
    def losses(
        self, ids: Int[Tensor, "rows places"], number: int, first: int
    ) -> Mapping[str, Tensor]:
        """Return figures of windows, each a mean over them; `loss` has a gradient.

        Args:
            ids: Windows of this process.
            number: Which update; what is drawn depends on it and on a window's place alone.
            first: Place of the first of them among all windows of the update.
        """

    def step(self, number: int, curves: Sequence[Curve], descent: Descent) -> Taken:
        """Take one update with the windows of its number."""
        del curves
        ids = self._batches.drawn(number, self._device)
        figures, norm = descent.take(lambda: self._backward(ids, number))
        self.averaged.follow(number)
        return Taken({**figures, "grad_norm": norm}, (ids[:, 1:].numel(),))

    def _backward(self, ids: Tensor, number: int) -> dict[str, float]:
        """Leave the gradient of this process's windows; return the figures of all."""
        figures = self.losses(ids[self._own], number, self._own.start)
        torch.autograd.backward(figures["loss"] * self._share)
        return self._told(figures)
