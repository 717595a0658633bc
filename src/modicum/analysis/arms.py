"""A rung beside its arms: what its reward and its content brought, and how it was sampled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from modicum.analysis.gather import Arm, Gathered, correctness, samples_of, stack
from modicum.analysis.pairing import level_of, paired, possible
from modicum.analysis.retention import retention_of
from modicum.analysis.sampling import sampled
from modicum.analysis.verdict import ArmRow, Curve
from modicum.made import curves_of, part_of
from modicum.stats import Figure, Floats, pass_curve, powers_of_two
from modicum.store.database import Outcome
from modicum.study.controls import WITH

__all__ = ["Beside", "arm_rows", "beside", "learning_of", "nudged_curve"]


@dataclass(frozen=True)
class Beside:
    """What of a rung's row comes from its arms, controls and samples."""

    beyond_format: Figure | None
    """Score minus that of the best format-only arm; None where none was run."""
    reward_attributable: Figure | None
    """Score minus that of the arm whose reward is random; None where none was run."""
    sampled: Figure | None
    """Accuracy of one sample at temperature 1; None where the nudged model was not sampled."""
    arms: tuple[ArmRow, ...]
    """The rung and its arms with other settings; empty where it has none."""
    learning: Mapping[str, tuple[float, ...]]
    """Curves of training by name."""
    scalars: int | None
    """Numbers that were trained; None where it does not say."""


def beside(found: Gathered, arm: Arm) -> Beside:
    """Return what of a rung's row comes from its arms, controls and samples."""
    drawn = _sampled(arm.outcomes)
    return Beside(
        beyond_format=_over(found, arm, _format_arms(arm)),
        reward_attributable=_over(found, arm, _alike(arm, "random")),
        sampled=None if drawn is None else level_of(drawn, found.evidence.clusters),
        arms=arm_rows(found, arm),
        learning=learning_of(arm.outcomes),
        scalars=_scalars(arm.outcomes),
    )


def arm_rows(found: Gathered, arm: Arm) -> tuple[ArmRow, ...]:
    """Return the rung itself and every arm with other settings; nothing where there is none."""
    others = _with(arm)
    if not others:
        return ()
    named = {"": arm.outcomes, **others}
    return tuple(
        _arm_row(found, name, replace(arm, outcomes=outcomes)) for name, outcomes in named.items()
    )


def _arm_row(found: Gathered, name: str, arm: Arm) -> ArmRow:
    """Read one arm against the floor; what was sampled against plain sampling."""
    clusters, outcomes = found.evidence.clusters, arm.outcomes
    kept = retention_of(found, arm)
    scores, drawn = stack(outcomes), _sampled(outcomes)
    plain, floor = found.evidence.samples.correct.mean(axis=1), correctness(found.floor.answers)
    return ArmRow(
        name=name,
        labels=int(outcomes[0].elicitation["labels"]),
        score=level_of(scores, clusters),
        gain=possible(paired(scores, floor, clusters=clusters), floor),
        sampled=None if drawn is None else level_of(drawn, clusters),
        sampled_gain=None
        if drawn is None
        else possible(paired(drawn, plain, clusters=clusters), plain),
        seeds=len(outcomes),
        learning=learning_of(outcomes),
        scalars=_scalars(outcomes),
        damage=kept[0].damage if kept else None,
        trials=tuple(o.trial.id for o in outcomes),
    )


def learning_of(outcomes: Sequence[Outcome]) -> dict[str, tuple[float, ...]]:
    """Return the curves of training, figure by figure: the mean over the seeds that got that far.

    NaN at steps at which a figure was not looked at.
    """
    runs = [curves_of(outcome.made) for outcome in outcomes]
    names = dict.fromkeys(name for run in runs for step in run for name in step)
    longest = max((len(run) for run in runs), default=0)
    found = {}
    for name in names:
        steps = [[run[i].get(name) for run in runs if i < len(run)] for i in range(longest)]
        seen = [[v for v in step if v is not None] for step in steps]
        found[name] = tuple(float(np.mean(step)) if step else float("nan") for step in seen)
    return found


def nudged_curve(found: Gathered, arm: Arm) -> Curve | None:
    """Return pass@k after the nudge, where the nudged model was sampled on every test problem.

    With its nulls where the samples are the rung's own answers; without where they were drawn to
    measure it and only counted.
    """
    drawn = [o.sampled for o in arm.outcomes if o.sampled is not None]
    n = arm.outcomes[0].sampled.n if arm.outcomes[0].sampled is not None else 0
    if n > 1:
        ks = powers_of_two(n)
        each = [
            pass_curve(np.asarray(one.right), n, ks).mean(axis=0) for one in drawn if one.n == n
        ]
        return Curve(ks, tuple(map(float, np.mean(each, axis=0))), (), ())
    outcome = arm.outcomes[0]
    counts = {len(answer.marks) for answer in outcome.answers}
    if len(counts) != 1 or min(counts) < 2 or len(outcome.answers) != len(found.problems):
        return None
    read = sampled(samples_of(found, outcome), clusters=found.evidence.clusters)
    return Curve(read.ks, read.pass_curve, read.luck_curve, read.near_curve)


def _sampled(outcomes: Sequence[Outcome]) -> Floats | None:
    """Return the share of right samples a problem, `[seeds, problems]`; None where none were drawn."""
    drawn = [o.sampled for o in outcomes if o.sampled is not None]
    if len(drawn) < len(outcomes):
        return None
    return np.stack([np.asarray(one.right, dtype=np.float64) / one.n for one in drawn])


def _with(arm: Arm) -> dict[str, tuple[Outcome, ...]]:
    """Return the arms with other settings, by name."""
    return {n: found for n, found in arm.own_controls.items() if n.startswith(WITH)}


def _alike(arm: Arm, reward: str) -> list[Floats]:
    """Return the arms that differ from the rung in its reward alone, which is of this kind."""
    own = arm.outcomes[0].trial.settings
    found = []
    for outcomes in _with(arm).values():
        other = outcomes[0].trial.settings
        changed = {name for name in own if other.get(name) != own[name]}
        kind = str(other.get("reward", "")).partition("?")[0]
        if changed == {"reward"} and kind == reward:
            found.append(stack(outcomes))
    return found


def _format_arms(arm: Arm) -> list[Floats]:
    """Return the control that pays for the exact format, and the reward for a readable answer."""
    control = arm.own_controls.get("format")
    return [*([stack(control)] if control else []), *_alike(arm, "format")]


def _over(found: Gathered, arm: Arm, others: Sequence[Floats]) -> Figure | None:
    """Return the rung's score minus that of the best of several arms; None where there is none."""
    if not others:
        return None
    best = max(others, key=lambda scores: float(scores.mean()))
    return possible(paired(stack(arm.outcomes), best, clusters=found.evidence.clusters), best)


def _scalars(outcomes: Sequence[Outcome]) -> int | None:
    """Return how many numbers were trained, where the nudge says so."""
    return part_of(outcomes[0].made, "scalars", int)
