"""A net's moving average, which is what answers after training."""

from copy import deepcopy
from typing import Generic, TypeVar, final

import torch
from torch import Tensor, nn

__all__ = ["Averaged"]

NetT = TypeVar("NetT", bound=nn.Module)


@final
class Averaged(Generic[NetT]):
    """Weights that follow a net's own: average <- decay average + (1 - decay) weights.

    Source: TRM (2510.04871), which answers with such weights.
    """

    def __init__(self, net: NetT, decay: float) -> None:
        """Begin at the net as it stands.

        Args:
            net: What is followed.
            decay: In [0, 1); reached over time, for at update t it is at most (1 + t) / (10 + t).
        """
        self.net: NetT = deepcopy(net).requires_grad_(False).eval()
        self._decay = decay
        self._own = [parameter.detach() for parameter in self.net.parameters()]
        self._followed = [parameter.detach() for parameter in net.parameters()]

    @torch.no_grad()
    def follow(self, update: int) -> None:
        """Take the net's weights in after an update, counted from 0."""
        decay = min(self._decay, (1 + update) / (10 + update))
        torch._foreach_lerp_(self._own, self._followed, 1 - decay)

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the average by name."""
        return {name: p.detach().cpu().clone() for name, p in self.net.named_parameters()}

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Set it again."""
        for name, parameter in self.net.named_parameters():
            parameter.copy_(state[name])
