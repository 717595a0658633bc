"""What a fixed budget buys: successive halving over the rungs, controls kept.

Pure functions of a plan and of what has finished, so that a resumed run goes on as it would have.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from modicum.errors import ConfigError
from modicum.study.plan import Plan, Subject
from modicum.types import Trial

__all__ = [
    "Budget",
    "BudgetLevel",
    "Cost",
    "Pace",
    "RungTrials",
    "arms_of",
    "budget_of",
    "fitting",
    "measures_of",
    "next_trials",
    "read_seconds",
]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smh])")


@dataclass(frozen=True)
class Cost:
    """What a trial takes."""

    seconds: float
    tokens: float
    """Sampled or trained."""


@dataclass(frozen=True)
class Budget:
    """What a study may take in all, earlier runs of it included."""

    seconds: float = math.inf
    tokens: float = math.inf

    def less(self, seconds: float, tokens: float) -> "Budget":
        """Return what is left of it."""
        return Budget(self.seconds - seconds, self.tokens - tokens)

    def holds(self, cost: Cost) -> bool:
        """Say whether a cost fits into it; nothing fits into a budget that is used up."""
        return min(self.seconds - cost.seconds, self.tokens - cost.tokens) >= 0 and not self.is_over

    @property
    def is_over(self) -> bool:
        """Whether it is used up."""
        return min(self.seconds, self.tokens) <= 0


@dataclass(frozen=True)
class BudgetLevel:
    """One budget of shots of one rung."""

    probe: Trial
    """Its first seed, by which rungs are compared."""
    rest: tuple[Trial, ...]
    """Its other seeds and its controls."""


@dataclass(frozen=True)
class RungTrials:
    """One rung of one subject."""

    subject: tuple[str, str]
    """Model and task."""
    method: str
    levels: tuple[BudgetLevel, ...]
    """Fewest shots first."""


def read_seconds(text: str) -> float:
    """Read a time such as `90s`, `20m` or `1h30m`.

    Raises:
        ConfigError: another form, or no time at all.

    >>> read_seconds("1h30m")
    5400.0
    """
    parts = _TIME.findall(text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds < math.inf or "".join(a + b for a, b in parts) != text:
        raise ConfigError(f"--budget {text}", "a time with its unit", "write 90s, 20m or 1h")
    return seconds


def budget_of(time: Budget | str | float | None, tokens: float | None) -> Budget | None:
    """Return the budget of a time and of tokens, either of which may be missing; None without both.

    Args:
        time: `20m`, seconds, or a whole budget.
        tokens: Most tokens to sample or train.

    Raises:
        ConfigError: no time with its unit, or no tokens at all.
    """
    if tokens is not None and tokens < 1:
        raise ConfigError(f"--max-tokens {tokens:g}", "at least 1", "raise it")
    if isinstance(time, Budget):
        return time if tokens is None else Budget(time.seconds, tokens)
    if time is None and tokens is None:
        return None
    seconds = read_seconds(time if isinstance(time, str) else f"{time}s") if time else math.inf
    return Budget(seconds, math.inf if tokens is None else float(tokens))


def measures_of(plan: Plan) -> frozenset[str]:
    """Return the ids of the measures, those of twins included: they run whatever the tokens."""
    subjects = plan.subjects()
    subjects += [Subject(plan, s.twin, s.task) for s in subjects if s.twin]
    trials = [trial for subject in subjects for trial in subject.measures()]
    trials += [trial for subject in plan.subjects() for trial in subject.scrambled()]
    return frozenset(str(trial.id) for trial in trials)


def arms_of(plan: Plan) -> list[RungTrials]:
    """Return the rungs of a plan with all trials of each, in the ladder's order."""
    measures, arms = measures_of(plan), []
    for subject in plan.subjects():
        trials = [t for t in (*subject.rungs(), *subject.twins()) if t.id not in measures]
        for method in dict.fromkeys(t.method for t in trials if t.model == subject.model):
            own = [t for t in trials if t.method == method]
            probes = [t for t in own if _is_probe(t, subject)]
            shots = [probe.n_shots for probe in probes]
            levels = tuple(
                BudgetLevel(
                    probe,
                    tuple(t for t in own if t not in probes and _level(t, shots) == probe.n_shots),
                )
                for probe in sorted(probes, key=lambda t: t.n_shots)
            )
            arms.append(RungTrials((subject.model, subject.task), method, levels))
    return arms


