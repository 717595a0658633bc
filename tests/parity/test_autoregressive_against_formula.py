"""The loss of an answer beside its formula, one token of one board at a time."""

import numpy as np
import pytest
import torch

from modicum.ledger import Ledger
from modicum.nets.autoregressive import autoregressive_net
from modicum.nets.autoregressive_folder import AutoregressiveCard
from modicum.puzzles.colouring import ColouringPuzzle
from modicum.puzzles.sudoku import SudokuPuzzle
from modicum.seeds import stream
from modicum.training.autoregressive import AutoregressiveLesson, train_autoregressive
from modicum.training.autoregressive_learner import AutoregressiveLearner
from modicum.training.board_recipe import BoardRecipe, optimiser_of
from modicum.training.fit import Descent
from modicum.training.prior_looks import Boards
from tests.support.autoregressive_nets import tiny_shape

RECIPE = BoardRecipe(steps=2, batch=3, warm_up=1)


def drawn(grid, seed: int):
    rng = np.random.default_rng(seed)
    size = (3, grid.length)
    questions, answers = (rng.integers(1, grid.vocabulary, size) for _ in range(2))
    return torch.from_numpy(questions), torch.from_numpy(answers)


@pytest.mark.parametrize("puzzle", [SudokuPuzzle(4), ColouringPuzzle(4)])
def test_the_loss_is_the_mean_of_minus_log_probability_over_answer_tokens(puzzle) -> None:
    grid, shape = puzzle.grid, tiny_shape(puzzle)
    net = autoregressive_net(shape, stream("net"))
    questions, answers = drawn(grid, 1)
    losses, exact, cells = [], [], []
    with torch.no_grad():
        for question, answer in zip(questions.tolist(), answers.tolist(), strict=True):
            told = [one for one, counts in zip(answer, grid.answered, strict=True) if counts]
            read, hits = [*question, shape.begins], []
            for token in [*told, shape.ends]:
                logits = net(torch.tensor([read])).logits[0, -1].double()
                losses.append(float(logits.exp().sum().log() - logits[token]))
                hits.append(int(logits.argmax()) == token)
                read.append(token)
            exact.append(all(hits))
            cells += hits
    boards = Boards(lambda number: (questions, answers), answered=grid.answered)
    lesson = AutoregressiveLesson(net, shape, boards, RECIPE)
    taken = lesson.step(0, [], Descent(optimiser_of(net, RECIPE), list(net.parameters())))
    assert taken.figures["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert taken.figures["exact"] == np.mean(exact)
    assert taken.figures["cells"] == pytest.approx(np.mean(cells))
    assert taken.tokens == (3 * (grid.length + 1 + grid.n_answered),)


def test_what_is_not_answered_counts_for_nothing() -> None:
    puzzle = ColouringPuzzle(4)
    found = []
    for other in (0, 1):
        net = autoregressive_net(tiny_shape(puzzle), stream("net"))
        questions, answers = drawn(puzzle.grid, 1)
        answers[:, 0] += other  # a pair of nodes, which the question says
        boards = Boards(
            lambda number, q=questions, a=answers: (q, a), answered=puzzle.grid.answered
        )
        found.append(train_autoregressive(net, tiny_shape(puzzle), boards, RECIPE, "x", Ledger()))
    assert found[0].curves == found[1].curves


def test_boards_are_learned_and_the_average_follows() -> None:
    puzzle = SudokuPuzzle(4)
    answer = torch.tensor([puzzle.solutions((0,) * 16, 1)[0]] * 3)
    net = autoregressive_net(tiny_shape(puzzle), stream("net"))
    recipe = BoardRecipe(steps=40, batch=3, learning_rate=1e-2, warm_up=1, average=0.5)
    boards = Boards(lambda number: (answer * 0, answer), answered=puzzle.grid.answered)
    ledger = Ledger()
    found = train_autoregressive(net, tiny_shape(puzzle), boards, recipe, "x", ledger)
    assert found.curves[-1]["loss"] < 0.1 * found.curves[0]["loss"]
    assert found.curves[-1]["exact"] == 1.0
    for one, trained in zip(found.net.parameters(), net.parameters(), strict=True):
        assert (one - trained).abs().max() < 0.05  # near it, and not the same
    assert not torch.equal(found.net.lm_head.weight, net.lm_head.weight)
    learner = AutoregressiveLearner(found.net.eval(), AutoregressiveCard(tiny_shape(puzzle), ""))
    [written] = learner.answers(puzzle, [(0,) * 16], 1).greedy
    assert written == tuple(answer[0].tolist())
    assert (ledger.updates, ledger.tokens_trained) == (40, 40 * 3 * 33)
