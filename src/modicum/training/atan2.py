"""AdamATan2: Adam whose step is an angle, so that neither a tiny number nor a scale is needed."""

from collections.abc import Callable, Iterable
from typing import Any, final, overload

import torch
from torch import Tensor

__all__ = ["AdamATan2"]


@final
class AdamATan2(torch.optim.Optimizer):
    """Adam with `atan2(m, sqrt(v))` for `m / (sqrt(v) + eps)`, and decay that is kept apart.

    Source: Everett et al. 2024 (2407.05872), with factors of 1 as TRM uses it.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.95),
    ) -> None:
        """Take what is trained.

        Args:
            groups: `params` and `weight_decay` of each group.
            lr: Learning rate.
            betas: Decays of both moments, in [0, 1).
        """
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient; a closure computes it again first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if moved:
                self._move(moved, [p.grad for p in moved], group)
        return loss

    def _move(self, moved: list[Tensor], grads: list[Tensor], group: dict[str, Any]) -> None:
        lr, (b1, b2) = group["lr"], group["betas"]
        for p in moved:
            if not self.state[p]:
                self.state[p]["step"] = torch.zeros(())
                self.state[p]["exp_avg"] = torch.zeros_like(p)
                self.state[p]["exp_avg_sq"] = torch.zeros_like(p)
        steps = [self.state[p]["step"] for p in moved]
        first = [self.state[p]["exp_avg"] for p in moved]
        second = [self.state[p]["exp_avg_sq"] for p in moved]
        torch._foreach_add_(steps, 1)
        torch._foreach_lerp_(first, grads, 1 - b1)
        torch._foreach_mul_(second, b2)
        torch._foreach_addcmul_(second, grads, grads, value=1 - b2)
        torch._foreach_mul_(moved, 1 - lr * group["weight_decay"])
        for p, m, v, count in zip(moved, first, second, steps, strict=True):
            n = float(count)
            p.sub_(torch.atan2(m, (v / (1 - b2**n)).sqrt_()), alpha=lr / (1 - b1**n))
