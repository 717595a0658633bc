"""A figure is printed with one value and one interval, wherever it stands, and none without width."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modicum.stats import Figure
from modicum.stats.written import amount, figure, percents, points, rounded_points
from tests.golden import record
from tests.support.commands import modicum

PRINTED = re.compile(r"(?<!> )(?<![\d.])[<>]?[−.\d,]+(?: %)? \[[−.\d,]+, [−.\d,∞]+[\])]")
"""A number with its interval; `> 8 [1, ∞)` has none."""

OWN = ("cue tokens", "foretells")
"""Lines with figures of their own, which no verdict holds."""


@pytest.fixture(scope="module")
def verdicts(golden_study: Path) -> list[dict[str, Any]]:
    said = record.verdicts(golden_study)
    assert isinstance(said, dict)
    return list(said["verdicts"])


def _figures(value: object, where: str = "") -> Iterator[tuple[str, Figure]]:
    """Every figure of a record that holds both ends, with its place."""
    if isinstance(value, dict):
        if {"value", "low", "high", "n"} <= set(value):
            numbers = [
                default if value[name] is None else float(value[name])
                for name, default in (("value", math.inf), ("low", -math.inf), ("high", math.inf))
            ]
            yield where, Figure(*numbers, value["n"])
        for name, item in value.items():
            yield from _figures(item, f"{where}.{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _figures(item, f"{where}[{i}]")


def _is_bound(where: str, found: Figure) -> bool:
    """Whether a number of samples, or labels, is "at most 1" or "more than all": no interval."""
    return ("worth" in where or "n50" in where or "n90" in where) and (
        found.value == 1 or math.isinf(found.value)
    )


def test_no_interval_is_without_width(verdicts) -> None:
    bare = [
        (where, found)
        for where, found in _figures(verdicts)
        if not found.low < found.high and not _is_bound(where, found)
    ]
    assert bare == []


def test_every_printed_interval_is_one_of_the_records(golden_study, verdicts, golden_page) -> None:
    writers = (points, amount)
    known = {figure(found, write) for _, found in _figures(verdicts) for write in writers}
    known |= {
        write(found) for _, found in _figures(verdicts) for write in (percents, rounded_points)
    }
    texts = [record.shown_text(golden_page)]
    for verdict in verdicts:
        which = ("--task", verdict["task"], "--model", verdict["model"])
        texts.append(modicum("report", golden_study, *which, "-v").out)
    for text in texts:
        said = [line for line in text.splitlines() if not line.startswith(OWN)]
        printed = set(PRINTED.findall(" ".join(" ".join(said).split())))
        assert len(printed) > 5
        assert printed - known == set()


def test_floor_and_ceiling_are_printed_as_the_rows_that_they_are(verdicts) -> None:
    for verdict in verdicts:
        said = {where: percents(found) for where, found in _figures(verdict)}
        assert said[".floor"] == said[".rungs[0].score"]
        assert said[".floor_strict"] == said[".rungs[0].strict"]
        if verdict["ceiling"]["source"] == "forced":
            assert said[".ceiling"] == said[".forced"]
