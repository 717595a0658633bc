"""A study of more than an hour is asked about on a terminal, before anything is made."""

import dataclasses
import io
import sys
from pathlib import Path

import click
import pytest

from modicum.cli.consent import Declined, agreed, ahead_line, time_line
from modicum.cli.main import main
from modicum.errors import ConfigError
from modicum.running.planning import plan_for
from modicum.running.spending import spending
from modicum.store.database import Store
from modicum.study.speed import Speed, keep_speed
from tests.support.commands import SMALL, modicum

PLAN = plan_for("scripted:latent", "sums", ("self_consistency",), retain=("none",))


@pytest.fixture
def store(tmp_path) -> Store:
    store = Store(tmp_path / "study")
    keep_speed(store, "scripted:latent", "sums", Speed(1.0, 10.0, 10.0))
    yield store
    store.close()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _answers(monkeypatch, said: str) -> _Terminal:
    shown = _Terminal()
    monkeypatch.setattr(sys, "stdin", _Terminal(said))
    monkeypatch.setattr(sys, "stderr", shown)
    return shown


def test_nobody_is_asked_without_a_terminal(store: Store) -> None:
    assert not agreed(PLAN, store, spending(PLAN, store), float("inf"), 1)


def test_long_study_goes_on_after_a_yes(store: Store, monkeypatch) -> None:
    shown = _answers(monkeypatch, "y\n")
    assert agreed(PLAN, store, spending(PLAN, store), float("inf"), 1)
    assert "continue? [y/N], or --quick (about " in shown.getvalue()


def test_long_study_is_declined_by_the_bare_return_key(store: Store, monkeypatch) -> None:
    _answers(monkeypatch, "\n")
    with pytest.raises(Declined):
        agreed(PLAN, store, spending(PLAN, store), float("inf"), 1)


def test_budget_below_an_hour_asks_nothing(store: Store, monkeypatch) -> None:
    _answers(monkeypatch, "")
    assert not agreed(PLAN, store, spending(PLAN, store), 1200.0, 1)


def test_short_study_asks_nothing(store: Store, monkeypatch) -> None:
    _answers(monkeypatch, "")
    keep_speed(store, "scripted:latent", "sums", Speed(1e-6, 10.0, 10.0))
    assert not agreed(PLAN, store, spending(PLAN, store), float("inf"), 1)


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_study_that_is_declined_or_interrupted_leaves_nothing(
    answer, tmp_path, monkeypatch
) -> None:
    folder, shown = tmp_path / "new", _answers(monkeypatch, answer)
    monkeypatch.setattr("modicum.cli.consent.LONG_S", -1.0)
    with pytest.raises((SystemExit, click.Abort)):
        main(["run", *map(str, SMALL), "--out", str(folder)])
    assert "continue?" in shown.getvalue()
    assert not folder.exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "study"
    assert modicum("run", *SMALL, "--out", folder).code == 0
    return folder


def _held(folder: Path) -> tuple[list[dict], set[str], list[str]]:
    """What a folder says: its plans, what has run, the files of the report."""
    store = Store(folder, read_only=True)
    try:
        return store.plans, store.done(), sorted(p.name for p in folder.iterdir())
    finally:
        store.close()


@pytest.mark.parametrize("question", [1, 2])
def test_study_that_is_declined_leaves_an_existing_folder_without_its_plan(
    question, finished, monkeypatch
) -> None:
    """The question comes before the check where the time is known, and after it where it was not."""
    before, asked = _held(finished), []

    def declined_at_last(*given: object) -> bool:
        asked.append(given)
        if len(asked) == question:
            raise Declined
        return False

    monkeypatch.setattr("modicum.cli.drive.agreed", declined_at_last)
    said = modicum("run", *SMALL, "--test", 12, "--out", finished)
    assert said.err.endswith("nothing was begun\n")
    assert len(asked) == question
    assert _held(finished) == before


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--max-new-tokens", 2), "cut off at the limit of 2 tokens"),
        (("--test", 14, "--no-check", "--budget", "20s"), "alone need"),
    ],
)
def test_study_that_is_refused_leaves_no_plan(more, why, finished, tmp_path) -> None:
    for folder in (finished, tmp_path / "new"):
        store = Store(folder)
        keep_speed(store, "scripted:latent", "sums", Speed(1.0, 10.0, 10.0))
        store.close()
        before = _held(folder)
        said = modicum("run", *SMALL, *more, "--out", folder)
        assert said.code == 2
        assert why in said.err
        assert _held(folder)[:2] == before[:2]


def test_study_that_is_refused_before_anything_is_drawn_makes_no_folder(
    tmp_path, monkeypatch
) -> None:
    def broke(*given: object) -> None:
        raise ConfigError("2 s left of --budget", "more", "raise --budget")

    monkeypatch.setattr("modicum.cli.drive.refuse_unpayable", broke)
    for folder, left in ((tmp_path / "new", None), (tmp_path, [])):
        said = modicum("run", *SMALL, "--out", folder, "--budget", "20s")
        assert said.code == 2
        assert (list(folder.iterdir()) if folder.exists() else None) == left


def test_folder_that_holds_no_plan_is_not_listed(tmp_path) -> None:
    said = modicum("run", *SMALL, "--max-new-tokens", 2, "--out", tmp_path / "refused")
    assert said.code == 2
    assert modicum("runs", tmp_path).out == f"no study in {tmp_path}\n"
    assert "no study in" in modicum("report", tmp_path / "refused").err


def test_yes_asks_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("modicum.cli.drive.agreed", lambda *given: pytest.fail("asked"))
    assert modicum("run", *SMALL, "--out", tmp_path / "new", "--yes").code == 0


def test_what_is_to_do_names_answers_tokens_and_time(store: Store) -> None:
    line = ahead_line(spending(PLAN, store))
    assert line.startswith("to do: ")
    assert "tokens at most" in line
    assert " h" in line


def test_time_names_the_dearest_rungs_first(store: Store) -> None:
    ahead = spending(PLAN, store)
    dearest = max(ahead.rungs, key=lambda rung: rung.seconds or 0.0)
    assert time_line(ahead).partition(": ")[2].startswith(dearest.name)


def test_guess_is_called_a_guess(store: Store) -> None:
    rough = dataclasses.replace(spending(PLAN, store), is_measured=False)
    assert "a guess" in time_line(rough)
