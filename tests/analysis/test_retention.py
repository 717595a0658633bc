"""What is scored before and after a nudge: retained tasks, files of the user, held-out text."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import torch

from modicum.errors import ConfigError
from modicum.method import METHODS, Kind, Method
from modicum.model import resolve_backend
from modicum.models.scripted import ScriptedModel
from modicum.running.planning import plan_for
from modicum.stats.written import share
from modicum.study import held_out
from modicum.study.checks import check_plan
from modicum.study.plan import Plan, Subject
from modicum.task import resolve_task
from modicum.types import Trial
from tests.support.commands import Said, modicum
from tests.support.tiny_models import tiny_local


def test_held_out_text_is_small_and_has_many_passages() -> None:
    texts = held_out.passages()
    assert len(texts) == len(set(texts)) == 120
    assert sum(map(len, texts)) < 30_000
    assert {120 <= len(text) <= 220 and text.isascii() for text in texts} == {True}


def test_text_loss_is_what_a_forward_pass_gives() -> None:
    model = tiny_local()
    found = held_out.text_loss(model)
    for i in (0, 77):
        ids = model.encode_more(held_out.passages()[i])
        row = torch.tensor([[model.tokenizer.bos_token_id, *ids]])
        with torch.inference_mode():
            scores = model.module(row).logits[0, :-1].log_softmax(-1)
        taken = scores.gather(1, row[0, 1:, None]).mean()
        assert found[i] == pytest.approx(-float(taken), abs=1e-4)
    assert len(found) == 120


def test_model_that_cannot_write_the_text_has_no_loss() -> None:
    assert held_out.text_loss(resolve_backend("organism").open()) == ()


def test_model_without_a_tokenizer_has_no_loss() -> None:
    assert held_out.text_loss(ScriptedModel("latent")) == ()


def test_every_method_that_tunes_changes_the_model() -> None:
    methods = {name: METHODS.build(name) for name in METHODS.entries}
    changing = {name for name, method in methods.items() if method.changes_model}
    assert {"fine_tune", "rejection_tuning"} <= changing
    assert not {"plain", "prompt_style", "self_consistency", "cot_decoding"} & changing


def test_steering_will_change_the_model() -> None:
    assert Method.changes_model.fget(SimpleNamespace(kind="steering"))
    assert not any(Method.changes_model.fget(SimpleNamespace(kind=k)) for k in get_args(Kind)[:3])


def _plan(**options) -> Plan:
    return plan_for("organism", "sums", ["cot_decoding", "rejection_tuning"], [1], **options)


def _of(plan: Plan, method: str) -> list[Trial]:
    return [trial for trial in plan.trials() if trial.method == method]


def _scope_names(plan: Plan, method: str) -> set[bool]:
    return {bool(trial.scope.text) for trial in _of(plan, method)}


def test_text_is_scored_where_the_task_names_nothing_to_retain() -> None:
    plan = _plan()
    assert _scope_names(plan, "rejection_tuning") == {True}
    assert _scope_names(plan, "cot_decoding") == {False}
    assert Subject(plan, "organism", "sums").text() in plan.trials()


def test_organisms_own_tasks_retain_what_they_name() -> None:
    plan = plan_for("organism", "word_sums", ["fine_tune"], [1])
    assert _scope_names(plan, "fine_tune") == {False}
    assert Subject(plan, "organism", "word_sums").retain() == ("line_moves",)


@pytest.mark.parametrize("named", [("none",), ("line_moves",)])
def test_named_tasks_and_none_leave_the_text_out(named: tuple[str, ...]) -> None:
    plan = _plan(retain=named)
    assert _scope_names(plan, "rejection_tuning") == {False}
    assert Subject(plan, "organism", "sums").retain() == tuple(n for n in named if n != "none")


def test_none_leaves_the_tasks_own_out() -> None:
    plan = plan_for("organism", "word_sums", ["fine_tune"], [1], retain=("none",))
    assert Subject(plan, "organism", "word_sums").retain() == ()


def test_text_and_tasks_can_be_asked_together() -> None:
    plan = _plan(retain=("text", "line_moves"))
    assert _scope_names(plan, "rejection_tuning") == {True}
    assert Subject(plan, "organism", "sums").retain() == ("line_moves",)


def test_text_changes_no_trial_but_those_that_score_it() -> None:
    without, with_text = _plan(retain=("none",)).trials(), _plan(retain=("text",)).trials()
    other = {t.id for t in with_text} - {t.id for t in without}
    assert {t.method for t in with_text if t.id in other} == {"rejection_tuning", "plain"}


def test_study_that_changes_no_model_scores_no_text() -> None:
    plan = plan_for("organism", "sums", ["cot_decoding"])
    assert not [trial for trial in plan.trials() if trial.scope.text]


def test_newer_version_of_a_retained_task_is_scored_again(monkeypatch) -> None:
    from modicum.tasks.line_moves import LineMoves

    before = {t.id for t in _of(_plan(retain=("line_moves",)), "rejection_tuning")}
    monkeypatch.setattr(LineMoves, "version", 2)
    assert not before & {t.id for t in _of(_plan(retain=("line_moves",)), "rejection_tuning")}


def _file(path: Path, n: int) -> Path:
    """Write a user's file of sums."""
    rows = [{"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(n)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_file_that_changed_is_scored_again(tmp_path) -> None:
    kept = str(_file(tmp_path / "kept.jsonl", 40))
    before = {t.id for t in _of(_plan(retain=(kept,)), "rejection_tuning")}
    assert before == {t.id for t in _of(_plan(retain=(kept,)), "rejection_tuning")}
    _file(tmp_path / "kept.jsonl", 41)
    assert not before & {t.id for t in _of(_plan(retain=(kept,)), "rejection_tuning")}


def test_short_file_is_scored_whole(tmp_path) -> None:
    kept = str(_file(tmp_path / "kept.jsonl", 40))
    plan = _plan(retain=(kept,))
    check_plan(plan)
    n = Subject(plan, "organism", "sums").retained(kept).scope.test
    assert n == resolve_task(kept).sheet.available["test"] < 200


def test_none_beside_a_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="none by itself"):
        check_plan(_plan(retain=("none", "line_moves")))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A random model with a tokenizer of bytes, as a folder."""
    folder = tmp_path_factory.mktemp("tiny")
    model = tiny_local()
    model.module.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


def _tuned(tiny: Path, out: Path, *more: object) -> Said:
    """Run one small tuning."""
    return modicum(
        "run", "--model", f"{tiny}?threads=1", "--task", "sums", "--methods", "fine_tune",
        "--shots", 1, "--seeds", 1, "--test", 4, "--selection", 2, "--samples", 2,
        "--max-new-tokens", 3, "--retain-test", 4, "--set", "fine_tune.steps=2",
        "--set", "fine_tune.passes=1", "--force", "--out", out, *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("study") / "out"


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return _file(tmp_path_factory.mktemp("own") / "kept, really.jsonl", 40)


@pytest.fixture(scope="module")
def said(tiny, folder, kept) -> Said:
    return _tuned(tiny, folder, "--retain", "line_moves,text", "--retain", kept, "--json")


@pytest.fixture(scope="module")
def row(said) -> dict:
    assert said.code == 0, said.err
    rungs = json.loads(said.out)["verdicts"][0]["rungs"]
    return next(rung for rung in rungs if rung["method"] == "fine_tune")


def test_each_retained_task_has_its_own_damage(row, kept) -> None:
    assert {each["task"] for each in row["retention"]} == {"line_moves", str(kept)}
    for each in row["retention"]:
        assert {"before", "after", "damage"} <= set(each)
        assert each["damage"]["low"] <= each["damage"]["value"] <= each["damage"]["high"]


def test_worst_damage_stands_by_itself_in_json(row) -> None:
    assert row["damage"] == row["retention"][0]["damage"]


def test_tuned_model_has_another_perplexity(row, said) -> None:
    before = json.loads(said.out)["verdicts"][0]["text_loss"]
    ratio = row["text_perplexity_ratio"]
    assert ratio["value"] == pytest.approx(
        math.exp(row["text_loss"]["value"] - before["value"]), rel=1e-6
    )
    assert ratio["value"] != 1
    assert ratio["low"] <= ratio["value"] <= ratio["high"]


def test_second_run_scores_no_text_again(said, tiny, folder, kept, monkeypatch) -> None:
    monkeypatch.setattr("modicum.executor.run_trial", lambda *given: pytest.fail("ran again"))
    again = _tuned(tiny, folder, "--retain", "line_moves,text", "--retain", kept, "-v")
    assert again.code == 0
    lines = [line.split() for line in again.out.splitlines() if line.startswith("    on ")]
    assert [line[1] for line in lines][-1] == "text"
    assert lines[-1][2].startswith("×")
    assert len(lines) == 3


def test_report_shows_text_and_tasks_beside_the_gain(said, folder, row) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    ratio = row["text_perplexity_ratio"]
    assert f"text ×{share(ratio['value'])} [{share(ratio['low'])}" in page
    assert "line_moves 0.0 [" in page


def test_text_is_the_default_and_none_turns_it_off(tiny, tmp_path) -> None:
    by_default = json.loads(_tuned(tiny, tmp_path / "a", "--json").out)["verdicts"][0]
    turned_off = json.loads(_tuned(tiny, tmp_path / "b", "--retain", "none", "--json").out)
    assert by_default["text_loss"]["n"] == 120
    assert by_default["rungs"][-1]["text_perplexity_ratio"] is not None
    assert by_default["rungs"][-1]["retention"] == []
    assert turned_off["verdicts"][0]["text_loss"] is None
    assert turned_off["verdicts"][0]["rungs"][-1]["text_perplexity_ratio"] is None


def test_text_that_cannot_be_encoded_is_said_to_be_left_out(tmp_path) -> None:
    said = modicum(
        "run", "--model", "organism", "--task", "line_moves", "--methods", "fine_tune",
        "--shots", 1, "--seeds", 1, "--test", 4, "--selection", 2, "--samples", 2,
        "--retain", "text", "--set", "fine_tune.steps=1", "--workers", 1, "--out", tmp_path, "-v",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "held-out text left out (cannot be encoded)" in " ".join(said.out.split())
    assert "    on text" not in said.out
