"""The contract of a net that learns text: how it is trained, asked and kept, whatever its kind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.nets.thinking import Thinking
from modicum.plain import JsonObject
from modicum.seeds import stream
from modicum.training.board_recipe import BoardRecipe
from modicum.training.fit import Curve
from modicum.training.launch import Ranks

__all__ = ["TextBatches", "TextLearner", "TextNet", "TextRecipe"]


@dataclass(frozen=True)
class TextRecipe(BoardRecipe):
    """How long and how fast; what answers is the net itself, and no moving average."""

    batch: int = 16
    """Windows an update, at least 1."""
    learning_rate: float = 3e-3
    average: float = 0.0


@dataclass(frozen=True, eq=False)
class TextBatches:
    """Windows of a text, drawn evenly and with replacement."""

    text: Int[Tensor, " tokens"]
    """Ids, more than `length`, on the processor."""
    batch: int
    """Windows an update, at least 1."""
    length: int
    """Tokens that are predicted in each, at least 1."""
    name: str
    """Names the stream: nets of other kinds with the same name see the same windows."""

    def __post_init__(self) -> None:
        """Refuse a text without a window.

        Raises:
            ConfigError: it has none.
        """
        if len(self.text) <= self.length:
            raise ConfigError(
                f"{len(self.text):,} tokens to learn from in windows of {self.length + 1}",
                "a text longer than its windows",
                "give more tokens, or a smaller length",
            )

    def drawn(self, number: int, device: torch.device) -> Int[Tensor, "batch width"]:
        """Return the windows of an update, `length + 1` ids each; they depend on its number alone."""
        rng = stream("text batches", self.name, number)
        starts = rng.integers(len(self.text) - self.length, size=(self.batch, 1))
        places = torch.from_numpy(starts + np.arange(self.length + 1))
        return self.text[places].to(device)


class TextLearner(ABC):
    """A net on its device, with what is known of it."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Numbers that are trained."""

    @property
    @abstractmethod
    def training_flops(self) -> float:
        """Floating-point operations of training, for each predicted token of an update."""

    @property
    def thinks(self) -> bool:
        """Whether it has inner steps, so that it may think for longer."""
        return False

    @property
    def draws(self) -> bool:
        """Whether its candidates differ, so that several may be asked; True of most that think."""
        return self.thinks

    @property
    def fewest_steps(self) -> int:
        """Fewest inner steps that it was trained with; 1 of a net without."""
        return 1

    @abstractmethod
    def flops(self, thinking: Thinking) -> float:
        """Return the operations of an answer, for each predicted token.

        2 for each weight that a token passes, as often as it does; products of positions are left out.

        Raises:
            ConfigError: the net does not think so.
        """

    @abstractmethod
    def learned(
        self,
        batches: TextBatches,
        recipe: TextRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
        joined: Ranks | None = None,
    ) -> tuple[Self, tuple[Curve, ...]]:
        """Train the net in place; return what answers, and the figures of each update.

        Args:
            batches: Where windows come from, `recipe.batch` an update.
            recipe: How.
            name: Names the checkpoint and what else is drawn; equal names, batches and threads give equal
                bits.
            ledger: Counts updates, tokens and operations.
            kept: File that a killed run goes on from, and that holds a finished one; none where None.
            joined: The processes that share each update; this one alone where None.

        Raises:
            TrialError: a loss or a gradient that is not finite.
            ConfigError: fewer windows an update than processes.
        """

    @abstractmethod
    def nats(
        self, ids: Int[Tensor, "rows places"], thinking: Thinking
    ) -> Float[Tensor, "rows length"]:
        """Return minus the log-probability of every id but the first of each row, given those before it.

        What it draws goes by the ids alone, so that equal nets give equal nats.

        Args:
            ids: `length + 1` a row, on any device.
            thinking: How long.

        Raises:
            ConfigError: the net does not think so.
        """

    @abstractmethod
    def files(self, trained: JsonObject) -> Mapping[str, bytes]:
        """Return what a folder of the net holds, by name.

        Args:
            trained: How it was trained, for the reader.
        """


class TextNet(ABC):
    """A kind of net and its sizes: a frozen dataclass whose fields are settings."""

    kind: ClassVar[str]
    """Its name in commands and plans."""

    @abstractmethod
    def drawn(
        self, alphabet: str, places: int, rng: np.random.Generator, device: str
    ) -> TextLearner:
        """Return a net with its first weights.

        Args:
            alphabet: Characters; an id is a place in it.
            places: Positions of a window.
            rng: Stream of the first weights.
            device: Where it is trained.

        Raises:
            ConfigError: sizes that cannot be built.
        """
