"""A study that was killed goes on, and its verdict equals the uninterrupted one's."""

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from modicum.seeds import stream
from modicum.store.database import Store
from tests.support.commands import SMALL, modicum
from tests.support.sources import ROOT

TRIALS = 10
"""Trials of the small study, each one write."""


def _subprocess(*arguments: object) -> int:
    """Run a command in a process of its own; gives how it ended."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, check=False
    ).returncode


def _killed(folder: Path, write: int, where: str, options=SMALL) -> int:
    """Run the small study and kills it at a write."""
    kill = ["-m", "tests.support.killed", write, where]
    return _subprocess(*kill, "run", *options, "--out", folder, "--json")


def _timeless(value: object) -> object:
    """A verdict without times: seconds, and texts that quote none."""
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k != "seconds"}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def _resumed(folder: Path, options=SMALL) -> object:
    said = modicum("run", *options, "--out", folder, "--json")
    assert said.code == 0, said.err
    return _timeless(json.loads(said.out))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> object:
    """The uninterrupted verdict."""
    return _resumed(tmp_path_factory.mktemp("whole"))


POINTS = [(1, "before"), (4, "inside"), (TRIALS, "after")]


@pytest.mark.parametrize(("write", "where"), POINTS)
def test_verdict_after_a_kill_equals_the_uninterrupted_one(
    write: int, where: str, whole, tmp_path
) -> None:
    assert _killed(tmp_path, write, where) == -signal.SIGKILL
    assert _resumed(tmp_path) == whole


def test_kill_inside_a_transaction_leaves_nothing_of_the_trial(tmp_path) -> None:
    assert _killed(tmp_path, 3, "inside") == -signal.SIGKILL
    db = sqlite3.connect(tmp_path / "study.sqlite")
    trials, answers = (
        db.execute(f"SELECT count(DISTINCT {column}) FROM {table}").fetchone()[0]
        for column, table in (("id", "trials"), ("trial", "answers"))
    )
    db.close()
    assert (trials, answers) == (2, 2)


def test_finished_trials_are_not_run_again(tmp_path) -> None:
    _killed(tmp_path, 5, "after")
    said = modicum("run", *SMALL, "--out", tmp_path)
    assert f"{TRIALS} trials, 5 done" in said.err


def test_small_study_has_as_many_writes_as_the_points_say(whole, tmp_path) -> None:
    modicum("run", *SMALL, "--out", tmp_path)
    store = Store(tmp_path)
    n = len(store.done())
    store.close()
    assert n == TRIALS


def _random_points() -> list[tuple[int, str]]:
    rng = stream("test", "kill points")
    places = ("before", "inside", "after")
    return [(int(rng.integers(1, TRIALS + 1)), places[rng.integers(3)]) for _ in range(20)]


@pytest.mark.slow
@pytest.mark.parametrize(("write", "where"), _random_points())
def test_verdict_after_a_random_kill_equals_the_uninterrupted_one(
    write: int, where: str, whole, tmp_path
) -> None:
    assert _killed(tmp_path, write, where) == -signal.SIGKILL
    assert _resumed(tmp_path) == whole


@pytest.mark.slow
def test_verdict_after_three_kills_equals_the_uninterrupted_one(whole, tmp_path) -> None:
    for write, where in [(2, "after"), (1, "inside"), (3, "before")]:
        assert _killed(tmp_path, write, where) == -signal.SIGKILL
    assert _resumed(tmp_path) == whole


@pytest.mark.slow
def test_verdict_of_killed_workers_equals_the_uninterrupted_one(whole, tmp_path) -> None:
    options = (*SMALL[:-1], 2)
    assert _killed(tmp_path, 4, "inside", options) == -signal.SIGKILL
    assert _resumed(tmp_path, options) == whole
