"""A study that is interrupted or killed at any moment loses nothing and leaves nothing behind.

Slow: every case runs a study twice in processes of its own, at a moment drawn by name.
"""

import contextlib
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from modicum.seeds import stream
from tests.support.interrupted import (
    Command,
    Ended,
    Place,
    finished_rows,
    is_sound,
    paths_of,
    verdict_of,
    weights_of,
)

SCRIPTED = (
    "--model", "scripted:latent", "--task", "sums", "--test", 300, "--selection", 8, "--samples", 32,
    "--methods", "self_consistency,cot_decoding,few_shot", "--shots", "1,4", "--seeds", 2,
    "--no-reuse", "--no-check",
)  # fmt: skip
TUNED = (
    "--model", "organism", "--task", "word_sums", "--test", 12, "--selection", 4, "--samples", 4,
    "--methods", "fine_tune,rlvr", "--shots", 2, "--seeds", 1, "--set", "fine_tune.steps=8",
    "--set", "rlvr.steps=3", "--set", "rlvr.groups=2", "--set", "rlvr.rollouts=8",
    "--retain", "none", "--no-reuse", "--no-check",
)  # fmt: skip
REWARDED = (
    "--model", "organism", "--task", "row_pushes", "--methods", "rlvr", "--shots", 1, "--seeds", 1,
    "--test", 8, "--selection", 4, "--samples", 4, "--retain", "none", "--no-check", "--no-reuse",
    "--set", "rlvr.steps=20", "--set", "rlvr.groups=2", "--set", "rlvr.rollouts=16",
    "--set", "rlvr.rank=2",
)  # fmt: skip
STUDIES: Mapping[str, tuple[object, ...]] = {
    "scripted": (*SCRIPTED, "--workers", 1),
    "scripted, two workers": (*SCRIPTED, "--workers", 2),
    "organism, two workers": (*TUNED, "--workers", 2),
    "reward": (*REWARDED, "--workers", 1),
    "budget": (*SCRIPTED, "--workers", 2, "--budget", "30m"),
}
SIGNALS: Mapping[str, tuple[int, ...]] = {
    "KILL": (signal.SIGKILL,), "INT": (signal.SIGINT,), "INT twice": (signal.SIGINT, signal.SIGINT),
    "TERM": (signal.SIGTERM,), "HUP": (signal.SIGHUP,), "INT alone": (signal.SIGINT,),
}  # fmt: skip
GONE_S = 2.0
"""Seconds after which nothing of an interrupted command may be left, on a machine that is free."""
LIBRARIES = ("torchinductor_",)
"""What libraries keep in the temporary folder, interrupted or not."""
LEFT = "modicum-nudge-"
"""What an interrupted training may leave in the temporary folder."""


@dataclass(frozen=True)
class Whole:
    """What an uninterrupted run gives."""

    verdict: object
    paths: frozenset[str]
    weights: Mapping[str, str]
    said: frozenset[str]
    trials: int
    folder: Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Callable[[str], Whole]:
    """Return the uninterrupted run of a study, made once."""

    @cache
    def run(name: str) -> Whole:
        place = Place(tmp_path_factory.mktemp("whole")).made()
        ended = _run(place, name)
        assert ended.code == 0, ended.err
        rows = finished_rows(place.study)
        return Whole(
            verdict_of(ended.out), frozenset(paths_of(place.study)), weights_of(place.study),
            frozenset(map(_shape, ended.err.splitlines())), len(rows), place.study,
        )  # fmt: skip

    return run


def _command(place: Place, name: str) -> Command:
    return Command(place, ("run", *STUDIES[name], "--out", place.study, "--json"))


def _run(place: Place, name: str) -> Ended:
    return _command(place, name).wait()


def _shape(line: str) -> str:
    """A line without its figures: what a run says as it goes on has others each time."""
    return "".join("#" if c.isdigit() else c for c in line).strip()[:20]


def _limit_s() -> float:
    """Two seconds; more where others keep the processors busy."""
    return GONE_S * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _strike(command: Command, signals: str) -> Ended:
    return command.strike(SIGNALS[signals], _limit_s(), alone="alone" in signals)


@dataclass(frozen=True)
class Moment:
    """When a signal comes, and which."""

    study: str
    signals: str
    after: float
    """Share of the trials that have finished; below 0 while the command starts."""
    more_s: float
    """Seconds later."""


def _moments(counts: Mapping[str, Mapping[str, int]]) -> list[Moment]:
    """Draw the moments of each study and signal by name, spread over the trials."""
    found = []
    for study, signals in counts.items():
        names = [name for name, n in signals.items() for _ in range(n)]
        for number, name in enumerate(names):
            rng = stream("test", "kills", study, number)
            share = (number + float(rng.random())) / len(names)
            start = number == 0
            found.append(Moment(study, name, -1.0 if start else share, float(rng.uniform(0, 0.4))))
    return found


