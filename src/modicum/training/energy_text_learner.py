"""An autoregressive energy net as one that learns text."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal, Self, final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from modicum.ledger import Ledger
from modicum.nets.energy_text import EnergyTextNet
from modicum.nets.energy_text_folder import EnergyTextCard
from modicum.nets.energy_text_shape import energy_text_preset
from modicum.nets.energy_text_thinking import think
from modicum.nets.thinking import Thinking
from modicum.nudge.parts import method_of
from modicum.plain import JsonObject
from modicum.training.board_recipe import train_boards
from modicum.training.energy_text import EnergyTextLesson
from modicum.training.fit import Curve
from modicum.training.launch import Alone, Ranks
from modicum.training.text_learner import TextBatches, TextLearner, TextNet, TextRecipe

__all__ = ["EnergyTextKind", "EnergyTextLearner"]


@final
@dataclass(frozen=True, eq=False)
class EnergyTextLearner(TextLearner):
    """It thinks by going down its energy, from several beginnings where candidates are asked for."""

    net: EnergyTextNet = field(repr=False)
    alphabet: str
    """Characters, each once; an id is a place in it."""

    @property
    def parameters(self) -> int:
        """Numbers that are trained."""
        return self.net.shape.numbers

    @property
    def training_flops(self) -> float:
        """Those of an update with the mean number of steps."""
        shape = self.net.shape
        counted = shape.training_flops((shape.least_steps + shape.most_steps) / 2)
        return counted * (1.5 if shape.replays else 1.0)

    @property
    def thinks(self) -> bool:
        """It does."""
        return True

    @property
    def fewest_steps(self) -> int:
        """Fewest steps of an update."""
        return self.net.shape.least_steps

    def flops(self, thinking: Thinking) -> float:
        """Return the operations of an answer, for each predicted token."""
        steps = thinking.steps or self.net.shape.most_steps
        return self.net.shape.thinking_flops(steps, thinking.candidates)

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
        lesson = EnergyTextLesson(self.net, batches, recipe, name, joined)
        curves = train_boards(lesson, self.net, recipe, name, ledger, (kept, joined))
        return replace(self, net=lesson.averaged.net), curves

    def nats(
        self, ids: Int[Tensor, "rows places"], thinking: Thinking
    ) -> Float[Tensor, "rows length"]:
        """Return what each character costs by the last state."""
        ids = ids.to(self.net.device)
        logits = think(self.net, ids[:, :-1], thinking).logits
        return functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")

    def files(self, trained: JsonObject) -> Mapping[str, bytes]:
        """Return card and weights."""
        return EnergyTextCard(self.net.shape, self.alphabet, trained).files(self.net)


@final
@dataclass(frozen=True)
class EnergyTextKind(TextNet):
    """An autoregressive energy net's sizes and its recipe."""

    kind: ClassVar[str] = "energy"

    width: int = 64
    """Numbers a position, a multiple of twice the heads."""
    layers: int = 4
    heads: int = 4
    inner: int = 0
    """Hidden width of every SwiGLU; as wide as the net where 0."""
    preset: Literal["paper_s1", "paper_s2"] = "paper_s1"
    """How it is trained: S1 for scaling, S2 for thinking."""
    step_size: float = 0.0
    """First size of a step; the preset's where 0."""
    replays: int = 0
    """Sequences whose last states are kept, to begin later updates from."""

    def drawn(
        self, alphabet: str, places: int, rng: np.random.Generator, device: str
    ) -> EnergyTextLearner:
        """Return a net with its first weights."""
        shape = energy_text_preset(self.preset, len(alphabet), places)
        shape = replace(
            shape,
            width=self.width,
            heads=self.heads,
            inner=self.inner or self.width,
            layers=self.layers,
            step_size=self.step_size or shape.step_size,
            replays=self.replays,
        )
        net = EnergyTextNet(shape, rng)
        method_of(net, "to")(device)
        return EnergyTextLearner(net, alphabet)
