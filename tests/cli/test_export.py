"""`modicum export`: the recommended nudge, another one, and what does not fit."""

import json
from pathlib import Path

import pytest

from tests.support.commands import SMALL, modicum


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("study")
    said = modicum("run", *SMALL, "--out", out)
    assert said.code == 0
    assert f"modicum export {out}" in said.out
    return out


def test_prompt_of_a_model_out_of_reach_is_exported(folder, tmp_path) -> None:
    said = modicum("export", folder, "--rung", "prompt", "--out", tmp_path, "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["schema"] == 1
    [one] = found["exports"]
    assert one["form"] == "prompt"
    assert one["loaded_back"]["holds"]
    assert set(found["refused"]) == {"baked", "generation", "gguf", "merged", "peft", "vector"}
    assert (tmp_path / "prompt" / "nudge.json").is_file()
    again = modicum("run", "--model", one["folder"], "--task", "sums", *SMALL[4:], "--out",
                    tmp_path / "again")  # fmt: skip
    assert again.code == 0, again.err
    assert "scripted" in (tmp_path / "prompt" / "README.md").read_text()


def test_card_is_filled_from_the_verdict(folder, tmp_path) -> None:
    assert modicum("export", folder, "--rung", "prompt", "--out", tmp_path).code == 0
    facts = json.loads((tmp_path / "prompt" / "nudge.json").read_text())
    [verdict] = json.loads(modicum("run", *SMALL, "--out", folder, "--json").out)["verdicts"]
    row = next(row for row in verdict["rungs"] if row["method"] == "prompt")
    assert facts["rung"]["gap_recovered"] == row["gap_recovered"]
    assert facts["rung"]["control_gaps"] == row["control_gaps"]
    assert facts["rung"]["control_gaps"]
    assert facts["gap"]["floor"] == verdict["floor"]
    assert facts["gap"]["ceiling"]["value"] == verdict["ceiling"]["value"]
    assert facts["costs"]["measuring_labels"] == verdict["measuring_labels"]
    card = (tmp_path / "prompt" / "README.md").read_text()
    value, low, high = (row["gap_recovered"][name] for name in ("value", "low", "high"))
    assert f"| Share of the gap | {value:.3f} [{low:.3f}, {high:.3f}] |" in card
    assert "| Control answers permuted: share of the gap |" in card
    assert "| Effect elsewhere | none: weights and activations are as they were |" in card


def test_text_names_the_folder_and_what_does_not_fit(folder) -> None:
    said = modicum("export", folder, "--rung", "prompt")
    assert said.code == 0, said.err
    assert f"Folder   {folder}/exports/prompt_style/prompt" in said.out.replace("\n", "")
    assert "No fit   baked, generation, gguf, merged, peft, vector" in said.out


def test_recommended_rule_of_a_model_out_of_reach_fits_no_form(folder) -> None:
    said = modicum("export", folder)
    assert said.code == 2
    assert "which fits no form" in said.err
    assert "transformers does not load" in said.err


def test_form_that_does_not_fit_is_refused_with_what_to_do(folder, tmp_path) -> None:
    said = modicum("export", folder, "--rung", "prompt", "--form", "peft", "--out", tmp_path)
    assert said.code == 2
    assert "found: prompt_style left no adapter" in said.err
    assert "to do:" in said.err
    assert list(tmp_path.iterdir()) == []


def test_unknown_form_and_rung_are_refused(folder) -> None:
    assert modicum("export", folder, "--form", "onnx").code == 2
    said = modicum("export", folder, "--rung", "fine_tune")
    assert said.code == 2
    assert "no method fine_tune" in said.err


def test_folder_without_a_study_is_refused(tmp_path) -> None:
    said = modicum("export", tmp_path)
    assert said.code == 2
    assert "no study" in said.err
