"""The curves of a recursive net's training, short enough to be kept with its trial."""

from modicum.plain import JsonValue
from modicum.training.fit import Curve

__all__ = ["thinned"]

_POINTS = 60


def thinned(curves: tuple[Curve, ...], most: int = _POINTS) -> dict[str, JsonValue]:
    """Return means of neighbouring updates, each over those that have the figure.

    Args:
        curves: Figures of each update.
        most: Points that are kept.

    Returns:
        `every`, the updates of a point, and `curves`, a table of figures a point.

    >>> thinned(({"loss": 2.0}, {"loss": 1.0, "prior_valid": 0.5}, {"loss": 1.0}), most=2)
    {'every': 2, 'curves': [{'loss': 1.5, 'prior_valid': 0.5}, {'loss': 1.0}]}
    """
    every = max(1, -(-len(curves) // most))
    return {
        "every": every,
        "curves": [_mean(curves[i : i + every]) for i in range(0, len(curves), every)],
    }


def _mean(curves: tuple[Curve, ...]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for name in dict.fromkeys(name for curve in curves for name in curve):
        known = [curve[name] for curve in curves if name in curve]
        found[name] = sum(known) / len(known)
    return found
