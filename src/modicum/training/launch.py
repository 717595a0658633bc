"""The processes of one launch share a training: `accelerate launch --multi_gpu -m modicum run …`.

On processors accelerate's launcher starts one process alone unless there is MPI; there
`torchrun --nproc_per_node 2 -m modicum run …` starts them, and accelerate joins them. The first
process runs the study; the others wait for it and take part in what it shares. With one process
nothing here does anything, and accelerate is not imported.
"""

import os
from abc import ABC, abstractmethod
from functools import cache
from typing import TypeVar, final

from modicum.errors import ConfigError

__all__ = ["Alone", "Ranks", "Several", "ranks"]

T = TypeVar("T")


class Ranks(ABC):
    """What the processes of a launch say to each other; every one of them makes the same calls."""

    number: int
    """This process, from 0; the first alone writes files."""
    count: int
    """How many there are."""

    @abstractmethod
    def tell(self, value: T) -> T:
        """Return the first process's value to all."""

    @abstractmethod
    def gather(self, value: T) -> list[T]:
        """Return every process's value to all, in their order."""

    @abstractmethod
    def add(self, tensor: T) -> T:
        """Return the sum of a tensor over the processes."""


@final
class Alone(Ranks):
    """One process."""

    number, count = 0, 1

    def tell(self, value: T) -> T:
        """Return the value back."""
        return value

    def gather(self, value: T) -> list[T]:
        """Return the one value."""
        return [value]

    def add(self, tensor: T) -> T:
        """Return the tensor back."""
        return tensor


@final
class Several(Ranks):
    """The processes of a launch, joined by accelerate: gloo on the processor, NCCL on GPUs."""

    def __init__(self) -> None:
        """Join them; a process on a GPU takes the one of its number.

        Raises:
            ConfigError: accelerate is not there.
        """
        try:
            from accelerate import PartialState, utils  # noqa: PLC0415 - for several processes
        except ImportError as error:
            raise ConfigError(
                f"{os.environ['WORLD_SIZE']} processes, and no accelerate",
                "accelerate, which joins them",
                "pip install accelerate, or start one process",
            ) from error
        self._say = utils
        # accelerate is asked for the GPU, so that torch is named nowhere here
        state = PartialState(cpu=_wants_cpu() or not utils.is_cuda_available())
        self.number, self.count = state.process_index, state.num_processes
        if self.count == 1:
            raise ConfigError(
                f"{os.environ['WORLD_SIZE']} processes that do not find one another",
                "a launch by accelerate or torchrun",
                "on GPUs: accelerate launch --multi_gpu; on processors: torchrun --nproc_per_node N",
            )

    def tell(self, value: T) -> T:
        """Return the first process's value to all."""
        box = [value]
        self._say.broadcast_object_list(box, from_process=0)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """Return every process's value to all, in their order."""
        # accelerate joins the lists, so that each process brings one of a single value
        found: list[T] = self._say.gather_object([value])
        return found

    def add(self, tensor: T) -> T:
        """Return the sum of a tensor over the processes."""
        summed: T = self._say.reduce(tensor, "sum")
        return summed


def _wants_cpu() -> bool:
    """Say whether the launch asked for the processor, as `accelerate launch --cpu` does."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")


@cache
def ranks() -> Ranks:
    """Return the processes of this launch; their number stands where launchers put it."""
    return Several() if int(os.environ.get("WORLD_SIZE") or 1) > 1 else Alone()
