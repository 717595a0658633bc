"""Policy-gradient training on rollouts of a few shots: one process, resumable to the same bits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from modicum.errors import TrialError
from modicum.ledger import Ledger
from modicum.made import Recipe, Scale
from modicum.training.checkpoint import Checkpoint
from modicum.training.distributed import same_start, spread
from modicum.training.fit import Course, Curve, Descent, Lesson, Taken, fit
from modicum.training.launch import ranks
from modicum.training.policy import (
    advantages,
    kl_terms,
    policy_loss,
    ratio_terms,
)
from modicum.training.progress_line import live_line
from modicum.training.rollouts import Batch, RolloutRow, batch_rows, batches, join_equal
from modicum.training.scoring import room_for
from modicum.training.trainable import Trainable
from modicum.whitebox import WhiteBox

__all__ = ["Curve", "RolloutGroup", "Rollouts", "Trained", "reinforce"]

_Scored = tuple[Batch, tuple[Tensor | None, Tensor | None]]
"""A batch with its old scores and the reference's, where they are needed."""

_DEAD_STEPS = 10
"""Steps in a row, from the first one on, in which every group's rewards are equal: it will not start."""
_TRUNCATED = 0.9
"""Share of rollouts at the length limit beyond which rewards are those of unfinished answers."""


@dataclass(frozen=True)
class RolloutGroup:
    """Rollouts of one shot, rewarded."""

    prompt: tuple[int, ...]
    tokens: tuple[tuple[int, ...], ...]
    """Token ids of each rollout, the end token included."""
    rewards: tuple[float, ...]
    truncated: tuple[bool, ...]
    """Which ran into the length limit."""


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    model: WhiteBox
    """Ready to sample."""
    curves: tuple[Curve, ...]
    """One entry a step."""
    stopped: str
    """Why it ended early; empty where it did not."""


@runtime_checkable
class Rollouts(Protocol):
    """Draws and rewards the rollouts of a step."""

    def __call__(self, model: WhiteBox, step: int) -> list[RolloutGroup]:
        """Return the groups of a step; random choices depend on the step alone."""


def reinforce(
    trainable: Trainable,
    recipe: Recipe,
    roll_out: Rollouts,
    ledger: Ledger,
    *,
    flops_per_token: float,
    checkpoint: Path | None = None,
    watch: Callable[[WhiteBox, int, Curve], Curve] | None = None,
) -> Trained:
    """Train until the steps are done or there is nothing to learn from.

    Args:
        trainable: The parameters; changed in place.
        recipe: How.
        roll_out: Draws and rewards rollouts from the model as it is at a step.
        ledger: Counts updates and tokens trained.
        flops_per_token: Of a forward pass.
        checkpoint: File that a killed run goes on from, to the same bits; none where None.
        watch: Called after each step with the model, the step and its figures; gives more figures.

    Raises:
        TrialError: a loss or a gradient that is not finite, or no gradient although rewards differ.
    """
    joined = ranks()
    parameters = list(trainable.named.values())
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    # a run that was killed goes on only from the weights that it began with
    name = trainable.whitebox.card.weights
    kept = Checkpoint(checkpoint, trainable, optimiser, ledger, name=name)
    done = kept.restore()
    same_start(trainable.state(), joined)
    reference = trainable.state() if recipe.policy.kl else None
    if reference is not None and done:
        reference = kept.first
    lesson = _Rewarded(trainable, recipe, roll_out, watch, reference)
    lesson.flops = flops_per_token
    course = Course(
        recipe.steps,
        says=lambda curves: ledger.says(live_line(curves, recipe.steps)),
        first=reference,
    )
    descent = Descent(optimiser, parameters, recipe.clip_norm, joined, trainable.write)
    fitted = fit(lesson, descent, course, ledger, kept if joined.number == 0 else None, done)
    return Trained(trainable.sampler(), fitted.curves, fitted.stopped)


