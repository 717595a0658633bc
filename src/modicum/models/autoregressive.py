"""A transformer that writes puzzles cell by cell: a folder, or `new` for an untrained one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.errors import ConfigError
from modicum.files.foreign import at
from modicum.loading.device import Device, check_device, choose_place
from modicum.loading.reference import reference_of
from modicum.model import Backend
from modicum.nets.autoregressive import autoregressive_net, beside_gram
from modicum.nets.autoregressive_folder import (
    AutoregressiveCard,
    read_autoregressive_card,
    read_autoregressive_net,
)
from modicum.nets.recursive_shape import Size
from modicum.nudge.parts import method_of
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.autoregressive_model import AutoregressiveModel, Writing
from modicum.seeds import stream
from modicum.training.recursive_boards import puzzle_of, stored_puzzle
from modicum.types import Access

__all__ = ["Autoregressive"]

NEW = "new"


@final
@dataclass(frozen=True)
class Autoregressive(Backend):
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

    def check(self) -> None:
        """Read the configuration and find its puzzle, without the weights.

        Raises:
            ConfigError: neither a folder nor a new net with its task; a setting that is none.
            CheckpointError: a folder that is missing or broken, or asks for more than boards.
        """
        self._how  # noqa: B018 - building it is the check
        self._known()

    def ready(self) -> None:
        """Look whether torch sees the device.

        Raises:
            ConfigError: it does not.
        """
        check_device(self.device)

    def open(self) -> AutoregressiveModel:
        """Load the weights, or draw those of a new net.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        card, puzzle = self._known()
        if self.name == NEW:
            net = autoregressive_net(card.shape, stream("autoregressive", "new", self.seed))
            net = net.requires_grad_(requires_grad=False).eval()
        else:
            net = read_autoregressive_net(at(self.name), card)
        method_of(net, "to")(choose_place(self.device, "float32", 0).device)
        name = reference_of("autoregressive", self)
        return AutoregressiveModel(net, puzzle, card, self._how, name)

    @property
    def boards(self) -> str:
        """The task that the net was made for."""
        return self._known()[0].task

    @property
    def is_new(self) -> bool:
        """Whether its weights are as they were drawn."""
        return self.name == NEW

    @property
    def _how(self) -> Writing:
        return Writing(self.width, self.temperature)

    def _known(self) -> tuple[AutoregressiveCard, Puzzle]:
        """Return what is known of the net before its weights, and its puzzle."""
        if self.name == NEW and self.task:
            puzzle = puzzle_of(self.task)
            return AutoregressiveCard(beside_gram(puzzle.grid, self.size), self.task), puzzle
        if self.name in ("", NEW):
            raise ConfigError(
                f"an autoregressive net without a {'task' if self.name else 'folder or a task'}",
                "`new` with the task whose boards it is to read, or the folder of a trained net",
                "such as autoregressive:new?task=sudoku, or autoregressive:FOLDER",
            )
        if self.task:
            raise ConfigError(
                f"task={self.task:.80} for the trained net in {self.name!r:.80}",
                "a folder alone: it says what its net is",
                "leave task out, or give autoregressive:new?task=sudoku for a new net",
            )
        card = read_autoregressive_card(at(self.name))
        size = (card.shape.length, card.shape.vocabulary)
        return card, stored_puzzle(card.task, "autoregressive", at(self.name), size)
