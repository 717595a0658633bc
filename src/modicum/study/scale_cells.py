"""Finished trainings of a study of scale: a JSON file each, with what every window cost."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from modicum.corpora.corpus import Measured
from modicum.errors import ConfigError
from modicum.files.foreign import read_table
from modicum.plain import plain, thawed
from modicum.stats import Floats
from modicum.study.scale_plan import ScaleCell

__all__ = ["CellMeasure", "MeasuredCell", "cell_path", "read_cell", "write_cell"]

_SCHEMA = 1
_MOST_BYTES = 2**28


@dataclass(frozen=True)
class CellMeasure:
    """What the windows of a split and a shift cost a net that thinks so long."""

    split: Measured
    distance: int
    """Of the shift."""
    steps: int
    """Inner steps; 0 is as trained."""
    candidates: int
    flops: float
    """Operations of an answer, for each predicted character."""
    whole: tuple[float, ...] = field(repr=False)
    """Nats a character of each window."""
    asked: tuple[float | None, ...] = field(repr=False)
    """The same over characters that hang on what stands further back; None where a window has none."""

    @property
    def key(self) -> tuple[Measured, int, int, int]:
        """What was asked."""
        return self.split, self.distance, self.steps, self.candidates

    def nats(self, part: str) -> Floats:
        """Return nats a character of each window; NaN where it has none.

        Args:
            part: `whole` or `asked`.
        """
        given: Sequence[float | None] = self.whole if part == "whole" else self.asked
        return np.array([math.nan if one is None else one for one in given], dtype=np.float64)


@dataclass(frozen=True)
class MeasuredCell:
    """One training, and what came of it."""

    cell: ScaleCell
    parameters: int
    training_flops: float
    """Operations of its whole training."""
    seconds: float
    """Of training, as the clock had it."""
    thinks: bool
    """Whether the net has inner steps."""
    fewest_steps: int
    """Fewest inner steps that it was trained with."""
    measures: tuple[CellMeasure, ...]
    draws: bool = True
    """Whether candidates of a net with inner steps differ."""

    def found(
        self, distance: int, thinking: tuple[int, int] = (0, 1), split: Measured = "test"
    ) -> CellMeasure | None:
        """Return a measure; None where that was not asked.

        Args:
            distance: Of the shift.
            thinking: Inner steps and candidates.
            split: Of the corpus.
        """
        for one in self.measures:
            if one.key == (split, distance, *thinking):
                return one
        return None


def cell_path(out: Path, cell: ScaleCell) -> Path:
    """Return the file of a training in a study's folder."""
    return out / "cells" / f"{cell.id}.json"


def read_cell(out: Path, cell: ScaleCell) -> MeasuredCell | None:
    """Read what came of a training; None where it has not ended.

    Raises:
        ConfigError: the file is broken, or of another training.
    """
    path = cell_path(out, cell)
    if not path.exists():
        return None
    try:
        said = read_table(path, _MOST_BYTES)
        if said.get("schema") != _SCHEMA:
            raise ValueError(f"schema {said.get('schema')!r:.20}")
        found = thawed(MeasuredCell, {k: v for k, v in said.items() if k != "schema"}, "cell")
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path}: {error}", "what modicum scale wrote", "delete it to train again"
        ) from error
    if found.cell.id != cell.id:
        raise ConfigError(
            f"{path}, of another training", "the one that its name says", "delete it to train again"
        )
    return found


def write_cell(out: Path, found: MeasuredCell) -> None:
    """Write what came of a training, beside the old file and moved over it."""
    path = cell_path(out, found.cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"schema": _SCHEMA, **_as_table(found)}) + "\n", encoding="utf-8")
    partial.replace(path)


def _as_table(found: MeasuredCell) -> dict[str, object]:
    """Return it as plain values."""
    return {name: plain(getattr(found, name)) for name in MeasuredCell.__dataclass_fields__}
