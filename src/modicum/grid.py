"""One grid of a study: models x tasks x methods x shots, all with all."""

from dataclasses import dataclass

__all__ = ["NOTHING", "TEXT", "Grid"]

TEXT = "text"
"""Among the tasks to retain: the held-out text, whose perplexity is scored."""
NOTHING = "none"
"""In their place: nothing is scored."""


@dataclass(frozen=True)
class Grid:
    """Models x tasks x methods x shots, all with all."""

    models: tuple[str, ...]
    """References of models: a plug-in's name, a folder or a hub id."""
    tasks: tuple[str, ...]
    """References of tasks."""
    methods: tuple[str, ...] = ()
    """Names of methods; the measures (floor, ceiling, forced form) are always taken."""
    shots: tuple[int, ...] = (1, 4, 8)
    """Budgets of the methods that take labels."""
    twin: str = ""
    """Model of equal learnability without the ability; the same methods run on it."""
    twin_shots: tuple[int, ...] = ()
    """Budgets on the twin; those of `shots` where empty."""
    seeds: int = 0
    """Draws of shots; the plan's number where 0."""
    aside: tuple[str, ...] = ()
    """Settings `method.field=value` of methods that read no labels: run and printed beside the
    verdict, and kept out of it."""
    arms: tuple[str, ...] = ()
    """Settings `method.field=value,field=value`: at its largest budget the method runs with these as
    well, all seeds on the same shots, and stands beside the rung in a table of arms."""
