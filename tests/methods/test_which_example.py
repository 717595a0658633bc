"""Which example is trained on, what is watched, and what both cost in labels."""

import numpy as np
import pytest

from modicum.cli import progress
from modicum.exporting import handoff
from modicum.method import METHODS
from modicum.model import resolve_backend
from modicum.nudge import Nudge
from modicum.running.runner import Silent, run
from modicum.scope import Scope
from modicum.seeds import stream
from modicum.store.database import Outcome, Store
from modicum.study.plan import Grid, Plan
from modicum.study.problem_sets import shots_of
from modicum.task import resolve_task
from modicum.training import by_reward as _policy
from modicum.training.progress_line import live_line
from modicum.types import Trial
from tests.support.bench import bench_of, solver_of
from tests.support.executors import executor_of

SMALL = {"steps": 3, "groups": 2, "rollouts": 4}


@pytest.fixture(scope="module")
def organism():
    return resolve_backend("organism").open()


@pytest.fixture(scope="module")
def shots():
    return resolve_task("line_moves").problems("shots", 6)


def elicited(organism, shots, budget: int = 1, **settings: object):
    bench = bench_of(organism, "line_moves", shots, budget=budget, rng=stream("t"))
    return solver_of("rl_steering", bench, **{**SMALL, **settings}).nudge, bench.ledger


@pytest.mark.parametrize(
    ("settings", "shown", "read"),
    [
        ({}, 4, 4),
        ({"watch": 8}, 12, 12),
        ({"pick": "half", "pool": 32}, 32, 32),
        ({"pick": "variance", "pool": 32, "watch": 8}, 40, 40),
        ({"pick": "variance", "pool": 2}, 4, 4),
        ({"reward": "majority"}, 4, 0),
        ({"reward": "random?gamma=0.1", "watch": 8}, 12, 8),
        ({"reward": "format", "pick": "half", "pool": 32}, 32, 32),
        ({"reward": "wrong_guessable"}, 4, 4),
    ],
)
def test_every_label_that_is_looked_at_counts(settings, shown: int, read: int) -> None:
    method = METHODS.build("rlvr", settings)
    assert method.shown(4) == shown
    assert method.reads(shown) == read


def test_half_takes_the_problem_whose_success_rate_is_nearest_one_half(
    organism, shots, monkeypatch
) -> None:
    rates = dict(zip((s.id for s in shots), (1.0, 0.0, 0.9, 0.5625, 0.1, 0.5625), strict=True))

    def right(_judge, problem, texts):
        n = round(rates[problem.id] * len(texts))
        return [i < n for i in range(len(texts))]

    monkeypatch.setattr(_policy, "_right", right)
    nudge, _ = elicited(organism, shots, pick="half", pool=6)
    # of equals the first in the pool's order
    assert nudge.facts["picked"] == [shots[3].id]
    assert nudge.facts["pool"] == 6


def test_variance_takes_the_problem_whose_reward_varied_most(organism, shots) -> None:
    nudge, ledger = elicited(organism, shots, pick="variance", pool=6, passes=2)
    # six problems twice, two a step: six steps of ranking beside three of training
    assert len(nudge.facts["curves"]) == 3
    assert ledger.updates <= 9
    assert nudge.facts["ranks"][0] <= 0
    again, _ = elicited(organism, shots, pick="variance", pool=6, passes=2)
    assert again.facts["picked"] == nudge.facts["picked"]


def test_ranking_run_that_was_killed_still_ranks_all_it_saw(organism, shots, tmp_path) -> None:
    settings = {**SMALL, "pick": "variance", "pool": 6, "passes": 2}

    def trained() -> Nudge:
        scratch = tmp_path / "whole"
        bench = bench_of(organism, "line_moves", shots, budget=1, rng=stream("t"), scratch=scratch)
        return solver_of("rl_steering", bench, **settings).nudge

    first = trained()
    files = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert files == ["policy.safetensors", "ranking.safetensors"]
    # everything after the ranking is lost
    (tmp_path / "whole" / "policy.safetensors").unlink()
    second = trained()
    assert second.facts["picked"] == first.facts["picked"]
    assert second.facts["ranks"] == first.facts["ranks"]


def test_watched_problems_are_not_trained_on(organism, shots, monkeypatch) -> None:
    trained: set[str] = set()
    chosen = _policy._Rollouts._chosen

    def spy(self, step: int):
        found = chosen(self, step)
        trained.update(p.id for p in found)
        return found

    monkeypatch.setattr(_policy._Rollouts, "_chosen", spy)
    nudge, _ = elicited(organism, shots, 2, watch=4)
    assert trained == {s.id for s in shots[:2]}
    looks = [c["selection"] for c in nudge.facts["curves"]]
    assert all(0 <= look <= 1 for look in looks)


def test_watching_changes_nothing_that_is_learned(organism, shots) -> None:
    plain, _ = elicited(organism, shots[:2], 2)
    watched, _ = elicited(organism, shots, 2, watch=4)
    kept = [{n: v for n, v in c.items() if n != "selection"} for c in watched.facts["curves"]]
    assert kept == plain.facts["curves"]


def test_line_of_a_run_says_the_last_of_each_figure() -> None:
    curves = [{"reward": r, "selection": 0.25} for r in np.linspace(0, 1, 30)] + [{"reward": 0.5}]
    line = live_line(curves, 40)
    assert line.startswith("step 31/40  reward 0.50 ▁")
    assert line.endswith("selection 0.25")
    assert len(line) < 60


class _Hearing(Silent):
    """Keeps every line that it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def learns(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.parametrize("workers", [1, 2])
def test_watcher_hears_how_training_gets_on(workers: int, tmp_path) -> None:
    grid = Grid(("organism",), ("line_moves",), ("rl_steering",), (1,))
    plan = Plan(
        (grid,), test=4, selection=2, samples=2, seeds=1, controls=False, retain=("none",),
        settings={"rl_steering": {**SMALL, "steps": 12, "reward": "random"}},
    )  # fmt: skip
    store, heard = Store(tmp_path), _Hearing()
    run(plan, store, heard, executor=executor_of(workers))
    store.close()
    trained = [line for line in heard.lines if line.startswith("rl_steering n=1, seed 0: step ")]
    if workers == 1:
        assert "step 12/12" in trained[-1]
    assert trained


def test_heartbeat_prints_the_figures_once(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "BEAT_S", 0.0)
    beating = progress.Heartbeat()
    beating.learns("rlvr n=1, seed 0: step 1/2")
    beating.spent(10.0)
    beating.spent(20.0)
    assert capsys.readouterr().err.count("step 1/2") == 1


def test_recipe_that_is_handed_off_trains_on_the_picked_problem() -> None:
    task = resolve_task("sums")
    trial = Trial("m", "sums", "rlvr", 1, 0, {"pool": 8}, scope=Scope(test=4, selection=2))
    first, *_, last = shots_of(trial, task, 8)
    plain = handoff._trained_on(Outcome(trial), task)
    picked = handoff._trained_on(Outcome(trial, made={"picked": [last.id]}), task)
    assert (plain, picked) == ((first,), (last,))
