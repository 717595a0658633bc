"""What methods that train by reward share: rollouts of the shots, rewarded, and the solver at the end."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Literal, final

import numpy as np

from modicum.bench import Bench
from modicum.catalog import read_reference
from modicum.errors import BudgetError, TrialError
from modicum.made import Average, Policy, Recipe, Scale
from modicum.method import Method
from modicum.model import Model
from modicum.nudge import Nudge
from modicum.plain import JsonValue
from modicum.reward import REWARDS, Answered, Known, Reward
from modicum.seeds import stream
from modicum.training.launch import ranks
from modicum.training.passes import Passes
from modicum.training.reinforce import Curve, RolloutGroup, Trained, reinforce
from modicum.training.served import sampled_on
from modicum.training.trainable import Trainable
from modicum.types import Completion, Mark, Problem, Request
from modicum.whitebox import WhiteBox, need_whitebox

__all__ = ["Pick", "PolicyMethod"]

Pick = Literal["first", "half", "variance"]
"""The first of the shots' order; those that the model solves about half of the time; those whose
reward varied most while the whole pool was trained on."""

_SAMPLES = 16
"""Answers a problem of the pool from which the initial model's success rate is told."""
_LOOKS = 10
"""Looks at the watched problems during a run, at most."""


@dataclass(frozen=True)
class PolicyMethod(Method):
    """A method that trains by reward; a final subclass says what it trains.

    Source: group-relative policy gradients, Shao et al. 2024 (2402.03300); the choice of examples,
    Wang et al. 2025 (2504.20571), section 2.
    Differs: the ranking run is as short as `passes` says; `half` is a cheap rule of our own.
    """

    powers: ClassVar[Mapping[str, str]] = {"server": "models", "reward": "rewards"}

    reward: str = "true"
    """Name of the reward, with its settings where it has some: `random?gamma=0.3`."""
    steps: int = 20
    """Batches of rollouts, at least 1."""
    groups: int = 8
    """Groups a step; fewer shots come several times."""
    rollouts: int = 32
    """Rollouts a group, at least 2."""
    updates: int = 1
    """Optimiser steps a batch of rollouts; with one, clipping is inert."""
    temperature: float = 1.0
    """Of the rollouts, above 0."""
    average: Average = "dr_grpo"
    """How terms of tokens become one number."""
    scale: Scale = "none"
    """What advantages are divided by."""
    clip: float = 0.2
    """Lower half-width of the clip range; 0 turns clipping off."""
    clip_high: float = 0.0
    """Upper half-width; `clip` where 0."""
    kl: float = 0.0
    """Weight of the divergence from the initial model."""
    entropy: float = 0.0
    """Weight of the entropy bonus."""
    pick: Pick = "first"
    """Which examples of the pool are trained on."""
    pool: int = 0
    """Labelled problems to pick from; all of them count as labels."""
    passes: int = 5
    """Times the ranking run of `variance` sees each problem of the pool, at least 2."""
    watch: int = 0
    """Further labelled problems whose accuracy is watched while it trains; they count as labels."""

    server: str = ""
    """Where rollouts are drawn: `openai:MODEL?base_url=URL` of a server that loads LoRA; here if empty."""

    def __post_init__(self) -> None:
        """Refuse settings outside their ranges."""
        sizes = (self.steps, self.groups, self.updates)
        if min(sizes) < 1 or self.rollouts < 2 or self.temperature <= 0:
            msg = "steps, groups and updates from 1, rollouts from 2, temperature above 0"
            raise ValueError(msg)
        if self.passes < 2 or min(self.pool, self.watch) < 0:
            msg = "passes from 2, pool and watch from 0"
            raise ValueError(msg)
        if self.pick != "first" and not self.pool:
            msg = f"pick = {self.pick} needs a pool to pick from, such as pool = 64"
            raise ValueError(msg)
        _reward(self.reward)

    def shown(self, n_shots: int) -> int:
        """Return the budget, or the pool that is picked from, and the watched problems."""
        n = n_shots if self.pick == "first" else max(n_shots, self.pool)
        return n + self.watch

    def reads(self, n_shown: int) -> int:
        """Return all of them where the reward, or the choice among them, looks at golds."""
        is_read = self.pick == "half" or _reward(self.reward).reads_labels
        return n_shown if is_read else self.watch

    @abstractmethod
    def trainable(self, whitebox: WhiteBox, rng: np.random.Generator) -> Trainable:
        """Return what is trained, as it is at the start."""

    @final
    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Train on the model's own rewarded answers to the shots; it answers greedily.

        Raises:
            BudgetError: no shots.
            AccessError: what is trained cannot be reached.
            TrialError: training went wrong; the message names the cause.
        """
        shots = bench.shots
        if len(shots) <= self.watch:
            msg = "training by reward needs at least one shot"
            raise BudgetError(msg)
        white = bench.on(need_whitebox)
        trainable = self.trainable(white.model, white.rng)
        name = f"policy-{white.rng.integers(2**62)}"
        cut = len(shots) - self.watch
        pool, watched = shots[:cut], shots[cut:]
        run = _Run(self, white, name)
        picked, notes = run.pick(pool, white.budget or cut)
        trained = run.train(trainable, picked, watched)
        if ranks().number:
            msg = "trained with the first process, which goes on with this trial alone"
            raise TrialError(msg)
        facts = {
            "curves": [dict(c) for c in trained.curves],
            "stopped": trained.stopped,
            "recipe": asdict(_recipe(self, trainable, white)),
            "scalars": sum(p.numel() for p in trainable.named.values()),
            **notes,
        }
        return Nudge(white.style, changes=(trainable.change(),), facts=facts)


def _reward(reference: str) -> Reward:
    """Return the reward of a reference.

    Raises:
        UnknownNameError: no such reward, or a setting that it does not have.
    """
    name, _, settings = read_reference(reference)
    reward = REWARDS.build(name, settings)
    if not isinstance(reward, Reward):
        raise TypeError(reference)
    return reward


@dataclass(frozen=True)
class _Run:
    """What one elicitation shares between its ranking run and its own."""

    settings: PolicyMethod
    bench: Bench[WhiteBox]
    name: str

    def pick(
        self, pool: tuple[Problem, ...], n: int
    ) -> tuple[tuple[Problem, ...], dict[str, JsonValue]]:
        """Return the problems to train on, and what the record keeps of the choice."""
        if self.settings.pick == "first" or n >= len(pool):
            return pool[:n], {}
        found = self._rates(pool) if self.settings.pick == "half" else self._spreads(pool)
        # a stable order: of equals the first in the pool's order
        order = sorted(range(len(pool)), key=lambda i: found[i])[:n]
        said: dict[str, JsonValue] = {"pool": len(pool), "picked": [pool[i].id for i in order]}
        return tuple(pool[i] for i in order), {**said, "ranks": [found[i] for i in order]}

    def _rates(self, pool: tuple[Problem, ...]) -> list[float]:
        """Return how far each problem's success rate lies from one half."""
        sampling = self.bench.sampling(self.settings.temperature, "pick")
        requests = [Request(self.bench.prompt(p), p.id, _SAMPLES, split=p.split) for p in pool]
        drawn = self.bench.model.generate(requests, sampling, self.bench.ledger)
        return [
            abs(float(np.mean(_right(self.bench, problem, [c.text for c in group]))) - 0.5)
            for problem, group in zip(pool, drawn, strict=True)
        ]

    def _spreads(self, pool: tuple[Problem, ...]) -> list[float]:
        """Return minus the deviation of each problem's mean reward over a run on the whole pool."""
        steps = math.ceil(len(pool) * self.settings.passes / self.settings.groups)
        ranking = replace(self.settings, steps=steps)
        run = replace(self, settings=ranking, name=f"{self.name}-ranking")
        trainable = ranking.trainable(self.bench.model, self.bench.rng)
        trained = run.train(trainable, pool, (), file="ranking.safetensors")
        series = [[c[p.id] for c in trained.curves if p.id in c] for p in pool]
        return [-float(np.std(s)) if s else 0.0 for s in series]

    def train(
        self,
        trainable: Trainable,
        shots: tuple[Problem, ...],
        watched: tuple[Problem, ...],
        *,
        file: str = "policy.safetensors",
    ) -> Trained:
        """Train on rewarded rollouts of the shots; looks at the watched problems now and then."""
        settings, bench = self.settings, self.bench
        reward = _reward(settings.reward)
        rollouts = _Rollouts(settings, bench, shots, reward, self.name)
        targets = rollouts.targets(bench.model)
        last: dict[str, float] = {}
        is_ranking = file != "policy.safetensors"
        place = sampled_on(settings.server, trainable, bench.prompt(shots[0]))

        def draw(model: WhiteBox, step: int) -> list[RolloutGroup]:
            groups = rollouts.draw(served() if served else model, step, targets)
            last.clear()
            last.update(rollouts.means(step, groups))
            return groups

        def watch(model: WhiteBox, step: int, _figures: Curve) -> Curve:
            every = max(1, settings.steps // _LOOKS)
            is_time = (step + 1) % every == 0 or step + 1 == settings.steps
            # kept in the curves, so that a killed ranking run knows them when it goes on
            means = dict(last) if is_ranking else {}
            if not (watched and is_time):
                return means
            return {**means, "selection": bench.accuracy(model, watched, "watch")}

        with place as served:
            return reinforce(
                trainable,
                _recipe(settings, trainable, bench),
                draw,
                bench.ledger,
                flops_per_token=bench.model.card.flops_per_token,
                checkpoint=bench.scratch / file if bench.scratch else None,
                watch=watch,
            )


def _right(bench: Bench[WhiteBox], problem: Problem, texts: Sequence[str]) -> list[bool]:
    """Return which answers to one problem are right; equal ones are marked once."""
    known = {text: bench.is_right(problem, text) for text in dict.fromkeys(texts)}
    return [known[text] for text in texts]


def _recipe(settings: PolicyMethod, trainable: Trainable, bench: Bench[WhiteBox]) -> Recipe:
    return Recipe(
        steps=settings.steps,
        groups=settings.groups,
        rollouts=settings.rollouts,
        updates=settings.updates,
        learning_rate=trainable.learning_rate,
        longest=bench.sheet.max_new_tokens,
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


@dataclass(frozen=True)
class _Rollouts:
    """Draws rollouts of the shots and rewards them."""

    settings: PolicyMethod
    bench: Bench[WhiteBox]
    shots: tuple[Problem, ...]
    reward: Reward
    name: str

    def targets(self, model: Model) -> Mapping[str, str | None]:
        """Return the key of each shot, drawn up from the initial model's answers where it needs them."""
        if not self.reward.initial_samples:
            return {}
        drawn = self._sample(model, self.shots, self.reward.initial_samples, "initial")
        judge, others = self.bench.judge, self.bench.decoys
        return {
            shot.id: self.reward.target(
                Known(
                    tuple(judge.read(c.text) for c in group),
                    judge.golds(shot.id) if self.reward.reads_labels else frozenset(),
                    others,
                )
            )
            for shot, group in zip(self.shots, drawn, strict=True)
        }

    def draw(
        self, model: WhiteBox, step: int, targets: Mapping[str, str | None]
    ) -> list[RolloutGroup]:
        """Return the rewarded groups of a step; random choices depend on the step alone."""
        chosen = self._chosen(step)
        drawn = self._sample(model, chosen, self.settings.rollouts, f"step-{step}")
        rng = stream(self.name, "reward", step)
        limit = self.bench.sheet.max_new_tokens
        return [
            RolloutGroup(
                tuple(model.encode(self.bench.prompt(shot))),
                tuple(c.ids for c in group),
                tuple(self._paid(shot, group, targets.get(shot.id), rng)),
                tuple(c.stop == "length" and c.n_tokens >= limit for c in group),
            )
            for shot, group in zip(chosen, drawn, strict=True)
        ]

    def means(self, step: int, groups: Sequence[RolloutGroup]) -> dict[str, float]:
        """Return the mean reward of each shot of a step, by its id."""
        earned: dict[str, list[float]] = {}
        for shot, group in zip(self._chosen(step), groups, strict=True):
            earned.setdefault(shot.id, []).extend(group.rewards)
        return {name: float(np.mean(rewards)) for name, rewards in earned.items()}

    def _chosen(self, step: int) -> tuple[Problem, ...]:
        """Whole shuffled passes over the shots, cut into steps; one shot stands for every group."""
        n = len(self.shots)
        order = Passes(
            n, self.settings.groups, lambda p: stream(self.name, "order", p).permutation(n)
        )
        return tuple(self.shots[i] for i in order.step(step))

    def _sample(
        self, model: Model, shots: Sequence[Problem], n: int, part: str
    ) -> list[tuple[Completion, ...]]:
        name = f"{self.name}-{part}"
        sampling = self.bench.sampling(self.settings.temperature, name, ids=True)
        requests = [
            Request(self.bench.prompt(shot), f"{shot.id}/{place}", n)
            for place, shot in enumerate(shots)
        ]
        return model.generate(requests, sampling, self.bench.ledger)

    def _paid(
        self,
        shot: Problem,
        group: Sequence[Completion],
        target: str | None,
        rng: np.random.Generator,
    ) -> Sequence[float]:
        texts, judge = tuple(c.text for c in group), self.bench.judge
        answers = tuple(judge.read(text) for text in texts)
        marks: tuple[Mark, ...] = ()
        if self.reward.reads_labels:
            # equal texts get equal marks, and rollouts repeat each other often
            known = {text: judge.mark(shot.id, text) for text in dict.fromkeys(texts)}
            marks = tuple(known[text] for text in texts)
        return self.reward.score(Answered(shot.id, texts, answers, marks), target, rng)
