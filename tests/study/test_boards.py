"""What a net reads and has learned decides what it is asked, before any weights load."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from modicum.errors import AccessError
from modicum.model import resolve_backend
from modicum.models import recursive
from modicum.nudge import write_folder
from modicum.running.planning import plan_for
from modicum.study.checks import check_plan
from tests.support.autoregressive_nets import random_writer, writer_card
from tests.support.recursive_nets import random_net, tiny_card

NEW = "recursive:new?task=sudoku"


@pytest.fixture(autouse=True)
def _nothing_is_opened(monkeypatch) -> None:
    monkeypatch.setattr(recursive.Recursive, "open", lambda self: pytest.fail("weights loaded"))


@pytest.fixture
def trained(tmp_path: Path) -> str:
    card = tiny_card()
    write_folder(card.files(random_net(card)), tmp_path / "net")
    return f"recursive:{tmp_path / 'net'}"


def checked(model: str, task: str, method: str = "self_consistency") -> None:
    check_plan(plan_for(model, task, [method], [2]))


@pytest.mark.parametrize(
    "task", ["sums", "n_queens", "sudoku?size=6", "graph_colouring", "scrambled:sums"]
)
def test_a_task_of_other_boards_or_none_is_refused_in_words(trained, task) -> None:
    for model in (trained, NEW):
        with pytest.raises(AccessError, match="reads the boards of 'sudoku' alone, on"):
            checked(model, task)


@pytest.mark.parametrize("task", ["sudoku", "sudoku?unique=false", "scrambled:sudoku"])
def test_every_task_of_its_boards_is_taken(trained, task) -> None:
    checked(trained, task)
    checked(NEW, task, "from_scratch")


def test_a_language_model_does_not_learn_from_scratch() -> None:
    with pytest.raises(AccessError, match="which is no net that reads boards"):
        checked("scripted:latent", "sudoku", "from_scratch")


def test_a_trained_net_does_not_learn_from_scratch(trained) -> None:
    with pytest.raises(AccessError, match=r"which was trained before[^$]*new\?task=sudoku'"):
        checked(trained, "sudoku", "from_scratch")


def test_the_new_net_that_is_proposed_has_the_same_boards(tmp_path) -> None:
    card = replace(tiny_card(), task="sudoku?size=4&clues=6")
    write_folder(card.files(random_net(card)), tmp_path / "net")
    with pytest.raises(AccessError) as refused:
        checked(f"recursive:{tmp_path / 'net'}", "sudoku", "from_scratch")
    [proposed] = re.findall(r"--model '([^']+)'", str(refused.value))
    assert resolve_backend(proposed).boards == card.task
    assert resolve_backend(proposed).is_new


def test_a_transformer_for_boards_is_held_to_the_same(tmp_path) -> None:
    card = writer_card()
    write_folder(card.files(random_writer(card)), tmp_path / "net")
    stored = f"autoregressive:{tmp_path / 'net'}"
    checked(stored, "sudoku")
    checked("autoregressive:new?task=sudoku", "sudoku", "from_scratch")
    with pytest.raises(AccessError, match="reads the boards of 'sudoku' alone, on"):
        checked(stored, "n_queens")
    with pytest.raises(AccessError, match="which knows no language"):
        checked(stored, "sudoku", "few_shot")
    with pytest.raises(AccessError, match=r"trained before[^$]*'autoregressive:new\?task=sudoku'"):
        checked(stored, "sudoku", "from_scratch")


def test_a_method_in_words_is_refused_of_a_net(trained) -> None:
    with pytest.raises(AccessError, match="which knows no language"):
        checked(trained, "sudoku", "few_shot")
