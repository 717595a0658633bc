"""A steering nudge as plain values: which directions, how long, at which positions."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from modicum.errors import CheckpointError
from modicum.nudge.sites import Site, is_site

__all__ = [
    "Direction",
    "DirectionTable",
    "Steering",
    "Where",
    "by_place",
    "load_steering",
    "save_steering",
    "stacked",
    "steering_bytes",
]

Where = Literal["first", "generated", "all"]
"""Once, at the last token of the prompt, which decides the first generated one: later layers keep it in
their keys and values; there and at every generated token; or at every position, prompt included."""


_PLACE = re.compile(r"[0-9]{1,6}")
"""A layer's number, or a count of tokens, as a file may write it."""


@dataclass(frozen=True, eq=False)
class Direction:
    """One vector and the place where it is added."""

    layer: int
    """Index of the layer, from 0."""
    values: Float[Tensor, " hidden"]
    """What is added, single precision, strength included."""
    site: Site = "block"
    """Part of the layer whose output it is added to."""


@dataclass(frozen=True, eq=False)
class DirectionTable(Direction):
    """The vectors of several nudges at one place, a row each; see `stacked`."""

    values: Float[Tensor, "nudges hidden"]
    """What each nudge adds there; zeros where it adds nothing."""


@dataclass(frozen=True, eq=False)
class Steering:
    """Directions that act together."""

    directions: tuple[Direction, ...]
    """At least one."""
    where: Where = "first"
    """Positions at which they are added."""
    offset: int = 0
    """With `first`: generated tokens before the one position, where 0 is the last of the prompt."""

    @property
    def is_stack(self) -> bool:
        """Whether it is several nudges, of which each row of a batch takes one; see `stacked`."""
        return any(isinstance(one, DirectionTable) for one in self.directions)

    @property
    def acts_at_prompt(self) -> bool:
        """Whether the last prompt position is steered."""
        return self.where != "first" or self.offset == 0

    @property
    def place(self) -> str:
        """The positions in words."""
        if self.where == "first":
            at = f"generated token {self.offset}" if self.offset else "the last token of the prompt"
            return f"{at}, once"
        return "every position" if self.where == "all" else "the generated tokens"

    @property
    def numbers(self) -> int:
        """Number that the nudge consists of."""
        return sum(direction.values.numel() for direction in self.directions)

    @property
    def digest(self) -> str:
        """Hash of everything that decides its effect: 16 hexadecimal digits."""
        digest = hashlib.blake2b(f"{self.where} {self.offset}".encode(), digest_size=8)
        for direction in self.directions:
            digest.update(f"{direction.layer} {direction.site}".encode())
            digest.update(direction.values.detach().cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def scaled(self, factor: float) -> "Steering":
        """Return the same directions, each `factor` times as long."""
        longer = tuple(replace(d, values=d.values * factor) for d in self.directions)
        return replace(self, directions=longer)


def by_place(steerings: Sequence[Steering | None]) -> list[list[int]]:
    """Return the places of nudges in a list, those together that act at the same positions.

    None adds nothing and stands with the first; alone it has no place.

    >>> first, every = (Steering((), where) for where in ("first", "all"))
    >>> by_place([None, first, every, first])
    [[0, 1, 3], [2]]
    """
    acts = [None if one is None else (one.where, one.offset) for one in steerings]
    known = [place for place in dict.fromkeys(acts) if place is not None]
    own = [place or known[0] for place in acts] if known else []
    return [[i for i, place in enumerate(own) if place == wanted] for wanted in known]


def stacked(steerings: Sequence[Steering | None]) -> Steering:
    """Return nudges as one whose directions are tables, a row for each nudge; None adds nothing.

    Args:
        steerings: All acting at the same positions; at least one that is not None.

    Raises:
        ValueError: none, or nudges that act at several positions.
    """
    given = [one for one in steerings if one is not None]
    if len({(one.where, one.offset) for one in given}) != 1:
        msg = "nudges that act at the same positions, at least one"
        raise ValueError(msg)
    tables: dict[tuple[int, Site], Tensor] = {}
    for row, one in enumerate(steerings):
        for direction in () if one is None else one.directions:
            values = direction.values.detach()
            empty = values.new_zeros(len(steerings), values.numel())
            tables.setdefault((direction.layer, direction.site), empty)[row] += values
    directions = tuple(DirectionTable(layer, rows, site) for (layer, site), rows in tables.items())
    return replace(given[0], directions=directions)


def save_steering(steering: Steering, path: Path, notes: Mapping[str, str] | None = None) -> int:
    """Write the vectors as `steering_bytes` gives them; return their size in bytes."""
    return path.write_bytes(steering_bytes(steering, notes))


def steering_bytes(steering: Steering, notes: Mapping[str, str] | None = None) -> bytes:
    """Return the vectors as safetensors, tensors `layer.I` (`layer.I.SITE` off the block).

    Metadata: `format` = `modicum-steering-1`, `where`, `offset`, and what `notes` add (base model,
    say).
    """
    tensors = {_name(d): d.values.detach().cpu().contiguous() for d in steering.directions}
    own = {"format": "modicum-steering-1", "where": steering.where, "offset": str(steering.offset)}
    return _ordered(save(tensors, {**own, **(notes or {})}))


def _ordered(content: bytes) -> bytes:
    """Return a safetensors file with its metadata in order: the library writes it in a random one."""
    end = 8 + int.from_bytes(content[:8], "little")
    head = json.loads(content[8:end])
    head["__metadata__"] = dict(sorted(head["__metadata__"].items()))
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    return content[:8] + text.ljust(end - 8) + content[end:]


def load_steering(path: Path) -> Steering:
    """Read what `save_steering` wrote.

    Raises:
        CheckpointError: missing, broken, or something else's.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
        directions = [_direction(name, values) for name, values in tensors.items()]
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{str(path)!r}: {error}", "a steering vector in safetensors", "export it again"
        ) from error
    if metadata.get("where") not in get_args(Where) or not tensors:
        raise CheckpointError(
            f"{str(path)!r} without `where` in its metadata",
            "vectors written by modicum",
            "export it again",
        )
    directions.sort(key=lambda d: (d.layer, d.site))
    offset = metadata.get("offset", "0")
    if not _PLACE.fullmatch(offset):
        raise CheckpointError(
            f"{str(path)!r} with the offset {offset!r:.40}", "a small number", "export it again"
        )
    return Steering(tuple(directions), metadata["where"], int(offset))


def _name(direction: Direction) -> str:
    tail = "" if direction.site == "block" else f".{direction.site}"
    return f"layer.{direction.layer}{tail}"


def _direction(name: str, values: Tensor) -> Direction:
    """Return a direction of a file's tensor.

    Raises:
        ValueError: a name or values that are no direction's.
    """
    head, _, rest = name.partition(".")
    layer, _, part = rest.partition(".")
    site = part or "block"
    if head != "layer" or not _PLACE.fullmatch(layer) or not is_site(site):
        raise ValueError(f"a tensor {name!r:.80}")
    is_vector = values.ndim == 1 and values.numel() > 0 and values.is_floating_point()
    if not is_vector or not bool(values.isfinite().all()):
        raise ValueError(f"a tensor {name!r:.80} that is no vector of numbers")
    return Direction(int(layer), values.to(torch.float32), site)
