"""Nets beside each other: every drawn figure is what the stored answers say, counted anew."""

import json
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from modicum.analysis.material import Material
from modicum.analysis.net_curves import NetCurve, NetTrial, compared
from modicum.analysis.section import Plot, Section, SectionTable
from modicum.analysis.verdict import as_json
from modicum.cli.section_text import section_text
from modicum.outcome import Answer, Outcome
from modicum.readings.crossings import Crossings, net_names
from modicum.seeds import stream
from modicum.stats import Figure, resample
from modicum.study.plan import Plan
from modicum.task import resolve_task
from modicum.types import Completion, Problem, Solved, Trial
from tests.support.recursive_nets import PUZZLE

TASKS = ("sudoku", "sudoku?unique=any")
BOARDS = 16
GRAM, TWIN = ("recursive:new?task=sudoku&preset=gram", "recursive:new?task=sudoku&preset=twin")
VOTE = f"{GRAM}&width=20&selector=majority"
WRITER = "autoregressive:new?task=sudoku"
SKILL = {GRAM: (0.1, 0.2, 0.9), TWIN: (0.9, 0.5, 0.1), WRITER: (0.5, 0.5, 0.5)}
SHOTS = (4, 16, 64)


def plan_of(*models: str, tasks: tuple[str, ...] = TASKS, seeds: int = 2) -> Plan:
    """Return a study with variants, and with controls at the greatest budget alone."""
    grid = {"models": models, "tasks": tasks, "methods": ["from_scratch"]}
    grids = [
        {**grid, "shots": SHOTS[:-1], "controls": False},
        {**grid, "shots": SHOTS[-1:], "arms": ["from_scratch.steps=9"]},
    ]
    sizes = {"test": BOARDS, "selection": 2, "samples": 2, "retain": ["none"]}
    return Plan.thawed({"grids": grids, "seeds": seeds, **sizes})


@cache
def problems(task: str) -> tuple[Problem, ...]:
    """Draw the test boards of a task once."""
    return resolve_task(task).problems("test", BOARDS)


def outcome_of(trial: Trial) -> Outcome:
    """Return answers that are right by chance, a net's own at each budget, marked by the task."""
    named = trial.model, trial.task, trial.method, trial.n_shots, trial.seed, trial.control
    # not by the trial's id, which other versions of a method change
    task, rng = resolve_task(trial.task), stream("tests", "crossings", *map(str, named))
    skill, answers = 0.0, []
    if trial.method == "from_scratch":
        skill = SKILL.get(trial.model, (0.3, 0.3, 0.3))[SHOTS.index(trial.n_shots)]
    for problem in problems(trial.task):
        right = task.right_answers(problem)[0]
        text = right if rng.random() < skill else right[::-1]
        done = (Completion(text, 16, "eos"),)
        answers.append(Answer.of(problem.id, Solved(done), (task.mark(problem, text),)))
    spent = {
        "labels": trial.n_shots,
        "flops": float(rng.integers(1, 100)) * 1e9,
        "flops_reused": 1e9,
        "seconds": float(rng.random()),
    }
    return Outcome(trial, tuple(answers), elicitation=spent)


def material(plan: Plan, place: int = 0, *, left_out: str = "") -> Material:
    """Return what is read of one of a plan's subjects; nothing is stored of a model that is left out."""
    outcomes = {
        trial.id: outcome_of(trial)
        for subject in plan.subjects()
        if subject.model != left_out
        for trial in (*subject.measures(), *subject.scrambled(), *subject.rungs())
    }
    gathered = SimpleNamespace(subject=plan.subjects()[place])
    return Material(gathered, None, None, None, lambda trial, _: outcomes.get(trial.id))


@pytest.fixture(scope="module")
def found() -> Material:
    return material(plan_of(GRAM, TWIN, WRITER))


@pytest.fixture(scope="module")
def section(found: Material) -> Section:
    said = Crossings().read(found)
    assert said is not None
    return said


