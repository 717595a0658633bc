"""A decoding rule that leaves: it reads answers by the study's own reader, and every token counts."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks.answer_grammar import CASES, few

from modicum.answers import Announced, Rule
from modicum.exporting import custom_generate as rule
from modicum.exports.generation import DecodingRule
from modicum.nudge import Nudge, Surest
from modicum.nudge.rules import answer_margin
from modicum.nudge.steering import Direction, Steering
from modicum.task import resolve_task
from modicum.types import Completion, Style
from tests.support.exports import by_hand
from tests.support.tiny_models import tiny_local

THINKING = ("<think>", "</think>")


def _written(reads: Rule | None, folder: Path, style: Style | None = None) -> Path:
    """Write the file of a rule as an export would, beside a tiny model."""
    folder.mkdir(parents=True)
    nothing = Steering((Direction(1, torch.zeros(32), "block"),), "all")
    parcel, solver = by_hand(tiny_local("llama"), nothing, folder)
    style = style or parcel.style
    nudge = Nudge(style, Surest(3, 0.0, "sum"))
    parcel = dataclasses.replace(parcel, nudge=nudge, rule=reads, style=style)
    (folder / "out").mkdir()
    DecodingRule().write(parcel, solver, folder / "out")
    return folder / "out" / "custom_generate"


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, Path]:
    """A table of problems for each marker, whose golds it knows."""
    folder, golds = tmp_path_factory.mktemp("tables"), {}
    for case in CASES:
        golds.setdefault(case.marker, case.gold)
    for marker, gold in golds.items():
        rows = [json.dumps({"question": f"What is it, {i}?", "answer": gold}) for i in range(12)]
        (folder / f"{marker}.jsonl").write_text("\n".join(rows))
    return {marker: folder / f"{marker}.jsonl" for marker in golds}


READ_ALL = """
import json, sys
sys.modules["modicum"] = None
sys.path.insert(0, sys.argv[1])
import types
package = types.ModuleType("travelled"); package.__path__ = [sys.argv[1]]
sys.modules["travelled"] = package
torch = types.ModuleType("torch"); sys.modules["torch"] = torch
transformers = types.ModuleType("transformers"); transformers.GenerationConfig = object
sys.modules["transformers"] = transformers
import importlib
rule = importlib.import_module("travelled.generate")
print(json.dumps([rule.read_answer(text) for text in json.load(sys.stdin)]))
"""
"""Reads texts by an exported file where modicum cannot be imported."""


def _read_there(folder: Path, texts: list[str]) -> list[str | None]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", READ_ALL, str(folder)],
        input=json.dumps(texts), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "marker", ["number", "choice", "exact", "exact?among=yes|no", "math_verify"]
)
def test_exported_rule_reads_as_the_study_does(marker: str, tables, tmp_path) -> None:
    if marker == "math_verify":
        pytest.importorskip("math_verify")
    name = marker.partition("?")[0]
    if "?" in marker:
        tables["exact"].write_text(tables["exact"].read_text().replace("caf\u00e9", "yes"))
    task = resolve_task(f"jsonl:{tables[name]}", {"marker": marker})
    texts = [text.text for case in CASES if case.marker == name for text in few(case)][::3]
    assert len(texts) > 50
    assert _read_there(_written(task.rule, tmp_path / "x"), texts) == [task.read(t) for t in texts]


@pytest.mark.parametrize("name", ["gym:chain_sum", "gym:letter_jumble", "word_sums"])
def test_exported_rule_of_a_task_of_ours_reads_as_it_does(name: str, tmp_path) -> None:
    if name.startswith("gym"):
        pytest.importorskip("reasoning_gym")
    task = resolve_task(name)
    texts = [
        " Think 1+2=3 Answer 3",
        "Answer: -$1,234.50",
        "it is 3",
        "Answer",
        "<answer>x</answer>",
        "",
    ]
    assert _read_there(_written(task.rule, tmp_path / "x"), texts) == [task.read(t) for t in texts]


def test_thinking_is_left_out_as_the_style_leaves_it_out(tmp_path) -> None:
    style = Style("raw", "{question}", thinking=THINKING)
    texts = ["<think>Answer 3</think> Answer 4", "<think>Answer 3", "Answer 5", "</think>Answer 6"]
    read = Announced("Answer").read
    wanted = [None if (rest := style.answer(text)) is None else read(rest) for text in texts]
    assert _read_there(_written(Announced("Answer"), tmp_path / "x", style), texts) == wanted
    assert wanted == ["4", None, "5", "6"]


def test_exported_files_import_nothing_of_ours(tmp_path) -> None:
    files = list(_written(resolve_task("gym:chain_sum").rule, tmp_path / "x").glob("*.py"))
    assert {"generate.py", "number.py", "rule.py"} <= {path.name for path in files}
    assert not [path.name for path in files if "modicum" in path.read_text()]


def test_rule_whose_reading_cannot_leave_asks_for_a_reader(tmp_path) -> None:
    with pytest.raises(AssertionError, match="pass read="):
        _read_there(_written(None, tmp_path / "x"), ["Answer: 5"])


@pytest.mark.parametrize("name", ["cot_decoding", "self_consistency"])
def test_every_token_of_a_prompt_counts_though_it_is_the_pad_token(name: str, monkeypatch) -> None:
    """Without a mask transformers leaves out the tokens of a prompt that equal the pad token."""
    model = tiny_local("llama")
    prompt = torch.tensor([model.encode("a b c d e")])
    monkeypatch.setattr(rule, "RULE", name)
    monkeypatch.setattr(rule, "COUNT", 4)
    monkeypatch.setattr(rule, "LEAST", 0.0)
    drawn, state = [], torch.random.get_rng_state()
    for pad in (int(prompt[0, 1]), 255):
        assert (prompt == pad).any() == (pad != 255)
        monkeypatch.setattr(model.module.generation_config, "pad_token_id", pad)
        torch.random.set_rng_state(state)
        answers, _ = rule._drawn(
            model.module, prompt, model.tokenizer, model.module.generation_config, 6
        )
        drawn.append([answer[:6].tolist() for answer in answers])
    assert drawn[0] == drawn[1]


def test_certainty_is_the_margin_of_the_answers_tokens() -> None:
    model = tiny_local()
    assert rule.margin(model.tokenizer, torch.tensor([65]), None, [0.5]) == 0.0
    spelled = torch.tensor(model.encode_more("so 42 it is 42"))
    steps = [i / 100 for i in range(len(spelled))]
    theirs = rule.margin(model.tokenizer, spelled, "42", steps)
    pieces = tuple(model.decode([token]) for token in spelled.tolist())
    drawn = Completion("so 42 it is 42", len(pieces), "eos", pieces, tuple(steps))
    assert theirs == pytest.approx(answer_margin(drawn, "42"))
    assert theirs == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("answers", "certain", "rules", "place"),
    [
        (["a", "b", "b"], [0.9, 0.5, 0.6], {}, 2),
        (["a", "b", "b"], [0.9, 0.5, 0.6], {"ADDS": False}, 0),
        (["a", "b", "b"], [0.9, 0.1, 0.1], {"RULE": "self_consistency"}, 1),
        (["a", "b"], [0.1, 0.9], {"RULE": "self_consistency"}, 0),
        ([None, None], [0.0, 0.0], {}, 0),
        ([None, "a"], [0.9, 0.1], {}, 1),
    ],
)
def test_the_answer_that_stands(answers, certain, rules, place, monkeypatch) -> None:
    for name, value in rules.items():
        monkeypatch.setattr(rule, name, value)
    assert rule.choose(answers, certain) == place
