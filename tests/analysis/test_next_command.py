"""The command after a verdict: it names task, model and sizes, what it costs, and can be typed."""

import json
import shlex
from pathlib import Path

import pytest

from modicum.analysis.measured import NextCommand
from tests.support.commands import modicum


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of sums."""
    path = tmp_path_factory.mktemp("next") / "rows.jsonl"
    lines = [
        json.dumps({"question": f"What is {i} + 7?", "answer": str(i + 7)}) for i in range(120)
    ]
    path.write_text("\n".join(lines))
    return path


def _verdict(rows: Path, model: str, *options: object) -> tuple[dict[str, object], Path]:
    out = rows.parent / model.partition(":")[2]
    sizes = ("--test", 20, "--samples", 8, "--no-check", "--workers", 1)
    said = modicum(
        "run", "--model", model, "--task", rows, *sizes, *options, "--out", out, "--json"
    )
    assert said.code == 0, said.err
    return json.loads(said.out)["verdicts"][0], out


def test_an_undecided_study_names_a_larger_one_that_can_be_typed(rows: Path) -> None:
    verdict, out = _verdict(rows, "scripted:absent", "--methods", "cot_decoding", "--stream", "b")
    assert verdict["ability"] == "undecided"
    command = verdict["next_command"]
    assert command["labels"] == 72 + 18
    arguments = command["arguments"]
    given = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    assert (given["--test"], given["--samples"]) == ("72", "64")
    assert (given["--model"], given["--stream"]) == ("scripted:absent", "b")
    assert given["--methods"] == "cot_decoding"
    printed = modicum("report", out).out
    typed = next(line for line in printed.splitlines() if line.startswith("  modicum run"))
    again = modicum(*shlex.split(typed)[1:], "--dry-run")
    assert again.code == 0, again.err
    assert "72 test problems" in again.out


def test_nothing_that_scores_zero_is_shipped_or_exported(rows: Path) -> None:
    verdict, out = _verdict(rows, "scripted:absent", "--methods", "cot_decoding", "--stream", "b")
    assert (verdict["ship"]["name"], verdict["ship"]["works"]) == ("prompt", False)
    printed = modicum("report", out).out
    assert "nothing – no method works (best 0 %)" in printed
    assert "modicum export" not in printed
    for verb in (("export", out), ("ask", out, "What is 2 + 7?")):
        said = modicum(*verb)
        assert "no method works (best 0 %)" in said.out + said.err


def test_what_works_is_exported_next(rows: Path) -> None:
    verdict, out = _verdict(rows, "scripted:latent", "--methods", "cot_decoding")
    assert verdict["means"].startswith("The model can already do this: asked plainly it gets 0 %")
    assert verdict["do"].startswith("Do not buy data; export cot_decoding")
    assert verdict["next_command"]["arguments"] == ["export"]
    assert shlex.join(["modicum", "export", str(out)]) in modicum("report", out).out


def test_where_no_command_line_can_name_it_python_does() -> None:
    arguments = (
        "run",
        "--model",
        "live:x",
        "--task",
        "records:y",
        "--test",
        "300",
        "--methods",
        "a,b",
    )
    command = NextCommand(arguments, is_python=True)
    assert command.text("runs/x") == "Study(…, test=300, methods=['a', 'b']).run()"
    assert NextCommand(("export",), is_python=True).text() == "study.export()"
    assert NextCommand(why="more problems").text("runs/x") == ""
