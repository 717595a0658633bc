"""A net that is there already, measured as one that was trained just now."""

from dataclasses import replace

from modicum.errors import AccessError, ConfigError
from modicum.ledger import Ledger
from modicum.model import Model
from modicum.nets.grid import BLANK
from modicum.sampling.autoregressive_model import AutoregressiveModel
from modicum.sampling.energy_model import EnergyModel
from modicum.sampling.recursive_model import RecursiveModel
from modicum.task import resolve_task
from modicum.training.board_learner import AnswersDrawn
from modicum.training.held_out_boards import HeldOut, judged
from modicum.training.pretraining import solved_boards
from modicum.types import Request, Sampling

__all__ = ["ReadsBoards", "measured_net", "need_net"]

ReadsBoards = RecursiveModel | AutoregressiveModel | EnergyModel


def need_net(model: Model) -> ReadsBoards:
    """Return the model as a net that reads boards.

    Raises:
        AccessError: it is none.
    """
    if isinstance(model, ReadsBoards):
        return model
    raise AccessError(
        f"model {model.card.name!r}, which reads no boards",
        "a recursive, autoregressive or energy net",
        "give one, such as recursive:FOLDER, or ask this model with `modicum run`",
    )


def measured_net(model: ReadsBoards, task: str, most: int, samples: int) -> HeldOut:
    """Measure a net, rolled out as its reference says, on boards of the selection split.

    Args:
        model: The net; a sample is one of its answers at temperature 1.
        task: Reference of a task of the boards that it reads.
        most: Boards at most, at least 1.
        samples: Answers to each, at least 1.

    Raises:
        ConfigError: the net reads other boards.
    """
    made, puzzle = resolve_task(task), model.puzzle
    if made.puzzle != puzzle:
        raise ConfigError(
            f"a net of the boards of {model.made.task}, asked {task}",
            "a task of the same boards",
            f"such as --task '{model.made.task}'",
        )
    boards = solved_boards(made, puzzle, "selection", most)
    problems = made.problems("selection", len(boards))
    asked = [Request(problem.question, problem.id, samples) for problem in problems]
    sampling = Sampling(puzzle.grid.n_answered, 1.0, stream="held out")
    drawn = model.generate(asked, sampling, Ledger())
    found = [[puzzle.find(one.text) for one in group] for group in drawn]
    blank = (BLANK,) * puzzle.grid.length
    read = AnswersDrawn([[blank if one is None else one.ids for one in own] for own in found])
    depth = 0
    if isinstance(model, RecursiveModel):
        depth = model.depth
    elif isinstance(model, EnergyModel):
        depth = model.steps
    return judged(puzzle, boards, replace(read, depth=depth), samples)
