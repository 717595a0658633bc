"""An autoregressive net as one that learns boards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, final

from transformers import LlamaForCausalLM

from modicum.ledger import Ledger
from modicum.nets.autoregressive import answer_of, autoregressive_net, beside_gram
from modicum.nets.autoregressive_folder import AutoregressiveCard
from modicum.nets.board_tokens import board_tokenizer, prompt_of
from modicum.nets.grid import Ids
from modicum.nudge.parts import method_of
from modicum.plain import JsonObject
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.local import Local
from modicum.seeds import stream
from modicum.training.autoregressive import train_autoregressive
from modicum.training.board_learner import AnswersDrawn, BoardLearner
from modicum.training.board_recipe import BoardRecipe
from modicum.training.fit import Curve
from modicum.training.launch import Alone, Ranks
from modicum.training.learned_transformer import LearnedTransformer
from modicum.training.pretraining import Pretraining
from modicum.training.prior_looks import Boards
from modicum.types import Request, Sampling

__all__ = ["AutoregressiveLearner", "AutoregressivePretraining"]


@final
@dataclass(frozen=True, eq=False)
class AutoregressiveLearner(BoardLearner):
    """Samples are drawn cell by cell at temperature 1."""

    net: LlamaForCausalLM
    card: AutoregressiveCard

    def learned(
        self,
        boards: Boards,
        recipe: BoardRecipe,
        name: str,
        ledger: Ledger,
        kept: Path | None,
        joined: Ranks | None = None,
    ) -> tuple[Self, tuple[Curve, ...]]:
        """Train the net on the tokens of answers."""
        found = train_autoregressive(
            self.net, self.card.shape, boards, recipe, name, ledger, (kept, joined or Alone())
        )
        return replace(self, net=found.net), found.curves

    def answers(self, puzzle: Puzzle, questions: Sequence[Ids], samples: int) -> AnswersDrawn:
        """Draw samples, and the likeliest token each time."""
        local = Local(self.net, board_tokenizer(self.card.shape), name="held out")
        requests = [
            Request(prompt_of(question), " ".join(map(str, question)), samples)
            for question in questions
        ]
        once = [replace(request, n=1) for request in requests]
        most = puzzle.grid.n_answered
        found = [
            [
                [answer_of(puzzle.grid, question, one.ids) for one in group]
                for question, group in zip(
                    questions,
                    local.draw(asked, Sampling(most, heat, stream="held out", ids=True), Ledger()),
                    strict=True,
                )
            ]
            for asked, heat in ((requests, 1.0), (once, 0.0))
        ]
        return AnswersDrawn(found[0], [group[0] for group in found[1]])

    def change(self, trained: JsonObject) -> LearnedTransformer:
        """Return what `autoregressive:FOLDER` opens."""
        net = method_of(self.net, "to")("cpu")
        return LearnedTransformer(net, replace(self.card, trained=trained))


@final
@dataclass(frozen=True)
class AutoregressivePretraining(Pretraining):
    """A transformer with about as many weights as GRAM of that size learns to write a task's answers."""

    @property
    def label(self) -> str:
        """The kind of net."""
        return "autoregressive"

    def drawn(self, puzzle: Puzzle, device: str) -> AutoregressiveLearner:
        """Draw the first weights."""
        shape = beside_gram(puzzle.grid, self.size)
        net = autoregressive_net(shape, stream("autoregressive", "pretrain", self.seed))
        method_of(net, "to")(device)
        return AutoregressiveLearner(net, AutoregressiveCard(shape, self.task))
