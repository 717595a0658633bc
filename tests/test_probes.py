"""Probes of another package: variants of a task, their trials among the study's, what is kept and refused."""

import dataclasses
import json
from pathlib import Path

import pytest

from modicum.catalog import Catalog
from modicum.errors import ConfigError, UnknownNameError
from modicum.running.planning import plan_for
from modicum.store.provenance import plugin_sources
from modicum.study.checks import check_plan
from modicum.study.forecast import forecast
from modicum.study.plan import Plan
from modicum.study.problem_sets import shots_of
from modicum.study.trust import powers_of
from modicum.task import resolve_task
from modicum.types import Trial
from tests.support.commands import SMALL, modicum
from tests.support.packages import forget, write_package
from tests.support.sources import ROOT

PROBE = "rewritten_sums"
SWAPPED = f"varied:{PROBE}.swapped:sums"
SPELLED = f"varied:{PROBE}.spelled:sums"
BOTH = f"{PROBE}?second=scripted:absent"
POINTS = """[modicum.probes]
rewritten_sums = modicum_median.rewritten_sums:RewrittenSums
wrong = foreign_probes.wrong:Wrong
[modicum.readings]
failing = foreign_probes.failing:Failing
"""
WRONG = '''"""Changes the question into one that the gold does not answer."""

import dataclasses

from modicum.probe import Probe


@dataclasses.dataclass(frozen=True)
class Wrong(Probe):
    def varied(self, problem, variant):
        return dataclasses.replace(problem, answer="none", solution=None)

    def trials(self, subject):
        return (self.on(subject, variant="v").default(),)

    def read(self, found):
        return None
'''
FAILING = '''"""Fails at whatever it reads."""

import dataclasses

from modicum.reading import Reading


@dataclasses.dataclass(frozen=True)
class Failing(Reading):
    def read(self, found):
        raise ZeroDivisionError("by <b>nothing</b>")
'''


@pytest.fixture(autouse=True)
def package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """The example's probe, a wrong one, and a reading that fails, on the path and nowhere installed."""
    files = {
        "foreign_probes/__init__.py": "",
        "foreign_probes/wrong.py": WRONG,
        "foreign_probes/failing.py": FAILING,
    }
    folder = write_package(tmp_path_factory.mktemp("foreign"), "foreign", files, POINTS)
    for place in (folder, ROOT / "examples" / "plugin_package" / "src"):
        monkeypatch.syspath_prepend(place)
    forget("foreign_probes", "modicum_median")
    yield
    monkeypatch.undo()
    forget("foreign_probes", "modicum_median")


def plan(*probes: str, **more: object) -> Plan:
    sizes = {"test": 12, "selection": 4, "samples": 4, "probes": probes}
    return plan_for("scripted:latent", "sums", ["cot_decoding"], **{**sizes, **more})


def test_a_variant_asks_the_same_problems_in_another_form() -> None:
    originals = resolve_task("sums").problems("test", 8)
    swapped, spelled = (resolve_task(name).problems("test", 8) for name in (SWAPPED, SPELLED))
    assert [p.id for p in swapped] == [p.id for p in originals] == [p.id for p in spelled]
    assert [p.answer for p in swapped] == [p.answer for p in originals]
    assert {p.variant for p in swapped} == {"swapped"}
    assert not any(map(str.isdigit, "".join(p.question for p in spelled)))


def test_a_problem_without_that_form_stays_the_original() -> None:
    probe = Catalog("probes").build(PROBE)
    (problem,) = resolve_task("sums").problems("test", 1)
    bare = dataclasses.replace(problem, question="none")
    assert probe.varied(bare, "swapped") == bare


def test_a_variant_has_the_version_and_the_files_of_its_original_and_those_of_its_probe() -> None:
    made, original = resolve_task(SWAPPED), resolve_task("sums")
    assert made.version == original.version
    assert made.fingerprint != original.fingerprint
    assert made.fingerprint.endswith(f"{PROBE}.swapped 1")


def test_a_trial_of_a_variant_stands_in_its_originals_verdict_and_is_no_twin() -> None:
    trial = Trial("m", SWAPPED, "plain", 0, 0)
    assert (trial.subject, trial.is_twin) == ("sums", False)
    twin = dataclasses.replace(trial, task=f"scrambled:{SWAPPED}")
    assert (twin.subject, twin.is_twin) == ("sums", True)
    studied = dataclasses.replace(trial, task=f"varied:{PROBE}.swapped:scrambled:sums")
    assert (studied.subject, studied.is_twin) == ("scrambled:sums", False)


def test_a_variant_shows_the_same_shots() -> None:
    subject = plan(shots=[2]).subjects()[0]
    trial = dataclasses.replace(subject.default(), method="few_shot", n_shots=2)
    other = dataclasses.replace(trial, task=SWAPPED)
    shown, varied = (shots_of(t, resolve_task(t.task)) for t in (trial, other))
    assert [shot.id for shot in varied] == [shot.id for shot in shown]


def test_the_twin_of_a_variant_has_its_questions_and_other_golds() -> None:
    twin, variant = resolve_task(f"scrambled:{SPELLED}"), resolve_task(SPELLED)
    pairs = list(zip(twin.problems("test", 8), variant.problems("test", 8), strict=True))
    assert all(one.question == other.question for one, other in pairs)
    assert all(one.answer != other.answer for one, other in pairs)


