"""`modicum mark`: how an answer is read, one at a time and by the file; hostile text cannot act."""

import json
import re

import pytest

from tests.cli.test_show import UNSAFE
from tests.support.commands import modicum


def _json(*arguments: object) -> dict:
    said = modicum("mark", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_json_has_both_readings() -> None:
    assert _json("number", "12", "Answer: 12 cm^2") == {
        "marker": "number",
        "gold": "12",
        "lenient": {"read": "12", "correct": True},
        "strict": {"read": None, "correct": False},
    }


def test_form_names_the_exact_format() -> None:
    line, boxed = (_json("number", "5", "so \\boxed{5}", "--form", f) for f in ("line", "boxed"))
    assert (line["strict"]["correct"], boxed["strict"]["correct"]) == (False, True)
    assert boxed["strict"]["read"] == boxed["lenient"]["read"] == "5"


@pytest.mark.parametrize("text", ["-$300", "-300", "- 300", "--", "-h", "- 3 hours"])
def test_text_that_begins_with_a_dash_is_no_option(text: str) -> None:
    if text == "--":
        text = "Answer: --"
    found = _json("number", "-300", text)
    assert found["lenient"]["correct"] == ("300" in text)


def test_terminal_shows_what_was_read_and_whether_it_counts() -> None:
    out = modicum("mark", "number", "300", "Answer: -$300").out
    assert re.search(r"^lenient +read '-300', incorrect$", out, re.MULTILINE)
    assert "form line" in out
    assert "no answer read" in modicum("mark", "number", "300", "none at all").out


def test_hidden_characters_are_spelled_out() -> None:
    said = modicum("mark", "exact", "a\x1b[31m", "Answer: \x1b[2J\u202eb\x07")
    assert said.code == 0
    assert not UNSAFE.search(said.out + said.err)
    assert r"\x1b[2J" in said.out


def test_batch_gives_a_line_for_each_line(tmp_path) -> None:
    rows = [["number", "12", "Answer: 12"], ["choice", "B", "(b)"], ["exact", "yes", "No."]]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in rows) + "\n")
    said = modicum("mark", "--batch", path)
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [one["lenient"]["correct"] for one in found] == [True, True, False]
    assert found[0] == _json(*rows[0])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2"),
        ('["number", "12"]', "three texts"),
        ('["number", 12, "12"]', "three texts"),
        ('{"marker": "number"}', "three texts"),
        ('["numbr", "12", "12"]', "number"),
        ('["number", "many", "12"]', "cannot read"),
        ("[" * 5000, "line 2"),
    ],
)
def test_bad_line_is_named(tmp_path, line: str, words: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('["number", "12", "12"]\n' + line + "\n")
    said = modicum("mark", "--batch", path)
    assert said.code == 2
    assert "line 2 of" in said.err
    assert words in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["number", "12"], "2 of MARKER, GOLD and TEXT"),
        ([], "all three"),
        (["number", "many", "12"], "cannot read"),
        (["numbr", "12", "12"], "did you mean 'number'"),
        (["--batch", "no-such-file.jsonl"], "no-such-file.jsonl"),
        (["number", "12", "12", "--batch", "x"], "--batch"),
        (["number", "12", "12", "--form", "circle"], "circle"),
    ],
)
def test_wrong_use_is_named(arguments: list[str], words: str) -> None:
    said = modicum("mark", *arguments)
    assert said.code == 2
    assert words in said.err


def test_own_marker_named_on_the_command_line_runs(tmp_path) -> None:
    (tmp_path / "own.py").write_text("def right(text, answer):\n    return text == answer * 2\n")
    found = _json(f"python:{tmp_path / 'own.py'}:right", "ab", "abab")
    assert found["lenient"]["correct"]
    assert found["strict"]["correct"]
