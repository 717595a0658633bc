"""The curves of a run so far as one line, for whoever watches it."""

from collections.abc import Mapping, Sequence

__all__ = ["live_line", "loss_line"]

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = (
    ("selection", "selection"),
    ("constant_groups", "constant"),
    ("entropy", "entropy"),
    ("length", "length"),
)
"""Figures after the reward, with the words that stand for them; the last known of each."""
_POINTS = 12
"""Points of the small curve."""


def live_line(curves: Sequence[Mapping[str, float]], steps: int) -> str:
    """Return step, reward with a small curve of it, and the last of the other figures.

    >>> live_line([{"reward": 0.0, "length": 9.0}, {"reward": 1.0, "length": 8.0}], 20)
    'step 2/20  reward 1.00 ▁█  length 8.00'
    """
    rewards = [curve["reward"] for curve in curves if "reward" in curve]
    parts = [f"step {len(curves)}/{steps}"]
    if rewards:
        parts.append(f"reward {rewards[-1]:.2f} {_small(rewards)}")
    for name, word in _SHOWN:
        known = [curve[name] for curve in curves if name in curve]
        parts += [f"{word} {known[-1]:.2f}"] if known else []
    return "  ".join(parts)


def loss_line(curves: Sequence[Mapping[str, float]], steps: int) -> str:
    """Return step and loss.

    >>> loss_line([{"loss": 2.5}, {"loss": 1.25}], 20)
    'step 2/20  loss 1.250'
    """
    return f"step {len(curves)}/{steps}  loss {curves[-1]['loss']:.3f}"


def _small(values: Sequence[float]) -> str:
    """Draws values between the least and the most of them, means of neighbours where many."""
    size = -(-len(values) // _POINTS)
    means = [
        sum(values[i : i + size]) / len(values[i : i + size]) for i in range(0, len(values), size)
    ]
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    return "".join(_BARS[round((v - low) / span * (len(_BARS) - 1))] for v in means)
