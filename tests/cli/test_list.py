"""What `list` prints is short, fits the terminal and names everything whole."""

import json

import pytest

from modicum.catalog import KINDS, Catalog
from modicum.task_names import gym_names
from tests.support.commands import modicum


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("kind", [None, "methods", "models", "tasks", "markers"])
def test_lines_fit_the_terminal_and_break_no_name(
    kind: str | None, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = modicum("list", *([kind] if kind else [])).out
    assert max(map(len, said.splitlines())) <= columns
    listed = {word.strip(",") for word in said.split()}
    assert {name for k in ([kind] if kind else KINDS) for name in Catalog(k).entries} <= listed


def test_the_list_of_kinds_is_short_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = modicum("list").out.splitlines()
    assert len(lines) < 45
    assert "modicum list KIND" in lines[-1]
    heads = [line.partition(":")[0] for line in lines if line.startswith(KINDS)]
    assert heads[0] == "tasks"
    assert sorted(heads) == [kind for kind in KINDS if Catalog(kind).entries]


def test_gym_lists_the_data_sets_that_a_task_can_name(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("reasoning_gym")
    monkeypatch.setenv("COLUMNS", "80")
    said = modicum("list", "gym").out
    assert max(map(len, said.splitlines())) <= 80
    assert set(gym_names()) <= {word.strip(",") for word in said.split()}
    assert json.loads(modicum("list", "gym", "--json").out) == {"gym": gym_names()}
