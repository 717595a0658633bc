"""Learning from nothing: a net that has learned nothing yet is trained on n shots alone."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.bench import Bench
from modicum.errors import BudgetError, ConfigError
from modicum.method import Control, Kind, Method, Needs, Quick
from modicum.model import Model
from modicum.nudge import Change, Nudge
from modicum.plain import table_of
from modicum.puzzles.puzzle import Puzzle
from modicum.training.fit import Curve
from modicum.training.learned_energy import LearnedThinking
from modicum.training.learned_net import LearnedNet
from modicum.training.learned_transformer import LearnedTransformer
from modicum.training.measured_net import ReadsBoards
from modicum.training.new_learner import need_new, new_learner
from modicum.training.prior_looks import Boards
from modicum.training.recursive import RecursiveRecipe
from modicum.training.recursive_boards import Labelled, drawing, first_beta_of, log_solutions
from modicum.training.recursive_curves import thinned
from modicum.types import Access, Problem, Supervision

__all__ = ["FromScratch"]


@final
@dataclass(frozen=True)
class FromScratch(Method):
    """Trains an untrained net on the shots' boards, under all of their symmetries.

    The net is recursive (`recursive:new`), autoregressive (`autoregressive:new`) or an energy net
    (`energy:new`).

    A symmetric form of a board follows from the rules and counts as no label. The one answer that a
    shot gives is all that is known of it: the exact checker is not asked. First weights are drawn anew
    by each seed. No label chooses when to stop, nor when the net halts: its heads stay as they were
    trained beside it, for on shots known by heart they would call every answer right, and a threshold
    takes boards that nothing was learned from.

    Source: deep supervision as in TRM (2510.04871) and GRAM (2605.19376); n-shot budgets as in
    Raghavendra et al. 2024 (2410.03717).
    Differs: the number of updates does not go by the number of boards.
    """

    version: ClassVar[int] = 2
    needs: ClassVar[Needs] = Needs(access=Access.TEXT, supervision=Supervision.ANSWER)
    controls: ClassVar[tuple[Control, ...]] = (Control("shuffled"),)
    quick: ClassVar[Quick] = Quick(
        {"steps": 2, "batch": 4},
        model="recursive:new?task=sudoku&depth=1",
        task="sudoku",
    )
    kind: ClassVar[Kind] = "scratch"
    changes: ClassVar[tuple[type[Change], ...]] = (LearnedNet, LearnedTransformer, LearnedThinking)

    steps: int = 1800
    """Updates, at least 1."""
    batch: int = 128
    """Boards an update, at least 1."""
    learning_rate: float = 1.5e-3
    """Peak rate of AdamW."""

    def check(self) -> None:
        """Refuse what trains nothing.

        Raises:
            ConfigError: no steps, no boards, or no rate.
        """
        if min(self.steps, self.batch) < 1 or not 0 < self.learning_rate < 1:
            raise ConfigError(
                f"steps = {self.steps}, batch = {self.batch}, learning_rate = {self.learning_rate}",
                "at least 1 step and 1 board, and a rate between 0 and 1",
                "leave them out",
            )

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Train a new net of the model's shape; the model stays as it was.

        Raises:
            AccessError: the model is no net of boards, or has learned before.
            BudgetError: no shots, or a shot that is no board.
        """
        model = need_new(bench.model, bench.method)
        boards = [_labelled(model.puzzle, shot) for shot in bench.shots]
        if not boards:
            msg = f"{bench.method} needs shots with answers: boards to learn from"
            raise BudgetError(msg)
        change, curves = self._learned(model, boards, bench)
        kept = {**thinned(curves), "log_solutions": log_solutions(model.puzzle, boards)}
        return Nudge(bench.style, changes=(change,), facts={"recursion": kept})

    def _learned(
        self,
        model: ReadsBoards,
        boards: list[Labelled],
        bench: Bench[Model],
    ) -> tuple[Change, tuple[Curve, ...]]:
        """Return the moving average of what was trained, and the figures of each update."""
        name = f"from_scratch/{int(bench.rng.integers(2**63))}"
        learner = new_learner(model, bench.rng)
        recipe = RecursiveRecipe(
            self.steps,
            self.batch,
            learning_rate=self.learning_rate,
            warm_up=min(100, self.steps),
            look_boards=min(16, self.batch),
            first_beta=first_beta_of(boards),
        )
        answered = model.puzzle.grid.answered
        drawn = Boards(drawing(model.puzzle, boards, self.batch, name), answered=answered)
        kept = None if bench.scratch is None else bench.scratch / "recursive.safetensors"
        learner, curves = learner.learned(drawn, recipe, name, bench.ledger, kept)
        return learner.change({"boards": len(boards), **table_of(self)}), curves


def _labelled(puzzle: Puzzle, shot: Problem) -> Labelled:
    """Return a shot as a board with its one answer.

    Raises:
        BudgetError: its question or answer is none of the puzzle's.
    """
    try:
        return Labelled(puzzle.encode(shot.question), (puzzle.target(shot.answer),))
    except ValueError as error:
        msg = f"shot {shot.id!r:.80} is no board that the net reads: {error}"
        raise BudgetError(msg) from error
