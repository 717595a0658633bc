"""What every executor must do; a new file in `executors/` is tested the moment it exists."""

import dataclasses
from pathlib import Path

import pytest

from modicum.executor import EXECUTORS, Executor, Job, TokenTally, resolve_executor
from modicum.outcome import Outcome
from modicum.running.planning import plan_for

PLAN = plan_for("scripted:latent", "sums", ["cot_decoding"], test=5, samples=2)


@pytest.fixture(params=sorted(EXECUTORS.entries))
def executor(request) -> Executor:
    return resolve_executor(request.param)


def _jobs(folder: Path) -> list[Job]:
    """The floor, the default, and the samples, which wait for the other two."""
    subject = PLAN.subjects()[0]
    before = (subject.floor(), subject.default())
    after = frozenset(str(trial.id) for trial in before)
    jobs = [Job(PLAN, trial, None, folder / trial.id) for trial in before]
    return [*jobs, Job(PLAN, subject.samples(), None, folder / "samples", after=after)]


def _run(executor: Executor, jobs: list[Job]) -> tuple[list[Outcome], list[float]]:
    spent: list[float] = []
    with executor.running(TokenTally(spent.append)) as outcomes:
        return list(outcomes(jobs)), spent


def _answers(outcomes: list[Outcome]) -> dict[str, object]:
    return {str(o.trial.id): (o.answers, o.error) for o in outcomes}


def test_outcomes_are_those_of_this_process(executor: Executor, tmp_path: Path) -> None:
    ours, _ = _run(resolve_executor("here"), _jobs(tmp_path / "ours"))
    theirs, _ = _run(executor, _jobs(tmp_path / "theirs"))
    assert _answers(theirs) == _answers(ours)
    assert all(outcome.answers for outcome in ours)


def test_a_job_ends_after_those_that_it_waits_for(executor: Executor, tmp_path: Path) -> None:
    jobs = _jobs(tmp_path)
    outcomes, _ = _run(executor, jobs)
    assert outcomes[-1].trial == jobs[-1].trial


def test_tokens_are_told(executor: Executor, tmp_path: Path) -> None:
    outcomes, spent = _run(executor, _jobs(tmp_path))
    ledgers = [ledger for o in outcomes for ledger in (o.elicitation, o.serving)]
    counted = sum(float(each.get("tokens_sampled", 0)) for each in ledgers)
    assert spent[-1] >= counted > 0


def test_a_trial_that_fails_is_an_outcome_and_ends_no_other(
    executor: Executor, tmp_path: Path
) -> None:
    floor, default, _ = _jobs(tmp_path)
    lost = dataclasses.replace(default.trial, settings={"style": "no such style", "version": 1})
    outcomes, _ = _run(executor, [dataclasses.replace(default, trial=lost), floor])
    assert {bool(o.error) for o in outcomes} == {True, False}
    assert len(outcomes) == 2
