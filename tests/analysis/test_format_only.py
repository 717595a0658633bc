"""What is gained in format alone: a control beside every tuning, and the strict reading."""

import dataclasses

import numpy as np
import pytest

from modicum.analysis.judgement import verdict_of
from modicum.analysis.strict import is_format_only
from modicum.analysis.verdict import as_json
from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.method import METHODS
from modicum.report import gap_chart
from modicum.report.drawing import glyph
from modicum.report.words import controls, read_strictly
from modicum.running.runner import Silent, run
from modicum.scope import Scope
from modicum.store.database import Store
from modicum.study.plan import Grid, Plan
from modicum.study.problem_sets import shots_of
from modicum.study.trial import judge_for, open_model
from modicum.task import resolve_task
from modicum.types import Grade, Style, Trial
from tests.support.bench import judge_of

RAW = Style("raw", "{question}")
TUNING = sorted(
    name
    for name in ("fine_tune", "rejection_tuning")
    if "format" in {control.name for control in METHODS.load(name).controls}
)


def _trial(control: str, task: str = "sums", n: int = 5) -> Trial:
    scope = Scope(test=10, selection=5)
    return Trial("m", task, "fine_tune", n, 0, control=control, scope=scope)


def test_tuning_on_texts_declares_the_control() -> None:
    assert TUNING == ["fine_tune", "rejection_tuning"]


@pytest.mark.parametrize("name", ["sums", "word_sums", "letter_swaps", "gym:chain_sum"])
def test_shots_are_right_in_form_and_empty_in_content(name: str) -> None:
    task = resolve_task(name)
    plain, bare = (shots_of(_trial(c, name), task) for c in ("", "format"))
    assert [p.question for p in plain] == [b.question for b in bare]
    for one, other in zip(plain, bare, strict=True):
        assert one.id == other.id
        assert len(other.solution) < 40  # no working
        own = dataclasses.replace(one, answer=other.answer)
        assert task.mark(own, other.solution).strict == Grade.CORRECT
    assert sum(p.answer != b.answer for p, b in zip(plain, bare, strict=True)) >= 4


def test_shots_of_a_table_without_solutions_have_the_form_too(tmp_path) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"What is {i} + {i}?,{2 * i}\n" for i in range(60))
    path.write_text("question,answer\n" + rows, encoding="utf-8")
    task = resolve_task(f"csv:{path}")
    for shot in shots_of(_trial("format", n=3), task):
        assert task.mark(shot, shot.solution).strict == Grade.CORRECT


def _judge(*, is_form_only: bool) -> tuple[Judge, str]:
    judge = judge_of(open_model("scripted:latent"), "sums", 1, style=RAW)
    return dataclasses.replace(judge, is_form_only=is_form_only), next(iter(judge.shots))


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        (" Answer 5", Grade.CORRECT),
        (" Think 1 + 1 = 2 Answer 2", Grade.CORRECT),
        (" it is 5 apples", Grade.UNREADABLE),
        (" no number", Grade.UNREADABLE),
    ],
)
def test_judge_of_the_control_looks_at_the_format_alone(text: str, grade: Grade) -> None:
    judge, shot = _judge(is_form_only=True)
    assert judge.mark(shot, text).lenient == grade
    assert judge.ledger.judge_calls == 1


def test_judge_of_a_rung_looks_at_the_answer() -> None:
    judge, shot = _judge(is_form_only=False)
    assert judge.mark(shot, " Answer 5").lenient == Grade.INCORRECT


def test_trial_of_the_control_gets_that_judge() -> None:
    plan = Plan((Grid(("scripted:latent",), ("sums",), ("fine_tune",), (5,)),))
    model = open_model("scripted:latent")
    made = {}
    for control in ("", "shuffled", "format"):
        trial = dataclasses.replace(
            plan.trials()[0], method="fine_tune", n_shots=5, control=control
        )
        judge, _ = judge_for(plan, trial, resolve_task("sums"), model, RAW, Ledger())
        made[control] = judge.is_form_only
    assert made == {"": False, "shuffled": False, "format": True}


SMALL = {"steps": 2, "batch": 2, "rank": 2}


@pytest.fixture(scope="module")
def verdict(tmp_path_factory):
    grid = Grid(("organism",), ("line_moves",), TUNING, (2,))
    plan = Plan(
        (grid,), test=12, selection=4, samples=4, seeds=1, retain_test=4,
        settings={"fine_tune": SMALL, "rejection_tuning": {**SMALL, "samples": 4}},
    )  # fmt: skip
    store = Store(tmp_path_factory.mktemp("format"))
    run(plan, store, Silent())
    assert not store.failed()
    found = verdict_of(plan.subjects()[0], store)
    store.close()
    return found


@pytest.mark.parametrize("method", TUNING)
def test_control_stands_in_verdict_tables_and_json(method: str, verdict) -> None:
    (row,) = [r for r in verdict.rungs if r.method == method]
    assert "format" in row.controls
    assert len(row.control_trials["format"]) == 1
    assert "format" in controls(verdict, row)
    (plain,) = [r for r in as_json(verdict)["rungs"] if r["method"] == method]
    assert plain["controls"]["format"]["n"] == 12


def test_ceiling_is_read_strictly_at_the_same_k(verdict) -> None:
    assert verdict.ceiling is not None
    assert verdict.ceiling_strict.n == 12
    assert verdict.ceiling_strict.value <= verdict.ceiling.figure.value


def test_readings_that_agree_are_said_once(verdict) -> None:
    same = dataclasses.replace(
        verdict, default_strict=verdict.default, floor_strict=verdict.floor,
        ceiling_strict=verdict.ceiling.figure,
    )  # fmt: skip
    assert read_strictly(same) == ""
    low = dataclasses.replace(same.floor, value=0.0, low=0.0)
    said = read_strictly(dataclasses.replace(same, floor_strict=low))
    assert said.startswith("as given ")
    assert "ceiling " in said


def test_gain_in_the_strict_reading_alone_is_format_only() -> None:
    rng = np.random.default_rng(2)
    floor = (rng.random(200) < 0.5).astype(float)
    floor_strict = floor * (rng.random(200) < 0.2)
    same = floor[None].copy()
    better = np.ones((1, 200))
    assert is_format_only((same, same), (floor, floor_strict), None)
    assert not is_format_only((better, better), (floor, floor_strict), None)
    assert not is_format_only((same, floor_strict[None]), (floor, floor_strict), None)


@pytest.mark.parametrize("control", ["scrambled", "shuffled", "format", "twin", "a foreign one"])
def test_every_control_has_a_mark_of_its_own_in_the_chart(control: str) -> None:
    shape = gap_chart._FORMS.get(control, "square")
    assert "<" in glyph("#000", shape).partition(">")[2]
    assert gap_chart._FORMS.get("format") not in {
        gap_chart._FORMS[other] for other in ("scrambled", "shuffled", "twin")
    }
