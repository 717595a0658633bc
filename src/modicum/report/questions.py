"""The test problems that tasks still give, asked for once a task."""

import contextlib
from collections.abc import Mapping

from modicum.errors import ModicumError
from modicum.study.editions import TaskVersions
from modicum.study.problem_sets import pool_of
from modicum.task import held, resolve_task
from modicum.types import Problem

__all__ = ["Questions"]


class Questions:
    """The problems of tasks by id; none where a task's data cannot be read any more.

    Args:
        stream: The plan's own stream, which says among which problems its test is drawn.
        versions: Gives tasks as they were before their files changed, by their names there.
    """

    def __init__(self, stream: str = "", versions: TaskVersions | None = None) -> None:
        self._stream, self.versions = stream, versions or TaskVersions((), {})
        self._known: dict[str, tuple[int, Mapping[str, Problem]]] = {}

    def of(self, task: str, n: int) -> Mapping[str, Problem]:
        """Return n test problems of a task by id, with a named stream those it draws from."""
        size, known = self._known.get(task, (-1, {}))
        if size < n:
            reference, tasks = self.versions.parted(task)
            try:
                with held(tasks) if tasks is not None else contextlib.nullcontext():
                    found = pool_of(resolve_task(reference), "test", n, self._stream)
                known = {problem.id: problem for problem in found}
            except (ModicumError, OSError):
                known = {}
            self._known[task] = (n, known)
        return known