def trials(found: Material, model: str, task: str, n: int, control: str = "") -> Iterator[Outcome]:
    """Give what is stored of a net, found without the reading's help; `scrambled` for its twin."""
    (subject,) = (
        s for s in found.subject.plan.subjects() if (s.model, s.task) == (model, task)
    )  # fmt: skip
    for trial in subject.rungs():
        kind = "scrambled" if trial.task.startswith("scrambled:") else trial.control
        if (trial.n_shots, kind) == (n, control):
            outcome = found.outcome(trial)
            assert outcome is not None
            yield outcome


def valid(outcome: Outcome) -> float:
    """Ask the exact checker of each answer of a trial."""
    right = 0
    for problem, answer in zip(problems(outcome.trial.task), outcome.answers, strict=True):
        given = PUZZLE.given(problem.answer)
        right += PUZZLE.is_valid(given, PUZZLE.find(answer.texts[0]).ids)
    return right / BOARDS


def mean(found: Material, model: str, task: str, n: int, control: str = "") -> float:
    return float(np.mean([valid(one) for one in trials(found, model, task, n, control)]))


def chart(section: Section, name: str) -> Plot:
    (one,) = (plot for plot in section.charts if plot.name == name)
    return one


def table(section: Section, name: str) -> SectionTable:
    (one,) = (table for table in section.tables if table.name == name)
    return one


@pytest.mark.parametrize("task", TASKS)
def test_curves_by_labels_are_those_of_the_trials(
    found: Material, section: Section, task: str
) -> None:
    plot = chart(section, f"labels {task}")
    curves = {series.name: series for series in plot.series if not series.is_bound}
    assert list(curves) == ["gram", "twin", "autoregressive"]
    for model, series in zip((GRAM, TWIN, WRITER), curves.values(), strict=True):
        assert [point.x for point in series.points] == list(SHOTS)
        for n, point in zip(SHOTS, series.points, strict=True):
            assert point.y == pytest.approx(mean(found, model, task, n))
            assert point.low is not None
            assert point.high is not None
            assert point.low <= point.y <= point.high
    assert plot.is_log
    assert plot.are_shares


@pytest.mark.parametrize("task", TASKS)
def test_flops_are_those_of_the_ledgers_at_the_greatest_number_of_boards(
    found: Material, section: Section, task: str
) -> None:
    for model, series in zip(
        (GRAM, TWIN, WRITER), chart(section, f"flops {task}").series, strict=True
    ):
        wanted = []
        for control in ("", "with steps=9"):
            spent = [one.elicitation for one in trials(found, model, task, 64, control)]
            flops = float(np.mean([one["flops"] + one["flops_reused"] for one in spent]))
            wanted.append(
                (pytest.approx(flops), pytest.approx(mean(found, model, task, 64, control)))
            )
        drawn = [(point.x, point.y) for point in series.points]
        assert drawn == sorted(drawn)
        assert sorted(drawn) == sorted(wanted, key=lambda one: one[0].expected)


@pytest.mark.parametrize("task", TASKS)
def test_the_table_holds_every_training_with_its_controls_below_it(
    found: Material, section: Section, task: str
) -> None:
    rows = iter(table(section, f"Nets on {task}").rows)
    for model, name in ((GRAM, "gram"), (TWIN, "twin"), (WRITER, "autoregressive")):
        for n in SHOTS:
            below = {"": name}
            if n == SHOTS[-1]:
                below |= {
                    "scrambled": "answers permuted",
                    "shuffled": "solutions permuted",
                    "with steps=9": "with steps=9",
                }
            for control, printed in below.items():
                row, own = next(rows), list(trials(found, model, task, n, control))
                assert row.cells[:2] == (printed, n)
                assert row.is_below == bool(control)
                figure = row.cells[2]
                assert isinstance(figure, Figure)
                assert figure.value == pytest.approx(mean(found, model, task, n, control))
                assert row.cells[3:5] == (n, 0)
                assert row.cells[-1] == tuple(one.trial.id for one in own)
    assert next(rows, None) is None


