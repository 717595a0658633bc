"""The README's path for one's own problems works: check, run and report, in one command each."""

import json
import re
from pathlib import Path

import pytest

from modicum.task import resolve_task
from tests.support.commands import Said, modicum
from tests.support.sources import ROOT

FILE = "examples/data/word_problems.jsonl"
FENCE = re.compile(r"^```sh[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
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


def _commands() -> list[list[str]]:
    """The three commands that the README shows for a model, without the pull and the dry run."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [fence] = [code for code in FENCE.findall(text) if "modicum models pull" in code]
    lines = [line.partition("#")[0].split()[1:] for line in fence.splitlines()]
    lines = [line for line in lines if line[0] != "models" and "--dry-run" not in line]
    assert [line[0] for line in lines] == ["check", "run", "report"]
    return lines


def _small(line: list[str], model: str, file: str, out: Path) -> list[object]:
    """A command with a fast model, our file, small sizes and a folder of its own."""
    swapped = {"smollm2-135m": model, FILE: file}
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
    lines = _commands()
    return [modicum(*_small(line, "scripted:latent", file, folder / "out")) for line in lines]


def test_check_answers_in_one_command(said) -> None:
    assert said[0].code == 0, said[0].out + said[0].err
    assert "40 test problems: gains of" in said[0].out
    assert "in one process: floor and ceiling" in said[0].out


def test_run_answers_in_one_command(said) -> None:
    assert said[1].code == 0, said[1].err
    assert re.search(r"^LATENT  my_problems on ", said[1].out, re.MULTILINE)
    assert "preset gsm8k" in said[1].err


def test_report_is_written_in_one_command(said, folder) -> None:
    assert said[2].code == 0, said[2].err
    assert (folder / "out" / "report.html").stat().st_size > 10_000


def test_golds_stand_after_the_marks_of_the_file(said, folder) -> None:
    out = modicum("show", folder / "out", "--method", "prompt_style", "--limit", 5, "--all").out
    golds = re.findall(r"^gold +(.+)$", out, re.MULTILINE)
    assert len(golds) == 5
    assert all(gold.lstrip("-").replace(",", "").isdigit() for gold in golds)
