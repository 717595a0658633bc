"""Trainings of a study of scale with planted losses, and a net that thinks."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from modicum.nets.thinking import Thinking
from modicum.seeds import stream
from modicum.study.scale_cells import CellMeasure, MeasuredCell
from modicum.study.scale_plan import ScaleCell
from modicum.training.text_learner import TextLearner, TextNet
from modicum.training.transformer_learner import TransformerNet

__all__ = ["Pondering", "PonderingNet", "planted"]


def planted(kind: str, layers: int, tokens: int, seed: str, nats, *, costs: float = 1.0):
    """Return a training whose windows cost what a rule says.

    Args:
        kind: Of the net; `pondering` thinks.
        layers: Its depth; parameters are 1000 times as many.
        tokens: Characters that it learned from.
        seed: Its seed.
        nats: Mean cost by parameters, tokens, distance, steps and candidates.
        costs: Operations for each parameter and character.
    """
    parameters = 1000 * layers
    cell = ScaleCell("planted", kind, {"layers": layers, "width": 8}, tokens, seed, 1, 1, 1, 0.1)
    thinks = kind == "pondering"
    ways = [(0, 1), *([(s, c) for s in (1, 2, 4) for c in (1, 4)] if thinks else [])]
    own = stream("planted", kind, layers, tokens, seed)
    noise = np.exp(0.01 * own.standard_normal())
    measures = []
    for split, distance in (("selection", 0), ("test", 0), ("test", 1), ("test", 2)):
        hard = np.exp(0.1 * stream("windows", split, distance).standard_normal(40) - 0.005)
        for steps, candidates in ways:
            mean = nats(parameters, tokens, distance, steps, candidates)
            each = mean * noise * hard
            asked = tuple(None if i % 8 == 0 else 2 * one for i, one in enumerate(each.tolist()))
            flops = 2.0 * parameters * max(steps, 1) * candidates
            given = (split, distance, steps, candidates, flops, tuple(each.tolist()), asked)
            measures.append(CellMeasure(*given))
    spent = costs * parameters * tokens
    return MeasuredCell(cell, parameters, spent, 1.0, thinks, 2, tuple(measures))


class Pondering(TextLearner):
    """A transformer whose costs fall by half of what is left with each step, and with candidates."""

    def __init__(self, inner) -> None:
        self._inner = inner

    @property
    def parameters(self) -> int:
        return self._inner.parameters

    @property
    def training_flops(self) -> float:
        return 2 * self._inner.training_flops

    @property
    def thinks(self) -> bool:
        return True

    @property
    def fewest_steps(self) -> int:
        return 2

    def flops(self, thinking: Thinking) -> float:
        steps = thinking.steps or self.fewest_steps
        return steps * thinking.candidates * self._inner.flops(Thinking())

    def learned(self, batches, recipe, name, ledger, kept, joined=None):
        inner, curves = self._inner.learned(batches, recipe, name, ledger, kept, joined)
        return Pondering(inner), curves

    def nats(self, ids, thinking: Thinking):
        steps = thinking.steps or self.fewest_steps
        factor = 1 + 0.5**steps - 0.01 * (thinking.candidates - 1)
        return factor * self._inner.nats(ids, Thinking())

    def files(self, trained):
        return self._inner.files(trained)


@dataclass(frozen=True)
class PonderingNet(TextNet):
    """Its sizes."""

    kind: ClassVar[str] = "pondering"

    width: int = 8
    layers: int = 1

    def drawn(self, alphabet, places, rng, device):
        return Pondering(
            TransformerNet(self.width, self.layers, 2).drawn(alphabet, places, rng, device)
        )
