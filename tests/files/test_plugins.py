"""A plug-in that is broken, gone or doubled is told with its place and breaks nothing else."""

import dataclasses
import json
import re

import pytest

from modicum.catalog import Catalog
from modicum.errors import ConfigError
from modicum.files.entries import foreign_in, source_hash
from modicum.outcome import Outcome
from modicum.scope import Retain, Scope
from modicum.store.provenance import changed_plugins, plugin_sources
from modicum.study.plan import Plan, Subject
from tests.support.commands import modicum
from tests.support.packages import METHOD, forget, write_package

POINTS = "[modicum.methods]\n{} = {}:Foreign\n"
PLAIN = METHOD.format(imports="")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Yield what writes packages that stand on the path."""
    monkeypatch.syspath_prepend(tmp_path / "site")

    def write(name, files, points, **more):
        write_package(tmp_path / "site", name, files, points, **more)
        forget("foreign", "other")

    yield write
    monkeypatch.undo()
    forget("foreign", "other")


@pytest.fixture(autouse=True)
def _no_report(monkeypatch) -> None:
    monkeypatch.setattr("modicum.cli.told_run.write", lambda *given: None)


BROKEN = {
    "syntax": ("def f(:\n    pass\n", r"foreign\.py, line 1"),
    "syntax below": ("x = 1\n\n\ny = (\n", r"foreign\.py, line \d"),
    "indentation": ("if 1:\nx = 2\n", r"foreign\.py, line 2"),
    "not UTF-8": (b'"""Odd."""\nx = "\xff\xfe"\n', r"foreign\.py"),
    "NUL": (b"x = 1\0\n", r"foreign\.py"),
    "deep": ("x = " + "(" * 5000 + ")" * 5000 + "\n", r"foreign\.py"),
    "gone": (None, r"the module foreign, which cannot be found"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_plugin_file_that_cannot_be_read_is_named_and_breaks_no_other(name, packages) -> None:
    text, words = BROKEN[name]
    packages(
        "foreign", {} if text is None else {"foreign.py": text}, POINTS.format("odd", "foreign")
    )
    said = modicum("list", "methods")
    assert said.code == 0
    assert re.search(rf"odd .*broken: .*{words}", " ".join(said.out.split()))
    assert "fine_tune" in said.out
    assert "odd" in json.loads(modicum("list", "methods", "--json").out)["methods"]
    catalog = Catalog("methods")
    with pytest.raises(ConfigError, match=words) as raised:
        catalog.load("odd")
    assert "foreign" in raised.value.action
    assert catalog.load("plain")
    run = modicum("run", "--model", "organism", "--task", "word_sums", "--methods", "odd")
    assert run.code == 2
    assert re.search(words, run.err)
    assert "Traceback" not in run.err


IMPORTS = {
    "module missing": ("import no_such_module_at_all\n", r"foreign/m\.py, line \d+: .*no_such_mod"),
    "raises": ("\n\n1 / 0\n", r"foreign/m\.py, line \d+: ZeroDivisionError"),
    "exits": ("raise SystemExit(3)\n", r"foreign/m\.py, line \d+: SystemExit"),
    "imports what is broken": ("import foreign.worse\n", r"worse\.py, line 2"),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_a_plugin_that_fails_while_it_is_imported_is_told_with_its_place(name, packages) -> None:
    text, words = IMPORTS[name]
    files = {
        "foreign/__init__.py": "",
        "foreign/m.py": METHOD.format(imports=text),
        "foreign/worse.py": "x = 1\ny = )\n",
    }
    packages("foreign", files, POINTS.format("odd", "foreign.m"))
    assert "odd" in modicum("list", "methods").out
    with pytest.raises(ConfigError, match=words):
        Catalog("methods").load("odd")


def test_a_module_below_a_package_that_is_gone_is_told(packages) -> None:
    packages("foreign", {"foreign/__init__.py": ""}, POINTS.format("odd", "foreign.gone"))
    with pytest.raises(ConfigError, match=r"names the module foreign\.gone, which cannot be found"):
        Catalog("methods").load("odd")


def test_finding_a_plugin_runs_nothing_of_its_package(packages) -> None:
    files = {"foreign/__init__.py": "raise RuntimeError('ran')\n", "foreign/m.py": PLAIN}
    packages("foreign", files, POINTS.format("odd", "foreign.m"))
    assert Catalog("methods").entry("odd").summary.startswith("Answers as a plain")
    with pytest.raises(ConfigError, match="RuntimeError: ran"):
        Catalog("methods").load("odd")


def test_two_packages_with_one_name_are_both_named_when_it_is_used(packages) -> None:
    packages("foreign", {"foreign.py": PLAIN}, POINTS.format("odd", "foreign"))
    packages("other", {"other.py": PLAIN}, POINTS.format("odd", "other"))
    said = modicum("list", "methods")
    assert said.code == 0
    assert "foreign and other both add" in " ".join(said.out.split())
    with pytest.raises(ConfigError, match="foreign and other both add a plug-in of this name"):
        Catalog("methods").load("odd")


def test_a_plugin_with_the_name_of_an_own_one_is_left_out_and_said(packages) -> None:
    packages("foreign", {"foreign.py": PLAIN}, POINTS.format("fine_tune", "foreign"))
    said = modicum("list", "methods")
    assert "method fine_tune of the package foreign is left out" in said.err
    assert Catalog("methods").load("fine_tune").__module__ == "modicum.methods.fine_tune"


@pytest.mark.parametrize(
    "points", ["[modicum.methods]\nodd = ::\n", "[modicum.methods]\nodd =\n", "\xff\xfe[["]
)
def test_a_broken_record_hides_no_other_plugin(points, packages, tmp_path) -> None:
    packages("other", {"other.py": PLAIN}, POINTS.format("good", "other"))
    packages("foreign", {}, points)
    if "\xff" in points:
        record = tmp_path / "site" / "foreign-1.0.dist-info" / "entry_points.txt"
        record.write_bytes(b"\xff\xfe[modicum.methods]\nodd = foreign\n")
    said = modicum("list")
    assert said.code == 0
    assert "good" in said.out
    assert Catalog("methods").load("good").__name__ == "Foreign"


def _study(folder, *more):
    return modicum(
        "run", "--model", "scripted:latent", "--task", "sums", "--test", 16, "--selection", 4,
        "--samples", 4, "--methods", "odd", "--no-check", "--no-reuse", "--out", folder, *more,
    )  # fmt: skip


CHANGED = "the code of the method odd has changed since 2 trials ran, but not its version"


def test_changed_code_under_one_version_is_said_by_run_and_doubted_in_the_verdict(
    packages, tmp_path
) -> None:
    files = {"foreign/__init__.py": "", "foreign/m.py": PLAIN, "foreign/below/deep.py": "x = 1\n"}
    packages("foreign", files, POINTS.format("odd", "foreign.m"))
    first = _study(tmp_path / "s")
    assert first.code == 0, first.err
    assert "has changed" not in first.err + first.out
    assert "has changed" not in _study(tmp_path / "s").err

    packages("foreign", {"foreign/below/deep.py": "x = 2\n"}, POINTS.format("odd", "foreign.m"))
    again = _study(tmp_path / "s", "--json")
    assert again.code == 0, again.err
    assert "0 exist" not in again.err
    assert CHANGED in again.err
    [verdict] = json.loads(again.out)["verdicts"]
    assert [d for d in verdict["doubts"] if d.startswith(CHANGED)]

    packages("foreign", {"foreign/below/deep.py": "x = 1\n"}, POINTS.format("odd", "foreign.m"))
    back = _study(tmp_path / "s", "--json")
    assert "has changed" not in back.err + back.out


def test_a_raised_version_is_another_trial_and_no_doubt(packages, tmp_path) -> None:
    points = POINTS.format("odd", "foreign")
    packages("foreign", {"foreign.py": PLAIN}, points)
    assert _study(tmp_path / "s").code == 0
    raised = PLAIN.replace("    kind =", "    version: ClassVar[int] = 2\n    kind =")
    packages("foreign", {"foreign.py": raised}, points)
    again = _study(tmp_path / "s")
    assert again.code == 0, again.err
    assert "has changed" not in again.err + again.out


def test_every_kind_of_plugin_that_a_trial_names_is_hashed(packages) -> None:
    kinds = ("tasks", "models", "methods", "markers", "rewards")
    points = "".join(f"[modicum.{kind}]\nodd = foreign.m:X\n" for kind in kinds)
    packages("foreign", {"foreign/__init__.py": "", "foreign/m.py": PLAIN}, points)
    trial = Subject(Plan(grids=()), "scripted:latent", "sums").default()
    assert plugin_sources(trial) == {}
    named = dataclasses.replace(
        trial,
        task="scrambled:odd:a?b=c",
        model="odd:m?x=1",
        method="odd",
        settings={"reward": "odd?gamma=1"},
        scope=Scope(retain=Retain(("jsonl:x.jsonl?marker=odd:y",), 5)),
    )
    expected = {"task odd", "model odd", "method odd", "marker odd", "reward odd"}
    found = plugin_sources(named)
    assert set(found) == expected
    assert len(set(found.values())) == 1
    old = Outcome(named, sources=dict.fromkeys(found, "0" * 16))
    assert len(changed_plugins([old, old])) == 5
    assert not changed_plugins([Outcome(named, sources=found), Outcome(named)])


def test_a_package_without_end_is_hashed_by_the_plugin_s_own_file(packages, monkeypatch) -> None:
    monkeypatch.setattr("modicum.files.sources.MOST_FILES", 5)
    files = {f"foreign/f{i}.py": f"x = {i}\n" for i in range(8)}
    packages("foreign", {**files, "foreign/m.py": PLAIN}, POINTS.format("odd", "foreign.m"))
    before = source_hash(foreign_in("methods")["odd"])
    packages("foreign", {"foreign/f1.py": "x = 9\n"}, POINTS.format("odd", "foreign.m"))
    assert source_hash(foreign_in("methods")["odd"]) == before != ""
    packages("foreign", {"foreign/m.py": PLAIN + "\n"}, POINTS.format("odd", "foreign.m"))
    assert source_hash(foreign_in("methods")["odd"]) != before
