"""An energy net as one that learns boards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

import torch

from modicum.ledger import Ledger
from modicum.nets.energy import EnergyNet
from modicum.nets.energy_folder import EnergyCard
from modicum.nets.energy_shape import energy_preset
from modicum.nets.energy_thinking import BoardThinking, think
from modicum.nets.grid import Ids
from modicum.plain import JsonObject
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.energy_model import LONG
from modicum.seeds import stream
from modicum.training.board_learner import AnswersDrawn, BoardLearner, BoardsApart
from modicum.training.board_recipe import BoardRecipe
from modicum.training.energy import train_energy
from modicum.training.fit import Curve
from modicum.training.launch import Alone, Ranks
from modicum.training.learned_energy import LearnedThinking
from modicum.training.pretraining import Pretraining
from modicum.training.prior_looks import Boards
from modicum.training.stopping import choose_stopping
from modicum.training.traced_answers import TracedAnswers

__all__ = ["EnergyLearner", "EnergyPretraining"]

_WATCHED = 4
"""Candidates whose energies its folder keeps, of each of a few boards."""
_DECAY = 0.01
"""The paper's own; other nets of boards have ten times as much."""


@final
@dataclass(frozen=True, eq=False)
class EnergyLearner(BoardLearner):
    """Candidates are its samples."""

    net: EnergyNet
    card: EnergyCard

    def learned(
        self,
        boards: Boards,
        recipe: BoardRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
        joined: Ranks | None = None,
    ) -> tuple[Self, tuple[Curve, ...]]:
        """Train the net by a few steps of thinking an update, with the paper's weight decay."""
        recipe = replace(recipe, decay=_DECAY)
        found = train_energy(self.net, boards, recipe, name, ledger, (kept, joined or Alone()))
        return replace(self, net=found.net), found.curves

    def taught_to_halt(
        self,
        boards: BoardsApart,
        recipe: BoardRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
    ) -> Self:
        """Choose when to stop: nothing is trained for it."""
        del recipe, name, kept
        if self.card.shape.reads != "energy":
            return self
        ledger.says("choosing when to stop")
        chosen = choose_stopping(self.net, boards.puzzle, boards.chosen_on, LONG, ledger)
        return replace(self, card=replace(self.card, stopping=chosen))

    def answers(self, puzzle: Puzzle, questions: Sequence[Ids], samples: int) -> AnswersDrawn:
        """Think 20 steps; a plain net answers at once and in one way."""
        del puzzle
        shape = self.card.shape
        is_plain = shape.reads == "logits" and shape.most_steps == 1
        how = BoardThinking(1 if is_plain else LONG, 1 if is_plain else samples, stream="held out")
        how = replace(how, temperature=0.0) if is_plain else how
        asked = torch.tensor(questions, device=self.net.device)
        addresses = [" ".join(map(str, question)) for question in questions]
        drawn = think(self.net, asked, addresses, how).answers.tolist()
        return AnswersDrawn([[tuple(one) for one in group] for group in drawn], depth=how.steps)

    def watched(self, puzzle: Puzzle, questions: Sequence[Ids]) -> JsonObject:
        """Return energy and validity of a few candidates over 20 steps; nothing of nets without energies."""
        if self.card.shape.reads != "energy":
            return {}
        asked = torch.tensor(questions, device=self.net.device)
        names = [" ".join(map(str, question)) for question in questions]
        how = BoardThinking(LONG, _WATCHED, stream="watched", is_traced=True)
        found = think(self.net, asked, names, how)
        if found.traced is None or found.traced_energies is None:
            raise AssertionError("traced thinking keeps what it traced")
        read = TracedAnswers.read(puzzle, questions, found.traced.cpu().numpy())
        return {
            "thinking": [
                {"energies": energies, "valid": valid}
                for energies, valid in zip(
                    found.traced_energies.tolist(), read.valid.tolist(), strict=True
                )
            ]
        }

    def change(self, trained: JsonObject) -> LearnedThinking:
        """Return what `energy:FOLDER` opens."""
        return LearnedThinking(self.net.cpu(), replace(self.card, trained=trained))


@final
@dataclass(frozen=True)
class EnergyPretraining(Pretraining):
    """An energy net of a preset, or a net that it stands beside, learns a task."""

    steps: int = 700
    batch: int = 64
    learning_rate: float = 2e-3
    preset: str = "boards"
    inner_steps: int = 0
    """Steps of thinking in an update, always so many; what the preset says where 0."""

    @property
    def label(self) -> str:
        """What kind of net: an energy net of another preset than `boards` is called by that."""
        return {"boards": "energy", "plain": "transformer"}.get(self.preset, self.preset)

    def drawn(self, puzzle: Puzzle, device: str) -> EnergyLearner:
        """Draw the first weights."""
        shape = energy_preset(self.preset, puzzle.grid.length, puzzle.grid.vocabulary)
        if self.inner_steps:
            steps = self.inner_steps
            shape = replace(shape, least_steps=steps, most_steps=steps)
        net = EnergyNet(shape, stream("energy", "pretrain", self.seed)).to(device)
        return EnergyLearner(net, EnergyCard(shape, self.task, self.preset))
