"""A recursive net as one that learns boards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

import torch

from modicum.ledger import Ledger
from modicum.nets.grid import Ids
from modicum.nets.halting import Halting
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import RecursiveCard
from modicum.nets.recursive_rollouts import Rolling, roll, varies
from modicum.nets.recursive_shape import sized
from modicum.plain import JsonObject
from modicum.puzzles.puzzle import Puzzle
from modicum.seeds import stream
from modicum.training.board_learner import AnswersDrawn, BoardLearner, BoardsApart
from modicum.training.fit import Curve
from modicum.training.halting import choose_halting
from modicum.training.judging import Judging, learn_to_judge
from modicum.training.launch import Ranks
from modicum.training.learned_net import LearnedNet
from modicum.training.pretraining import Pretraining
from modicum.training.prior_looks import Boards
from modicum.training.recursive import RecursiveRecipe, train_recursive
from modicum.training.recursive_boards import checker_of, drawing

__all__ = ["RecursiveLearner", "RecursivePretraining"]

_VOTES = 20
"""Trajectories of each board that the threshold is chosen on."""


@final
@dataclass(frozen=True, eq=False)
class RecursiveLearner(BoardLearner):
    """Trajectories are its samples."""

    net: RecursiveNet
    card: RecursiveCard

    def learned(
        self,
        boards: Boards,
        recipe: RecursiveRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
        joined: Ranks | None = None,
    ) -> tuple[Self, tuple[Curve, ...]]:
        """Train the net by deep supervision."""
        found = train_recursive(self.net, boards, recipe, name, ledger, kept, joined)
        return replace(self, net=found.net), found.curves

    @property
    def halting(self) -> Halting | None:
        """What its card says."""
        return self.card.halting

    def taught_to_halt(
        self,
        boards: BoardsApart,
        recipe: RecursiveRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
    ) -> Self:
        """Train halt and value head on rollouts from the prior, then choose the threshold."""
        puzzle, how = boards.puzzle, Judging.after(recipe, self.net.shape)
        name = f"{name}/judging"
        drawn = Boards(
            drawing(puzzle, boards.learned, how.trajectories, name),
            checker_of(puzzle),
            puzzle.grid.answered,
        )
        learn_to_judge(self.net, drawn, how, name, ledger, kept)
        ledger.says("choosing when to halt")
        names = [" ".join(map(str, question)) for question in boards.chosen_on]
        rolling = Rolling(how.depth, _VOTES, stream="chosen on")
        chosen = choose_halting(self.net, puzzle, (boards.chosen_on, names), rolling, ledger)
        return replace(self, card=replace(self.card, halting=chosen))

    def answers(self, puzzle: Puzzle, questions: Sequence[Ids], samples: int) -> AnswersDrawn:
        """Roll out as many supervision steps as in training; one trajectory where all are the same."""
        del puzzle
        depth = self.net.shape.n_steps
        rolling = Rolling(depth, stream="held out")
        rolling = replace(rolling, width=samples if varies(self.net, rolling) else 1)
        asked = torch.tensor(questions, device=self.net.head.device)
        addresses = [" ".join(map(str, question)) for question in questions]
        drawn = roll(self.net, asked, addresses, rolling).answers.tolist()
        return AnswersDrawn([[tuple(one) for one in group] for group in drawn], depth=depth)

    def change(self, trained: JsonObject) -> LearnedNet:
        """Return what `recursive:FOLDER` opens."""
        return LearnedNet(self.net.cpu(), replace(self.card, trained=trained))


@final
@dataclass(frozen=True)
class RecursivePretraining(Pretraining):
    """A recursive net of a preset learns a task."""

    preset: str = "gram"

    @property
    def label(self) -> str:
        """The preset."""
        return self.preset

    def drawn(self, puzzle: Puzzle, device: str) -> RecursiveLearner:
        """Draw the first weights."""
        shape = sized(self.preset, self.size, puzzle.grid.length, puzzle.grid.vocabulary)
        net = RecursiveNet(shape, stream("recursive", "pretrain", self.seed)).to(device)
        return RecursiveLearner(net, RecursiveCard(shape, self.task, self.preset))