@final
@dataclass
class _Rewarded(Lesson):
    """Parameters that learn from rewarded rollouts."""

    trainable: Trainable
    recipe: Recipe
    roll_out: Rollouts
    watch: Callable[[WhiteBox, int, Curve], Curve] | None
    reference: dict[str, Tensor] | None
    """The parameters that a penalty holds on to; None without one."""

    @property
    def named(self) -> Mapping[str, nn.Parameter]:
        return self.trainable.named

    def step(self, number: int, curves: Sequence[Curve], descent: Descent) -> Taken | str:
        joined, recipe = ranks(), self.recipe
        model = self.trainable.sampler()
        groups = self.roll_out(model if joined.count == 1 else spread(model, joined), number)
        if why := _why_stop(groups, curves, recipe):
            return why
        with self.trainable.whitebox.threaded():
            learned = _learn(self.trainable, descent, groups, recipe, self.reference)
        _check(learned, groups, number, recipe)
        # every rollout counts, joined with an equal one or not
        tokens = sum(len(g.prompt) + len(t) for g in groups for t in g.tokens)
        each = (tokens // recipe.updates,) * int(learned["updates"])
        return Taken({**_seen(groups), **learned}, each)

    def watched(self, number: int, figures: Curve) -> Curve:
        if self.watch is None:
            return figures
        return {**figures, **self.watch(self.trainable.sampler(), number, figures)}


def _seen(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """Return the figures of a batch of rollouts."""
    lengths = [len(tokens) for group in groups for tokens in group.tokens]
    return {
        "reward": float(np.mean([r for group in groups for r in group.rewards])),
        "constant_groups": float(np.mean([len(set(group.rewards)) == 1 for group in groups])),
        "length": float(np.mean(lengths)),
        "truncated": float(np.mean([t for group in groups for t in group.truncated])),
    }


def _learn(
    trainable: Trainable,
    descent: Descent,
    groups: Sequence[RolloutGroup],
    recipe: Recipe,
    reference: dict[str, Tensor] | None,
) -> dict[str, float]:
    """Take the updates of one batch of rollouts; gives their figures."""
    rows = _rows(groups, recipe.policy.scale)
    parts = [join_equal(part) for part in _split(rows, recipe.updates)]
    device = next(iter(trainable.named.values())).device
    most = recipe.most_tokens or room_for(trainable.whitebox, trainable.scored)
    joined = ranks()
    is_live = bool(recipe.policy.entropy or recipe.policy.kl)
    # a row without advantage has no gradient, but counts among those that the mean is taken over
    run = [[row for row in part if is_live or row.advantage] for part in parts]
    sizes = [(*_sizes(part), _sizes(left)[1]) for part, left in zip(parts, run, strict=True)]
    own = [part[joined.number :: joined.count] for part in run]
    plan = [[batch_rows(b, device) for b in batches(part, most)] for part in own]
    # With one update the ratio is 1 by construction: the old scores are the new ones, held fixed.
    olds = _scores(trainable, plan, recipe) if recipe.updates > 1 else None
    refs = _reference_scores(trainable, plan, recipe, reference) if reference else None
    totals: dict[str, float] = {"loss": 0.0, "entropy": 0.0, "clipped": 0.0, "grad_norm": 0.0}
    done = 0
    for number, part in enumerate(plan):
        old = olds[number] if olds else [None] * len(part)
        ref = refs[number] if refs else [None] * len(part)
        scored = list(zip(part, zip(old, ref, strict=True), strict=True))
        size = sizes[number]

        def backward(
            scored: list[_Scored] = scored, size: tuple[float, float, float] = size
        ) -> None:
            for batch, scores in scored:
                figures = _accumulate(trainable, batch, recipe, scores, size)
                for name, value in figures.items():
                    totals[name] += value / recipe.updates

        _, norm = descent.take(backward, skips_none=True)
        totals["grad_norm"] += norm / recipe.updates
        done += norm > 0
    norm_seen = totals.pop("grad_norm")
    summed = {name: sum(part[name] for part in joined.gather(totals)) for name in totals}
    if not any(run):
        del summed["entropy"]  # no row was run: it is not known, and not 0
    return {**summed, "grad_norm": norm_seen, "updates": float(done)}


def _sizes(rows: Sequence[RolloutRow]) -> tuple[float, float]:
    """Return the rollouts and the tokens that rows stand for, in all processes."""
    return sum(row.weight for row in rows), sum(row.weight * len(row.tokens) for row in rows)


def _accumulate(
    trainable: Trainable,
    batch: Batch,
    recipe: Recipe,
    scores: tuple[Tensor | None, Tensor | None],
    sizes: tuple[float, float, float],
) -> dict[str, float]:
    """Add one batch's gradient to the parameters'; gives its share of the figures."""
    old, reference = scores
    n_rows, n_tokens, n_run = sizes
    policy = recipe.policy
    new, entropies = trainable.score(batch, recipe.temperature)
    before = new.detach() if old is None else old
    terms = ratio_terms(new, before, batch.advantage, policy)
    if reference is not None:
        terms = terms + policy.kl * kl_terms(new, reference)
    share = batch.counted * batch.weight[:, None] / n_run
    entropy = (entropies * share).sum()
    loss = policy_loss(
        terms,
        batch.counted,
        batch.weight,
        policy,
        rows=n_rows,
        tokens=n_tokens,
        longest=recipe.longest,
    )
    if policy.entropy:
        loss = loss - policy.entropy * entropy
    loss.backward()
    ratio = (new.detach() - before).exp()
    beyond = (ratio > 1 + policy.high) | (ratio < 1 - policy.clip) if policy.clip else ratio < 0
    return {
        "loss": float(loss.detach()),
        "entropy": float(entropy.detach()),
        "clipped": float((beyond * share).sum()),
    }


def _rows(groups: Sequence[RolloutGroup], scale: Scale) -> list[RolloutRow]:
    """Return every rollout with its advantage."""
    rewards = torch.tensor([group.rewards for group in groups], dtype=torch.float32)
    earned = advantages(rewards, scale).tolist()
    return [
        RolloutRow(group.prompt, tokens, advantage)
        for group, line in zip(groups, earned, strict=True)
        for tokens, advantage in zip(group.tokens, line, strict=True)
    ]


def _split(rows: Sequence[RolloutRow], updates: int) -> list[Sequence[RolloutRow]]:
    """Deal rollouts out to the updates, so that each sees some of every group."""
    return [rows[i::updates] for i in range(updates)]


def _scores(trainable: Trainable, plan: list[list[Batch]], recipe: Recipe) -> list[list[Tensor]]:
    """Return the log-probabilities of all rollouts before the updates."""
    with torch.no_grad():
        return [
            [trainable.score(batch, recipe.temperature).logprobs for batch in part] for part in plan
        ]


def _reference_scores(
    trainable: Trainable,
    plan: list[list[Batch]],
    recipe: Recipe,
    reference: dict[str, Tensor],
) -> list[list[Tensor]]:
    """Return the log-probabilities under the parameters as they were at first."""
    now = trainable.state()
    trainable.load(reference)
    try:
        return _scores(trainable, plan, recipe)
    finally:
        trainable.load(now)


def _why_stop(groups: Sequence[RolloutGroup], curves: Sequence[Curve], recipe: Recipe) -> str:
    """Say why there is no use in going on; empty where there is."""
    seen = _seen(groups)
    if seen["truncated"] > _TRUNCATED and len(curves) + 1 >= _DEAD_STEPS:
        share = seen["truncated"]
        return f"{share:.0%} of the rollouts ran into the limit of {recipe.longest} tokens"
    has_bonus = bool(recipe.policy.entropy or recipe.policy.kl)
    past = [curve["constant_groups"] for curve in curves[:_DEAD_STEPS]]
    if not has_bonus and len(past) == _DEAD_STEPS == len(curves) and min(past) == 1.0:
        return (
            f"in the first {_DEAD_STEPS} steps every group's rewards were equal "
            f"(mean {seen['reward']:.2f}): there was nothing to learn from"
        )
    last = curves[-_DEAD_STEPS:]
    is_dead = len(last) == _DEAD_STEPS and min(c["constant_groups"] for c in last) == 1.0
    fallen = max((c["reward"] for c in last), default=0.0)
    if not has_bonus and is_dead and fallen < curves[0]["reward"]:
        return (
            f"for {_DEAD_STEPS} steps every group's rewards were equal at {fallen:.2f} or less, after "
            f"{curves[0]['reward']:.2f} at first: training diverged; lower the learning rate"
        )
    return ""


def _check(figures: Curve, groups: Sequence[RolloutGroup], step: int, recipe: Recipe) -> None:
    """Name what has gone wrong.

    Raises:
        TrialError: a gradient that is zero although rewards differ.
    """
    # with several updates clipping may leave nothing of a gradient
    is_dead = figures["grad_norm"] == 0.0 and recipe.updates == 1
    if is_dead and any(map(_teaches, groups)):
        msg = f"no gradient at step {step} although rewards differ: what is trained has no effect"
        raise TrialError(msg)


def _teaches(group: RolloutGroup) -> bool:
    """Say whether its answers earn differently; equal ones that do (a random reward) cancel out."""
    earned: dict[tuple[int, ...], list[float]] = {}
    for tokens, reward in zip(group.tokens, group.rewards, strict=True):
        earned.setdefault(tokens, []).append(reward)
    return len({float(np.mean(rewards)) for rewards in earned.values()}) > 1
