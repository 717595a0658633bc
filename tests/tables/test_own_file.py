"""The README's path for one's own problems works: check, run and report, in one command each."""

import json
import re
import shutil
from pathlib import Path

import pytest

from modicum.store.database import Store
from modicum.task import resolve_task
from tests.support.commands import Said, modicum
from tests.support.sources import ROOT

FILE = "examples/data/word_problems.jsonl"
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = {
    "check": ["--test", 40, "--selection", 10, "--max-new-tokens", 32],
    "run": [
        "--test",
        40,
        "--selection",
        10,
        "--samples",
        4,
        "--max-new-tokens",
        32,
        "--workers",
        1,
    ],
    "report": [],
}
"""Sizes that end in seconds; the README's commands are otherwise run as they stand."""


def _commands(model: str) -> list[list[str]]:
    """The three commands that the README shows for a model."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.compile(rf"modicum check {model} \S+\.jsonl$", re.MULTILINE)
    [fence] = filter(first.search, FENCE.findall(text))
    lines = [line.partition("#")[0].split()[1:] for line in fence.splitlines()]
    assert [line[0] for line in lines] == ["check", "run", "report"]
    return lines


def _small(line: list[str], model: str, file: str, out: Path) -> list[object]:
    """A command with a fast model, our file, small sizes and a folder of its own."""
    swapped = {"smollm2-135m": model, "Qwen/Qwen2.5-1.5B-Instruct": model, FILE: file}
    words = [swapped.get(word, str(out) if word.startswith("runs/") else word) for word in line]
    return [*words, *SMALL[line[0]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a file in GSM8K's form that the scripted model half knows."""
    place = tmp_path_factory.mktemp("mine")
    sums = resolve_task("sums").problems("test", 200)
    lines = [
        {
            "question": p.question,
            "answer": f"That makes <<{p.answer}={p.answer}>>{p.answer}.\n#### {p.answer}",
        }
        for p in sums
    ]
    text = "\n".join(map(json.dumps, lines))
    (place / "my_problems.jsonl").write_text(text, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def said(folder) -> list[Said]:
    """What the three commands said, one after the other."""
    file = str(folder / "my_problems.jsonl")
    lines = _commands("smollm2-135m")
    return [modicum(*_small(line, "scripted:latent", file, folder / "out")) for line in lines]


def test_check_answers_in_one_command(said) -> None:
    assert said[0].code == 0, said[0].out + said[0].err
    assert "40 test problems: gains of" in said[0].out
    assert "in one process: floor and ceiling" in said[0].out


def test_run_answers_in_one_command(said) -> None:
    assert said[1].code == 0, said[1].err
    assert re.search(r"^LATENT, unlocked by cot_decoding", said[1].out, re.MULTILINE)
    assert "preset gsm8k" in said[1].err


def test_report_is_written_in_one_command(said, folder) -> None:
    assert said[2].code == 0, said[2].err
    assert (folder / "out" / "report.html").stat().st_size > 10_000


def test_golds_stand_after_the_marks_of_the_file(said, folder) -> None:
    out = modicum("show", folder / "out", "--method", "prompt_style", "--limit", 5, "--all").out
    golds = re.findall(r"^gold +(.+)$", out, re.MULTILINE)
    assert len(golds) == 5
    assert all(gold.lstrip("-").replace(",", "").isdigit() for gold in golds)


def test_path_of_a_hub_model_is_the_same_three_commands() -> None:
    ours, theirs = _commands("smollm2-135m"), _commands("Qwen/Qwen2.5-1.5B-Instruct")
    assert [len(line) for line in ours] == [len(line) for line in theirs]


def test_figures_of_the_expected_time_are_what_run_says(tmp_path) -> None:
    from modicum.running.planning import plan_for
    from modicum.study.forecast import forecast

    line = (ROOT / FILE).read_text(encoding="utf-8").splitlines()
    file = tmp_path / "many.jsonl"
    many = [text.replace("?", f" ({i})?", 1) for i in range(5) for text in line]
    file.write_text("\n".join(many), encoding="utf-8")
    plan = plan_for("Qwen/Qwen2.5-1.5B-Instruct", f"jsonl:{file}")
    ahead = forecast(plan, plan.trials())
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{ahead.completions:,} answers, {ahead.tokens / 1e6:.1f} million tokens" in text
    assert f"and {ahead.tunings} tunings" in " ".join(text.split())


@pytest.mark.slow
def test_path_works_with_a_real_model(folder) -> None:
    store, file = folder / "real", str(folder / "word_problems.jsonl")
    shutil.copy(ROOT / FILE, file)
    check, run, report = _commands("smollm2-135m")
    few = ["--test", 8, "--selection", 4, "--max-new-tokens", 24]
    assert modicum(*_small(check, "smollm2-135m", file, store), *few).code in (0, 2)
    sizes = [
        *few,
        "--samples",
        2,
        "--shots",
        1,
        "--seeds",
        1,
        "--set",
        "fine_tune.steps=2",
        "--force",
    ]
    assert modicum(*_small(run, "smollm2-135m", file, store), *sizes).code == 0
    assert modicum(*_small(report, "smollm2-135m", file, store)).code == 0
    opened = Store(store)
    assert not opened.failed()
    opened.close()
