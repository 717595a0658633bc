"""How recursive nets learned from the shots: divergence of posterior and prior, and what each gets right."""

from dataclasses import dataclass
from typing import final

from modicum.analysis.gather import Arm
from modicum.analysis.recursion_curves import RecursionRun, averaged, run_of, trained_part
from modicum.analysis.section import Section
from modicum.analysis.section_part import joined
from modicum.reading import Material, Reading

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
    runs = [run_of(arm.name, outcome.made.get("recursion")) for outcome in arm.outcomes]
    kept = [run for run in runs if run is not None]
    return averaged(kept) if kept else None
