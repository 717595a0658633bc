"""What a nudge did to what it did not target: retained tasks in points, held-out text as a ratio."""

from dataclasses import dataclass

import numpy as np

from modicum.analysis.gather import Arm, Gathered, correctness
from modicum.analysis.pairing import level_of, possible
from modicum.analysis.verdict import Retention
from modicum.seeds import stream
from modicum.stats import Figure, Floats, Resamples, bootstrap, paired_difference, resample

__all__ = ["TextChange", "retention_of", "text_before", "text_change"]


def retention_of(found: Gathered, arm: Arm) -> tuple[Retention, ...]:
    """Return before, after and paired difference on each retained task, the worst first.

    A task that was scored only before, or only after, is left out.
    """
    said = []
    for task, outcome in found.retained.items():
        after = [o.retention[task] for o in arm.outcomes if task in o.retention]
        if not after:
            continue
        before, stacked = correctness(outcome.answers), np.array(after, dtype=np.float64)
        damage = possible(paired_difference(stacked, before), before)
        each = tuple(float(change) for change in (stacked - before).mean(axis=1))
        said.append(Retention(task, level_of(before, None), level_of(stacked, None), damage, each))
    return tuple(sorted(said, key=lambda retention: retention.damage.value))


def text_before(found: Gathered) -> Figure | None:
    """Return the held-out text's loss before any nudge, in nats a token; None where not scored."""
    if found.text is None or not found.text.text_loss:
        return None
    before = np.array(found.text.text_loss, dtype=np.float64)
    return bootstrap((before,), _itself, _passages(found, before.size))


@dataclass(frozen=True)
class TextChange:
    """What a nudge did to the held-out text; None where it was not scored."""

    loss: Figure | None = None
    """Nats a token after the nudge."""
    perplexity_ratio: Figure | None = None
    """Perplexity over that before the nudge; above 1 where it is worse."""


def text_change(found: Gathered, arm: Arm) -> TextChange:
    """Return loss and perplexity ratio of the held-out text after a nudge.

    The ratio is exp of the mean difference in nats a token, passages weighing the same; its
    interval resamples passages, each with its own before and after, and adds the seeds' spread.
    """
    before = np.array(found.text.text_loss if found.text else (), dtype=np.float64)
    scored = [o.text_loss for o in arm.outcomes if len(o.text_loss) == before.size]
    if not before.size or not scored:
        return TextChange()
    after = np.array(scored, dtype=np.float64)
    resamples = _passages(found, before.size)
    return TextChange(
        bootstrap((after,), _itself, resamples),
        bootstrap((after - before,), np.exp, resamples),
    )


def _passages(found: Gathered, n: int) -> Resamples:
    return resample(stream("held-out", found.subject.model, found.subject.task), n)


def _itself(means: Floats) -> Floats:
    return means
