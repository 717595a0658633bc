"""The verdicts of a study of several models or tasks."""

from typing import final

from modicum.analysis.shown import Shown
from modicum.analysis.verdict import Verdict
from modicum.errors import ConfigError

__all__ = ["Verdicts"]


@final
class Verdicts(Shown, tuple[Verdict, ...]):
    """Every verdict of a study in the plan's order; `verdicts.of(model=..., task=...)` finds one."""

    __slots__ = ()

    @property
    def brief(self) -> str:
        """The words of ability, with what each is about."""
        return f"{len(self)}: " + "; ".join(verdict.brief for verdict in self)

    def of(self, model: str = "", task: str = "") -> Verdict:
        """Return the one verdict of a model, a task or both; of several sizes the one that ran last.

        Raises:
            ConfigError: none of them, or several.
        """
        fits = [v for v in self if model in ("", v.model) and task in ("", v.task)]
        if len({(v.model, v.task) for v in fits}) != 1:
            known = "; ".join(f"model={v.model!r}, task={v.task!r}" for v in self)
            raise ConfigError(f"{len(fits)} verdicts fit", "one", f"choose of: {known or '(none)'}")
        return fits[0]
