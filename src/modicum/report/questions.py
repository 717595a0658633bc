"""The test problems that tasks still give, asked for once a task."""

from collections.abc import Mapping

from modicum.errors import ModicumError
from modicum.task import resolve_task
from modicum.types import Problem

__all__ = ["Questions"]


class Questions:
    """The problems of tasks by id; none where a task's data cannot be read any more."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Mapping[str, Problem]]] = {}

    def of(self, task: str, n: int) -> Mapping[str, Problem]:
        """Gives the first n test problems of a task by id."""
        size, known = self._known.get(task, (-1, {}))
        if size < n:
            try:
                known = {p.id: p for p in resolve_task(task).problems("test", n)}
            except (ModicumError, OSError):
                known = {}
            self._known[task] = (n, known)
        return known
