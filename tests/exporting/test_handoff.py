"""The best recipe of training by reward leaves as a script that TRL runs with the same figures."""

import ast
import json
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from safetensors.torch import load_file

from modicum.errors import ConfigError
from modicum.exporting.handoff import hand_off, winner
from modicum.model import resolve_backend
from modicum.store.database import Store
from modicum.study.plan import Plan
from tests.support.commands import modicum

STUDY = (
    "run", "--model", "organism", "--task", "row_pushes", "--methods", "rlvr", "--shots", "1,2",
    "--seeds", 1, "--test", 8, "--selection", 4, "--samples", 4, "--retain", "none", "--no-check",
    "--no-reuse", "--workers", 1, "--set", "rlvr.steps=2", "--set", "rlvr.groups=2",
    "--set", "rlvr.rollouts=8", "--set", "rlvr.rank=2", "--set", "rlvr.updates=2",
    "--set", "rlvr.clip_high=0.28", "--set", "rlvr.temperature=0.9", "--set", "rlvr.kl=0.01",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A finished study with two rungs trained by reward."""
    path = tmp_path_factory.mktemp("study")
    said = modicum(*STUDY, "--out", path)
    assert said.code == 0, said.err
    return path


@pytest.fixture(scope="module")
def script(folder) -> Path:
    said = modicum("handoff", folder, "--shots", 2)
    assert said.code == 0, said.err
    assert str(folder / "handoff" / "train.py") in said.out
    return folder / "handoff" / "train.py"


def changed(store: Store, **settings: object):
    """The trial with other settings in its record."""
    outcome = winner(store)
    trial = outcome.trial
    object.__setattr__(trial, "settings", {**trial.settings, **settings})
    return outcome


def test_the_script_parses_and_names_only_settings_that_trl_has(script) -> None:
    trl = pytest.importorskip("trl")
    tree = ast.parse(script.read_text())
    [call] = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "trl.GRPOConfig"
    ]
    fields = trl.GRPOConfig.__dataclass_fields__
    assert {keyword.arg for keyword in call.keywords} <= set(fields)
    assert len(call.keywords) > 25


def test_the_settings_are_the_recipes_and_trl_takes_them(script, tmp_path) -> None:
    pytest.importorskip("trl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers renames a setting that TRL 1.16 still has
        made = runpy.run_path(str(script))["settings"](str(tmp_path), 0)
    assert (made.loss_type, made.scale_rewards) == ("dr_grpo", "none")
    assert (made.epsilon, made.epsilon_high, made.beta) == (0.2, 0.28, 0.01)
    assert made.use_bias_correction_kl is False
    assert (made.temperature, made.top_p, made.top_k) == (0.9, 1.0, 0)
    assert (made.max_completion_length, made.learning_rate) == (72, 5e-4)
    assert (made.num_iterations, made.num_generations) == (1, 8)
    # two groups of eight rollouts in two optimiser steps, twice
    assert made.generation_batch_size == 16
    assert made.per_device_train_batch_size * made.gradient_accumulation_steps == 8
    assert made.steps_per_generation == 2 * made.gradient_accumulation_steps
    assert made.max_steps == 4
    assert made.lr_scheduler_type == "constant"


def test_the_reward_is_the_tasks_verifier_on_texts_and_on_messages(script) -> None:
    pytest.importorskip("trl")
    made = runpy.run_path(str(script))
    rows = [json.loads(line) for line in script.with_name("shots.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    golds = [json.loads(row["problem"]) for row in rows]
    texts = [f"Answer {golds[0]['answer']}", "Answer ABCD", f"Answer {golds[1]['answer']}"]
    problems = [rows[0]["problem"], rows[0]["problem"], rows[1]["problem"]]
    assert made["reward"](texts, problem=problems) == [1.0, 0.0, 1.0]
    turns = [[{"role": "assistant", "content": text}] for text in texts]
    assert made["reward"](turns, problem=problems, trainer_state=None) == [1.0, 0.0, 1.0]


def test_the_best_rung_is_chosen_and_of_equals_the_one_with_fewer_shots(folder) -> None:
    store = Store(folder)
    assert winner(store).trial.n_shots == 1
    assert winner(store, 2).trial.n_shots == 2
    with pytest.raises(ConfigError, match="no finished trial of rlvr with 5 shots"):
        winner(store, 5)
    store.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"reward": "majority"}, "drawn up from the initial model's answers"),
        ({"parameters": "bias"}, "parameters = bias"),
    ],
)
def test_what_trl_cannot_follow_is_refused(folder, tmp_path, settings, words) -> None:
    store = Store(folder)
    with pytest.raises(ConfigError, match=words):
        hand_off(Plan.thawed(store.plan), store, changed(store, **settings), tmp_path / "out")
    store.close()
    assert not (tmp_path / "out").exists()


def test_a_study_without_training_by_reward_is_refused(tmp_path) -> None:
    small = ("run", "--model", "scripted:latent", "--task", "sums", "--test", 8, "--selection", 4)
    modicum(*small, "--samples", 4, "--methods", "cot_decoding", "--out", tmp_path, "--no-reuse")
    said = modicum("handoff", tmp_path)
    assert said.code == 2
    assert "run the study with --methods rlvr first" in said.err


def test_names_cannot_end_the_scripts_docstring(folder, tmp_path) -> None:
    store = Store(folder)
    outcome = winner(store)
    evil = '"""\nraise SystemExit(5)\n"""\\'
    object.__setattr__(outcome.trial, "model", evil)
    handed = hand_off(Plan.thawed(store.plan), store, outcome, tmp_path)
    store.close()
    tree = ast.parse(handed.files[0].read_text())
    assert not any(isinstance(node, ast.Raise) for node in tree.body)
    assert evil in [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]


@pytest.mark.slow
def test_trl_runs_the_script_and_saves_an_adapter(script, tmp_path) -> None:
    model = resolve_backend("organism").open()
    for part in (model.module, model.tokenizer):
        part.save_pretrained(tmp_path / "model")  # names its architecture, which TRL asks for
    command = [sys.executable, script, "--model", tmp_path / "model", "--out", tmp_path / "out"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    tensors = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert any("lora_A" in name for name in tensors)
