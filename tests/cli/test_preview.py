"""`preview` shows problems as a model will see them; `check` and `run` say the same reading."""

import json
from pathlib import Path

import pytest

from modicum.task import resolve_task
from tests.support.commands import modicum
from tests.support.tables import WORD_PROBLEMS, numbers, write_jsonl

FEW = ("--methods", "self_consistency", "--samples", 4, "--no-check")


@pytest.fixture(autouse=True)
def _there(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def _choices(n: int = 20) -> list[dict[str, object]]:
    return [
        {
            "question": f"q{i}",
            "passage": f"p{i}",
            "choices": list("wxyz"),
            "answer": i % 4,
            "by": "me",
        }
        for i in range(n)
    ]


def _json(*arguments: object) -> dict:
    said = modicum("preview", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_json_holds_the_reading_and_the_problems_of_the_file_in_order(tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", _choices())
    found = _json(path, "-n", 2)
    assert found["marker"] == "choice"
    assert "the problems have options" in found["why"]
    assert "counted from 0" in found["why"]
    assert (found["unused"], found["odd"]) == (["by"], [])
    assert found["columns"]["question"] == ["passage", "question"]
    assert [p["gold"] for p in found["problems"]] == ["A", "B"]
    assert found["problems"][0]["question"] == "p0\n\nq0\nA) w\nB) x\nC) y\nD) z"
    assert {p.id for p in resolve_task(str(path)).in_order()[:2]} == {
        p["id"] for p in found["problems"]
    }


def test_prompt_is_what_the_default_style_asks(tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", numbers(20))
    task = resolve_task(str(path))
    shown = _json(path, "-n", 1)["problems"][0]
    assert shown["prompt"] == task.sheet.template.replace("{question}", shown["question"])
    text = modicum("preview", path, "-n", 1).out
    assert all(f"│ {line}".rstrip() in text for line in shown["prompt"].split("\n"))
    assert "gold  0" in text


def test_several_golds_are_a_list(tmp_path) -> None:
    rows = [{"question": f"q{i}", "answer": [f"a{i}", f"b{i}"]} for i in range(9)]
    path = write_jsonl(tmp_path / "own.jsonl", rows)
    assert _json(path)["problems"][1]["gold"] == ["a1", "b1"]
    assert "gold  a1 or b1" in modicum("preview", path).out


def test_odd_rows_are_shown_and_not_refused(tmp_path) -> None:
    rows = numbers(20)
    rows[4]["answer"] = "some"
    path = write_jsonl(tmp_path / "own.jsonl", rows)
    [odd] = _json(path)["odd"]
    assert (odd["line"], odd["file"]) == (5, str(path))
    assert "not a number" in odd["why"]
    assert (
        "odd rows, which `run` refuses (--odd leave_out): line 5 of" in modicum("preview", path).out
    )
    assert modicum("check", "scripted:latent", path).code == 2
    assert modicum("run", "--model", "scripted:latent", "--task", path, *FEW).code == 2
    said = modicum("run", "--model", "scripted:latent", "--task", path, "--odd", "leave_out", *FEW)
    assert said.code == 0, said.err
    assert "1 odd rows left out: line 5 of" in said.err


def test_options_of_the_task_are_those_of_run(tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", _choices())
    found = _json(path, "--context", "by", "--choices", "none", "--marker", "exact", "-n", 1)
    assert (found["marker"], found["why"]) == ("exact", "as you said")
    assert found["problems"][0]["question"] == "me\n\nq0"
    assert _json(path, "--gold-is", "from_0", "-n", 1)["problems"][0]["gold"] == "A"


@pytest.mark.parametrize("verb", ["check", "run", "preview"])
def test_every_verb_says_the_same_reading(verb: str, tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", _choices(60))
    said = {
        "check": lambda: modicum("check", "scripted:latent", path).out,
        "run": lambda: modicum("run", "--model", "scripted:latent", "--task", path, *FEW).err,
        "preview": lambda: modicum("preview", path).out,
    }[verb]()
    assert all(note in said for note in resolve_task(str(path)).notes)


def test_reading_stands_in_the_json_of_check(tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", _choices(60))
    checked = json.loads(modicum("check", "scripted:latent", path, "--json").out)["reading"]
    shown = _json(path)
    assert {key: shown[key] for key in checked} == checked
    assert checked["unused"] == ["by"]


def test_ambiguous_file_is_refused(tmp_path) -> None:
    rows = [{**row, "answer": 1 + i % 3} for i, row in enumerate(_choices())]
    said = modicum("preview", write_jsonl(tmp_path / "own.jsonl", rows))
    assert said.code == 2
    assert "--gold-is from_0 or --gold-is from_1" in said.err


def test_tasks_that_make_their_problems_are_shown_too() -> None:
    found = _json("sums", "-n", 2)
    assert (found["marker"], len(found["problems"])) == ("sums", 2)
    pytest.importorskip("reasoning_gym")
    found = _json("gym:chain_sum", "-n", 1)
    assert (found["marker"], found["why"]) == ("gym", "reasoning-gym's own score")
    assert found["problems"][0]["gold"]


def test_twin_of_a_file_shows_moved_golds() -> None:
    own, twin = _json(WORD_PROBLEMS, "-n", 40), _json(f"scrambled:{WORD_PROBLEMS}", "-n", 40)
    assert [p["question"] for p in own["problems"]] == [p["question"] for p in twin["problems"]]
    assert [p["gold"] for p in own["problems"]] != [p["gold"] for p in twin["problems"]]


def test_nothing_hidden_in_a_file_reaches_the_terminal(tmp_path) -> None:
    rows = [
        {"question": f"\x1b[31mred\u202e{i}\ud800", "answer": f"\x1b[0m{i}", "\x1b[2Jx": "y"}
        for i in range(9)
    ]
    said = modicum("preview", write_jsonl(tmp_path / "own.jsonl", rows))
    assert said.code == 0, said.err
    assert not {"\x1b", "\u202e", "\ud800"} & set(said.out)
    assert "\\x1b[31mred\\u202e0" in said.out


@pytest.mark.parametrize("task", ["no.jsonl", "gym:no_such", "smus"])
def test_task_that_does_not_exist_is_refused(task: str) -> None:
    assert modicum("preview", task).code == 2


def test_more_problems_than_there_are_are_all_of_them(tmp_path) -> None:
    path = write_jsonl(tmp_path / "own.jsonl", numbers(9))
    assert len(_json(path, "-n", 1000)["problems"]) == 9
    assert _json(path, "-n", 0)["problems"] == []
    assert modicum("preview", path, "-n", -1).code == 2


def test_file_within_a_folder_is_found_from_where_the_user_stands(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    write_jsonl(tmp_path / "data" / "own?.jsonl", numbers(9))
    assert modicum("preview", Path("data") / "own?.jsonl").code == 0