MOMENTS = _moments(
    {
        "scripted": {"KILL": 2, "INT": 3, "INT twice": 1, "TERM": 1, "HUP": 1},
        "scripted, two workers": {
            "KILL": 2,
            "INT": 2,
            "INT alone": 2,
            "INT twice": 1,
            "TERM": 1,
            "HUP": 1,
        },
        "organism, two workers": {"KILL": 2, "INT": 2, "INT alone": 1, "INT twice": 1, "TERM": 1},
        "budget": {"KILL": 2, "INT": 2, "HUP": 1},
    }
)


def _wait_for(command: Command, moment: Moment, trials: int) -> bool:
    """Wait for the moment; False where the command was faster."""
    if moment.after < 0:
        maps = Path(f"/proc/{command.process.pid}/maps")
        return command.until(lambda: "numpy" in maps.read_text())
    wanted = int(moment.after * trials)

    def has_come() -> bool:
        with contextlib.suppress(sqlite3.Error):
            return len(finished_rows(command.place.study)) >= wanted
        return False

    return command.until(has_come)


def _struck(place: Place, moment: Moment, trials: int) -> tuple[Ended, dict[str, str]]:
    """Run a study up to the moment; gives how it ended and what was finished before."""
    import time

    command = _command(place, moment.study)
    assert _wait_for(command, moment, trials), command.wait().err
    time.sleep(moment.more_s)
    before: dict[str, str] = {}
    with contextlib.suppress(sqlite3.Error):
        before = finished_rows(place.study)
    return _strike(command, moment.signals), before


def _ended_well(ended: Ended, signals: str, said: frozenset[str]) -> None:
    """Hold the end of a command against what is promised of its signal."""
    assert not ended.orphans, f"{ended.seconds:.1f} s later still there: {ended.orphans}"
    assert "Traceback" not in ended.err, ended.err
    if ended.code == 0:
        return  # it was done before the signal came
    numbers = SIGNALS[signals]
    if numbers[0] == signal.SIGINT:
        assert ended.code == 130, (ended.code, ended.err)
        own = [line for line in ended.err.splitlines() if _shape(line) not in said and line.strip()]
        assert len(own) == 1, own
        assert own[0].startswith("modicum: "), own
    else:
        allowed = (-numbers[0], 128 + numbers[0], 130)
        assert ended.code in allowed, (ended.code, ended.err)


def _goes_on(place: Place, name: str, known: Whole, before: Mapping[str, str]) -> None:
    """Run the same command again and holds everything against the uninterrupted run."""
    assert is_sound(place.study)
    kept = finished_rows(place.study)
    assert {name: kept.get(name) for name in before} == dict(before)
    ended = _run(place, name)
    assert ended.code == 0, ended.err
    assert verdict_of(ended.out) == known.verdict
    rows = finished_rows(place.study)
    assert {name: rows.get(name) for name in kept} == kept
    assert len(rows) == known.trials
    assert weights_of(place.study) == known.weights
    assert paths_of(place.study) == known.paths
    left = [p.name for p in place.scratch.iterdir() if not p.name.startswith((LEFT, *LIBRARIES))]
    assert not left
    assert is_sound(place.study)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_struck_study_goes_on_to_the_same_verdict(moment: Moment, whole, tmp_path) -> None:
    known = whole(moment.study)
    place = Place(tmp_path).made()
    ended, before = _struck(place, moment, known.trials)
    _goes_on(place, moment.study, known, before)
    _ended_well(ended, moment.signals, known.said)


IN_TRAINING = [
    (name, 1 + 3 * n)
    for n, name in enumerate(["KILL", "INT", "INT twice", "TERM", "INT alone", "KILL"])
]


@pytest.mark.slow
@pytest.mark.parametrize(("signals", "writes"), IN_TRAINING)
def test_training_by_reward_struck_in_its_midst_goes_on_to_the_same_weights(
    signals: str, writes: int, whole, tmp_path
) -> None:
    known = whole("reward")
    place = Place(tmp_path).made()
    command = _command(place, "reward")
    seen: set[int] = set()

    def is_in_its_midst() -> bool:
        for path in place.study.rglob("*.unfinished/*"):
            with contextlib.suppress(OSError):
                seen.add(path.stat().st_mtime_ns)
        return len(seen) >= writes

    assert command.until(is_in_its_midst), command.wait().err
    before = finished_rows(place.study)
    ended = _strike(command, signals)
    _goes_on(place, "reward", known, before)
    _ended_well(ended, signals, known.said)


