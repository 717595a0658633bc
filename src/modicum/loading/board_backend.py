"""What backends of nets of boards share: a folder's net, or `new` for an untrained one."""

from abc import abstractmethod
from typing import Generic, TypeVar, final

from torch import nn

from modicum.errors import ConfigError
from modicum.files.foreign import at
from modicum.loading.device import Device, check_device, choose_place
from modicum.model import Backend
from modicum.nets.net_folder import NetCard, NetFolder
from modicum.nudge.parts import method_of
from modicum.puzzles.puzzle import Puzzle
from modicum.seeds import stream
from modicum.training.recursive_boards import stored_puzzle

__all__ = ["NEW", "BoardBackend"]

NEW = "new"
"""Name of a net that has learned nothing yet."""

CardT = TypeVar("CardT", bound=NetCard)
NetT = TypeVar("NetT", bound=nn.Module)


class BoardBackend(Backend, Generic[CardT, NetT]):
    """Opens what `modicum pretrain` wrote, or an untrained net for `from_scratch`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Folder of a trained net, or `new`."""

    @property
    @abstractmethod
    def task(self) -> str:
        """Of a new net: the task whose boards it reads."""

    @property
    @abstractmethod
    def seed(self) -> str:
        """Of a new net: names its first weights."""

    @property
    @abstractmethod
    def device(self) -> Device:
        """Where it runs."""

    @abstractmethod
    def kept(self) -> NetFolder[CardT, NetT]:
        """Return how nets of its kind are kept."""

    @abstractmethod
    def new_card(self) -> tuple[CardT, Puzzle]:
        """Return what is known of a new net, and its puzzle.

        Raises:
            ConfigError: a setting that is none.
        """

    @abstractmethod
    def how(self) -> object:
        """Return how it answers.

        Raises:
            ConfigError: one that is none.
        """

    def of_new(self) -> tuple[tuple[str, str], ...]:
        """Return settings that a new net alone takes, and what they are set to."""
        return (("task", self.task),)

    @final
    def check(self) -> None:
        """Read the configuration and find its puzzle, without the weights.

        Raises:
            ConfigError: neither a folder nor a new net with its task; a setting that is none.
            CheckpointError: a folder that is missing or broken, or asks for more than boards.
        """
        self.how()
        self._known()

    @final
    def ready(self) -> None:
        """Look whether torch sees the device.

        Raises:
            ConfigError: it does not.
        """
        check_device(self.device)

    @final
    def loaded(self) -> tuple[NetT, Puzzle, CardT]:
        """Load the weights, or draw those of a new net; return the net on its device.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        (card, puzzle), kept = self._known(), self.kept()
        if self.is_new:
            net = kept.drawn(card, stream(kept.kind, "new", self.seed))
            net.requires_grad_(requires_grad=False).eval()
        else:
            net = kept.read_net(at(self.name), card)
        method_of(net, "to")(choose_place(self.device, "float32", 0).device)
        return net, puzzle, card

    @final
    @property
    def boards(self) -> str:
        """The task that the net was made for."""
        return self._known()[0].task

    @final
    @property
    def is_new(self) -> bool:
        """Whether its weights are as they were drawn."""
        return self.name == NEW

    @final
    def _known(self) -> tuple[CardT, Puzzle]:
        """Return what is known of the net before its weights, and its puzzle."""
        kept = self.kept()
        if self.is_new and self.task:
            return self.new_card()
        if self.name in ("", NEW):
            raise ConfigError(
                f"{kept.article} {kept.kind} net without a "
                f"{'task' if self.name else 'folder or a task'}",
                "`new` with the task whose boards it is to read, or the folder of a trained net",
                f"such as {kept.kind}:new?task=sudoku, or {kept.kind}:FOLDER",
            )
        for setting, value in self.of_new():
            if value:
                raise ConfigError(
                    f"{setting}={value:.80} for the trained net in {self.name!r:.80}",
                    "a folder alone: it says what its net is",
                    f"leave {setting} out, or give {kept.kind}:new?task=sudoku for a new net",
                )
        card = kept.read_card(at(self.name))
        size = (card.shape.length, card.shape.vocabulary)
        return card, stored_puzzle(card.task, kept.kind, at(self.name), size)
