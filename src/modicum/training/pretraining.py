"""A net learns a task from all of its boards: the training of `from_scratch`, with all labels."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.marking.puzzle_task import MOST_SOLUTIONS
from modicum.nets.autoregressive_folder import AUTOREGRESSIVE_CONFIG
from modicum.nets.grid import Ids
from modicum.nets.recursive_folder import CONFIG
from modicum.nets.recursive_shape import Size
from modicum.nudge import write_shared
from modicum.plain import table_of
from modicum.puzzles.puzzle import Puzzle
from modicum.task import Task, resolve_task
from modicum.training.board_learner import BoardLearner, BoardsApart
from modicum.training.fit import Curve
from modicum.training.held_out_boards import HeldOut, held_out
from modicum.training.launch import ranks
from modicum.training.net_place import CHECKPOINT, need_place
from modicum.training.one_thread import one_thread
from modicum.training.prior_looks import Boards
from modicum.training.recursive import RecursiveRecipe
from modicum.training.recursive_boards import (
    Labelled,
    checker_of,
    drawing,
    first_beta_of,
    log_solutions,
    puzzle_of,
)
from modicum.training.recursive_curves import thinned
from modicum.types import Split

__all__ = ["HELD_OUT", "Pretraining", "pretrain", "solved_boards", "training_boards"]

HELD_OUT = 200
"""Boards of the selection split that a net is measured on, and never learns from."""
_TESTED = 400
"""Test boards that are held against those that are learned from."""
_HALTING_CHECKPOINT = "halting.safetensors"
_NAMES = (CONFIG, AUTOREGRESSIVE_CONFIG)
"""Files that say that a folder holds a net."""


@dataclass(frozen=True)
class Pretraining(ABC):
    """What is trained, on what, and how long; subclasses say which kind of net."""

    task: str
    """Reference of a task with boards."""
    size: Size = "mini"
    steps: int = 1800
    """Updates, at least 1."""
    batch: int = 128
    """Boards an update, at least 1."""
    boards: int = 4096
    """Training boards at most, at least 1; their symmetric forms come on top."""
    learning_rate: float = 1.5e-3
    """Peak rate, above 0."""
    seed: str = "0"
    """Names the first weights and all that is drawn."""

    def __post_init__(self) -> None:
        """Refuse what trains nothing."""
        if min(self.steps, self.batch, self.boards) < 1 or not 0 < self.learning_rate < 1:
            raise ConfigError(
                f"steps {self.steps}, batch {self.batch}, boards {self.boards}, learning rate "
                f"{self.learning_rate}",
                "at least 1 of each, and a rate between 0 and 1",
                "leave them out",
            )

    @property
    def name(self) -> str:
        """What names its checkpoint and random streams: all of its settings."""
        return f"pretrain/{json.dumps(table_of(self), sort_keys=True)}"

    @property
    @abstractmethod
    def label(self) -> str:
        """What the net is called."""

    @abstractmethod
    def drawn(self, puzzle: Puzzle, device: str) -> BoardLearner:
        """Return a net for a puzzle on a device, with its first weights.

        Raises:
            UnknownNameError: no such preset.
        """


def pretrain(
    plan: Pretraining,
    out: Path,
    device: str,
    watch: Callable[[Ledger], None],
    measured: int = HELD_OUT,
) -> HeldOut:
    """Train a net on all training boards of a task, write it, and measure it on held-out boards.

    A recursive net is then taught when to halt (`BoardLearner.taught_to_halt`), on the same training
    boards; the first `HELD_OUT` boards of the selection split choose the threshold. Nothing else of it
    changes by that.

    A run that was stopped goes on from its checkpoint in the folder, to the same bits on one processor.
    The processes of a launch share each update: its boards are spread over them.

    Args:
        plan: What is trained.
        out: The net's folder; made if missing.
        device: Where it is trained; on the processor with one thread.
        watch: Called after each update with the ledger, whose line says how it stands.
        measured: Held-out boards that the net is measured on at most, at least 1.

    Raises:
        ConfigError: a folder that holds a net already, or a stopped run with other settings; a task
            without boards.
        TrialError: a loss that is not finite.
    """
    name = plan.name
    need_place(out, name, _NAMES)
    joined = ranks()
    joined.tell(_TrainsAlong(plan, out, device))
    puzzle, task = puzzle_of(plan.task), resolve_task(plan.task)
    boards = training_boards(task, puzzle, plan.boards)
    ledger = Ledger(observer=watch)
    with one_thread(device):
        learner, curves = _learned(plan, boards, out, device, ledger)
        apart = BoardsApart(puzzle, boards, _questions(task, puzzle, "selection", HELD_OUT))
        kept = out / _HALTING_CHECKPOINT
        learner = learner.taught_to_halt(apart, _recipe(plan, boards), name, ledger, kept)
        ledger.says("measuring on held-out boards")
        found = held_out(learner, puzzle, solved_boards(task, puzzle, "selection", measured))
    told = {
        **table_of(plan),
        "boards": len(boards),
        "flops": ledger.flops,
        "held_out": found.plain(),
        "recursion": {**thinned(curves), "log_solutions": log_solutions(puzzle, boards)},
    }
    files = learner.change(told).files()
    # last what says that there is a net, so that a folder that says so is whole
    write_shared({one: files[one] for one in sorted(files, key=_NAMES.__contains__)}, out)
    for one in (_HALTING_CHECKPOINT, CHECKPOINT):
        (out / one).unlink(missing_ok=True)
    return replace(found, halting=learner.halting)


@dataclass(frozen=True)
class _TrainsAlong:
    """What the other processes of a launch do: the training, and nothing of what comes after."""

    plan: Pretraining
    out: Path
    """Where the first process keeps its checkpoint, which all go on from."""
    device: str

    def run(self, observer: Callable[[Ledger], None]) -> None:
        """Train."""
        plan = self.plan
        boards = training_boards(resolve_task(plan.task), puzzle_of(plan.task), plan.boards)
        with one_thread(self.device):
            _learned(plan, boards, self.out, self.device, Ledger(observer=observer))


def _learned(
    plan: Pretraining, boards: Sequence[Labelled], out: Path, device: str, ledger: Ledger
) -> tuple[BoardLearner, tuple[Curve, ...]]:
    """Train a net together with the other processes of a launch; each of them calls this."""
    puzzle = puzzle_of(plan.task)
    drawn = Boards(
        drawing(puzzle, boards, plan.batch, plan.name), checker_of(puzzle), puzzle.grid.answered
    )
    learner = plan.drawn(puzzle, device)
    return learner.learned(
        drawn, _recipe(plan, boards), plan.name, ledger, out / CHECKPOINT, ranks()
    )


def _recipe(plan: Pretraining, boards: Sequence[Labelled]) -> RecursiveRecipe:
    recipe = RecursiveRecipe(
        plan.steps,
        plan.batch,
        learning_rate=plan.learning_rate,
        warm_up=min(100, plan.steps),
        first_beta=first_beta_of(boards),
    )
    return replace(recipe, look_boards=min(recipe.look_boards, plan.batch))


def training_boards(task: Task, puzzle: Puzzle, most: int) -> list[Labelled]:
    """Return training boards with all of their answers, none a symmetric form of one that is tested.

    A task of a single board, which is all there is, is the exception.

    Args:
        task: Where they come from: its split of shots.
        puzzle: The task's.
        most: Boards at most.

    Raises:
        ConfigError: all of several boards are symmetric forms of tested ones.
    """
    found = solved_boards(task, puzzle, "shots", most)
    apart_from: tuple[tuple[Split, int], ...] = (("selection", HELD_OUT), ("test", _TESTED))
    kept = {
        puzzle.invariant(question)
        for split, n in apart_from
        for question in _questions(task, puzzle, split, n)
    }
    apart = [board for board in found if puzzle.invariant(board.question) not in kept]
    if apart or len(found) == 1:
        return apart or found
    raise ConfigError(
        f"{len(found)} training boards, each a symmetric form of one that is tested",
        "boards that are learned from alone",
        "give a task with more boards",
    )


def solved_boards(task: Task, puzzle: Puzzle, split: Split, most: int) -> list[Labelled]:
    """Return boards of a split with every answer that is right; of very many the first."""
    found = []
    for problem in task.problems(split, _there(task, split, most)):
        question, own = puzzle.encode(problem.question), puzzle.target(problem.answer)
        answers = (own, *puzzle.solutions(question, MOST_SOLUTIONS))
        found.append(Labelled(question, tuple(dict.fromkeys(answers))))
    return found


def _questions(task: Task, puzzle: Puzzle, split: Split, most: int) -> list[Ids]:
    """Return the questions of a split's boards; of very many the first."""
    return [
        puzzle.encode(problem.question)
        for problem in task.problems(split, _there(task, split, most))
    ]


def _there(task: Task, split: Split, most: int) -> int:
    return min(most, task.sheet.available.get(split, most))
