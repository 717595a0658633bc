"""A recursive net as a folder holds it: its shape and origin as JSON, its weights as safetensors."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from modicum.errors import CheckpointError, ConfigError
from modicum.files.foreign import read_table, words_of
from modicum.files.headers import safetensors_head
from modicum.nets.halting import Halting
from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_shape import RecursiveShape
from modicum.plain import JsonObject, JsonValue, plain, thawed
from modicum.seeds import stream

__all__ = ["CONFIG", "WEIGHTS", "RecursiveCard", "read_recursive_card", "read_recursive_net"]

CONFIG, WEIGHTS = "recursive.json", "recursive.safetensors"
_FORMAT = 1
_UPPER, _LOWER = "upper.", "lower."
"""Names of the two stacks; one that updates both states is kept once, as the upper."""
_MOST_BYTES = 1 << 20
_MOST: Mapping[str, int] = {
    "length": 4096,
    "prefix": 1024,
    "n_inner": 256,
    "n_outer": 1024,
    "n_steps": 1024,
}
"""Largest sizes that no tensor vouches for, but that time or memory goes by."""


@dataclass(frozen=True)
class RecursiveCard:
    """What a folder says of its net; known before the weights are read."""

    shape: RecursiveShape
    task: str
    """Reference of the task whose boards it reads; a stranger may have written it."""
    preset: str = ""
    """Name of the preset that the shape comes from."""
    trained: JsonObject = field(default_factory=dict)
    """How it was trained, for the reader."""
    halting: Halting | None = None
    """When trajectories end, as training chose it; None where it chose nothing."""

    def files(self, net: RecursiveNet) -> dict[str, bytes]:
        """Return the files of a net of this shape, by name."""
        said = {
            "format": _FORMAT,
            "task": self.task,
            "preset": self.preset,
            "shape": plain(dataclasses.asdict(self.shape)),
            "trained": plain(self.trained),
        }
        if self.halting is not None:
            said["halting"] = plain(dataclasses.asdict(self.halting))
        weights = {
            name: part.detach().cpu().contiguous()
            for name, part in net.state_dict().items()
            if not (net.lower is net.upper and name.startswith(_LOWER))
        }
        return {CONFIG: json.dumps(said, indent=1).encode(), WEIGHTS: save(weights)}


def read_recursive_card(folder: Path) -> RecursiveCard:
    """Read what a folder says of its net.

    Raises:
        CheckpointError: missing, broken, of another format, or a shape that cannot be built or that
            its weights do not have.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"no {name} in {str(folder)!r:.200}",
                f"a folder with {CONFIG} and {WEIGHTS}",
                "make one with `modicum pretrain recursive`, or give another folder",
            )
    try:
        said = read_table(folder / CONFIG, _MOST_BYTES)
        card = _card(said)
        held = safetensors_head(folder / WEIGHTS).numbers
    except (ValueError, TypeError, ConfigError) as error:
        raise _broken(folder, words_of(error)) from error
    if held < _least_numbers(card.shape):
        raise _broken(folder, f"{held:,} numbers in {WEIGHTS}, fewer than its shape has")
    return card


def read_recursive_net(folder: Path, card: RecursiveCard) -> RecursiveNet:
    """Read the weights into a net, single precision, on the processor.

    Raises:
        CheckpointError: tensors that are missing, of wrong shape, or not readable.
    """
    net = RecursiveNet(card.shape, stream("recursive", "to be read"))
    try:
        weights = load_file(folder / WEIGHTS)
        if net.lower is net.upper:
            weights |= {
                _LOWER + name.removeprefix(_UPPER): part
                for name, part in weights.items()
                if name.startswith(_UPPER)
            }
        net.load_state_dict(weights)
    except (OSError, RuntimeError, SafetensorError, ValueError) as error:
        raise _broken(folder, words_of(error)) from error
    return net.requires_grad_(requires_grad=False).eval()


def _card(said: Mapping[str, JsonValue]) -> RecursiveCard:
    """Return what a table says.

    Raises:
        ValueError: another format, or sizes beyond what is taken.
        TypeError: something missing, or of another type.
        ConfigError: a shape that cannot be built, or a threshold that is none.
    """
    if said.get("format") != _FORMAT:
        raise ValueError(f"format {said.get('format')!r:.40}, where {_FORMAT} is read")
    shape = thawed(RecursiveShape, said.get("shape"), "shape")
    for name, most in _MOST.items():
        if getattr(shape, name) > most:
            raise ValueError(f"{name} = {getattr(shape, name):,}, where {most:,} are the most")
    halting = said.get("halting")
    return RecursiveCard(
        shape,
        thawed(str, said.get("task"), "task"),
        thawed(str, said.get("preset", ""), "preset"),
        thawed(dict[str, JsonValue], said.get("trained", {}), "trained"),
        None if halting is None else thawed(Halting, halting, "halting"),
    )


def _least_numbers(shape: RecursiveShape) -> int:
    """Return numbers that the net holds at least, so that no small file has a large net built."""
    mixing = 3 * shape.inner * shape.places if shape.mixer == "mlp" else 4 * shape.width**2
    stacks = 1 if shape.is_shared or not shape.n_inner else 2
    found = stacks * shape.layers * (3 * shape.inner * shape.width + mixing)
    if shape.is_guided:
        found += 8 * shape.guide_inner * shape.width
    return found + 2 * shape.vocabulary * shape.width


def _broken(folder: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"the recursive net in {str(folder)!r:.200}: {why}",
        f"{CONFIG} and {WEIGHTS} as `modicum pretrain recursive` writes them",
        "make it again, or give another folder",
    )
