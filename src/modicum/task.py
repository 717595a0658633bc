"""The contract of a task: it makes problems for a split and marks answers."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

from modicum.catalog import Catalog, read_reference
from modicum.errors import ConfigError
from modicum.seeds import key
from modicum.types import Mark, Problem, Split, Style, Supervision

__all__ = ["TASKS", "Scrambled", "Sheet", "Task", "resolve_task"]

TASKS = Catalog("tasks")


@dataclass(frozen=True)
class Sheet:
    """What a method may know of a task: its form, never its answers."""

    template: str = "{question}\n"
    """How the bare question becomes the raw prompt."""
    joiner: str = ""
    """What stands between a prompt and a worked solution or opener."""
    max_new_tokens: int = 256
    """Length limit of a completion."""
    stop: tuple[str, ...] = ()
    """Strings that end a completion."""
    opener: str | None = None
    """First words of the worked form, where one is known: the *forced form*."""
    instruction: str | None = None
    """An instruction that asks for the worked form; joins the styles only when asked."""
    question_answer: bool = True
    """Whether a base model may be asked as `Question: … Answer:`; joins the closed list."""
    triggers: tuple[Style, ...] = ()
    """Extra zero-shot styles of this task, for the closed list."""
    supervision: Supervision = Supervision.ANSWER
    """The most that a shot of this task reveals."""
    retain: tuple[str, ...] = ()
    """Tasks that show damage to this task's models."""
    available: Mapping[str, int] = field(default_factory=dict)
    """Problems in a split; a split that is left out has no limit."""


class Task(ABC):
    """Makes problems for a split and marks answers. Final subclasses are frozen dataclasses."""

    plugin_kinds: ClassVar[tuple[str, ...]] = ("tasks",)
    version: ClassVar[int] = 1

    @property
    @abstractmethod
    def sheet(self) -> Sheet:
        """The form of the task."""

    @abstractmethod
    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Gives the first n problems of a split: the same ones on every machine.

        Raises:
            ConfigError: the split has fewer than n.
        """

    @abstractmethod
    def read(self, text: str) -> str | None:
        """Reads the answer from a text, leniently, in a canonical form; None where there is none."""

    @abstractmethod
    def mark(self, problem: Problem, text: str) -> Mark:
        """Judges a text; never raises on any text, never evaluates it."""

    def check(self) -> None:  # noqa: B027 - most tasks have nothing to refuse
        """Raises a `ConfigError` for what can be known wrong before any work; cheap."""


@final
@dataclass(frozen=True)
class Scrambled(Task):
    """The twin whose golds and worked solutions are other problems' (veto control).

    Each problem's answer comes from another problem of the same split, drawn by a keyed hash of
    the ids and never a function of the answer, so that no nudge can know it: what improves here
    is luck, leak or memory.
    """

    task: Task

    @property
    def sheet(self) -> Sheet:
        """The form of the original."""
        return self.task.sheet

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Gives the original's problems with answers moved one place in hash order."""
        originals = self.task.problems(split, n)
        order = sorted(range(n), key=lambda i: key("scrambled", originals[i].id))
        donor = {order[i]: order[i - 1] for i in range(n)}
        return tuple(
            dataclasses.replace(
                problem,
                answer=originals[donor[i]].answer,
                solution=originals[donor[i]].solution,
            )
            for i, problem in enumerate(originals)
        )

    def read(self, text: str) -> str | None:
        """Reads as the original does."""
        return self.task.read(text)

    def mark(self, problem: Problem, text: str) -> Mark:
        """Marks as the original does, against the moved gold."""
        return self.task.mark(problem, text)


def resolve_task(reference: str, settings: Mapping[str, object] | None = None) -> Task:
    """Gives the task of a reference: `NAME`, `NAME:DETAIL?field=value` or `scrambled:REFERENCE`.

    `DETAIL` fills the plug-in's field `name`; what follows a question mark fills its other fields.

    Raises:
        UnknownNameError: no such task or field.
        ConfigError: the task's own check refuses.
    """
    if reference.partition(":")[0] == "scrambled":
        original = reference.removeprefix("scrambled").removeprefix(":")
        if not original:
            raise ConfigError("task 'scrambled'", "scrambled:TASK", "name the task to scramble")
        return Scrambled(resolve_task(original, settings))
    kind, detail, own = read_reference(reference)
    values = {**(settings or {}), **own, **({"name": detail} if detail else {})}
    task = TASKS.build(kind, values)
    if not isinstance(task, Task):
        raise TypeError(reference)
    task.check()
    return task
