"""Small recursive nets with random weights, made in milliseconds."""

from dataclasses import replace

import torch

from modicum.nets.recursive import RecursiveNet
from modicum.nets.recursive_folder import RecursiveCard
from modicum.nets.recursive_shape import miniature
from modicum.puzzles.sudoku import SudokuPuzzle
from modicum.sampling.recursive_model import Reasoning, RecursiveModel
from modicum.seeds import stream

__all__ = ["PUZZLE", "random_net", "recursive_model", "tiny_card"]

PUZZLE = SudokuPuzzle(4)


def tiny_card(preset: str = "gram", **changes: object) -> RecursiveCard:
    """Return what is known of a tiny untrained net for Sudoku of 4 x 4."""
    grid = PUZZLE.grid
    shape = miniature(preset, grid.length, grid.vocabulary)
    small = replace(shape, width=16, heads=2, inner=16, guide_inner=8, n_steps=2)
    return RecursiveCard(replace(small, **changes), "sudoku", preset)


def random_net(card: RecursiveCard, name: str = "net") -> RecursiveNet:
    """Return a net whose answers vary, for its judge is random and its noise strong."""
    net = RecursiveNet(card.shape, stream("tests", name)).requires_grad_(requires_grad=False).eval()
    generator = torch.Generator().manual_seed(5)
    net.judging.copy_(torch.randn(net.judging.shape, generator=generator))
    net.judging_first.zero_()
    if net.prior is not None:
        net.prior.first.zero_()
    return net


def recursive_model(preset: str = "gram", how: Reasoning | None = None, **changes: object):
    """Return a model with such a net."""
    card = tiny_card(preset, **changes)
    return RecursiveModel(random_net(card), PUZZLE, card, how or Reasoning(), "recursive:tests")
