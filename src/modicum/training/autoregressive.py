"""Trains a transformer to write answers cell by cell: the loss is that of the answer's tokens alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM

from modicum.ledger import Ledger
from modicum.nets.autoregressive import AutoregressiveShape, sequences
from modicum.nets.recursive_losses import ASKED_NOT
from modicum.training.averaged_lesson import AveragedLesson
from modicum.training.board_recipe import BoardRecipe, train_boards
from modicum.training.fit import Curve, Descent, Taken
from modicum.training.launch import Alone, Ranks
from modicum.training.prior_looks import Boards
from modicum.whitebox import flops_per_token

__all__ = ["AutoregressiveLesson", "LearnedWriting", "train_autoregressive"]


@dataclass(frozen=True, eq=False)
class LearnedWriting:
    """What came of it."""

    net: LlamaForCausalLM
    """The moving average."""
    curves: tuple[Curve, ...]
    """Figures of each update."""


@final
class AutoregressiveLesson(AveragedLesson[LlamaForCausalLM]):
    """The net and its moving average, as a checkpoint keeps them.

    Figures of an update: `loss`, nats a token of the answer; `exact` and `cells`, shares of whole answers
    and of tokens that are likeliest where those before them are given.

    Source: Bengio et al. 2003: maximum likelihood of each token given those before it.
    """

    def __init__(
        self,
        net: LlamaForCausalLM,
        shape: AutoregressiveShape,
        boards: Boards,
        recipe: BoardRecipe,
        joined: Ranks | None = None,
    ) -> None:
        """Take what is trained.

        Args:
            net: The net, on its device.
            shape: Its shape.
            boards: Where boards come from.
            recipe: How.
            joined: The processes that share the boards of an update; this one alone where None.
        """
        super().__init__(net, recipe, joined)
        self.flops = flops_per_token(net)
        self._shape, self._boards = shape, boards

    def step(self, number: int, curves: Sequence[Curve], descent: Descent) -> Taken:
        """Take one update with the boards of its number."""
        del curves
        questions, targets = self._boards.drawn(number, self.net.device)
        answers = targets[targets != ASKED_NOT].view(len(targets), self._shape.answered)
        told = sequences(self._shape, questions, answers)
        figures, norm = descent.take(lambda: self._backward(told[self._own]))
        self.averaged.follow(number)
        return Taken({**figures, "grad_norm": norm}, (told[:, :-1].numel(),))

    def _backward(self, told: Tensor) -> dict[str, float]:
        """Leave the gradient of whole sequences; return the figures."""
        written = self._shape.answered + 1
        wanted = told[:, -written:]
        logits = self.net(told[:, :-1], use_cache=False, logits_to_keep=written).logits
        loss = functional.cross_entropy(logits.float().flatten(0, 1), wanted.flatten())
        (loss * self._share).backward()
        right = logits.detach().argmax(-1) == wanted
        exact, cells = right.all(1).float().mean(), right.float().mean()
        return self._told({"loss": loss, "exact": exact, "cells": cells})


def train_autoregressive(
    net: LlamaForCausalLM,
    shape: AutoregressiveShape,
    boards: Boards,
    recipe: BoardRecipe,
    name: str,
    ledger: Ledger,
    shared: tuple[Path | None, Ranks] | None = None,
) -> LearnedWriting:
    """Train a net in place; return its moving average.

    Args:
        net: The net, on its device.
        shape: Its shape.
        boards: Where boards come from, `recipe.batch` an update.
        recipe: How.
        name: Names the checkpoint; equal boards and threads give equal bits.
        ledger: Counts updates; all tokens of questions and answers count as trained.
        shared: File that a killed run goes on from, none where None; and the processes that share each
            update. This one alone, and nothing kept, where left out.

    Raises:
        TrialError: a loss or a gradient that is not finite.
        ConfigError: fewer boards an update than processes.
    """
    net.train()
    shared = shared or (None, Alone())
    lesson = AutoregressiveLesson(net, shape, boards, recipe, shared[1])
    curves = train_boards(lesson, net, recipe, name, ledger, shared)
    return LearnedWriting(lesson.averaged.net, curves)
