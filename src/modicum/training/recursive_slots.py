"""The slots of deep supervision: boards that stay for several updates, each with its own states."""

from dataclasses import dataclass, fields
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from modicum.nets.recursive import Latent
from modicum.nets.recursive_shape import RecursiveShape

__all__ = ["Slots"]

_EXPLORED = 0.1
"""Share of slots that must take a random number of steps before they may halt (TRM's own value)."""


@final
@dataclass(eq=False)
class Slots:
    """What stays from one update to the next: boards under way, and where their trajectories stand."""

    questions: Int[Tensor, "slots length"]
    targets: Int[Tensor, "slots length"]
    high: Float[Tensor, "slots places width"]
    low: Float[Tensor, "slots places width"]
    age: Int[Tensor, " slots"]
    """Supervision steps taken."""
    least: Int[Tensor, " slots"]
    """Steps before which a slot may not halt."""
    nats: Float[Tensor, " slots"]
    """Divergence since the board came."""
    over: Bool[Tensor, " slots"]
    """Whether the slot takes a new board at the next update."""

    @staticmethod
    def empty(n: int, shape: RecursiveShape, device: torch.device) -> "Slots":
        """Return slots that all take a board at the first update."""
        board = torch.zeros((n, shape.length), dtype=torch.long, device=device)
        state = torch.zeros((n, shape.places, shape.width), device=device)
        count = torch.zeros(n, dtype=torch.long, device=device)
        nats = torch.zeros(n, device=device)
        return Slots(board, board, state, state, count, count + 1, nats, count == 0)

    @property
    def latent(self) -> Latent:
        """Where the trajectories stand."""
        return Latent(self.high, self.low)

    def state(self) -> dict[str, Tensor]:
        """Return a copy by name."""
        return {field.name: getattr(self, field.name).cpu().clone() for field in fields(self)}

    def load(self, state: dict[str, Tensor], own: slice) -> None:
        """Set them again from some of those that were kept."""
        for field in fields(self):
            old: Tensor = getattr(self, field.name)
            setattr(self, field.name, state[field.name][own].to(old.device).clone())

    def refill(self, boards: tuple[Tensor, Tensor], start: Latent, age: Tensor) -> None:
        """Give every slot that is over the board of its own place, and a new start.

        Args:
            boards: Questions and targets, `[slots, length]` each.
            start: Of trajectories that begin.
            age: Of trajectories that begin, `[slots]`: 0 but at the very first update.
        """
        fresh = self.over
        board, state = fresh[:, None], fresh[:, None, None]
        self.questions = torch.where(board, boards[0], self.questions)
        self.targets = torch.where(board, boards[1], self.targets)
        self.high = torch.where(state, start.high, self.high)
        self.low = torch.where(state, start.low, self.low)
        self.age = torch.where(fresh, age, self.age)
        self.nats = self.nats.masked_fill(fresh, 0.0)

    def explore(self, n_steps: int, chance: Float[Tensor, "two slots"]) -> None:
        """Say for a tenth of the new slots how many steps they take at least, and 1 for the others.

        Args:
            n_steps: Steps after which a slot is over.
            chance: Two uniform draws a slot: whether, and how many.
        """
        longer = 2 + (chance[1] * max(0, n_steps - 1)).long()
        least = torch.where(chance[0] < _EXPLORED, longer, torch.ones_like(longer))
        self.least = torch.where(self.over, least, self.least)

    def go_on(self, latent: Latent, nats: Tensor, n_steps: int, halt: Tensor | None) -> None:
        """Put the slots where a supervision step has brought them; the next one knows no past.

        Args:
            latent: Where they stand now.
            nats: Divergence of the step, `[slots]`.
            n_steps: Steps after which a slot is over.
            halt: Halt logits, `[slots]`, where slots may halt before.
        """
        self.high, self.low = latent.high.detach(), latent.low.detach()
        self.age, self.nats = self.age + 1, self.nats + nats
        self.over = self.age >= n_steps
        if halt is not None:
            self.over = self.over | ((halt > 0) & (self.age >= self.least))
