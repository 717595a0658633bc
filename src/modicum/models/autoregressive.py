"""A transformer that writes puzzles cell by cell: a folder, or `new` for an untrained one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from transformers import LlamaForCausalLM

from modicum.loading.board_backend import BoardBackend
from modicum.loading.device import Device
from modicum.loading.reference import reference_of
from modicum.nets.autoregressive import beside_gram
from modicum.nets.autoregressive_folder import AutoregressiveCard, AutoregressiveFolder
from modicum.nets.recursive_shape import Size
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.autoregressive_model import AutoregressiveModel, Writing
from modicum.training.recursive_boards import puzzle_of
from modicum.types import Access

__all__ = ["Autoregressive"]


@final
@dataclass(frozen=True)
class Autoregressive(BoardBackend[AutoregressiveCard, LlamaForCausalLM]):
    """Opens what `modicum pretrain autoregressive` wrote, or an untrained net for `from_scratch`."""

    access: ClassVar[Access] = Access.TEXT
    speaks: ClassVar[bool] = False
    light: ClassVar[bool] = True
    powers: ClassVar[Mapping[str, str]] = {"task": "tasks"}

    name: str = ""
    """Folder of a trained net, or `new`."""
    task: str = ""
    """Of a new net: the task whose boards it reads, such as `sudoku?size=6`."""
    size: Size = "mini"
    """Of a new net: `mini` learns within minutes on one core, `full` is as large as GRAM's own."""
    seed: str = "0"
    """Of a new net: names its first weights."""
    width: int = 1
    """Samples of an answer, of which the commonest stands; greedy and 1 is the likeliest tokens."""
    temperature: float = 1.0
    """Factor of the sampling's own temperature."""
    device: Device = "auto"
    """Where it runs: CUDA where there is one, else Apple's MPS, else the processor."""

    def open(self) -> AutoregressiveModel:
        """Load the weights, or draw those of a new net.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        net, puzzle, card = self.loaded()
        name = reference_of("autoregressive", self)
        return AutoregressiveModel(net, puzzle, card, self.how(), name)

    def how(self) -> Writing:
        """Return how samples are drawn.

        Raises:
            ConfigError: a setting that is none.
        """
        return Writing(self.width, self.temperature)

    def kept(self) -> AutoregressiveFolder:
        """Return how autoregressive nets are kept."""
        return AutoregressiveFolder()

    def new_card(self) -> tuple[AutoregressiveCard, Puzzle]:
        """Return what is known of a new net, and its puzzle.

        Raises:
            ConfigError: no such task, or one without a puzzle.
        """
        puzzle = puzzle_of(self.task)
        return AutoregressiveCard(beside_gram(puzzle.grid, self.size), self.task), puzzle
