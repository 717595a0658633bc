"""What a run will draw at most, said before it starts."""

from collections.abc import Sequence
from dataclasses import dataclass

from modicum.method import method_of
from modicum.study.completing import LIMITS
from modicum.study.controls import is_marked_only
from modicum.study.plan import Plan
from modicum.task import resolve_task
from modicum.types import Trial

__all__ = ["Forecast", "TrialDraws", "draws", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """Upper bounds; what ends early costs less."""

    completions: int
    """Answers to draw."""
    tokens: int
    """Tokens at most: every answer at its length limit."""
    tunings: int
    """Trials that change weights."""


@dataclass(frozen=True)
class TrialDraws:
    """What one trial draws at most."""

    answers: int
    """Answers to draw."""
    limit: int
    """Most tokens of each."""
    is_tuning: bool
    """Whether it changes weights."""
    prompts: int = 0
    """Prompts to run: the answers of one problem share theirs."""
    completed: int = 0
    """Questions to complete, each at `LIMITS[-1]` tokens at most."""

    @property
    def tokens(self) -> int:
        """Tokens at most: every answer and every completion at its limit."""
        return self.answers * self.limit + self.completed * LIMITS[-1]


def forecast(plan: Plan, trials: Sequence[Trial]) -> Forecast:
    """Return the upper bounds of the trials that are to run."""
    each = [draws(plan, trial) for trial in trials]
    return Forecast(
        completions=sum(d.answers + d.completed for d in each),
        tokens=sum(d.tokens for d in each),
        tunings=sum(d.is_tuning for d in each),
    )


def draws(plan: Plan, trial: Trial) -> TrialDraws:
    """Return the upper bounds of one trial.

    Scrambled twins of methods without labels are marked from stored answers and draw nothing.
    """
    limit = plan.max_new_tokens or resolve_task(trial.task).sheet.max_new_tokens
    if is_marked_only(trial):
        return TrialDraws(0, limit, is_tuning=False)
    method = method_of(trial)
    each, is_tuning = method.answering.draws, method.changes_model
    test = trial.scope.answered
    drawn = test * (each + trial.scope.sampled) + method.draws(trial.n_shots)
    prompts = test * (1 + (trial.scope.sampled > 0)) + method.draws(trial.n_shots)
    continued = 2 * test if trial.scope.cut else 0  # each question, and the same with other numbers
    return TrialDraws(drawn, limit, is_tuning, prompts + continued, continued)
