"""A folder of an earlier version is marked again from its stored texts, and nothing is drawn."""

import contextlib
import dataclasses
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from modicum.cli.main import _modicum
from modicum.marker import text_hash
from modicum.running.planning import plan_for
from modicum.running.renewal import renew
from modicum.running.runner import Silent, run
from modicum.store.database import Outcome, Store
from modicum.study.plan import Plan
from modicum.study.trial import open_model
from modicum.tables.earlier import earlier_ids
from modicum.task import resolve_task
from modicum.types import Grade, Mark

METHODS = ("self_consistency", "cot_decoding", "few_shot")
EARLIER = "an earlier fingerprint"


def _file(folder: Path, **more: object) -> Path:
    """Problems of the task that the scripted model can answer, as a user's file; golds with commas."""
    path, task = folder / "own.jsonl", resolve_task("sums")
    problems = [p for split in ("shots", "selection", "test") for p in task.problems(split, 30)]
    own = {p.question: p for p in problems}
    lines = [
        json.dumps({"question": p.question, "answer": f"{int(p.answer):,}", **more})
        for p in own.values()
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _plan(path: Path) -> Plan:
    return plan_for(
        model="scripted:latent", task=f"{path}?template={{question}}\n", methods=METHODS,
        shots=(1,), seeds=1, test=6, selection=2, samples=4, retain=("none",),
    )  # fmt: skip


def _wrong(mark: Mark) -> Mark:
    grade = Grade.INCORRECT if mark.lenient == Grade.CORRECT else Grade.CORRECT
    return Mark("7", grade, grade)


def _aged(outcome: Outcome) -> Outcome:
    """The outcome as an earlier version would have left it: other marks, votes, versions."""
    scope = outcome.trial.scope
    scope = dataclasses.replace(
        scope, versions=dataclasses.replace(scope.versions, content=EARLIER)
    )
    answers = tuple(
        dataclasses.replace(a, marks=tuple(map(_wrong, a.marks)), chosen=len(a.marks) - 1)
        if outcome.trial.method == "self_consistency"
        else dataclasses.replace(a, marks=tuple(map(_wrong, a.marks)))
        for a in outcome.answers
    )
    return dataclasses.replace(
        outcome, trial=dataclasses.replace(outcome.trial, scope=scope), answers=answers
    )


@pytest.fixture
def aged(tmp_path):
    """A study, and the same one as an earlier version left it."""
    plan = _plan(_file(tmp_path))
    new, old = Store(tmp_path / "new"), Store(tmp_path / "old")
    run(plan, new, Silent())
    assert not new.failed()
    for trial in plan.trials():
        old.write(_aged(new.read(trial)))
    yield plan, new, old
    new.close()
    old.close()


def test_all_is_marked_again_as_it_is_read_now(aged, monkeypatch) -> None:
    plan, new, old = aged
    monkeypatch.setattr(type(open_model("scripted:latent")), "draw", None)
    found = renew(plan, old)
    assert {one.trial.id for one in found} == {trial.id for trial in plan.trials()}
    for trial in plan.trials():
        wanted, again = new.read(trial), old.read(trial)
        assert again.answers == wanted.answers
        assert again.elicitation == wanted.elicitation
    assert all(one.before != one.now or one.now in (0, 6) for one in found)
    assert renew(plan, old) == ()


def test_run_says_what_moved_and_draws_nothing(aged, tmp_path, monkeypatch) -> None:
    plan, _, old = aged
    old.close()
    monkeypatch.setattr(type(open_model("scripted:latent")), "draw", None)
    study = tmp_path / "own.toml"
    [grid] = plan.grids
    study.write_text(
        f'retain = ["none"]\ntest = 6\nselection = 2\nsamples = 4\n[[grid]]\n'
        f"models = {json.dumps(list(grid.models))}\ntasks = {json.dumps(list(grid.tasks))}\n"
        f"methods = {json.dumps(list(METHODS))}\nshots = [1]\nseeds = 1\n",
        encoding="utf-8",
    )
    ended = CliRunner().invoke(_modicum, ["run", str(study), "--out", str(tmp_path / "old")])
    assert ended.exit_code == 0, ended.output
    assert "marked again from their stored texts, nothing drawn" in ended.output
    assert "right" in ended.output
    assert "drawn by an earlier version" in " ".join(ended.output.split())


def test_other_problems_are_never_marked_again(aged, tmp_path) -> None:
    plan, new, old = aged
    trial = plan.trials()[0]
    first, *rest = new.read(trial).answers
    strange = dataclasses.replace(first, problem="another")
    old.write(dataclasses.replace(_aged(new.read(trial)), answers=(strange, *rest)))
    assert trial.id not in {one.trial.id for one in renew(plan, old)}


def test_id_of_the_file_says_nothing_of_its_question(tmp_path) -> None:
    path = _file(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    numbered = [json.dumps({"id": f"p{i}", **json.loads(line)}) for i, line in enumerate(lines)]
    path.write_text("\n".join(numbered), encoding="utf-8")
    task = resolve_task(f"{path}?id=id")
    [problem] = task.problems("test", 1)
    assert not task.is_stored_as(problem, problem.id, 1, EARLIER)
    assert task.is_stored_as(problem, problem.id, 1, task.fingerprint)


def test_ids_of_every_spelling_of_a_gold_are_known() -> None:
    known = earlier_ids("q", ("$1,234.50", "1234.5"))
    assert {text_hash("q", form) for form in ("1234.5", "1,234.50", "$1,234.50")} <= known
    assert text_hash("q", "1234") not in known
    assert text_hash("another", "1234.5") not in known


def test_texts_are_read_in_the_form_that_they_were_asked_in(tmp_path) -> None:
    path = _file(tmp_path)
    plan = plan_for(
        model="scripted:latent", task=f"{path}?form=boxed", methods=(), test=6, selection=2,
        samples=4, retain=("none",),
    )  # fmt: skip
    with contextlib.closing(Store(tmp_path / "study")) as store:
        run(plan, store, Silent())
        floor = next(t for t in plan.trials() if t.method == "prompt_style")
        told = store.read(floor)
        style = dataclasses.replace(
            told.style, name="raw", template=resolve_task(f"{path}?form=hashes").sheet.template
        )
        answers = tuple(
            dataclasses.replace(a, texts=("so it is\n#### 7",) * len(a.texts)) for a in told.answers
        )
        aged = _aged(dataclasses.replace(told, answers=answers))
    with contextlib.closing(Store(tmp_path / "old")) as old:
        old.write(dataclasses.replace(aged, asked_in=style))
        assert [one.trial.id for one in renew(plan, old)] == [floor.id]
        assert {a.mark.answer for a in old.read(floor).answers} == {"7"}
        assert {a.mark.strict for a in old.read(floor).answers} == {Grade.INCORRECT}
