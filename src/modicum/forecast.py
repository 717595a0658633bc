"""What a run will draw at most, said before it starts."""

from collections.abc import Sequence
from dataclasses import dataclass

from modicum.study import Plan
from modicum.task import resolve_task
from modicum.types import Trial

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """Upper bounds; what ends early costs less."""

    completions: int
    """Answers to draw."""
    tokens: int
    """Tokens at most: every answer at its length limit."""
    tunings: int
    """Trials that change weights."""


def forecast(plan: Plan, trials: Sequence[Trial]) -> Forecast:
    """Gives the upper bounds of the trials that are to run.

    Scrambled twins of methods without labels are marked from stored answers and draw nothing.
    """
    completions = tokens = tunings = 0
    for trial in trials:
        if trial.task.startswith("scrambled:") and not trial.n_shots:
            continue
        each = next((int(str(trial.settings[f])) for f in _DRAWS if f in trial.settings), 1)
        kind = plan.method(trial.method).kind
        test = int(str(trial.scope["test"]))
        drawn = test if kind == "tuning" else test * each
        drawn += trial.n_shots * each if kind == "tuning" and "samples" in trial.settings else 0
        limit = plan.max_new_tokens or resolve_task(trial.task).sheet.max_new_tokens
        completions += drawn
        tokens += drawn * limit
        tunings += kind == "tuning"
    return Forecast(completions, tokens, tunings)


_DRAWS = ("samples", "k", "n")
"""Settings that say how many answers a method draws a problem."""