@pytest.mark.parametrize(
    "reference", ["varied", "varied:", f"varied:{PROBE}.x", f"varied:{PROBE}.x:"]
)
def test_a_variant_of_nothing_is_refused(reference: str) -> None:
    with pytest.raises(ConfigError, match=r"varied:PROBE\.VARIANT:TASK"):
        resolve_task(reference)


def test_a_variant_of_no_probe_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{PROBE}'"):
        resolve_task("varied:rewriten_sums.swapped:sums")


def test_without_probes_a_plan_is_what_it_was() -> None:
    assert "probes" not in plan().as_dict()
    assert Plan.thawed(plan(BOTH).as_dict()).probes == (BOTH,)


def test_its_trials_are_counted_in_the_forecast() -> None:
    plain, probed = (forecast(p, p.trials()).completions for p in (plan(), plan(BOTH)))
    assert probed - plain == 5 * 12  # the studied model's original is a measure already


def test_what_it_names_is_checked_before_anything_runs() -> None:
    check_plan(plan(BOTH))
    with pytest.raises(UnknownNameError, match="model 'nosuch'"):
        check_plan(plan(f"{PROBE}?second=nosuch"))
    with pytest.raises(ConfigError, match="a marker that accepts the gold answer 'none'"):
        check_plan(plan("wrong"))
    with pytest.raises(UnknownNameError, match="setting of probe"):
        check_plan(plan(f"{PROBE}?secnd=x"))


def test_a_server_that_it_names_is_only_for_the_user_to_switch_on() -> None:
    (power,) = powers_of(plan(f"{PROBE}?second=openai:m"))
    assert (power.kind, power.place) == ("server", f"probe {PROBE}")


def test_its_code_is_noted_with_its_trials() -> None:
    sources = {trial.task: plugin_sources(trial) for trial in plan(PROBE).trials()}
    assert f"probe {PROBE}" in sources[SWAPPED]
    assert not sources["sums"]


def test_a_study_goes_on_with_the_probes_trials_alone(tmp_path: Path) -> None:
    options = ("run", *SMALL, "--out", tmp_path / "study", "--json", "--no-check")
    plain = json.loads(modicum(*options).out)["verdicts"][0]
    assert PROBE not in plain["sections"]
    said = modicum(*options, "--probes", BOTH)
    assert "15 trials, 10 done" in said.err
    probed = json.loads(said.out)["verdicts"][0]
    values = probed["sections"].pop(PROBE)["values"]
    assert values["scripted:latent spelled"]["value"] < -0.5
    assert abs(values["scripted:latent swapped"]["value"]) < 0.2
    assert values["scripted:absent swapped"]["value"] == 0
    assert probed == plain


def test_a_probe_asked_with_settings_and_without_has_two_sections(tmp_path: Path) -> None:
    options = ("run", *SMALL, "--out", tmp_path / "study", "--json", "--no-check")
    said = modicum(*options, "--probes", f"{BOTH},{PROBE}")
    sections = json.loads(said.out)["verdicts"][0]["sections"]
    first, second = (sections[name]["values"] for name in (PROBE, f"{PROBE}?"))
    assert set(second) < set(first)


def test_a_budget_buys_the_probes_trials_last(tmp_path: Path) -> None:
    options = ("run", *SMALL, "--out", tmp_path / "study", "--probes", BOTH, "--no-check")
    little = modicum(*options, "--max-tokens", 12_000)
    assert "budget used up" in little.err
    assert "in other forms" not in little.out
    enough = modicum(*options, "--max-tokens", 1_000_000)
    assert "left out" not in enough.err
    assert "in other forms" in enough.out


def test_a_reading_that_fails_says_so_and_breaks_no_verdict(tmp_path: Path) -> None:
    said = modicum("run", *SMALL, "--out", tmp_path / "study", "--no-check")
    assert said.code == 0, said.err
    assert "could not be read: ZeroDivisionError: by <b>nothing</b>" in said.out
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "by &lt;b&gt;nothing&lt;/b&gt;" in page


def test_a_study_is_read_without_the_file_that_its_variants_are_made_from(
    tmp_path: Path,
) -> None:
    lines = [
        json.dumps({"question": f"What is {100 + i} + {200 + i}?", "answer": str(300 + 2 * i)})
        for i in range(80)
    ]
    file = tmp_path / "own.jsonl"
    file.write_text("\n".join(lines))
    at = SMALL.index("--task") + 1
    small = [*SMALL[:at], file, *SMALL[at + 1 :], "--test", 24, "--selection", 4, "--samples", 4]
    folder = tmp_path / "study"
    said = modicum("run", *small, "--out", folder, "--no-check", "--probes", PROBE)
    assert said.code == 0, said.err
    file.unlink()
    again = modicum("report", folder)
    assert again.code == 0, again.err
    _, _, before = said.out.partition("The same sums in other forms")
    _, _, now = again.out.partition("The same sums in other forms")
    assert now.partition("Least data")[0] == before.partition("Least data")[0] != ""