# The report: the old page or the new one, never half of one


def _copied(known: Whole, place: Place) -> Place:
    shutil.copytree(known.folder, place.study)
    return place


def _is_whole(page: Path) -> bool:
    return page.read_text(encoding="utf-8").rstrip().endswith("</html>")


def _leaves_a_whole_page(place: Place, known: Whole) -> None:
    page = place.study / "report.html"
    assert not page.exists() or _is_whole(page)
    ended = _run(place, "scripted")
    assert ended.code == 0, ended.err
    assert _is_whole(page)
    assert verdict_of(ended.out) == known.verdict
    assert paths_of(place.study) == known.paths


@pytest.mark.slow
@pytest.mark.parametrize("has_page", [True, False])
@pytest.mark.parametrize("signals", ["KILL", "INT", "TERM"])
@pytest.mark.parametrize("verb", ["report", "run"])
def test_page_is_whole_after_a_strike_while_it_is_written(
    verb: str, signals: str, has_page: bool, whole, tmp_path
) -> None:
    known = whole("scripted")
    place = _copied(known, Place(tmp_path).made())
    page = place.study / "report.html"
    old = page.read_bytes()
    if not has_page:
        page.unlink()
    if has_page and verb == "run":
        _outdate(place.study)
    arguments = {
        "report": ("report", place.study),
        "run": ("run", *STUDIES["scripted"], "--out", place.study, "--json"),
    }[verb]
    number = SIGNALS[signals][0]
    program = ("-m", "tests.support.struck", signal.Signals(number).name, "report")
    ended = Command(place, arguments, program).wait()
    assert ended.code in (-number, 128 + number, 130), (ended.code, ended.err)
    assert "Traceback" not in ended.err
    if has_page:
        assert page.read_bytes() == old
    else:
        assert not page.exists()
    _leaves_a_whole_page(place, known)


def _outdate(study: Path) -> None:
    """Forget that the page was written from what is stored."""
    with contextlib.closing(sqlite3.connect(study / "study.sqlite")) as db, db:
        db.execute("DELETE FROM meta WHERE key='kept report'")


AT_RANDOM = [
    (name, n) for n, name in enumerate(["KILL", "INT", "INT twice", "TERM", "HUP", "KILL"])
]


def _drawn_share(*names: object) -> float:
    return float(stream("test", "kills", *names).random())


@pytest.mark.slow
@pytest.mark.parametrize(("signals", "number"), AT_RANDOM)
def test_report_struck_at_random_leaves_a_whole_page(
    signals: str, number: int, whole, tmp_path
) -> None:
    import time

    known = whole("scripted")
    place = _copied(known, Place(tmp_path).made())
    took = Command(place, ("report", place.study)).wait().seconds
    command = Command(place, ("report", place.study))
    maps = Path(f"/proc/{command.process.pid}/maps")
    command.until(lambda: "numpy" in maps.read_text())
    time.sleep(0.7 * took * _drawn_share("report", number))
    ended = _strike(command, signals)
    assert is_sound(place.study)
    _leaves_a_whole_page(place, known)
    _ended_well(ended, signals, known.said)


READERS: Mapping[str, Sequence[object]] = {
    "ask": ("--rung", "fine_tune"),
    "export": ("--rung", "fine_tune", "--form", "peft", "--form", "merged"),
}


@pytest.mark.slow
@pytest.mark.parametrize("signals", ["INT", "INT twice", "KILL", "TERM"])
@pytest.mark.parametrize("verb", list(READERS))
def test_reader_that_is_struck_leaves_the_study_as_it_was(
    verb: str, signals: str, whole, tmp_path
) -> None:
    import time

    known = whole("organism, two workers")
    place = _copied(known, Place(tmp_path).made())
    question = ("What is 2 + 3?",) if verb == "ask" else ()
    arguments = (verb, place.study, *question, *READERS[verb])
    rows, out = finished_rows(place.study), place.study / "exports"
    command = Command(place, arguments)
    maps = Path(f"/proc/{command.process.pid}/maps")
    command.until(lambda: "libtorch" in maps.read_text())
    time.sleep(3.0 * _drawn_share(verb, signals))
    ended = _strike(command, signals)
    assert is_sound(place.study)
    assert finished_rows(place.study) == rows
    again = Command(place, arguments).wait()
    assert again.code == 0, again.err
    own = {path for path in paths_of(place.study) if not path.startswith("exports")}
    assert own == known.paths
    assert not [path for path in paths_of(out) if "partial" in path] if out.exists() else True
    left = [p.name for p in place.scratch.iterdir() if not p.name.startswith((LEFT, *LIBRARIES))]
    assert not left
    _ended_well(ended, signals, known.said)
