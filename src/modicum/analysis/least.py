"""The least data of every method that was tried at several budgets."""

from modicum.analysis.ability import Ability
from modicum.analysis.gather import Gathered, stack
from modicum.analysis.measured import LeastData
from modicum.analysis.threshold import between, threshold
from modicum.stats import Resamples

__all__ = ["least_data_of"]


def least_data_of(found: Gathered, answer: Ability, resamples: Resamples) -> tuple[LeastData, ...]:
    """Return n50 and n90 of each method that has budgets; nothing where there is no gap."""
    top = answer.ceiling
    if top is None:
        return ()
    least = []
    methods = dict.fromkeys(arm.method for arm in found.arms if arm.n_shots)
    for method in methods:
        arms = [a for a in found.arms if a.method == method and a.n_shots]
        points = tuple((a.n_shots, stack(a.outcomes)) for a in arms)
        if all(r.gap is None for r in answer.rungs if r.rung.method == method):
            continue
        reached = [
            threshold(
                points, found.evidence.floor, top, answer.sampled.luck_1, resamples, share=share
            )
            for share in (0.5, 0.9)
        ]
        n50, n90 = (None if t.is_censored else t.n_shots for t in reached)
        tried = [n for n, _ in points]
        is_bare = all(
            r.rung.unlabelled and not r.rung.labels for r in answer.rungs if r.rung.method == method
        )
        unit = "unlabelled questions" if is_bare else ""
        least.append(
            LeastData(method, n50, n90, max(tried), between(n50, tried), between(n90, tried), unit)
        )
    return tuple(least)
