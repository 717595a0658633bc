"""How recursive nets learned from the shots: divergence of posterior and prior, and what each gets right."""

from dataclasses import dataclass
from typing import final

import numpy as np

from modicum.analysis.gather import Arm
from modicum.analysis.recursion_curves import RecursionRun, averaged, run_of, trained_part
from modicum.analysis.section import Section
from modicum.analysis.section_part import joined
from modicum.reading import Material, Reading
from modicum.study.problem_sets import shots_of
from modicum.task import resolve_task

__all__ = ["RecursionTraining"]


@final
@dataclass(frozen=True)
class RecursionTraining(Reading):
    """Two charts and a row a budget of labels; of nets trained before, the probe `recursion` says it."""

    def read(self, found: Material) -> Section | None:
        """Return the curves that trials of `from_scratch` kept; None where there are none."""
        runs = [run for arm in found.gathered.arms if (run := _run(arm)) is not None]
        return joined("How the recursive nets were trained", [trained_part(runs)])


def _run(arm: Arm) -> RecursionRun | None:
    """Return the mean of an arm's seeds; None where it kept no such curves."""
    runs = []
    for outcome in arm.outcomes:
        kept = outcome.made.get("recursion")
        run = None if kept is None else run_of(arm.name, kept, _log_solutions(arm))
        runs += [run] if run is not None else []
    return averaged(runs) if runs else None


def _log_solutions(arm: Arm) -> float | None:
    """Return the mean log of the number of solutions of the shots, of all seeds."""
    task = resolve_task(arm.outcomes[0].trial.task)
    shots = [shot for outcome in arm.outcomes for shot in shots_of(outcome.trial, task)]
    sizes = [len(task.right_answers(shot)) for shot in shots]
    return float(np.mean(np.log(sizes))) if sizes and min(sizes) else None
