"""Small energy nets of text in double precision, and what their formulas say, written as they stand."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from modicum.nets.energy_text import EnergyTextNet
from modicum.nets.energy_text_shape import EnergyTextShape, energy_text_preset
from modicum.seeds import stream

SIZES = {"width": 16, "heads": 2, "inner": 12, "layers": 2}
VOCABULARY, LENGTH = 7, 6


def tiny(preset: str = "paper_s1", **changed: object) -> EnergyTextShape:
    return replace(energy_text_preset(preset, VOCABULARY, LENGTH), **{**SIZES, **changed})


def drawn(shape: EnergyTextShape, name: str = "n") -> EnergyTextNet:
    """Return a net in double precision whose norms have scales of their own."""
    net = EnergyTextNet(shape, stream("tests", "energy text", name)).double()
    rng = stream("tests", "scales", name)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.from_numpy(rng.standard_normal(parameter.shape)))
    net.turns = net.turns.to(torch.complex128)
    net.turns /= net.turns.abs()
    return net


def ids_of(rows: int = 3, places: int = LENGTH, name: str = "i") -> Tensor:
    return torch.from_numpy(stream("tests", name).integers(VOCABULARY, size=(rows, places)))


def normal(*size: int, name: str = "s") -> Tensor:
    return torch.from_numpy(stream("tests", "normal", name).standard_normal(size))


def naive_step(net, ids, state, landscape: int, size, *, learned: bool) -> tuple[Tensor, Tensor]:
    """Return the next state and the energies by torch's own gradients."""
    candidates = state.softmax(-1)
    begun = candidates if net.shape.update == "prob_reset" else state
    if not begun.requires_grad:
        begun.requires_grad_()
    used = candidates if net.shape.update == "prob_reset" else begun.softmax(-1)
    energies = net.energies(net.observe(ids, landscape), used, net.places(ids.shape[1]), landscape)
    (slope,) = torch.autograd.grad(energies.sum(), begun, create_graph=learned)
    return begun - size * slope, energies


def naive_losses(net, ids, state, sizes: Sequence, *, detaches: bool, graph: Sequence[bool]):
    """Return the cross-entropy after each step; noise is none."""
    losses = []
    for number, (size, learned) in enumerate(zip(sizes, graph, strict=True)):
        state = state.detach() if detaches else state
        landscape = net.shape.landscape(number)
        state, _ = naive_step(net, ids[:, :-1], state, landscape, size, learned=learned)
        losses.append(functional.cross_entropy(state.flatten(0, 1), ids[:, 1:].flatten()))
    return losses
