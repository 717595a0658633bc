"""A lesson whose net is followed by its moving average, which is what answers in the end."""

from collections.abc import Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from modicum.nets.averaging import Averaged
from modicum.training.distributed import own_part
from modicum.training.fit import Lesson
from modicum.training.launch import Alone, Ranks

__all__ = ["AveragedLesson"]

NetT = TypeVar("NetT", bound=nn.Module)


class AveragedLesson(Lesson, Generic[NetT]):
    """Holds a net and its average, as a checkpoint keeps them, and a process's part of each update."""

    def __init__(self, net: NetT, average: float, batch: int, joined: Ranks | None) -> None:
        """Take what is trained.

        Args:
            net: The net, on its device.
            average: Decay of its moving average, in [0, 1).
            batch: Rows of an update.
            joined: The processes that share them; this one alone where None.

        Raises:
            ConfigError: fewer rows than processes.
        """
        self._joined = joined or Alone()
        self._own = own_part(batch, self._joined)
        self._share = (self._own.stop - self._own.start) / batch
        self.net, self.averaged = net, Averaged(net, average)
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

    def told(self, figures: Mapping[str, Tensor]) -> dict[str, float]:
        """Return figures that are means over this process's rows as means over all rows."""
        values = torch.stack([value.detach().float() for value in figures.values()])
        if self._joined.count > 1:
            values = self._joined.add(values * self._share)
        return dict(zip(figures, values.tolist(), strict=True))
