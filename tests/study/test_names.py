"""Names are no paths: nothing that a study file, a database or a folder names leads out of its place."""

import ast
import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modicum.errors import ConfigError
from modicum.exporting.exporter import finished
from modicum.exporting.handoff import hand_off
from modicum.files.foreign import check_name, inside, is_name
from modicum.model import ModelCard
from modicum.outcome import Answer, Outcome
from modicum.running.planning import plan_for
from modicum.running.restoring import restored, rung
from modicum.scope import Scope
from modicum.store.database import Store
from modicum.study.plan import Grid, Plan, Subject, read_plan
from modicum.types import Grade, Mark, Style, Trial
from tests.support.commands import SMALL, modicum

PATHS = (
    "../../escape", "/tmp/x", "..", ".", "", "a/b", "a\\b", "C:x", "~/x", "a\0b", "a\nb", "a\x1b[31mb",
    "a\u202eb", "\ud800", "x" * 121, "é" * 120, " a", "a ", "a.", "nul", "CON.txt", 'a"b', "a|b", "a*",
)  # fmt: skip
PLAIN = ("study", "word sums 2", "gym-chain_sum", "né", "研究", "a.b", ".hidden", "x" * 120, "-rf")


@pytest.mark.parametrize("name", PATHS)
def test_a_path_is_no_name_of_a_study(name: str, tmp_path) -> None:
    grid = Grid(("organism",), ("sums",))
    with pytest.raises(ConfigError, match="no path"):
        Plan((grid,), name=name)
    with pytest.raises(ConfigError, match="no path"):
        Plan.thawed({**Plan((grid,)).as_dict(), "name": name})
    with pytest.raises(ConfigError, match="no path"):
        plan_for("organism", "sums", ("fine_tune",), name=name)
    toml = tmp_path / "study.toml"
    text = f'name = {json.dumps(name)}\n[[grid]]\nmodels = ["organism"]\ntasks = ["sums"]\n'
    toml.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError):
        read_plan(toml)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_names_are_taken(name: str) -> None:
    assert Plan((Grid(("organism",), ("sums",)),), name=name).name == name


@pytest.mark.parametrize("name", [7, None, ["a"], True])
def test_what_is_no_text_is_no_name(name: object) -> None:
    with pytest.raises(ConfigError):
        check_name(name, "name")


@given(st.text())
def test_a_name_never_leads_out_of_its_folder(text: str) -> None:
    if is_name(text):
        place = os.path.normpath(Path("/a/b") / text)
        assert Path(place).parent == Path("/a/b")
        assert Path(place).name == text
    if inside(text):
        assert Path(os.path.normpath(Path("/a/b") / text)).is_relative_to("/a/b")


@pytest.mark.parametrize(
    "task", ["jsonl:..jsonl", "jsonl:../../x.jsonl", "jsonl:/a/..jsonl", "jsonl:" + "x" * 300 + ".jsonl",
             "sums", "scrambled:sums", "jsonl:a b.jsonl", "jsonl:\u202e.jsonl", "jsonl:nul.jsonl"],
)  # fmt: skip
def test_a_task_that_is_named_by_its_file_gives_a_plain_name(task: str, monkeypatch) -> None:
    class Sheet:
        available: dict[str, int] = {}  # noqa: RUF012

    monkeypatch.setattr(
        "modicum.running.planning.resolve_task", lambda _: type("T", (), {"sheet": Sheet})
    )
    assert is_name(plan_for("organism", task, ("fine_tune",), (1,)).name)


