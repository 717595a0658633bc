"""One grid of a study: models x tasks x methods x shots, all with all."""

from collections.abc import Mapping
from dataclasses import dataclass

from modicum.catalog import fill
from modicum.errors import ConfigError
from modicum.files.limits import MOST_BUDGETS, check_number
from modicum.plain import JsonValue, table_of
from modicum.types import FLOOR

__all__ = ["MEASURES", "NOTHING", "TEXT", "Grid", "read_grids", "refuse_bare"]

MEASURES = ("plain", FLOOR)
"""Methods behind the measures; named among the rungs they change nothing."""
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
    controls: bool = True
    """Run the scrambled twins and tell-tale controls of this grid, where the plan runs any."""
    aside: tuple[str, ...] = ()
    """Settings `method.field=value` of methods that read no labels: run and printed beside the
    verdict, and kept out of it."""
    arms: tuple[str, ...] = ()
    """Settings `method.field=value,field=value`: at its largest budget the method runs with these as
    well, all seeds on the same shots, and stands beside the rung in a table of arms."""

    def __post_init__(self) -> None:
        """Refuse budgets and seeds that cannot work.

        Raises:
            ConfigError: outside of `limits.LIMITS`, too many budgets, or no model, task or budget.
        """
        for name in ("models", "tasks", "shots"):
            if not getattr(self, name):
                raise ConfigError(f"{name} = []", "at least one", "name one, or drop it")
        check_number("seeds", self.seeds, least=0)
        for n in (*self.shots, *self.twin_shots):
            check_number("shots", n)
        if max(len(self.shots), len(self.twin_shots)) > MOST_BUDGETS:
            raise ConfigError(
                f"{max(len(self.shots), len(self.twin_shots)):,} budgets of shots",
                f"at most {MOST_BUDGETS} in one grid",
                "drop some",
            )

    def as_dict(self) -> dict[str, JsonValue]:
        """Return plain values, for the frozen study file; without `controls` where they are run."""
        return {
            name: value for name, value in table_of(self).items() if name != "controls" or not value
        }


def read_grids(values: object) -> tuple[Grid, ...]:
    """Return the grids of a plan, each given as one or as a table.

    Raises:
        ConfigError: no list of them.
        UnknownNameError: an unknown key, with a suggestion.
    """
    if not isinstance(values, list | tuple):
        raise ConfigError(f"grids = {values!r}", "a list of tables", "write [[grid]]")
    return tuple(
        value if isinstance(value, Grid) else fill(Grid, value, where="[[grid]]")
        for value in values
    )


def refuse_bare(settings: object) -> None:
    """Refuse settings of a method that are no table.

    Raises:
        ConfigError: they are none.
    """
    for name, entries in settings.items() if isinstance(settings, Mapping) else ():
        if not isinstance(entries, Mapping):
            raise ConfigError(
                f"settings.{name} = {entries!r:.60}", "a table", "write key = value pairs"
            )