def next_trials(arms: Sequence[RungTrials], scores: Mapping[str, float]) -> list[Trial]:
    """Return what is to run now; nothing once every trial has ended.

    Each subject's rungs run at their fewest shots with one seed; the better half gets its other
    seeds and its controls, and then the next number of shots, and so on. What was left behind
    comes last, in the plan's order.

    Args:
        arms: The rungs.
        scores: Lenient accuracy of every trial that has ended, by id; below 0 where it failed.
    """
    wanted: list[Trial] = []
    for subject in dict.fromkeys(arm.subject for arm in arms):
        wanted += _stage([arm for arm in arms if arm.subject == subject], scores)
    if wanted:
        return wanted
    return [t for arm in arms for level in arm.levels for t in _left(_all(level), scores)]


def _stage(arms: Sequence[RungTrials], scores: Mapping[str, float]) -> list[Trial]:
    """Return what one subject's halving waits for; nothing at its end."""
    number, running = 0, list(arms)
    while running := [arm for arm in running if number < len(arm.levels)]:
        levels = {arm.method: arm.levels[number] for arm in running}
        probes = _left([level.probe for level in levels.values()], scores)
        if probes:
            return probes
        ranked = sorted(running, key=lambda arm: -scores[str(levels[arm.method].probe.id)])
        kept = ranked[: math.ceil(len(ranked) / 2)]
        running = [arm for arm in running if arm in kept]
        rest = [t for arm in running for t in _left(levels[arm.method].rest, scores)]
        if rest:
            return rest
        number += 1
    return []


def _all(level: BudgetLevel) -> tuple[Trial, ...]:
    return (level.probe, *level.rest)


def _left(trials: Sequence[Trial], ended: Collection[str]) -> list[Trial]:
    return [trial for trial in trials if str(trial.id) not in ended]


def _is_probe(trial: Trial, subject: Subject) -> bool:
    own = (trial.model, trial.task) == (subject.model, subject.task)
    return own and trial.seed == 0 and not trial.control


def _level(trial: Trial, shots: Sequence[int]) -> int:
    """Return the level of a seed or control: its own shots, or the most where no rung has them."""
    return trial.n_shots if trial.n_shots in shots else max(shots)


@dataclass(frozen=True)
class Pace:
    """What trials took so far, from which the next ones are told."""

    taken: tuple[tuple[Trial, Cost], ...]
    """Every finished trial with what it took, reused answers left out."""

    def expect(self, trial: Trial, most_tokens: float) -> Cost:
        """Return what a trial will take: as its like did, else by its tokens and their rate so far.

        Args:
            trial: What is to run.
            most_tokens: Tokens at most.
        """
        for like in (_same_shots, _same_method):
            costs = [cost for other, cost in self.taken if like(trial, other)]
            if costs:
                return Cost(
                    sum(c.seconds for c in costs) / len(costs),
                    sum(c.tokens for c in costs) / len(costs),
                )
        seconds = sum(cost.seconds for _, cost in self.taken)
        tokens = sum(cost.tokens for _, cost in self.taken)
        return Cost(most_tokens * seconds / tokens if tokens else 0.0, most_tokens)


def fitting(
    trials: Sequence[Trial], costs: Sequence[Cost], left: Budget, workers: int = 1
) -> list[Trial]:
    """Return the trials that fit into what is left, in order; dearer ones are passed over.

    Args:
        trials: What is wanted.
        costs: What each is expected to take.
        left: What is left of the budget.
        workers: Processes that share the time.
    """
    chosen = []
    for trial, cost in zip(trials, costs, strict=True):
        if left.holds(Cost(cost.seconds / workers, cost.tokens)):
            left = left.less(cost.seconds / workers, cost.tokens)
            chosen.append(trial)
    return chosen


def _same_shots(one: Trial, other: Trial) -> bool:
    return _same_method(one, other) and one.n_shots == other.n_shots


def _same_method(one: Trial, other: Trial) -> bool:
    return (one.model, one.method) == (other.model, other.method)
