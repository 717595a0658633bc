"""What every probe must do; a new file in `probes/` is tested the moment it exists."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from modicum.cli.section_text import section_text
from modicum.probe import PROBES, Probe, resolve_probe
from modicum.running.kept_verdicts import recalled
from modicum.running.planning import plan_for
from modicum.running.runner import Silent, missing, run
from modicum.store.database import Store
from modicum.study.plan import Plan, Subject
from modicum.task import resolve_task
from modicum.types import Trial

SIZES = {"test": 12, "selection": 4, "samples": 4}


@pytest.fixture(params=sorted(PROBES.entries))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def probe(name: str) -> Probe:
    return resolve_probe(_quick(name))


def _quick(name: str) -> str:
    """Return the probe's reference with its small settings."""
    settings = resolve_probe(name).quick.settings
    said = "&".join(f"{key}={json.dumps(value)}" for key, value in settings.items())
    return f"{name}?{said}" if said else name


def _plan(name: str, *probes: str) -> Plan:
    """Return a plan on the model and task that a probe is for."""
    quick = resolve_probe(name).quick
    pair = (quick.model or "scripted:latent", quick.task or "sums")
    method = "self_consistency" if quick.model else "cot_decoding"
    return plan_for(*pair, [method], probes=probes, **SIZES)


def _subject(name: str) -> Subject:
    return _plan(name).subjects()[0]


def test_it_knows_its_own_name(probe: Probe, name: str) -> None:
    assert probe.name == name


def test_it_declares_the_same_trials_each_time(probe: Probe, name: str) -> None:
    trials = probe.trials(_subject(name))
    assert trials
    assert trials == probe.trials(_subject(name))
    assert all(Trial.thawed(trial.identity) == trial for trial in trials)


def test_its_forms_are_pairs_of_the_original(probe: Probe, name: str) -> None:
    for task in {trial.task for trial in probe.trials(_subject(name))}:
        found = re.fullmatch(rf"varied:{probe.name}\.([\w-]+):(.+)", task)
        if found is None:
            continue
        originals = resolve_task(found[2]).problems("test", 12)
        made = resolve_task(task).problems("test", 12)
        assert [p.id for p in made] == [p.id for p in originals]
        changed = [one for one, other in zip(made, originals, strict=True) if one != other]
        assert changed
        assert {problem.variant for problem in changed} == {found[1]}


def test_settings_change_no_form(probe: Probe, name: str) -> None:
    """A reference of a variant names no settings: they must not decide what it holds."""
    for field in dataclasses.fields(probe):
        if field.type in ("str", str):
            other = dataclasses.replace(probe, **{field.name: "scripted:absent"})
            for trial in probe.trials(_subject(name)):
                _, _, form = trial.task.partition(f"varied:{probe.name}.")
                problem = resolve_task(trial.subject).problems("test", 1)[0]
                variant = form.partition(":")[0]
                assert other.varied(problem, variant) == probe.varied(problem, variant)


def test_study_without_it_has_the_trials_it_had(name: str) -> None:
    plans = (_plan(name), _plan(name, _quick(name)))
    plain, probed = ([trial.id for trial in plan.trials()] for plan in plans)
    assert probed[: len(plain)] == plain
    assert len(probed) > len(plain)


def test_it_is_run_and_read(name: str, tmp_path: Path) -> None:
    plan, store = _plan(name, _quick(name)), Store(tmp_path)
    run(plan, store, Silent())
    assert not missing(plan, store)
    assert not store.failed()
    section = recalled(plan, store)[0].sections[name]
    store.close()
    assert not section.is_core
    assert max(map(len, section_text(section).splitlines())) <= 100


def test_it_says_nothing_wrong_before_its_trials_have_run(name: str, tmp_path: Path) -> None:
    """A budget may leave them out."""
    store = Store(tmp_path)
    run(_plan(name), store, Silent())
    section = recalled(_plan(name, _quick(name)), store)[0].sections.get(name)
    store.close()
    assert section is None or not any("could not be read" in said for said in section.sentences)
