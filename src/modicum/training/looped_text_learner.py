"""A looped transformer as one that learns text."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.nets.looped_text import MOST_LOOPS, LoopedText, LoopedTextCard
from modicum.nets.text_transformer import TransformerShape
from modicum.nets.thinking import Thinking
from modicum.plain import JsonObject
from modicum.training.board_recipe import train_boards
from modicum.training.fit import Curve
from modicum.training.launch import Alone, Ranks
from modicum.training.text_learner import TextBatches, TextLearner, TextNet, TextRecipe
from modicum.training.text_lesson import TextLesson
from modicum.whitebox import flops_per_token

__all__ = ["LoopedTextKind", "LoopedTextLearner"]


@final
class _LoopedLesson(TextLesson[LoopedText]):
    """Maximum likelihood of each character after every loop, so that any number of them can be asked."""

    def __init__(
        self,
        net: LoopedText,
        batches: TextBatches,
        recipe: TextRecipe,
        inner_steps: int,
        joined: Ranks,
    ) -> None:
        """Take what is trained.

        Args:
            net: The net, on its device.
            batches: Where windows come from.
            recipe: How.
            inner_steps: Loops of an update.
            joined: The processes that share the windows of an update.
        """
        super().__init__(net, batches, recipe, joined)
        self._inner_steps = inner_steps
        self.flops = inner_steps * flops_per_token(net.inner)

    def losses(
        self, ids: Int[Tensor, "rows places"], number: int, first: int
    ) -> Mapping[str, Tensor]:
        """Return the mean nats of all characters and loops, and those of the last loop."""
        del number, first
        costs = [
            _nats(self.net.logits(said), ids).mean()
            for said in self.net.loops(ids[:, :-1], self._inner_steps)
        ]
        return {"loss": torch.stack(costs).mean(), "last": costs[-1]}


@final
@dataclass(frozen=True, eq=False)
class LoopedTextLearner(TextLearner):
    """It thinks by more loops; there is one candidate, for nothing is drawn."""

    net: LoopedText = field(repr=False)
    inner_steps: int
    """Loops of an update, at least 1."""

    @property
    def parameters(self) -> int:
        """Numbers that are trained."""
        return self.net.shape.llama.numbers + self.net.shape.width

    @property
    def training_flops(self) -> float:
        """Forward and backward of every loop, each with the head: three times its forward pass."""
        return 3 * self.inner_steps * flops_per_token(self.net.inner)

    @property
    def thinks(self) -> bool:
        """It does."""
        return True

    @property
    def draws(self) -> bool:
        """It has one candidate alone."""
        return False

    @property
    def fewest_steps(self) -> int:
        """Loops of an update."""
        return self.inner_steps

    def flops(self, thinking: Thinking) -> float:
        """Return 2 operations for each weight of the layers and loop, and for each of the head once."""
        steps = self._steps(thinking)
        head = 2.0 * self.net.shape.llama.rows * self.net.shape.width
        return steps * (flops_per_token(self.net.inner) - head) + head

    def learned(
        self,
        batches: TextBatches,
        recipe: TextRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
        joined: Ranks | None = None,
    ) -> tuple[Self, tuple[Curve, ...]]:
        """Train the net on all characters of its windows."""
        self.net.train()
        joined = joined or Alone()
        lesson = _LoopedLesson(self.net, batches, recipe, self.inner_steps, joined)
        curves = train_boards(lesson, self.net, recipe, name, ledger, (kept, joined))
        return replace(self, net=lesson.averaged.net), curves

    @torch.no_grad()
    def nats(
        self, ids: Int[Tensor, "rows places"], thinking: Thinking
    ) -> Float[Tensor, "rows length"]:
        """Return what each character costs after the last loop."""
        self.net.eval()
        ids = ids.to(self.net.back.device)
        *_, said = self.net.loops(ids[:, :-1], self._steps(thinking))
        return _nats(self.net.logits(said), ids)

    def files(self, trained: JsonObject) -> Mapping[str, bytes]:
        """Return card and weights."""
        return LoopedTextCard(self.net.shape, self.inner_steps, trained).files(self.net)

    def _steps(self, thinking: Thinking) -> int:
        """Return the loops that are asked.

        Raises:
            ConfigError: more than one candidate.
        """
        if thinking.candidates > 1:
            raise ConfigError(
                f"{thinking.candidates} candidates of a looped net, which draws nothing",
                "1 candidate",
                "ask for more inner steps",
            )
        return thinking.steps or self.inner_steps


@final
@dataclass(frozen=True)
class LoopedTextKind(TextNet):
    """A looped transformer's sizes."""

    kind: ClassVar[str] = "looped"

    width: int = 64
    """Numbers a position, a multiple of twice the heads."""
    layers: int = 4
    """Layers of a loop."""
    heads: int = 4
    inner: int = 0
    """Hidden width of every SwiGLU; as wide as the net where 0."""
    inner_steps: int = 2
    """Loops of an update, at least 1."""

    def drawn(
        self, alphabet: str, places: int, rng: np.random.Generator, device: str
    ) -> LoopedTextLearner:
        """Return a net with its first weights."""
        if not 1 <= self.inner_steps <= MOST_LOOPS:
            raise ConfigError(
                f"inner_steps = {self.inner_steps} of a looped net",
                f"1 to {MOST_LOOPS:,}",
                "correct it",
            )
        inner = self.inner or self.width
        shape = TransformerShape(alphabet, places, self.width, self.heads, inner, self.layers)
        return LoopedTextLearner(LoopedText(shape, rng).to(device), self.inner_steps)


def _nats(
    logits: Float[Tensor, "rows length ids"], ids: Int[Tensor, "rows places"]
) -> Float[Tensor, "rows length"]:
    """Return minus the log-probability of every id but the first of each row."""
    return functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
