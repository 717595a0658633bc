"""A recursive net learns from all boards: none that is tested, to the same bits after a kill, in a folder."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nets.recursive_folder import CONFIG, WEIGHTS
from modicum.puzzles.coverage import coverage
from modicum.task import resolve_task
from modicum.training.held_out_boards import held_out
from modicum.training.pretrain_recursive import Pretraining, pretrain, training_boards
from modicum.training.recursive_boards import Labelled, checker_of, drawing, puzzle_of
from modicum.types import Request, Sampling
from tests.support.recursive_nets import PUZZLE, random_net, tiny_card

PLAN = Pretraining("sudoku", steps=5, batch=4, boards=12)


@pytest.fixture(autouse=True, scope="module")
def _few_are_tested():
    """Hold training boards against a few of those that are tested: making hundreds takes seconds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("modicum.training.pretrain_recursive.HELD_OUT", 8)
        patched.setattr("modicum.training.pretrain_recursive._TESTED", 20)
        yield


def train(out: Path, until: int = 99, plan: Pretraining = PLAN):
    def watch(ledger: Ledger) -> None:
        if ledger.updates > until:
            raise KeyboardInterrupt

    return pretrain(plan, out, "cpu", watch, 4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("nets") / "whole"
    return out, train(out)


def test_a_killed_training_goes_on_to_the_same_bits(trained, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "net", until=3)
    assert not (tmp_path / "net" / CONFIG).exists()
    assert train(tmp_path / "net") == trained[1]
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "net" / name).read_bytes() == (trained[0] / name).read_bytes()
    assert {path.name for path in (tmp_path / "net").iterdir()} == {CONFIG, WEIGHTS}


def test_the_folder_is_a_model_that_answers_and_says_how_it_was_made(trained) -> None:
    model = resolve_backend(f"recursive:{trained[0]}").open()
    assert not model.is_new
    question = resolve_task("sudoku").problems("test", 1)[0].question
    [(said,)] = model.generate([Request(question, "q")], Sampling(64, 0.0), Ledger())
    assert len(said.text) == 19
    told = json.loads((trained[0] / CONFIG).read_text())["trained"]
    assert (told["steps"], told["boards"], told["flops"] > 0) == (5, 12, True)
    assert told["held_out"]["one"] == trained[1].one.as_dict()
    assert "loss" in told["recursion"]["curves"][0]


def test_a_stopped_training_is_not_lost_to_one_with_other_settings(tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, until=3)
    [kept] = tmp_path.iterdir()
    before = kept.read_bytes()
    with pytest.raises(ConfigError, match="a training with other settings was stopped"):
        train(tmp_path, plan=replace(PLAN, steps=6))
    assert kept.read_bytes() == before


def test_a_folder_that_holds_a_net_is_not_written_over(trained) -> None:
    with pytest.raises(ConfigError, match="holds a net already"):
        train(trained[0])


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"boards": 0}, {"learning_rate": 0}])
def test_what_trains_nothing_is_refused(wrong) -> None:
    with pytest.raises(ConfigError, match="at least 1 of each"):
        Pretraining("sudoku", **wrong)


def test_a_task_without_boards_is_refused() -> None:
    with pytest.raises(ConfigError, match="which has no boards"):
        puzzle_of("sums")


@pytest.mark.parametrize("reference", ["sudoku", "n_queens?n=6&hidden=4..5", "graph_colouring"])
def test_no_board_is_learned_from_that_is_tested_in_any_symmetric_form(reference) -> None:
    task, puzzle = resolve_task(reference), puzzle_of(reference)
    boards = training_boards(task, puzzle, 30)
    tested = task.problems("test", min(20, task.sheet.available.get("test", 20)))
    forms = {puzzle.invariant(puzzle.encode(problem.question)) for problem in tested}
    assert boards
    assert not forms & {puzzle.invariant(board.question) for board in boards}


def test_a_planted_test_board_among_the_training_boards_is_left_out(monkeypatch) -> None:
    task = resolve_task("sudoku")
    planted = task.problems("test", 1)
    own = type(task).problems

    def problems(self, split, n):
        found = own(self, split, n)
        return (*planted, *found[1:]) if split == "shots" else found

    monkeypatch.setattr(type(task), "problems", problems)
    boards = training_boards(task, PUZZLE, 10)
    assert len(boards) == 9
    assert PUZZLE.encode(planted[0].question) not in {board.question for board in boards}


def test_a_task_of_one_board_is_learned_whole() -> None:
    task = resolve_task("sudoku?clues=0")
    [board] = training_boards(task, PUZZLE, 10)
    assert len(board.answers) == 288


def test_drawn_boards_are_right_and_show_every_answer_in_new_forms() -> None:
    task = resolve_task("sudoku?unique=false")
    boards = training_boards(task, PUZZLE, 2)
    draw = drawing(PUZZLE, boards, 64, "name")
    questions, targets = draw(3)
    assert checker_of(PUZZLE)(questions, targets).all()
    assert len(torch.unique(questions, dim=0)) > 50
    assert all(torch.equal(a, b) for a, b in zip(draw(3), (questions, targets), strict=True))
    assert not torch.equal(draw(4)[0], questions)


def test_the_checker_says_of_each_row_what_the_puzzle_says() -> None:
    [board] = training_boards(resolve_task("sudoku"), PUZZLE, 1)
    wrong = list(board.answers[0])
    wrong[0], wrong[1] = wrong[1], wrong[0]
    rows = torch.tensor([board.answers[0], wrong])
    asked = torch.tensor([board.question] * 2)
    assert checker_of(PUZZLE)(asked, rows).tolist() == [True, False]


def test_held_out_figures_are_counts_of_valid_answers(monkeypatch) -> None:
    """On two boards with answers from a script: what one sample, the vote and all of them come to."""
    several = training_boards(resolve_task("sudoku?unique=false"), PUZZLE, 1)[0]
    single = training_boards(resolve_task("sudoku?unique=true"), PUZZLE, 1)[0]
    junk = (1,) * 16
    a, b = several.answers[:2]
    said = [[a, b, a, junk], [junk, junk, single.answers[0], junk]]

    class Script:
        answers = torch.tensor(said)

    monkeypatch.setattr("modicum.training.held_out_boards.roll", lambda *given: Script)
    found = held_out(random_net(tiny_card()), PUZZLE, [several, single], samples=4)
    assert (found.one.value, found.vote.value, found.reached.value) == (0.5, 0.5, 1.0)
    assert found.coverage == coverage([2, 1], [len(several.answers), 1], 4)


def test_a_deterministic_net_is_held_to_one_answer() -> None:
    boards = [
        Labelled(b.question, b.answers) for b in training_boards(resolve_task("sudoku"), PUZZLE, 3)
    ]
    found = held_out(random_net(tiny_card("twin")), PUZZLE, boards)
    assert found.one == found.vote == found.reached
    assert not np.isnan(found.coverage.everywhere.found)


def test_boards_that_are_all_tested_are_refused(monkeypatch) -> None:
    task = resolve_task("sudoku")
    own = type(task).problems
    monkeypatch.setattr(type(task), "problems", lambda self, split, n: own(self, "test", n))
    with pytest.raises(ConfigError, match="each a symmetric form of one that is tested"):
        training_boards(task, PUZZLE, 5)
