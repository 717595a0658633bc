"""A scrambled task as the subject: nobody can know it, so no word of ability may be said of it."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from modicum.analysis.judgement import verdict_of
from modicum.analysis.verdict import Verdict
from modicum.running.runner import Silent, run
from modicum.store.database import Store
from modicum.study.plan import Grid, Plan, read_plan
from modicum.study.problem_sets import problems_of, shots_of
from modicum.study.trial import run_trial
from modicum.task import Scrambled, resolve_task
from modicum.tasks.sums import Sums
from modicum.types import Style

STUDY = Path(__file__).parent.parents[1] / "studies" / "scrambled_twin.toml"
FALSE = {"shown", "latent", "sealed", "learned", "taught"}
STREAMS = 20


def _plan(**options) -> Plan:
    grid = Grid(("scripted:latent",), ("scrambled:sums",), ("cot_decoding", "fine_tune"), (2,))
    return Plan((grid,), **{"test": 20, "selection": 4, "samples": 8, "seeds": 1, **options})


def test_its_twin_is_the_original_with_golds_moved_once_more() -> None:
    assert resolve_task("scrambled:scrambled:sums") == Scrambled(Sums(), moves=2)
    drawn = [
        resolve_task(name).problems("test", 9)
        for name in ("sums", "scrambled:sums", "scrambled:scrambled:sums")
    ]
    assert all([p.question for p in d] == [p.question for p in drawn[0]] for d in drawn)
    for plain, one, two in zip(*drawn, strict=True):
        assert len({plain.answer, one.answer, two.answer}) == 3


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("moves", [1, 2, 3])
def test_no_gold_is_moved_to_its_own_problem(n: int, moves: int) -> None:
    plain, moved = Sums().problems("test", n), Scrambled(Sums(), moves).problems("test", n)
    assert all(p.answer != m.answer for p, m in zip(plain, moved, strict=True))


def test_arms_and_twins_are_told_apart() -> None:
    twins = Counter((t.task, t.is_twin) for t in _plan().trials() if t.task != "line_moves")
    assert set(twins) == {("scrambled:sums", False), ("scrambled:scrambled:sums", True)}
    ordinary = dataclasses.replace(
        _plan(), grids=(Grid(("scripted:latent",), ("sums",), ("cot_decoding",)),)
    )
    kinds = {(t.task, t.is_twin) for t in ordinary.trials()}
    assert kinds == {("sums", False), ("scrambled:sums", True)}


def test_it_shares_no_trial_with_the_twin_of_the_original() -> None:
    grid = Grid(("scripted:latent",), ("sums", "scrambled:sums"), ("cot_decoding",))
    trials = Plan((grid,), test=20, selection=4, samples=8).trials()
    twin, own = (
        next(
            t
            for t in trials
            if t.task == "scrambled:sums" and t.method == "cot_decoding" and t.is_twin == twin
        )
        for twin in (True, False)
    )
    assert twin.id != own.id


def test_both_see_the_same_questions_among_their_shots() -> None:
    trials = [t for t in _plan().trials() if t.method == "fine_tune" and not t.control]
    asked = [[p.question for p in shots_of(t, resolve_task(t.task))] for t in trials]
    assert {t.is_twin for t in trials} == {True, False}
    assert asked[0] == asked[1]


def test_every_trial_of_it_is_run(tmp_path) -> None:
    plan = _plan()
    free = dataclasses.replace(
        plan, grids=(dataclasses.replace(plan.grids[0], methods=("cot_decoding",)),)
    )
    store = Store(tmp_path)
    run(free, store, Silent())
    assert not store.failed()
    assert store.done() == {t.id for t in free.trials()}
    verdict = verdict_of(free.subjects()[0], store)
    twin = next(t for t in free.trials() if t.is_twin)
    marked, floor = store.read(twin), store.read(free.subjects()[0].floor())
    store.close()
    assert verdict.ability not in FALSE
    assert {r.method for r in verdict.rungs} == {"prompt", "cot_decoding"}
    # marked from stored answers, as if it had been run
    really = run_trial(free, twin, floor.style or Style("raw", "{question}"), tmp_path / "x" / "y")
    assert marked.answers == really.answers


def _studied(stream: str, folder: Path) -> list[Verdict]:
    plan = dataclasses.replace(read_plan(STUDY), stream=stream)
    store = Store(folder)
    run(plan, store, Silent())
    assert not store.failed()
    verdicts = [verdict_of(subject, store) for subject in plan.subjects()]
    store.close()
    return [verdict for verdict in verdicts if verdict is not None]


def test_streams_of_the_study_ask_other_problems() -> None:
    plan = read_plan(STUDY)
    task = resolve_task("scrambled:word_sums")
    drawn = []
    for name in ("1", "2"):
        subject = dataclasses.replace(plan, stream=name).subjects()[0]
        drawn.append({p.id for p in problems_of(task, "test", subject.scope())})
    assert len(drawn[0] & drawn[1]) < 0.7 * plan.test


@pytest.mark.slow
def test_no_seeded_study_knows_it_and_most_call_it_absent(tmp_path) -> None:
    """Twenty studies of three scrambled tasks: about seven CPU-minutes."""
    words: dict[str, Counter[str]] = {}
    for i in range(1, STREAMS + 1):
        for verdict in _studied(str(i), tmp_path / str(i)):
            words.setdefault(verdict.task, Counter())[verdict.ability] += 1
            scores = ", ".join(f"{r.name} {r.score.value:.3f}" for r in verdict.rungs)
            print(f"{i:2} {verdict.task:22} {verdict.sentence}; {scores}", flush=True)
    print({task: dict(found) for task, found in words.items()})
    assert len(words) == 3
    for task, found in words.items():
        assert not FALSE & set(found), task
        assert found["absent"] >= 15, task
