"""A lesson whose net has a moving average, kept with it, and whose updates processes share."""

from collections.abc import Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from modicum.nets.averaging import Averaged
from modicum.training.board_recipe import BoardRecipe
from modicum.training.distributed import own_part
from modicum.training.fit import Lesson
from modicum.training.launch import Alone, Ranks

__all__ = ["AveragedLesson"]

NetT = TypeVar("NetT", bound=nn.Module)


class AveragedLesson(Lesson, Generic[NetT]):
    """The net and its moving average, as a checkpoint keeps them; subclasses say what an update is."""

    def __init__(self, net: NetT, recipe: BoardRecipe, joined: Ranks | None = None) -> None:
        """Take what is trained.

        Args:
            net: The net, on its device.
            recipe: How.
            joined: The processes that share the rows of an update; this one alone where None.

        Raises:
            ConfigError: fewer rows an update than processes.
        """
        self._joined = joined or Alone()
        self._own = own_part(recipe.batch, self._joined)
        self._share = (self._own.stop - self._own.start) / recipe.batch
        self.net, self.averaged = net, Averaged(net, recipe.average)
        self._named = dict(net.named_parameters())

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        """What is trained, by name."""
        return self._named

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the net and its average."""
        average = self.averaged.state().items()
        return {**super().state(), **{f"averaged.{name}": part for name, part in average}}

    def load(self, state: dict[str, Tensor]) -> None:
        """Set it again."""
        super().load(state)
        self.averaged.load({name: state[f"averaged.{name}"] for name in self._named})

    def _told(self, figures: Mapping[str, Tensor]) -> dict[str, float]:
        """Return figures of this process's rows, each a mean, as those of all rows.

        Args:
            figures: Numbers on the device, by name.
        """
        values = torch.stack([figure.detach() for figure in figures.values()])
        if self._joined.count > 1:
            values = self._joined.add(values * self._share)
        return dict(zip(figures, values.tolist(), strict=True))
