"""A net learns from all boards: none that is tested, to the same bits after a kill, in a folder."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.model import resolve_backend
from modicum.nets.autoregressive_folder import AUTOREGRESSIVE_CONFIG
from modicum.nets.recursive_folder import CONFIG, WEIGHTS, read_recursive_card
from modicum.puzzles.coverage import coverage
from modicum.sampling.autoregressive_model import AutoregressiveModel, Writing
from modicum.task import resolve_task
from modicum.training import pretraining
from modicum.training.autoregressive_learner import AutoregressiveLearner, AutoregressivePretraining
from modicum.training.board_learner import AnswersDrawn
from modicum.training.held_out_boards import held_out
from modicum.training.pretraining import Pretraining, pretrain, training_boards
from modicum.training.recursive_boards import Labelled, checker_of, drawing, puzzle_of
from modicum.training.recursive_learner import RecursiveLearner, RecursivePretraining
from modicum.types import Request, Sampling
from tests.support.autoregressive_nets import random_writer, writer_card
from tests.support.recursive_nets import PUZZLE, random_net, tiny_card

PLAN = RecursivePretraining("sudoku", steps=5, batch=4, boards=12)
WRITING = AutoregressivePretraining("sudoku", steps=5, batch=4, boards=12)


@pytest.fixture(autouse=True, scope="module")
def _few_are_tested():
    """Hold training boards against a few of those that are tested: making hundreds takes seconds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("modicum.training.pretraining.HELD_OUT", 8)
        patched.setattr("modicum.training.pretraining._TESTED", 20)
        patched.setattr("modicum.training.recursive_learner._VOTES", 2)
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


@pytest.mark.parametrize("said", ["training the halting head", "choosing when to halt"])
def test_one_killed_while_it_learns_to_halt_goes_on_to_the_same_bits(
    said, trained, tmp_path
) -> None:
    def kill(ledger: Ledger) -> None:
        if ledger.said == said:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(PLAN, tmp_path / "net", "cpu", kill, 4)
    assert not (tmp_path / "net" / CONFIG).exists()
    assert train(tmp_path / "net") == trained[1]
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "net" / name).read_bytes() == (trained[0] / name).read_bytes()
    assert {path.name for path in (tmp_path / "net").iterdir()} == {CONFIG, WEIGHTS}


def test_learning_to_halt_moves_the_heads_alone(trained, tmp_path, monkeypatch) -> None:
    """Held against the same training without it, which is how nets were trained before."""
    monkeypatch.setattr(RecursiveLearner, "taught_to_halt", lambda self, *given: self)
    found = train(tmp_path / "net")
    assert found == replace(trained[1], halting=None)
    weights, before = (load_file(folder / WEIGHTS) for folder in (trained[0], tmp_path / "net"))
    moved = {name for name in before if not torch.equal(weights[name], before[name])}
    assert moved == {name for name in before if name.startswith(("looks", "judging"))}


def test_the_card_says_when_it_halts_as_boards_that_nothing_is_learned_from_chose(trained) -> None:
    halting = read_recursive_card(trained[0]).halting
    assert halting == trained[1].halting
    assert (halting.depth, halting.boards, halting.samples) == (16, 8, 2)
    assert 0.5 <= halting.sure <= 1
    task = resolve_task("sudoku")
    chose = {PUZZLE.encode(problem.question) for problem in task.problems("selection", 8)}
    learned = training_boards(task, PUZZLE, 12)
    assert not chose & {board.question for board in learned}


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


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("nets") / "written"
    return out, train(out, plan=WRITING)


def test_a_killed_training_of_a_transformer_goes_on_to_the_same_bits(written, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "net", until=3, plan=WRITING)
    assert train(tmp_path / "net", plan=WRITING) == written[1]
    for path in written[0].iterdir():
        assert (tmp_path / "net" / path.name).read_bytes() == path.read_bytes()
    assert not (tmp_path / "net" / "checkpoint.safetensors").exists()


