"""What methods that train by reward share: rollouts of the shots, rewarded, and the solver at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

import numpy as np

from modicum.errors import BudgetError
from modicum.ledger import Ledger
from modicum.method import Judge, PromptSolver
from modicum.model import Model, render
from modicum.reward import REWARDS, Answered, Known, Reward
from modicum.seeds import stream
from modicum.training.policy import Average, Policy, Scale
from modicum.training.reinforce import Group, Recipe, reinforce
from modicum.training.trainable import Trainable
from modicum.types import Completion, Mark, Problem, Request, Sampling
from modicum.whitebox import WhiteBox

__all__ = ["PolicySettings", "reinforced"]


class PolicySettings(Protocol):
    """The settings of a method that trains by reward."""

    @property
    def reward(self) -> str:
        """Name of the reward."""

    @property
    def steps(self) -> int:
        """Batches of rollouts."""

    @property
    def groups(self) -> int:
        """Groups a step."""

    @property
    def rollouts(self) -> int:
        """Rollouts a group."""

    @property
    def updates(self) -> int:
        """Optimiser steps a batch of rollouts."""

    @property
    def temperature(self) -> float:
        """Of the rollouts."""

    @property
    def average(self) -> Average:
        """How terms of tokens become one number."""

    @property
    def scale(self) -> Scale:
        """What advantages are divided by."""

    @property
    def clip(self) -> float:
        """Lower half-width of the clip range."""

    @property
    def clip_high(self) -> float:
        """Upper half-width."""

    @property
    def kl(self) -> float:
        """Weight of the divergence."""

    @property
    def entropy(self) -> float:
        """Weight of the entropy bonus."""


def reinforced(
    settings: PolicySettings,
    trainable: Trainable,
    shots: Sequence[Problem],
    judge: Judge,
    rng: np.random.Generator,
    ledger: Ledger,
) -> PromptSolver:
    """Trains on rewarded rollouts of the shots and answers greedily with what came of it.

    Raises:
        BudgetError: no shots.
        TrialError: training went wrong; the message names the cause.
    """
    if not shots:
        msg = "training by reward needs at least one shot"
        raise BudgetError(msg)
    reward = REWARDS.build(settings.reward)
    if not isinstance(reward, Reward):
        raise TypeError(settings.reward)
    name = f"policy-{rng.integers(2**62)}"
    rollouts = _Rollouts(settings, tuple(shots), judge, reward, name, ledger)
    recipe = Recipe(
        steps=settings.steps,
        groups=settings.groups,
        rollouts=settings.rollouts,
        updates=settings.updates,
        learning_rate=trainable.learning_rate,
        longest=judge.sheet.max_new_tokens,
        policy=Policy(
            settings.average,
            settings.scale,
            settings.clip,
            settings.clip_high,
            settings.kl,
            settings.entropy,
        ),
        temperature=settings.temperature,
    )
    whitebox = trainable.whitebox
    targets = rollouts.targets(whitebox)
    trained = reinforce(
        trainable,
        recipe,
        lambda model, step: rollouts.draw(model, step, targets),
        ledger,
        flops_per_token=whitebox.card.flops_per_token,
        checkpoint=judge.scratch / "policy.safetensors" if judge.scratch else None,
    )
    folder = Path(mkdtemp(prefix="modicum-nudge-"))
    ledger.nudge_bytes = trainable.save(folder)
    notes = {"curves": [dict(c) for c in trained.curves], "stopped": trained.stopped}
    return PromptSolver(trained.model, judge.style, judge.sheet, source=folder, notes=notes)


@dataclass(frozen=True)
class _Rollouts:
    """Draws rollouts of the shots and rewards them."""

    settings: PolicySettings
    shots: tuple[Problem, ...]
    judge: Judge
    reward: Reward
    name: str
    ledger: Ledger

    def targets(self, model: Model) -> Mapping[str, str | None]:
        """Gives the key of each shot, drawn up from the initial model's answers where it needs them."""
        if not self.reward.initial_samples:
            return {}
        drawn = self._sample(model, self.shots, self.reward.initial_samples, "initial")
        others = self.judge.decoys
        return {
            shot.id: self.reward.target(
                Known(
                    tuple(self.judge.read(c.text) for c in group),
                    frozenset({shot.answer}) if self.reward.reads_labels else frozenset(),
                    others,
                )
            )
            for shot, group in zip(self.shots, drawn, strict=True)
        }

    def draw(self, model: WhiteBox, step: int, targets: Mapping[str, str | None]) -> list[Group]:
        """Gives the rewarded groups of a step; random choices depend on the step alone."""
        chosen = self._chosen(step)
        drawn = self._sample(model, chosen, self.settings.rollouts, f"step-{step}")
        rng = stream(self.name, "reward", step)
        limit = self.judge.sheet.max_new_tokens
        return [
            Group(
                tuple(model.encode(self._prompt(model, shot))),
                tuple(c.ids for c in group),
                tuple(self._paid(shot, group, targets.get(shot.id), rng)),
                tuple(c.stop == "length" and c.n_tokens >= limit for c in group),
            )
            for shot, group in zip(chosen, drawn, strict=True)
        ]

    def _chosen(self, step: int) -> tuple[Problem, ...]:
        """Whole shuffled passes over the shots, cut into steps; one shot stands for every group."""
        n, size = len(self.shots), self.settings.groups
        first = step * size
        passes = range(first // n, (first + size - 1) // n + 1)
        order = np.concatenate([stream(self.name, "order", p).permutation(n) for p in passes])
        skip = first - passes[0] * n
        return tuple(self.shots[i] for i in order[skip : skip + size])

    def _sample(
        self, model: Model, shots: Sequence[Problem], n: int, part: str
    ) -> list[tuple[Completion, ...]]:
        sampling = Sampling(
            self.judge.sheet.max_new_tokens,
            self.settings.temperature,
            self.judge.sheet.stop + self.judge.style.stop,
            stream=f"{self.name}-{part}",
            ids=True,
        )
        requests = [
            Request(self._prompt(model, shot), f"{shot.id}/{place}", n)
            for place, shot in enumerate(shots)
        ]
        return model.generate(requests, sampling, self.ledger)

    def _prompt(self, model: Model, shot: Problem) -> str:
        return render(model, self.judge.style, shot.question)

    def _paid(
        self,
        shot: Problem,
        group: Sequence[Completion],
        target: str | None,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        texts = tuple(c.text for c in group)
        answers = tuple(self.judge.read(text) for text in texts)
        marks: tuple[Mark, ...] = ()
        if self.reward.reads_labels:
            # equal texts get equal marks, and rollouts repeat each other often
            known = {text: self.judge.mark(shot.id, text) for text in dict.fromkeys(texts)}
            marks = tuple(known[text] for text in texts)
        return self.reward.score(Answered(shot.id, texts, answers, marks), target, rng)
