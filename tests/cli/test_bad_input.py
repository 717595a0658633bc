"""Bad input ends with exit code 2 and a message of three parts, before any weights load."""

import json
import sqlite3
from pathlib import Path

import pytest

from modicum.store.database import SCHEMA, Store
from tests.support.commands import SMALL, Said, modicum

GOOD = """
test = 8
selection = 4
samples = 4
[[grid]]
models = ["scripted:latent"]
tasks = ["sums"]
methods = ["self_consistency"]
"""


@pytest.fixture(autouse=True)
def opened(monkeypatch, tmp_path) -> list[str]:
    """References of models that were opened although the input was bad."""
    found: list[str] = []
    monkeypatch.setattr("modicum.study.trial.open_model", found.append)
    monkeypatch.chdir(tmp_path)
    return found


def _run(*more: object) -> Said:
    return modicum("run", *SMALL, *more)


def _study(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _pickles(folder: Path) -> Path:
    model = folder / "pickled"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    return model


def _newer(folder: Path) -> Path:
    study = folder / "newer"
    Store(study).close()
    db = sqlite3.connect(study / "study.sqlite")
    db.execute(f"PRAGMA user_version={SCHEMA + 1}")
    db.close()
    return study


def _table(folder: Path, *rows: str) -> Path:
    path = folder / "own.jsonl"
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def _rows(n: int) -> list[str]:
    return [json.dumps({"question": f"q{i}", "answer": i}) for i in range(n)]


def _rejecting(folder: Path) -> str:
    (folder / "never.py").write_text("def never(text, answer):\n    return False\n")
    return f"{folder / 'never.py'}:never"


def _under_a_file(folder: Path) -> Path:
    (folder / "file").write_text("x")
    return folder / "file" / "study"


CASES = {
    "unknown model": (lambda at: ["--model", "scriptd"], "did you mean 'scripted'"),
    "unknown truth of the model": (lambda at: ["--model", "scripted:latnt"], "latent"),
    "model's folder missing": (lambda at: ["--model", at / "no-model"], "no folder or file"),
    "unknown task": (lambda at: ["--task", "smus"], "did you mean 'sums'"),
    "scrambled without a task": (lambda at: ["--task", "scrambled:"], "scrambled:TASK"),
    "unknown method": (lambda at: ["--methods", "cot_decodin"], "did you mean 'cot_decoding'"),
    "unknown field": (lambda at: ["--set", "cot_decoding.kk=3"], "did you mean 'k'"),
    "unknown method in a field": (lambda at: ["--set", "cot_decodin.k=3"], "'cot_decoding'"),
    "field of a wrong type": (lambda at: ["--set", "cot_decoding.k=many"], "cot_decoding.k"),
    "field out of range": (lambda at: ["--set", "cot_decoding.k=1"], "k = 1"),
    "field without a value": (lambda at: ["--set", "cot_decoding.k"], "method.field=value"),
    "shots that are no numbers": (lambda at: ["--shots", "1,x"], "--shots 1,4,8"),
    "access": (lambda at: ["--methods", "fine_tune"], "gives log-probabilities only"),
    "more shots than exist": (
        lambda at: ["--model", "organism", "--methods", "fine_tune", "--shots", "1,9999"],
        "9,999 shots",
    ),
    "no shots": (
        lambda at: ["--model", "organism", "--methods", "fine_tune", "--shots", "0"],
        "at least 1 shot",
    ),
    "no test problems": (lambda at: ["--test", "0"], "test = 0"),
    "samples that are no power of two": (lambda at: ["--samples", "7"], "a power of two"),
    "pickle": (lambda at: ["--model", _pickles(at)], "pickled weights"),
    "unwritable folder": (lambda at: ["--out", _under_a_file(at)], "cannot be written"),
    "newer store": (lambda at: ["--out", _newer(at)], "store version"),
    "prompt file missing": (lambda at: ["--system", at / "none.txt"], "none.txt"),
    "template without question": (
        lambda at: ["--template", _study(at, "no question here")],
        "{question}",
    ),
    "study and model": (lambda at: [_study(at, GOOD)], "a study and --model or --task"),
    "nothing to retain and a task": (
        lambda at: ["--retain", "none", "--retain", "sums"],
        "none by itself",
    ),
    "unknown reference": (lambda at: ["--reference", "scriptd"], "did you mean 'scripted'"),
    "model as its own reference": (
        lambda at: ["--reference", "scripted:latent"],
        "the very model under study",
    ),
    "line without an answer": (
        lambda at: ["--task", _table(at, *_rows(30), '{"question": "r"}')],
        "line 31 of",
    ),
    "line that is no JSON": (lambda at: ["--task", _table(at, "{", *_rows(9))], "line 1 of"),
    "wrong column": (
        lambda at: ["--task", _table(at, *_rows(200)), "--answer", "anwser"],
        "did you mean 'answer'",
    ),
    "file missing": (lambda at: ["--task", at / "none.jsonl"], "no file"),
    "more test problems than lines": (
        lambda at: ["--task", _table(at, *_rows(60)), "--test", 50],
        "at most 36",
    ),
    "gold that its marker rejects": (
        lambda at: ["--task", _table(at, *_rows(200)), "--mark-with", _rejecting(at)],
        "incorrect (lenient",
    ),
    "two markers": (lambda at: ["--marker", "exact", "--mark-with", "a.py:f"], "leave one out"),
    "unknown marker": (
        lambda at: ["--task", _table(at, *_rows(200)), "--marker", "exakt"],
        "did you mean 'exact'",
    ),
    "column of a task that has none": (lambda at: ["--question", "q"], "setting of task sums"),
    "unknown task to retain": (
        lambda at: ["--retain", "smus", "--methods", "self_consistency"],
        "did you mean 'sums'",
    ),
}
"""What is wrong: options added to a good command, and words of the message."""


@pytest.mark.parametrize("name", CASES)
def test_bad_option_is_exit_code_two(name: str, tmp_path) -> None:
    assert _run(*CASES[name][0](tmp_path)).code == 2


@pytest.mark.parametrize("name", CASES)
def test_bad_option_is_named_in_three_parts(name: str, tmp_path) -> None:
    options, words = CASES[name]
    said = _run(*options(tmp_path)).err
    parts = [line.partition(":")[0] for line in said.removeprefix("modicum: ").splitlines()]
    assert [p for p in parts if p in ("found", "expected", "to do")] == [
        "found",
        "expected",
        "to do",
    ]
    assert words in said


@pytest.mark.parametrize("name", CASES)
def test_bad_option_opens_no_model(name: str, tmp_path, opened) -> None:
    _run(*CASES[name][0](tmp_path))
    assert not opened


@pytest.mark.parametrize("name", CASES)
def test_bad_option_prints_nothing_to_standard_output(name: str, tmp_path) -> None:
    assert not _run(*CASES[name][0](tmp_path)).out


STUDIES = {
    "typo in a key": (GOOD.replace("test =", "tset ="), "did you mean 'test'"),
    "typo in the grid": (GOOD.replace("models =", "model ="), "did you mean 'models'"),
    "typo in a method": (GOOD.replace("self_consistency", "self_consistancy"), "did you mean"),
    "broken TOML": (GOOD.replace("test = 8", "test = "), "valid TOML"),
    "no grid": ("test = 8", "no [[grid]]"),
    "wrong type": (GOOD.replace("test = 8", 'test = "8 or so"'), "the study.test"),
    "too much access": (
        GOOD.replace("self_consistency", "fine_tune"),
        "gives log-probabilities only",
    ),
}


@pytest.mark.parametrize("name", STUDIES)
def test_bad_study_is_exit_code_two_and_named(name: str, tmp_path, opened) -> None:
    text, words = STUDIES[name]
    said = modicum("run", _study(tmp_path, text), "--out", tmp_path / "out")
    assert (said.code, opened) == (2, [])
    assert words in said.err


def test_missing_study_is_exit_code_two_and_named(tmp_path) -> None:
    said = modicum("run", tmp_path / "none.toml")
    assert said.code == 2
    assert "none.toml" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "did you mean 'run'"),
        (["run", "--modle", "x"], "--model"),
        (["run", "--prefer", "speed"], "serve"),
        (["run", "--model", "scripted"], "add --task"),
        (["run", "--task", "sums"], "add --model"),
        (["run", "--answer", "gold"], "--answer without --task"),
        (["list", "method"], "methods"),
        (["report", "no-such-folder"], "no study in no-such-folder"),
        (["models", "pull", "smolm2"], "did you mean 'smollm2_135m'"),
        (["models", "pull", "scripted"], "needs no pulling"),
    ],
)
def test_wrong_use_is_exit_code_two_and_named(arguments: list[str], words: str) -> None:
    said = modicum(*arguments)
    assert said.code == 2
    assert words in said.err


def test_bad_input_leaves_no_folder(tmp_path) -> None:
    _run("--task", "smus", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
