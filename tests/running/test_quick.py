"""A quick look: small sizes, the user's own ones kept, answers that the full study takes over."""

import dataclasses

from modicum.running.planning import plan_for
from modicum.running.quick import QUICK, quick_line, quickened
from modicum.running.runner import Silent, run
from modicum.store.database import Store
from modicum.study.plan import Grid, Plan

PLAN = plan_for("scripted:latent", "sums", ("self_consistency",), retain=("none",))


def test_every_size_of_a_quick_look_is_small() -> None:
    small = quickened(PLAN)
    assert {name: getattr(small, name) for name in QUICK} == dict(QUICK)


def test_sizes_that_the_user_gave_win() -> None:
    assert quickened(dataclasses.replace(PLAN, test=300), {"test"}).test == 300


def test_nothing_grows() -> None:
    assert quickened(dataclasses.replace(PLAN, test=20, samples=8)).test == 20


def test_seeds_of_a_grid_are_few_as_well() -> None:
    grids = (Grid(("organism",), ("word_sums",), seeds=5), Grid(("organism",), ("word_sums",)))
    small = quickened(Plan(grids))
    assert [grid.seeds or small.seeds for grid in small.grids] == [1, 1]


def test_the_line_names_the_gains_that_such_sizes_miss() -> None:
    assert "gains below 17 points" in quick_line(quickened(PLAN))


def test_absence_is_not_among_what_a_large_test_misses() -> None:
    assert "absence" not in quick_line(dataclasses.replace(PLAN, test=400))


def test_full_study_takes_over_the_answers_of_a_quick_one(tmp_path) -> None:
    full = dataclasses.replace(PLAN, test=80, samples=32)
    spent = {}
    for name, plan in (("full", full), ("quick", quickened(full)), ("later", full)):
        store = Store(tmp_path / name)
        run(plan, store, Silent(), reuse=(tmp_path / "quick",) if name == "later" else ())
        drawn = store.read(plan.subjects()[0].samples(), texts=False)
        spent[name] = drawn.serving["tokens_sampled"]
        marks = [answer.marks for answer in drawn.answers]
        spent[f"{name} marks"] = marks
        store.close()
    assert spent["later marks"] == spent["full marks"]
    assert spent["later"] < 0.7 * spent["full"]
