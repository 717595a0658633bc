"""Keeps a training run on disk, so that a kill at any moment costs at most one step."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from modicum.ledger import Ledger
from modicum.training.launch import Alone, Ranks

__all__ = ["Checkpoint", "Learning", "kept_name"]

_COUNTERS = (
    "labels",
    "judge_calls",
    "tokens_prompt",
    "tokens_sampled",
    "tokens_trained",
    "updates",
)
_KEPT = (*_COUNTERS, "flops", "seconds")


@runtime_checkable
class Learning(Protocol):
    """What a run trains, as far as it is kept."""

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        """Return what is trained, by name."""

    def state(self) -> dict[str, Tensor]:
        """Return a copy of all that changes while it is trained."""

    def load(self, state: dict[str, Tensor]) -> None:
        """Set it again."""


def kept_name(path: Path) -> str | None:
    """Return the name of the run that a file keeps; None where there is none that can be read."""
    try:
        with safe_open(path, "pt") as file:
            return str(json.loads(file.metadata()["state"]).get("name", ""))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


class Checkpoint:
    """Parameters, the optimiser's state, curves and ledger of a run in one safetensors file."""

    def __init__(
        self,
        path: Path | None,
        trainable: Learning,
        optimiser: torch.optim.Optimizer,
        ledger: Ledger,
        *,
        name: str = "",
        every: int = 1,
        joined: Ranks | None = None,
    ) -> None:
        """Prepares; reads nothing yet.

        Args:
            path: File to write; nothing is kept where None.
            trainable: Whose parameters are kept.
            optimiser: Whose state is kept.
            ledger: Its counters go on from where the killed run stood.
            name: Of the run; a file of another name is none of its own.
            every: Steps from one writing to the next.
            joined: Processes that all keep the run, each a part of its state; the first one writes.
        """
        self._joined = joined or Alone()
        self._name, self._every = name, every
        self._path, self._trainable = path, trainable
        self._optimiser, self._ledger = optimiser, ledger
        self._next = 0.0
        self.first: dict[str, Tensor] = {}
        """The parameters at the very start, where they were kept."""

    def restore(self) -> list[Mapping[str, float]]:
        """Sets everything to where the killed run stood; gives its curves, or none at a first run."""
        if self._path is None or not self._path.exists():
            return []
        try:
            with safe_open(self._path, "pt") as file:
                said = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return []  # half a file of a machine that died: the run begins anew
        if said.get("name", "") != self._name:
            return []
        self._trainable.load(_part(tensors, "now"))
        self.first = _part(tensors, "first")
        for name, parameter in self._trainable.named.items():
            state: dict[str, Any] = _part(tensors, f"state.{name}")
            if state:
                self._optimiser.state[parameter] = {
                    key: value if key == "step" else value.to(parameter.device)
                    for key, value in state.items()
                }
        for name, value in said["ledger"].items():
            if name in _KEPT and isinstance(value, int | float):  # and nothing else of a ledger
                setattr(self._ledger, name, value)
        curves: list[Mapping[str, float]] = said["curves"]
        return curves

    def keep(
        self, curves: Sequence[Mapping[str, float]], first: Mapping[str, Tensor] | None
    ) -> None:
        """Write the run as it stands, beside the old file and moved over it.

        Where writing is slow it is done more seldom, so that it takes a twentieth of the time.
        """
        begun = time.monotonic()
        if self._path is None or len(curves) % self._every:
            return
        if not self._joined.tell(begun >= self._next):
            return
        tensors = {f"now/{n}": t for n, t in self._trainable.state().items()}
        tensors |= {f"first/{n}": t for n, t in (first or {}).items()}
        for name, parameter in self._trainable.named.items():
            for key, value in self._optimiser.state.get(parameter, {}).items():
                tensors[f"state.{name}/{key}"] = value.detach().cpu().clone()
        if self._joined.number:
            return
        counted = {name: getattr(self._ledger, name) for name in _KEPT}
        named = {"name": self._name} if self._name else {}
        state = json.dumps({"curves": [dict(c) for c in curves], "ledger": counted, **named})
        partial = self._path.with_suffix(".partial")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, {"state": state})
        partial.replace(self._path)
        ended = time.monotonic()
        self._next = ended + 19 * (ended - begun)


def _part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors below a name."""
    return {key[len(name) + 1 :]: t for key, t in tensors.items() if key.startswith(f"{name}/")}
