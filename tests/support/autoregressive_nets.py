"""Small autoregressive nets with random weights, made in milliseconds."""

from dataclasses import replace

from modicum.nets.autoregressive import AutoregressiveShape, autoregressive_net
from modicum.nets.autoregressive_folder import AutoregressiveCard
from modicum.nets.grid import BLANK
from modicum.puzzles.puzzle import Puzzle
from modicum.puzzles.sudoku import SudokuPuzzle
from modicum.sampling.autoregressive_model import AutoregressiveModel, Writing
from modicum.seeds import stream

__all__ = ["random_writer", "tiny_shape", "writer_card", "writing_model"]


def tiny_shape(puzzle: Puzzle | None = None, **changes: int) -> AutoregressiveShape:
    """Return the shape of a tiny net; for Sudoku of 4 x 4 where no puzzle is given."""
    grid = (puzzle or SudokuPuzzle(4)).grid
    shape = AutoregressiveShape(grid.length, grid.vocabulary, grid.n_answered, 16, 2, 16, 1)
    return replace(shape, **changes)


def writer_card(task: str = "sudoku", puzzle: Puzzle | None = None) -> AutoregressiveCard:
    """Return what is known of a tiny untrained net."""
    return AutoregressiveCard(tiny_shape(puzzle), task)


def random_writer(card: AutoregressiveCard, name: str = "net", *, may_end: bool = False):
    """Return a net whose answers vary; it writes ids of the grid alone unless it may end early.

    One channel is the same everywhere, and speaks against every other id.
    """
    net = autoregressive_net(card.shape, stream("tests", name)).requires_grad_(requires_grad=False)
    net.model.embed_tokens.weight[:, 0] = 2.0
    for layer in net.model.layers:
        layer.self_attn.o_proj.weight[0] = 0.0
        layer.mlp.down_proj.weight[0] = 0.0
    shape = card.shape
    for other in (BLANK, shape.begins, shape.unknown, *([] if may_end else [shape.ends])):
        net.lm_head.weight[other] = 0.0
        net.lm_head.weight[other, 0] = -100.0
    return net.eval()


def writing_model(
    task: str = "sudoku", puzzle: Puzzle | None = None, how: Writing | None = None
) -> AutoregressiveModel:
    """Return a model with such a net."""
    card = writer_card(task, puzzle)
    return AutoregressiveModel(
        random_writer(card),
        puzzle or SudokuPuzzle(4),
        card,
        how or Writing(),
        "autoregressive:tests",
    )
