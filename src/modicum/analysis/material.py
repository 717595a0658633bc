"""What is read of one subject: its stored outcomes, and what the rule made of them."""

from collections.abc import Callable
from dataclasses import dataclass

from modicum.analysis.ability import Ability
from modicum.analysis.gather import Gathered, needed
from modicum.analysis.verdict import Verdict
from modicum.outcome import Outcome
from modicum.stats import Resamples
from modicum.study.plan import Subject
from modicum.types import Trial

__all__ = ["Material"]


@dataclass(frozen=True, eq=False)
class Material:
    """What a reading reads: what is stored of a subject, and what the rule made of it."""

    gathered: Gathered
    """Outcomes and problems; answers with their marks, without their texts."""
    ability: Ability
    """The word, its ceiling, and every rung read."""
    resamples: Resamples
    """Resamples of the problems that were sampled on, shared by all figures of the verdict."""
    verdict: Verdict
    """The figures that the verdict holds already, a row a rung."""
    stored: Callable[[Trial, bool], Outcome | None]
    """Gives a trial's outcome, with its texts where the second argument says so; None where it has
    not run."""

    @property
    def subject(self) -> Subject:
        """The model and the task."""
        return self.gathered.subject

    @property
    def measured(self) -> tuple[Subject, ...]:
        """Every subject of the same plan of which a verdict is told, in the plan's order.

        A reading that compares them says it once, where the first of them stands.
        """
        plan = self.subject.plan
        return tuple(
            subject
            for subject in plan.subjects()
            if subject.plan is plan and all(self.outcome(trial) for trial in needed(subject))
        )

    def outcome(self, trial: Trial, *, texts: bool = False) -> Outcome | None:
        """Return what is stored of a trial; None where it has not run, or failed.

        Args:
            trial: One of the study's.
            texts: Read the answers' texts too; they are many.
        """
        found = self.stored(trial, texts)
        return None if found is None or found.error else found
