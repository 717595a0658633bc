"""A net that fills in puzzles by minimising its energy: a folder, or `new` for an untrained one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.loading.board_backend import BoardBackend
from modicum.loading.device import Device
from modicum.loading.reference import reference_of
from modicum.nets.energy import EnergyNet
from modicum.nets.energy_folder import EnergyCard, EnergyFolder
from modicum.nets.energy_shape import energy_preset
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.energy_model import EnergyModel, Minimising
from modicum.sampling.selectors import EnergySelector
from modicum.training.recursive_boards import puzzle_of
from modicum.types import Access

__all__ = ["Energy"]


@final
@dataclass(frozen=True)
class Energy(BoardBackend[EnergyCard, EnergyNet]):
    """Opens what `modicum pretrain energy` wrote, or an untrained net for `from_scratch`."""

    access: ClassVar[Access] = Access.TEXT
    speaks: ClassVar[bool] = False
    light: ClassVar[bool] = True
    powers: ClassVar[Mapping[str, str]] = {"task": "tasks"}

    name: str = ""
    """Folder of a trained net, or `new`."""
    task: str = ""
    """Of a new net: the task whose boards it reads, such as `sudoku?size=6`."""
    preset: str = ""
    """Of a new net: boards (the default), paper_s1 or paper_s2; looped and plain have no energy."""
    seed: str = "0"
    """Of a new net: names its first weights."""
    steps: int = 0
    """Steps of thinking at most; 20 where 0."""
    candidates: int = 1
    """States of an answer that begin at noise of their own."""
    selector: EnergySelector = "energy"
    """Which of them stands: energy (the least), first, majority; checker and oracle know the rules."""
    temperature: float = 1.0
    """Factor of the deviation of the first noise."""
    noise: float = 0.0
    """Deviation of noise added before each step."""
    stops: bool = False
    """Whether thinking ends as soon as the energy no longer falls."""
    tolerance: float = -1.0
    """By how much it has to fall; training's choice where negative."""
    device: Device = "auto"
    """Where it runs: CUDA where there is one, else Apple's MPS, else the processor."""

    def open(self) -> EnergyModel:
        """Load the weights, or draw those of a new net.

        Raises:
            CheckpointError: weights that are missing or broken.
            ConfigError: steps of a net that does not think.
        """
        net, puzzle, card = self.loaded()
        return EnergyModel(net, puzzle, card, self.how(), reference_of("energy", self))

    def how(self) -> Minimising:
        """Return how answers come.

        Raises:
            ConfigError: a setting that is none.
        """
        return Minimising(
            self.steps,
            self.candidates,
            self.selector,
            self.temperature,
            self.noise,
            self.stops,
            self.tolerance,
        )

    def kept(self) -> EnergyFolder:
        """Return how energy nets are kept."""
        return EnergyFolder()

    def of_new(self) -> tuple[tuple[str, str], ...]:
        """Return the task and the preset."""
        return (*super().of_new(), ("preset", self.preset))

    def new_card(self) -> tuple[EnergyCard, Puzzle]:
        """Return what is known of a new net, and its puzzle.

        Raises:
            UnknownNameError: no such preset.
            ConfigError: no such task, or one without a puzzle.
        """
        name, puzzle = self.preset or "boards", puzzle_of(self.task)
        shape = energy_preset(name, puzzle.grid.length, puzzle.grid.vocabulary)
        return EnergyCard(shape, self.task, name), puzzle
