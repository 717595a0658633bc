"""Any transformers causal model: a folder, a GGUF file or a hub id."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.errors import CheckpointError, ConfigError
from modicum.loading.adapter import check_adapter, is_adapter, open_adapter
from modicum.loading.checkpoint import Running, check_source, open_source
from modicum.loading.device import Device, Dtype, check_device
from modicum.loading.footprint import footprint_of
from modicum.model import Backend, Footprint
from modicum.sampling.local import Local
from modicum.types import Access

__all__ = ["Huggingface"]


@final
@dataclass(frozen=True)
class Huggingface(Backend):
    """Loads safetensors or GGUF weights; refuses pickles."""

    access: ClassVar[Access] = Access.WEIGHTS
    pretrained: ClassVar[bool] = True
    powers: ClassVar[Mapping[str, str]] = {"trust_remote_code": "code"}

    name: str = ""
    """Folder, GGUF file or hub id."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may run."""
    device: Device = "auto"
    """Where it runs: CUDA where there is one, else Apple's MPS, else the processor."""
    dtype: Dtype = "auto"
    """Number format; bfloat16 on CUDA, float32 elsewhere unless a timing speaks against it."""
    rows: int | None = None
    """Completions in flight; chosen from model and memory if not given."""
    threads: int | None = None
    """CPU threads; chosen from the model's size if not given."""
    thinking: str = ""
    """`off` tells the chat template not to open the model's thinking (`enable_thinking=false`)."""

    def check(self) -> None:
        """Look at the files without loading weights.

        Raises:
            ConfigError: a setting that is none.
            CheckpointError: nothing there, a pickle, or no model.
        """
        if not self.name:
            raise CheckpointError("no name", "a folder, a GGUF file or a hub id", "give --model")
        if self.thinking not in ("", "off"):
            raise ConfigError(
                f"thinking={self.thinking}", "off, or nothing", "such as ?thinking=off"
            )
        if is_adapter(self.name):
            check_adapter(self.name)
        else:
            check_source(self.name)

    def ready(self) -> None:
        """Look whether torch sees the device.

        Raises:
            ConfigError: it does not.
        """
        check_device(self.device)

    def open(self) -> Local:
        """Load the model; an adapter of another tool with its base.

        Raises:
            ConfigError: thinking is to be off, and the chat template cannot be told.
            CheckpointError: weights that are missing, unsafe or broken.
        """
        running = Running(self.rows, self.threads, self.device, self.dtype)
        if is_adapter(self.name):
            local = open_adapter(self.name, running)
        else:
            local = open_source(
                self.name,
                name=self.name,
                running=running,
                trust_remote_code=self.trust_remote_code,
            )
        return local.without_thinking() if self.thinking == "off" else local

    @property
    def origin(self) -> str:
        """The folder, file or hub id."""
        return self.name

    def footprint(self) -> Footprint | None:
        """Return what it will take on the processor, from its files; None for a hub id."""
        return footprint_of(self.name, self.device, self.dtype)
