"""What models share that lie in the user's cache: how they are converted and opened."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import final

from modicum.errors import CheckpointError
from modicum.loading.checkpoint import Running, open_source
from modicum.loading.device import Device, Dtype, check_device
from modicum.loading.footprint import footprint_of
from modicum.model import Backend, Footprint
from modicum.sampling.local import Local

__all__ = ["EXACT", "Kept", "convert"]

EXACT = Running(device="cpu", dtype="float32")
"""How a model is converted: nothing is rounded."""


def convert(gguf: Path, name: str, ready: Path) -> None:
    """Write a GGUF file as a folder of safetensors, in single precision.

    Raises:
        CheckpointError: the file does not load.
    """
    local = open_source(str(gguf), name=name, running=EXACT)
    local.module.save_pretrained(ready)
    local.tokenizer.save_pretrained(ready)


@dataclass(frozen=True)
class Kept(Backend):
    """A model that lies converted and verified in the cache; subclasses say which."""

    device: Device = "auto"
    """Where it runs: CUDA where there is one, else Apple's MPS, else the processor."""
    dtype: Dtype = "auto"
    """Number format; bfloat16 on CUDA, float32 elsewhere unless a timing speaks against it."""
    rows: int | None = None
    """Completions in flight; chosen from model and memory if not given."""
    threads: int | None = None
    """CPU threads; all of torch's if not given."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the model lies."""

    @abstractmethod
    def missing(self) -> CheckpointError:
        """Give the error that says how the model comes into the cache."""

    @abstractmethod
    def called(self) -> tuple[str, str, tuple[str, ...]]:
        """Give its name as users type it, its licence, and what a reader of figures must know."""

    @final
    @property
    def is_there(self) -> bool:
        """Whether it lies in the cache."""
        folder = self.folder
        return folder.is_dir() and any(folder.glob("*.safetensors"))

    @final
    def check(self) -> None:
        """Look whether the model is in the cache.

        Raises:
            CheckpointError: it is not.
        """
        if not self.is_there:
            raise self.missing()

    @final
    def ready(self) -> None:
        """Look whether torch sees the device.

        Raises:
            ConfigError: it does not.
        """
        check_device(self.device)

    @final
    def open(self) -> Local:
        """Load the model.

        Raises:
            CheckpointError: weights that are missing or broken.
        """
        self.check()
        name, licence, notes = self.called()
        return open_source(
            str(self.folder),
            name=name,
            licence=licence,
            notes=notes,
            running=Running(self.rows, self.threads, self.device, self.dtype),
        )

    @final
    @property
    def origin(self) -> str:
        """The folder in the cache."""
        return str(self.folder)

    @final
    def footprint(self) -> Footprint | None:
        """Return what it will take on the processor, from its files."""
        return footprint_of(str(self.folder), self.device, self.dtype)
