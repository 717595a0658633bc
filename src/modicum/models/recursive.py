"""A net that fills in puzzles by recursion (GRAM, TRM, ...): a folder, or `new` for an untrained one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.errors import UnknownNameError
from modicum.loading.board_backend import BoardBackend
from modicum.loading.device import Device
from modicum.loading.reference import reference_of
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import RecursiveCard, RecursiveFolder
from modicum.nets.recursive_shape import PRESETS, Size, sized
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.recursive_model import Reasoning, RecursiveModel
from modicum.sampling.selectors import Selector
from modicum.training.recursive_boards import puzzle_of
from modicum.types import Access

__all__ = ["Recursive"]


@final
@dataclass(frozen=True)
class Recursive(BoardBackend[RecursiveCard, RecursiveNet]):
    """Opens what `modicum pretrain recursive` wrote, or an untrained net for `from_scratch`."""

    access: ClassVar[Access] = Access.TEXT
    speaks: ClassVar[bool] = False
    light: ClassVar[bool] = True
    powers: ClassVar[Mapping[str, str]] = {"task": "tasks"}

    name: str = ""
    """Folder of a trained net, or `new`."""
    task: str = ""
    """Of a new net: the task whose boards it reads, such as `sudoku?size=6`."""
    preset: str = ""
    """Of a new net: gram (the default), twin, trm, hrm, looped or eqr."""
    size: Size = "mini"
    """Of a new net: `mini` learns within minutes on one core, `full` is the papers' own."""
    seed: str = "0"
    """Of a new net: names its first weights."""
    depth: int = 0
    """Supervision steps of a trajectory; as many as in training where 0."""
    width: int = 1
    """Trajectories of an answer."""
    selector: Selector = "first"
    """Which of them stands: first, majority, halt, value, residual; checker and oracle know the rules."""
    temperature: float = 1.0
    """Factor of the noise's learned deviation; 0 takes its mean."""
    noise: float = 0.0
    """Deviation of noise added to the states before each supervision step."""
    halts: bool = False
    """Whether a trajectory ends as soon as the net is sure that its answer is right."""
    sure: float = 0.0
    """Probability above which it is sure: higher is deeper and more often right; 0 is training's choice."""
    device: Device = "auto"
    """Where it runs: CUDA where there is one, else Apple's MPS, else the processor."""

    def open(self) -> RecursiveModel:
        """Load the weights, or draw those of a new net.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        net, puzzle, card = self.loaded()
        return RecursiveModel(net, puzzle, card, self.how(), reference_of("recursive", self))

    def how(self) -> Reasoning:
        """Return how trajectories are rolled out.

        Raises:
            ConfigError: a setting that is none.
        """
        return Reasoning(
            self.depth,
            self.width,
            self.selector,
            self.temperature,
            self.noise,
            self.halts,
            self.sure,
        )

    def kept(self) -> RecursiveFolder:
        """Return how recursive nets are kept."""
        return RecursiveFolder()

    def of_new(self) -> tuple[tuple[str, str], ...]:
        """Return the task and the preset."""
        return (*super().of_new(), ("preset", self.preset))

    def new_card(self) -> tuple[RecursiveCard, Puzzle]:
        """Return what is known of a new net, and its puzzle.

        Raises:
            UnknownNameError: no such preset.
            ConfigError: no such task, or one without a puzzle.
        """
        name = self.preset or "gram"
        if name not in PRESETS:
            raise UnknownNameError("preset", name, PRESETS)
        puzzle = puzzle_of(self.task)
        shape = sized(name, self.size, puzzle.grid.length, puzzle.grid.vocabulary)
        return RecursiveCard(shape, self.task, name), puzzle
