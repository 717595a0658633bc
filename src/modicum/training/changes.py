"""What nudges change of a model whose weights are in reach: directions, an adapter, all weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Self, final

from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from modicum.model import Model
from modicum.nudge import Change
from modicum.nudge.steering import Steering, load_steering, steering_bytes
from modicum.training.adapter_folder import CONFIG, WEIGHTS
from modicum.training.adapters import load_nudge, save_nudge, settle
from modicum.whitebox import WhiteBox, need_whitebox

__all__ = ["Adapter", "Vectors", "Weights", "change_of"]

_VECTOR = "vector.safetensors"
_WHOLE = ("config.json", "model*.safetensors", "model.safetensors.index.json")
"""What tells a folder of all weights, be some of its files gone."""
_OTHERS = (_VECTOR, "solver.json")
"""What a nudge's folder may hold beside tuned weights."""


@final
@dataclass(frozen=True, eq=False)
class Vectors(Change):
    """Directions that are added to activations."""

    order: ClassVar[int] = 1

    steering: Steering
    base: str = ""
    """Hash of the weights that they were found on."""
    kept: bytes = field(default=b"", repr=False)
    """Their file as it was read, where one was."""

    def applied(self, model: Model) -> Model:
        """Return the model with the directions added while it samples.

        Raises:
            AccessError: its activations cannot be reached.
        """
        return need_whitebox(model, "vector").with_steering(self.steering)

    def files(self) -> Mapping[str, bytes]:
        """Return the vectors as safetensors."""
        notes = {"base": self.base} if self.base else {}
        return {_VECTOR: self.kept or steering_bytes(self.steering, notes)}

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """Return the vectors of a folder, None where there are none.

        Raises:
            CheckpointError: they are broken.
        """
        path = folder / _VECTOR
        if not path.is_file():
            return None
        return cls(load_steering(path), kept=path.read_bytes())


@dataclass(frozen=True, eq=False)
class _Tuned(Change):
    """Weights that were trained: in memory where they were made, in a folder where they are kept."""

    order: ClassVar[int] = 0

    module: PreTrainedModel | None = field(default=None, repr=False)
    """The model with them in its weights, where they were made in this process."""
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Their files, where they were made in this process."""
    folder: Path | None = None
    """Where they are kept."""

    def applied(self, model: Model) -> Model:
        """Return the model with these weights.

        Raises:
            AccessError: its weights cannot be reached.
            CheckpointError: files that are broken, or of another model.
        """
        whitebox = need_whitebox(model, "tuned weights")
        if self.module is not None:
            return whitebox.with_module(self.module)
        return whitebox.with_module(load_nudge(whitebox, self.folder or Path()))

    def files(self) -> Mapping[str, bytes]:
        """Return the files that PEFT or transformers load."""
        return self.contents if self.folder is None else _read(self.folder)


@final
@dataclass(frozen=True, eq=False)
class Adapter(_Tuned):
    """A LoRA, TinyLoRA or biases, as PEFT loads them."""

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """Return the adapter of a folder, None where there is none."""
        names = (folder / CONFIG, folder / WEIGHTS)
        return cls(folder=folder) if any(path.is_file() for path in names) else None


@final
@dataclass(frozen=True, eq=False)
class Weights(_Tuned):
    """All weights, as transformers load them."""

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """Return the weights of a folder, None where there are none."""
        is_whole = any(any(folder.glob(name)) for name in _WHOLE)
        return cls(folder=folder) if is_whole else None


def change_of(
    whitebox: WhiteBox, tuned: nn.Module, module: PreTrainedModel | None = None
) -> Adapter | Weights:
    """Return what was trained as a change.

    Args:
        whitebox: The model before.
        tuned: The copy that was trained, any adapter still apart; it is not to be used afterwards.
        module: What samples with it; the copy with its adapter in the weights where None.
    """
    kind = Adapter if isinstance(tuned, PeftModel) else Weights
    contents = _contents(whitebox, tuned)
    return kind(module=settle(tuned) if module is None else module, contents=contents)


def _contents(whitebox: WhiteBox, tuned: nn.Module) -> dict[str, bytes]:
    """Return the files of an adapter or of all weights; the libraries write folders alone."""
    with TemporaryDirectory(prefix="modicum-") as scratch:
        save_nudge(whitebox, tuned, Path(scratch))
        return _read(Path(scratch))


def _read(folder: Path) -> dict[str, bytes]:
    """Return the files of tuned weights."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _OTHERS
    }
