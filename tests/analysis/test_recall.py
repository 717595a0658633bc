"""A verdict is computed once for what is stored, and comes back as it was."""

import dataclasses
import subprocess
import sys

import pytest

from modicum.running import kept_verdicts as recall
from modicum.running.cache_key import plan_stamp, store_stamp
from modicum.running.kept_verdicts import recalled
from modicum.running.runner import planned
from modicum.store.database import Store
from modicum.study.plan import Plan
from tests.support import verdicts as made
from tests.support.commands import SMALL, modicum


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    assert modicum("run", *SMALL, "--out", out).code == 0
    return out


@pytest.fixture
def store(folder):
    opened = Store(folder)
    yield opened
    opened.close()


@pytest.fixture
def plan(store) -> Plan:
    return Plan.thawed(store.plan)


def _never(*given: object) -> object:
    raise AssertionError("computed again")


def test_hand_built_verdicts_survive_the_store(tmp_path, monkeypatch) -> None:
    every = [*made.study(), made.seal()]
    monkeypatch.setattr(recall, "verdicts_of", lambda plan, store: every)
    opened, plan = Store(tmp_path), dataclasses.replace(made.plan())
    first = recalled(plan, opened)
    monkeypatch.setattr(recall, "verdicts_of", _never)
    assert recalled(plan, opened) == first == every
    opened.close()


def test_second_time_computes_nothing(plan, store, monkeypatch) -> None:
    first = recalled(plan, store)
    monkeypatch.setattr(recall, "verdicts_of", _never)
    assert recalled(plan, store) == first


def test_verdict_is_computed_again_once_something_was_written(plan, store, monkeypatch) -> None:
    recalled(plan, store)
    store.write(store.read(plan.trials()[0]))
    monkeypatch.setattr(recall, "verdicts_of", lambda plan, store: [])
    assert recalled(plan, store) == []


def test_stamp_changes_with_plan_store_and_code(plan, store, monkeypatch) -> None:
    stamps = [store_stamp(plan, store)]
    stamps.append(store_stamp(dataclasses.replace(plan, margin=0.1), store))
    store.write(store.read(plan.trials()[0]))
    stamps.append(store_stamp(plan, store))
    monkeypatch.setattr("modicum.running.cache_key._code", lambda: "another")
    stamps.append(store_stamp(plan, store))
    assert len(set(stamps)) == 4


def test_stamp_of_a_plan_does_not_depend_on_the_store(plan, store) -> None:
    before = plan_stamp(plan)
    store.write(store.read(plan.trials()[0]))
    assert plan_stamp(plan) == before


@pytest.mark.parametrize("where", ["settings", "arms"])
def test_stamp_of_a_plan_changes_with_a_file_that_it_names(plan, where, tmp_path) -> None:
    path = tmp_path / "short.jsonl"
    if where == "settings":
        own = {"compression": {"pairs": "file", "file": str(path)}}
        plan = dataclasses.replace(plan, settings=own)
    else:
        grid = dataclasses.replace(plan.grids[0], arms=(f"compression.pairs=file,file={path}",))
        plan = dataclasses.replace(plan, grids=(grid,))
    stamps = []
    for text in ("a", "b", "a"):
        path.write_text(text)
        stamps.append(plan_stamp(plan))
    assert stamps[0] == stamps[2] != stamps[1]


def test_planned_trials_are_kept(plan, store, monkeypatch) -> None:
    names = planned(plan, store)
    assert names == {trial.id for trial in plan.trials()}
    monkeypatch.setattr(Plan, "trials", _never)
    assert planned(plan, store) == names


def test_complete_study_resumes_without_torch(folder) -> None:
    modicum("run", *SMALL, "--out", folder)
    options = [str(option) for option in (*SMALL, "--out", folder, "--json")]
    asked = f"""
import sys
from modicum.cli.main import main
try:
    main(["run", *{options!r}])
finally:
    print([name for name in ("torch", "transformers", "modicum.method") if name in sys.modules][:1])
"""
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['modicum.method']"


def test_report_that_stands_is_not_written_again(folder) -> None:
    modicum("run", *SMALL, "--out", folder)
    report = folder / "report.html"
    before = report.stat().st_mtime_ns
    modicum("run", *SMALL, "--out", folder)
    assert report.stat().st_mtime_ns == before


def test_report_that_was_removed_is_written_again(folder) -> None:
    (folder / "report.html").unlink()
    modicum("run", *SMALL, "--out", folder)
    assert (folder / "report.html").exists()


@pytest.mark.slow
def test_two_hundred_thousand_completions_resume_in_time(tmp_path) -> None:
    from benchmarks.store import default_plan, fill, seconds

    assert fill(tmp_path, default_plan()) >= 200_000
    first = seconds("run", "--out", tmp_path)  # judges anew and writes the report
    again = seconds("run", "--out", tmp_path)
    # processor seconds: what a quiet machine would need, whoever else is at work on this one
    assert again.cpu < 3
    assert first.cpu < 30
