"""Progress counts the answers and tokens of the forecast, and says what is waited for."""

import io
import sys

import pytest

from modicum.cli import began
from modicum.cli.advance import Advance
from modicum.cli.doctor_first import looked_at
from modicum.cli.progress import Heartbeat, Live, Steps, waiting
from modicum.loading.telling import tell
from modicum.running.planning import plan_for
from modicum.running.runner import run
from modicum.running.spending import TrialShare, shares
from modicum.store.database import Outcome, Store
from modicum.study.forecast import forecast
from modicum.types import Trial

PLAN = plan_for(
    "scripted:latent", "sums", ("self_consistency",), test=20, samples=8, retain=("none",)
)
SHARES = {"small": TrialShare(10, 100.0, 1.0), "large": TrialShare(990, 9900.0, 99.0)}


def test_a_large_trial_moves_the_bar_by_more_than_a_small_one() -> None:
    advance = Advance(SHARES)
    advance.finished("small")
    assert advance.share == pytest.approx(0.01)
    advance.finished("large")
    assert (advance.share, advance.answers) == (1.0, 1000)


def test_tokens_move_the_bar_within_a_trial() -> None:
    advance = Advance(SHARES)
    advance.spent(5000.0)
    assert advance.share == pytest.approx(0.5)
    assert advance.answers == 500


def test_trial_that_draws_nothing_moves_nothing() -> None:
    advance = Advance(SHARES)
    advance.finished("a twin")
    assert advance.share == 0.0


def test_time_left_is_the_forecast_until_the_run_has_a_pace_of_its_own() -> None:
    advance = Advance(SHARES, seconds=300.0)
    assert advance.left_s(10.0) == 290.0
    advance.spent(5000.0)
    assert advance.left_s(10.0) == pytest.approx(10.0)


def test_time_left_is_never_more_than_the_budget_has() -> None:
    assert Advance(SHARES, 3600.0, lambda: 90.0).text(0.0) == "about 2 min left"


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    assert Advance().text(10.0) == ""


@pytest.mark.parametrize("kind", [Heartbeat, Live])
def test_run_ends_with_every_answer_counted(kind, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    store = Store(tmp_path)
    advance = Advance(shares(PLAN, store))
    with kind(advance) as watching:
        run(PLAN, store, watching)
    store.close()
    assert advance.answers_in_all == forecast(PLAN, PLAN.trials()).completions
    assert advance.answers >= 0.9 * advance.answers_in_all


def test_run_says_what_is_waited_for(tmp_path) -> None:
    lines: list[str] = []

    class Heard(Heartbeat):
        def learns(self, line: str) -> None:
            lines.append(line.rpartition(": ")[2])

    store = Store(tmp_path)
    run(PLAN, store, Heard())
    store.close()
    said = list(dict.fromkeys(lines))
    assert said[0] == "loading the model"
    assert {"answering 20 problems", "marking the answers to 20 problems"} <= set(said)


def test_check_counts_its_answers(monkeypatch) -> None:
    counts: list[int] = []
    monkeypatch.setattr(
        "modicum.cli.progress.Steps.at", lambda self, done, what: counts.append(done)
    )
    looked_at(PLAN.subjects()[0])
    assert counts[-1] >= 80
    assert counts == sorted(counts)


@pytest.mark.parametrize("shown", [lambda: waiting("loading m"), lambda: Steps(2)])
def test_a_measurement_while_a_model_loads_is_said_at_once(shown, capsys) -> None:
    with shown():
        tell("measuring")
        assert capsys.readouterr().err.strip().endswith("measuring …")
    tell("measuring")
    assert capsys.readouterr().err == ""


def test_failed_trial_is_said_at_once(capsys) -> None:
    beating = Heartbeat(Advance(SHARES))
    beating.finished(Outcome(Trial("m", "sums", "few_shot", 1, 0), error="KeyError: planted"))
    assert "failed: few_shot n=1 on m, sums: KeyError: planted" in capsys.readouterr().err


def test_first_line_comes_on_a_terminal_alone(monkeypatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    began.say_first("run", [])
    assert shown.getvalue() == ""
    monkeypatch.setattr(shown, "isatty", lambda: True, raising=False)
    began.say_first("run", [])
    assert shown.getvalue() == "modicum run: starting …"
    began.clear_first()
    assert shown.getvalue().endswith("\r")


def test_help_is_no_slow_verb(monkeypatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", shown)
    began.say_first("run", ["run", "--help"])
    assert shown.getvalue() == ""


def test_steps_tell_the_time_left_by_the_pace_since_they_began(monkeypatch, capsys) -> None:
    clock = [0.0]
    monkeypatch.setattr("modicum.cli.progress.time.monotonic", lambda: clock[0])
    with Steps(240, "updates") as steps:
        steps.at(0, "making boards")
        for now, done in ((50.0, 40), (60.0, 80), (120.0, 140), (180.0, 240)):
            clock[0] = now
            steps.at(done, "training")  # a run that went on: its first 40 took no time here
            steps.beat(1000.0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("tokens  ")[2] for line in lines] == [
        "training",
        "about 40 s left  training",
        "about 70 s left  training",
        "training",
    ]
