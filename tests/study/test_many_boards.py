"""Budgets of labels beyond the pool, for nets that learn from nothing; controls of some grids alone."""

import dataclasses
import json
from collections.abc import Mapping

import pytest

from modicum.errors import ConfigError
from modicum.running.planning import plan_for
from modicum.seeds import stream
from modicum.study.checks import check_plan
from modicum.study.plan import Plan
from modicum.study.problem_sets import POOL, shots_of
from modicum.study.whole import whole_of
from modicum.task import resolve_task
from modicum.types import Trial

NEW = "recursive:new?task=sudoku"
TRIAL = Trial(NEW, "sudoku", "from_scratch", 600, 1)


def ids(n_shots: int, **changes: object) -> list[str]:
    trial = dataclasses.replace(TRIAL, n_shots=n_shots, **changes)
    return [shot.id for shot in shots_of(trial, resolve_task(trial.task))]


def grid(**changes: object) -> Mapping[str, object]:
    own = {"models": [NEW], "tasks": ["sudoku"], "methods": ["from_scratch"], "shots": [4, 16]}
    return {**own, **changes}


def test_a_budget_within_the_pool_is_drawn_as_it_always_was() -> None:
    pool = resolve_task("sudoku").problems("shots", POOL)
    order = stream("shots", "sudoku", 1).permutation(POOL)
    assert ids(16) == [pool[i].id for i in order[:16]]


def test_a_greater_budget_holds_all_of_a_smaller_one_and_no_board_twice() -> None:
    many = ids(600)
    assert many[:POOL] == ids(POOL)
    assert many[:16] == ids(16)
    assert len(set(many)) == 600


def test_solutions_are_permuted_beyond_the_pool_as_well() -> None:
    shots = shots_of(dataclasses.replace(TRIAL, control="shuffled"), resolve_task("sudoku"))
    own = {p.id: p.answer for p in resolve_task("sudoku").problems("shots", 600)}
    assert [shot.id for shot in shots] == ids(600)
    assert not [shot.id for shot in shots if shot.answer == own[shot.id]]


def test_what_learns_from_nothing_may_have_thousands_of_labels_and_a_nudge_may_not() -> None:
    check_plan(plan_for(NEW, "sudoku", ["from_scratch"], [16_384]))
    with pytest.raises(ConfigError, match="at most 16384"):
        check_plan(plan_for(NEW, "sudoku", ["from_scratch"], [16_385]))
    with pytest.raises(ConfigError, match="at most 512"):
        check_plan(plan_for("organism", "sums", ["rejection_tuning"], [513]))


def test_a_grid_without_controls_runs_none_and_another_one_does() -> None:
    plan = Plan.thawed({"grids": [grid(controls=False), grid(shots=[64])], "seeds": 1})
    rungs = plan.subjects()[0].rungs()
    assert [(t.n_shots, t.is_twin, t.control) for t in rungs] == [
        (4, False, ""),
        (16, False, ""),
        (64, False, ""),
        (64, True, ""),
        (64, False, "shuffled"),
    ]
    every = Plan.thawed({"grids": [grid(), grid(shots=[64])], "seeds": 1, "controls": False})
    assert not [t for t in every.subjects()[0].rungs() if t.is_twin or t.control]


def test_a_grid_with_controls_is_frozen_as_before_there_were_others() -> None:
    plain, bare = (Plan.thawed({"grids": [one]}) for one in (grid(), grid(controls=False)))
    assert "controls" not in plain.as_dict()["grids"][0]
    for plan in (plain, bare):
        assert Plan.thawed(json.loads(json.dumps(plan.as_dict()))) == plan
    assert not bare.grids[0].controls


def test_a_grid_without_controls_does_not_stand_for_one_with_them() -> None:
    plain, bare = (Plan.thawed({"grids": [one]}) for one in (grid(), grid(controls=False)))
    assert len(whole_of([bare, plain]).grids) == 2
    assert len(whole_of([plain, bare]).grids) == 1
