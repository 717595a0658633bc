"""Small energy nets with random weights, made in milliseconds."""

from dataclasses import replace

import torch

from modicum.nets.energy import EnergyNet
from modicum.nets.energy_folder import EnergyCard
from modicum.nets.energy_shape import energy_preset
from modicum.puzzles.sudoku import SudokuPuzzle
from modicum.sampling.energy_model import EnergyModel, Minimising
from modicum.seeds import stream

__all__ = ["PUZZLE", "energy_card", "energy_model", "random_energy"]

PUZZLE = SudokuPuzzle(4)


def energy_card(preset: str = "boards", **changes: object) -> EnergyCard:
    """Return what is known of a tiny untrained net for Sudoku of 4 x 4."""
    shape = energy_preset(preset, PUZZLE.grid.length, PUZZLE.grid.vocabulary)
    small = replace(shape, width=16, heads=2, inner=16, layers=1)
    return EnergyCard(replace(small, **changes), "sudoku", preset)


def random_energy(card: EnergyCard, name: str = "net") -> EnergyNet:
    """Return a net whose energies differ much between answers."""
    net = EnergyNet(card.shape, stream("tests", name)).requires_grad_(requires_grad=False).eval()
    net.head.mul_(4)
    net.candidates.mul_(4)
    return net.to(torch.float32)


def energy_model(preset: str = "boards", how: Minimising | None = None, **changes: object):
    """Return a model with such a net."""
    card = energy_card(preset, **changes)
    return EnergyModel(random_energy(card), PUZZLE, card, how or Minimising(), "energy:tests")
