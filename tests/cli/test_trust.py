"""What a study file or a study's folder asks for of code and servers waits for the user's `--trust`."""

import contextlib
import dataclasses
import json
import sqlite3
from pathlib import Path

import pytest

from modicum.store.database import Store
from modicum.store.opening import DATABASE
from modicum.types import Trial
from tests.support.commands import Said, modicum

STUDY = """
test = 8
selection = 4
samples = 4
controls = false
retain = ["none"]
[[grid]]
models = ["scripted:latent"]
tasks = ["jsonl:sums.jsonl?marker=python:mark.py:is_right"]
methods = ["self_consistency"]
"""
QUIET = ("--no-check", "--no-reuse", "--workers", 1)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A marker that leaves a file when it runs, beside its problems."""
    path = tmp_path_factory.mktemp("home")
    (path / "mark.py").write_text(
        f"def sing():\n    open({str(path / 'canary')!r}, 'w').close()\n\n\nsing()\n\n\n"
        "def is_right(text, answer):\n    sing()\n    return text.split()[-1:] == [answer]\n"
    )
    lines = [{"question": f"What is {n} + {n + 7}?", "answer": str(2 * n + 7)} for n in range(40)]
    (path / "sums.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture(autouse=True)
def canary(home, monkeypatch) -> Path:
    """The file that tells that the marker ran; gone at the beginning."""
    monkeypatch.chdir(home)
    (home / "study.toml").write_text(STUDY)
    (home / "canary").unlink(missing_ok=True)
    return home / "canary"


@pytest.fixture(scope="module")
def folder(home) -> Path:
    """A finished study whose plan names a marker that runs."""
    with contextlib.chdir(home):
        (home / "study.toml").write_text(STUDY)
        assert modicum("run", "study.toml", *QUIET, "--trust", "--out", "done").code == 0
    return home / "done"


def refused(said: Said, canary: Path, *words: str) -> None:
    assert said.code == 2
    assert said.out == ""
    assert "none of them was done" in said.err
    assert "--trust" in said.err
    assert not [word for word in words if word not in said.err]
    assert not canary.exists()


def test_marker_of_a_study_file_waits_for_trust(canary) -> None:
    refused(modicum("run", "study.toml", *QUIET), canary, "study.toml", "python:mark.py:is_right")
    assert not Path("runs").exists()


def test_trusted_study_runs_its_marker(folder, canary) -> None:
    said = modicum("run", "study.toml", *QUIET, "--trust", "--out", folder)
    assert said.code == 0, said.err  # all is done: what ran is in its database
    store = Store(folder)
    assert {head.trial.subject for head in store.heads().values()} == {
        "jsonl:sums.jsonl?marker=python:mark.py:is_right"
    }
    store.close()


def test_marker_that_the_command_line_names_is_the_users_own(canary) -> None:
    task = "jsonl:sums.jsonl?marker=python:mark.py:is_right"
    said = modicum(
        "run", "--model", "scripted:latent", "--task", task, "--test", 8, "--selection", 4,
        "--samples", 4, "--methods", "self_consistency", *QUIET,
    )  # fmt: skip
    assert said.code == 0, said.err
    assert canary.exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('models = ["./m?trust_remote_code=%74rue"]', "trust_remote_code"),
        ('models = ["openai:m?base_url=http://127.0.0.1:9/v1&api_key_env=HOME"]', "HOME"),
        ('models = ["organism"]\ntwin = "openai:m"', "twin"),
        ('models = ["organism"]\narms = ["rlvr.server=openai:m"]', "rlvr.server"),
    ],
)
def test_model_of_a_study_file_waits_for_trust(line: str, words: str, canary) -> None:
    Path("study.toml").write_text(f'[[grid]]\n{line}\ntasks = ["sums"]\n')
    refused(modicum("run", "study.toml", *QUIET), canary, words)


def test_what_the_command_line_says_instead_is_not_asked_about(canary) -> None:
    text = STUDY.replace("jsonl:sums.jsonl?marker=python:mark.py:is_right", "sums")
    text = (
        f'reference = "openai:m"\n{text}twin = "openai:m"\n[settings.rlvr]\nserver = "openai:m"\n'
    )
    Path("study.toml").write_text(text)
    refused(modicum("run", "study.toml", *QUIET), canary, "twin", "reference", "rlvr.server")
    said = modicum(
        "run", "study.toml", *QUIET, "--twin", "scripted:absent", "--reference", "scripted:shown",
        "--set", "rlvr.steps=2",
    )  # fmt: skip
    assert said.code == 0, said.err


def kept(folder: Path) -> list[Path]:
    """What lies in a study's folder, the database's own files left out."""
    return sorted(path for path in folder.rglob("*") if not path.name.startswith("study.sqlite"))


@pytest.mark.parametrize(
    "command",
    [
        ("ask", "FOLDER", "What is 2 + 9?"),
        ("export", "FOLDER", "--rung", "prompt"),
        ("handoff", "FOLDER"),
    ],
    ids=lambda command: command[0],
)
def test_verbs_that_open_what_a_folder_names_wait_for_trust(command, folder, canary) -> None:
    asked = [folder if part == "FOLDER" else part for part in command]
    before = kept(folder)
    refused(modicum(*asked), canary, str(folder), "python:mark.py:is_right")
    assert kept(folder) == before
    said = modicum(*asked, "--trust")
    if command[0] == "handoff":
        assert "no finished trial of rlvr" in said.err
    else:
        assert said.code == 0, said.err


def test_trial_of_a_database_is_looked_at_before_its_recipe_leaves(folder, canary) -> None:
    store = Store(folder)
    plan = dict(store.plan or {})
    plan["grids"] = [{**plan["grids"][0], "tasks": ["sums"]}]
    with sqlite3.connect(folder / DATABASE) as db:  # as a stranger would: beside it stands no other
        db.execute("UPDATE meta SET value=? WHERE key='plan'", (json.dumps(plan),))
    known = next(head.trial for head in store.heads().values())
    trial = Trial("scripted:latent", known.task, "rlvr", 1, 0)
    store.write(dataclasses.replace(store.read(known), trial=trial))
    store.close()
    refused(modicum("handoff", folder), canary, "task of a trial", "python:mark.py:is_right")