def test_a_transformers_folder_is_a_model_and_says_how_it_was_made(written) -> None:
    model = resolve_backend(f"autoregressive:{written[0]}").open()
    assert not model.is_new
    told = json.loads((written[0] / AUTOREGRESSIVE_CONFIG).read_text())["trained"]
    assert (told["steps"], told["boards"], told["flops"] > 0) == (5, 12, True)
    assert told["held_out"]["greedy"] == written[1].greedy.as_dict()
    assert "loss" in told["recursion"]["curves"][0]
    with pytest.raises(ConfigError, match="holds a net already"):
        train(written[0])


def test_held_out_figures_of_a_transformer_are_those_of_its_samples_one_by_one() -> None:
    """Recounted from the model's own answers to the same boards, which name the random streams."""
    boards = training_boards(resolve_task("sudoku?unique=false"), PUZZLE, 3)
    card = writer_card()
    net = random_writer(card)
    learner = AutoregressiveLearner(net, card)
    model = AutoregressiveModel(net, PUZZLE, card, Writing(), "x")
    drawn = learner.answers(PUZZLE, [board.question for board in boards], 4)
    for board, group, greedy in zip(boards, drawn.samples, drawn.greedy, strict=True):
        text, address = (
            PUZZLE.decode(board.question, board.question),
            " ".join(map(str, board.question)),
        )
        for i, answer in enumerate(group):
            asked, how = Request(text, address, 1, i), Sampling(16, 1.0, stream="held out")
            [(alone,)] = model.generate([asked], how, Ledger())
            assert alone.text == PUZZLE.decode(board.question, answer)
        [(likeliest,)] = model.generate([Request(text, "any")], Sampling(16, 0.0), Ledger())
        assert likeliest.text == PUZZLE.decode(board.question, greedy)


def test_a_right_answer_counts_for_its_kind(monkeypatch) -> None:
    [board] = training_boards(resolve_task("sudoku?unique=false"), PUZZLE, 1)
    a, b = board.answers[:2]
    junk = (1,) * 16
    said = AnswersDrawn([[junk, a, a, b]], greedy=[b])
    learner = AutoregressiveLearner(random_writer(writer_card()), writer_card())
    monkeypatch.setattr(AutoregressiveLearner, "answers", lambda *given: said)
    found = held_out(learner, PUZZLE, [board], samples=4)
    figures = (found.greedy, found.one, found.vote, found.reached)
    assert [one.value for one in figures] == [1.0, 0.75, 1.0, 1.0]
    assert found.coverage == coverage([2], [len(board.answers)], 4)


def test_nets_without_a_likeliest_answer_say_nothing_of_it(trained, written) -> None:
    assert "greedy" not in trained[1].plain()
    assert "greedy" in written[1].plain()


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
        RecursivePretraining("sudoku", **wrong)


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

    monkeypatch.setattr("modicum.training.recursive_learner.roll", lambda *given: Script)
    learner = RecursiveLearner(random_net(tiny_card()), tiny_card())
    found = held_out(learner, PUZZLE, [several, single], samples=4)
    assert (found.one.value, found.vote.value, found.reached.value) == (0.5, 0.5, 1.0)
    assert found.coverage == coverage([2, 1], [len(several.answers), 1], 4)


def test_a_deterministic_net_is_held_to_one_answer() -> None:
    boards = [
        Labelled(b.question, b.answers) for b in training_boards(resolve_task("sudoku"), PUZZLE, 3)
    ]
    card = tiny_card("twin")
    found = held_out(RecursiveLearner(random_net(card), card), PUZZLE, boards)
    assert found.one == found.vote == found.reached
    assert not np.isnan(found.coverage.everywhere.found)


def test_boards_that_are_all_tested_are_refused(monkeypatch) -> None:
    task = resolve_task("sudoku")
    own = type(task).problems
    monkeypatch.setattr(type(task), "problems", lambda self, split, n: own(self, "test", n))
    with pytest.raises(ConfigError, match="each a symmetric form of one that is tested"):
        training_boards(task, PUZZLE, 5)


@pytest.mark.parametrize(("task", "first"), [("sudoku?clues=0", 1.0), ("sudoku", 10.0)])
def test_telling_is_dear_at_first_where_givens_say_something(task: str, first: float) -> None:
    plan = RecursivePretraining(task, boards=8)
    boards = training_boards(resolve_task(task), puzzle_of(task), plan.boards)
    assert pretraining._recipe(plan, boards).beta_factor(0) == first