def test_a_shown_crossing_is_said_drawn_and_written_and_others_are_not(section: Section) -> None:
    at = section.values["sudoku, gram and twin, crossing 1"]
    assert isinstance(at, Figure)
    assert 4 <= at.low <= at.value <= at.high <= 64
    assert "gram and twin cross at" in section.sentences[0]
    assert "(twin is ahead below, gram above)" in section.sentences[0]
    bounds = [s for s in chart(section, "labels sudoku").series if s.is_bound]
    upright = {s.name: {p.x for p in s.points} for s in bounds if "cross" in s.name}
    assert upright["gram and twin cross"] == {at.value}
    shown = [name for name, value in section.values.items() if "crossing " in name]
    assert len(upright) == sum(name.startswith("sudoku,") for name in shown)
    for row in table(section, "Crossings on sudoku").rows:
        is_shown = f"{row.cells[0]} cross" in upright
        assert is_shown == ("[" in str(row.cells[1]))


def test_the_floor_is_that_of_the_nets_before_they_learn(found: Material, section: Section) -> None:
    (floor,) = (s for s in chart(section, "labels sudoku").series if "untrained" in s.name)
    subjects = [s for s in found.subject.plan.subjects() if s.task == "sudoku"]
    best = max(valid(found.outcome(subject.floor())) for subject in subjects)
    assert {point.y for point in floor.points} == {best}


def test_the_section_stands_once_with_the_first_net_that_has_a_verdict() -> None:
    plan = plan_of(GRAM, TWIN, WRITER, tasks=TASKS[:1])
    said = [Crossings().read(material(plan, place)) for place in range(3)]
    assert [one is not None for one in said] == [True, False, False]
    without = [Crossings().read(material(plan, place, left_out=GRAM)) for place in range(3)]
    assert [one is not None for one in without] == [False, True, False]
    (curves,) = (plot for plot in without[1].charts if plot.name.startswith("labels"))
    assert [s.name for s in curves.series if not s.is_bound] == ["twin", "autoregressive"]


def test_nothing_is_said_of_one_net_alone_nor_of_other_methods() -> None:
    assert Crossings().read(material(plan_of(GRAM, tasks=TASKS[:1]))) is None
    plan = Plan.thawed({"grids": [{"models": [GRAM, TWIN], "tasks": ["sudoku"]}], "test": BOARDS})
    assert Crossings().read(material(plan)) is None


def test_one_seed_is_said_and_several_are_not(section: Section) -> None:
    one = Crossings().read(material(plan_of(GRAM, TWIN, tasks=TASKS[:1], seeds=1)))
    assert one is not None
    assert one.sentences[-1].startswith("One seed")
    assert not any(said.startswith("One seed") for said in section.sentences)


def test_without_variants_all_budgets_are_held_against_flops() -> None:
    scores = np.ones((1, 8))
    trained = {n: NetTrial(scores, n, 0, 1e9 * n, 1.0, ("t",)) for n in (4, 16)}
    curves = [NetCurve("a", trained), NetCurve("b", trained)]
    part = compared("sudoku", curves, resample(stream("tests"), 8), None)
    (plot,) = (plot for plot in part.charts if plot.name.startswith("flops"))
    assert [point.x for point in plot.series[0].points] == [4e9, 16e9]
    assert part.sentences == ("sudoku: no crossing is shown within 4 to 16 labelled boards.",)


def test_terminal_and_json_hold_the_section(section: Section) -> None:
    text = section_text(section)
    assert "Where the curves on sudoku cross:" in text
    assert max(map(len, text.splitlines())) <= 80
    said = json.loads(json.dumps(as_json(section), allow_nan=False))
    assert [plot["is_log"] for plot in said["charts"]] == [True] * 4


def test_names_are_short_where_they_differ() -> None:
    names = net_names([GRAM, TWIN, VOTE, WRITER, f"{WRITER}&width=149", f"{GRAM}&depth=2"])
    assert list(names.values()) == [
        "gram", "twin", "gram, vote of 20", "autoregressive", "autoregressive, vote of 149",
        "gram, depth=2",
    ]  # fmt: skip
    alike = ["recursive:new?task=sudoku&preset=gram", "recursive:new?task=n_queens&preset=gram"]
    assert list(net_names(alike).values()) == alike
