"""Which learning rate stands for a net: chosen for each net and amount of text, never on test text."""

from collections.abc import Mapping, Sequence

import numpy as np

from modicum.study.scale_cells import MeasuredCell

__all__ = ["at_chosen_rates"]


def at_chosen_rates(cells: Sequence[MeasuredCell]) -> list[MeasuredCell]:
    """Return the trainings at the rate of least mean loss on the selection split, in their order.

    Only rates with the most seeds are compared, so that a study that is under way chooses among what is
    finished. A rate at which a training was not measured there does not stand beside one that was.

    Args:
        cells: Finished trainings, at one or several rates.
    """
    tried: dict[tuple[str, int], dict[float, list[MeasuredCell]]] = {}
    for one in cells:
        rates = tried.setdefault((one.cell.net, one.cell.tokens), {})
        rates.setdefault(one.cell.learning_rate, []).append(one)
    chosen = {key: _best(rates) for key, rates in tried.items()}
    return [one for one in cells if one.cell.learning_rate == chosen[one.cell.net, one.cell.tokens]]


def _best(rates: Mapping[float, Sequence[MeasuredCell]]) -> float:
    """Return the rate of least loss among those with the most seeds."""
    most = max(len(own) for own in rates.values())
    losses = {rate: _loss(own) for rate, own in rates.items() if len(own) == most}
    return min(losses, key=losses.__getitem__)


def _loss(cells: Sequence[MeasuredCell]) -> float:
    """Return the mean loss on the selection split as trained; infinite where it was not measured."""
    found = [one.found(0, split="selection") for one in cells]
    if any(one is None for one in found):
        return float("inf")
    return float(np.mean([np.mean(one.whole) for one in found if one is not None]))
