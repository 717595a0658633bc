"""A net that fills in puzzles by recursion (GRAM, TRM, ...): a folder, or `new` for an untrained one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.errors import ConfigError, UnknownNameError
from modicum.files.foreign import at
from modicum.loading.device import Device, check_device, choose_place
from modicum.loading.reference import reference_of
from modicum.model import Backend
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import RecursiveCard, read_recursive_card, read_recursive_net
from modicum.nets.recursive_shape import PRESETS, Size, sized
from modicum.puzzles.puzzle import Puzzle
from modicum.sampling.recursive_model import Reasoning, RecursiveModel
from modicum.sampling.selectors import Selector
from modicum.seeds import stream
from modicum.training.recursive_boards import puzzle_of, stored_puzzle
from modicum.types import Access

__all__ = ["Recursive"]

NEW = "new"


@final
@dataclass(frozen=True)
class Recursive(Backend):
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

    def open(self) -> RecursiveModel:
        """Load the weights, or draw those of a new net.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        card, puzzle = self._known()
        if self.name == NEW:
            net = RecursiveNet(card.shape, stream("recursive", "new", self.seed))
            net = net.requires_grad_(requires_grad=False).eval()
        else:
            net = read_recursive_net(at(self.name), card)
        net = net.to(choose_place(self.device, "float32", 0).device)
        return RecursiveModel(net, puzzle, card, self._how, reference_of("recursive", self))

    @property
    def boards(self) -> str:
        """The task that the net was made for."""
        return self._known()[0].task

    @property
    def is_new(self) -> bool:
        """Whether its weights are as they were drawn."""
        return self.name == NEW

    @property
    def _how(self) -> Reasoning:
        return Reasoning(
            self.depth,
            self.width,
            self.selector,
            self.temperature,
            self.noise,
            self.halts,
            self.sure,
        )

    def _known(self) -> tuple[RecursiveCard, Puzzle]:
        """Return what is known of the net before its weights, and its puzzle."""
        if self.name == NEW and self.task:
            name = self.preset or "gram"
            if name not in PRESETS:
                raise UnknownNameError("preset", name, PRESETS)
            puzzle = puzzle_of(self.task)
            grid = puzzle.grid
            shape = sized(name, self.size, grid.length, grid.vocabulary)
            return RecursiveCard(shape, self.task, name), puzzle
        if self.name in ("", NEW):
            raise ConfigError(
                f"a recursive net without a {'task' if self.name else 'folder or a task'}",
                "`new` with the task whose boards it is to read, or the folder of a trained net",
                "such as recursive:new?task=sudoku, or recursive:FOLDER",
            )
        if self.task or self.preset:
            named = "task" if self.task else "preset"
            raise ConfigError(
                f"{named}={getattr(self, named):.80} for the trained net in {self.name!r:.80}",
                "a folder alone: it says what its net is",
                f"leave {named} out, or give recursive:new?task=sudoku for a new net",
            )
        card = read_recursive_card(at(self.name))
        return card, stored_puzzle(
            card.task, "recursive", at(self.name), (card.shape.length, card.shape.vocabulary)
        )
