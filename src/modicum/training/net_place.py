"""The folder of a net that is to be trained: no other net or stopped training in it is lost."""

from collections.abc import Sequence
from pathlib import Path

from modicum.errors import ConfigError
from modicum.training.checkpoint import kept_name

__all__ = ["CHECKPOINT", "need_place"]

CHECKPOINT = "checkpoint.safetensors"
"""File of a folder that a killed training goes on from."""


def need_place(out: Path, name: str, signs: Sequence[str]) -> None:
    """Refuse a folder whose net or stopped training would be lost.

    Args:
        out: The folder; it need not exist.
        name: The training's, as its checkpoint bears it.
        signs: Files that say that a folder holds a net.

    Raises:
        ConfigError: it holds one.
    """
    if any((out / one).exists() for one in signs):
        raise ConfigError(
            f"{out}, which holds a net already", "a folder without one", "choose another with --out"
        )
    if kept_name(out / CHECKPOINT) not in (None, name):
        raise ConfigError(
            f"{out}, where a training with other settings was stopped",
            "the settings that it began with, to go on, or another folder",
            f"give those, choose another folder with --out, or delete {out / CHECKPOINT}",
        )