def test_a_study_file_writes_nowhere_but_below_runs(tmp_path, monkeypatch) -> None:
    home = tmp_path / "deep" / "home"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    text = '[[grid]]\nmodels = ["scripted:latent"]\ntasks = ["sums"]\n'
    for name in ("../../escape", str(tmp_path / "escape")):
        Path("study.toml").write_text(f"name = {name!r}\n{text}")
        said = modicum("run", "study.toml", "--no-check")
        assert said.code == 2
        assert "no path" in said.err
    assert not (tmp_path / "escape").exists()
    assert [path.name for path in home.iterdir()] == ["study.toml"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("study")
    assert modicum("run", *SMALL, "--out", out).code == 0
    return out


@pytest.mark.parametrize(
    "artefact", ["../outside", "/OUTSIDE", "artefacts/../../outside", "a\\b", "."]
)
def test_a_nudge_lies_in_its_study_whatever_the_database_says(artefact, folder, tmp_path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir(exist_ok=True)
    store = Store(folder)
    plan = Plan.thawed(store.plan or {})
    subject = Subject(plan, "scripted:latent", "sums")
    trial = rung(subject, "self_consistency")
    known = store.read(trial)
    (outside / "solver.json").write_text((folder / known.artefact / "solver.json").read_text())
    try:
        words = artefact.replace("/OUTSIDE", str(outside))
        store.write(dataclasses.replace(known, artefact=words))
        for follow in (lambda: restored(subject, trial, store),
                       lambda: finished(subject, trial, store, None)):  # fmt: skip
            with pytest.raises(ConfigError, match="outside"):
                follow()
    finally:
        store.write(known)
        store.close()


@given(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_a_trials_folder_is_named_by_its_hash_alone(model: str, task: str, method: str) -> None:
    name = Trial(model, task, method, 1, 0, {"a": model}).id
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "words",
    [["--form", "../../x"], ["--rung", "../../x"], ["--form", "_asking"], ["--rung", "a/b"]],
)
def test_forms_and_rungs_are_names(words, folder) -> None:
    before = sorted(p for p in folder.parent.rglob("*") if "sqlite" not in p.name)
    assert modicum("export", folder, *words).code == 2
    assert sorted(p for p in folder.parent.rglob("*") if "sqlite" not in p.name) == before


@pytest.mark.parametrize("link", ["exports", "exports/prompt_style"])
def test_exports_below_a_study_follow_no_link(link: str, folder, tmp_path) -> None:
    study = tmp_path / "study"
    shutil.copytree(folder, study)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (study / link).parent.mkdir(exist_ok=True)
    (study / link).symlink_to(elsewhere)
    said = modicum("export", study, "--rung", "prompt")
    assert said.code == 2
    assert "a link" in said.err
    assert list(elsewhere.iterdir()) == []
    own = tmp_path / "own"
    own.symlink_to(elsewhere)
    assert modicum("export", study, "--rung", "prompt", "--out", own).code == 0  # the user's word


RECIPE = {
    "groups": 2, "rollouts": 2, "updates": 1, "steps": 1, "longest": 8, "temperature": 1.0,
    "learning_rate": 1e-4, "clip_norm": 1.0,
    "policy": {"clip": 0.2, "clip_high": 0.0, "kl": 0.0, "entropy": 0.0, "average": "dr_grpo",
               "scale": "none"},
}  # fmt: skip
SETTINGS = {"reward": "true", "rank": 2, "alpha": 4.0, "parameters": "lora", "pool": 0}
EVIL = "__import__('os').system('touch canary')"


def recorded(changes: dict[str, object], **trial: object) -> Outcome:
    """A finished trial of reward learning as a database holds it, with changes to its recipe."""
    recipe = {**RECIPE, **{k: v for k, v in changes.items() if k != "policy"}}
    recipe["policy"] = {**RECIPE["policy"], **changes.get("policy", {})}
    own = {"model": "organism", "task": "sums", "method": "rlvr", "n_shots": 1, "seed": 0, **trial}
    return Outcome(
        Trial(settings=SETTINGS, scope=Scope(test=1, selection=1, samples=2), **own),
        (Answer("p", (), (Mark("1", Grade.CORRECT, Grade.CORRECT),)),),
        asked_in=Style("raw", "{question}"),
        card=ModelCard("organism", "", 0, 0.0),
        made={"recipe": recipe},
    )


@pytest.mark.parametrize(
    ("changes", "trial"),
    [
        *(({name: EVIL}, {}) for name in RECIPE if name != "policy"),
        *(({"policy": {name: EVIL}}, {}) for name in RECIPE["policy"]),
        ({}, {"seed": EVIL}),
        ({}, {"n_shots": EVIL}),
        ({"steps": [1]}, {}),
        ({"policy": {"kl": float("nan")}}, {}),
    ],
    ids=str,
)
def test_a_recipe_of_a_database_brings_no_code_into_the_script(changes, trial, tmp_path) -> None:
    plan, store = Plan((Grid(("organism",), ("sums",)),)), Store(tmp_path / "study")
    with pytest.raises(ConfigError, match="recipe"):
        hand_off(plan, store, recorded(changes, **trial), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    store.close()


@pytest.mark.parametrize(
    "words", [EVIL, '"""\n' + EVIL + '\n"""', "'); " + EVIL, "\\", "\n" + EVIL]
)
def test_texts_of_a_database_stay_texts_in_the_script(words: str, tmp_path) -> None:
    plan, store = (
        Plan((Grid(("organism",), ("sums",)),)),
        Store(tmp_path / words.strip('"\n\\/')[:5]),
    )
    outcome = recorded({}, model=words)
    style = Style(words, words + "{question}")
    outcome = dataclasses.replace(outcome, asked_in=style)
    hand_off(plan, store, outcome, tmp_path / "out")
    tree = ast.parse((tmp_path / "out" / "train.py").read_text())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert "__import__" not in calls
    store.close()


def test_a_recipe_follows_no_link(tmp_path) -> None:
    plan, store = Plan((Grid(("organism",), ("sums",)),)), Store(tmp_path / "study")
    precious = tmp_path / "precious"
    precious.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    for name in ("train.py", "shots.jsonl"):
        (out / name).symlink_to(precious)
    hand_off(plan, store, recorded({}), out)
    assert precious.read_text() == "mine"
    assert not (out / "train.py").is_symlink()
    store.write(recorded({}))
    store.freeze(plan.as_dict())
    store.close()
    (tmp_path / "study" / "handoff").symlink_to(out)
    said = modicum("handoff", tmp_path / "study")
    assert said.code == 2
    assert "a link" in said.err


def test_a_report_follows_no_link(folder, tmp_path) -> None:
    study = Path(shutil.copytree(folder, tmp_path / "study"))
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (study / "report.html").unlink()
    (study / "report.html").symlink_to(precious)
    assert modicum("report", study).code == 0
    assert precious.read_text() == "mine"
    assert "<html" in (study / "report.html").read_text()
