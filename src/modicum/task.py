"""The contract of a task: it makes problems for a split and marks answers."""

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Protocol, final, runtime_checkable

from modicum.answers import Rule
from modicum.catalog import Catalog, read_reference
from modicum.errors import ConfigError
from modicum.puzzles.puzzle import Puzzle
from modicum.seeds import key
from modicum.task_names import TASKS, full_reference, shown_marks
from modicum.types import Mark, Problem, Setting, Settings, Split, Style, Supervision

__all__ = [
    "PROBES",
    "TASKS",
    "Scrambled",
    "Sheet",
    "Task",
    "Varied",
    "Varies",
    "full_reference",
    "held",
    "resolve_task",
    "task_parts",
]

PROBES = Catalog("probes")

_HELD: ContextVar[Mapping[str, "Task"] | None] = ContextVar("held", default=None)
"""Tasks that stand for those of the same reference, as `held` says; None opens each as usual."""


QUESTION_ANSWER = Style("question_answer", "Question: {question}\nAnswer:", stop=("\nQuestion:",))
"""How a base model is asked: it goes on by itself with the next question, which ends it."""


@dataclass(frozen=True)
class Sheet:
    """What a method may know of a task: its form, never its answers."""

    template: str = "{question}\n"
    """How the bare question becomes the raw prompt."""
    joiner: str = ""
    """What stands between a prompt and a worked solution or opener."""
    between: str = "\n\n"
    """What stands between a solved problem and the next question in one prompt."""
    max_new_tokens: int = 256
    """Length limit of a completion."""
    stop: tuple[str, ...] = ()
    """Strings that end a completion."""
    opener: str | None = None
    """First words of the worked form, where one is known: the *forced form*."""
    instruction: str | None = None
    """An instruction that asks for the worked form; joins the styles only when asked."""
    contrast: tuple[str, str] | None = None
    """Instructions that ask for a form and for its opposite: what a steering vector is made from."""
    direct: str = "{answer}"
    """How a bare answer is written after a prompt."""
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
    problems_since: ClassVar[int | None] = None
    """The version since which only the reading of answers has changed, and no problem or gold; None
    where that is this one."""
    powers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What a setting switches on where it is set; see `Backend.powers`."""

    @property
    @abstractmethod
    def sheet(self) -> Sheet:
        """The form of the task."""

    @abstractmethod
    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n problems of a split: the same ones on every machine.

        Raises:
            ConfigError: the split has fewer than n.
        """

    @abstractmethod
    def read(self, text: str) -> str | None:
        """Read the answer from a text, leniently, in a canonical form; None where there is none."""

    @abstractmethod
    def mark(self, problem: Problem, text: str) -> Mark:
        """Judge a text; never raises on any text, never evaluates it."""

    def check(self) -> None:  # noqa: B027 - most tasks have nothing to refuse
        """Raise a `ConfigError` for what can be known wrong before any work; cheap."""

    @property
    def fingerprint(self) -> str:
        """What else decides its problems and marks: a hash of the files it reads, or empty."""
        return ""

    def has_content(self, fingerprint: str) -> bool:
        """Say whether a fingerprint is of what its files hold now, as this or an earlier version took it."""
        return fingerprint == self.fingerprint

    @property
    def rule(self) -> Rule | None:
        """How `read` reads, as a value that leaves with an export; None where only this code can."""
        return None

    @property
    def puzzle(self) -> Puzzle | None:
        """Its questions and answers as token ids, for nets without a language; None where it has none."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of it: what was guessed, how many lines were left out."""
        return ()

    @property
    def instead(self) -> str:
        """What to do instead of a study, of a task whose splits are one problem; empty of all others."""
        return ""

    def stated(self, problem: Problem) -> str:
        """Return the gold as a model would write it in the exact format; it must pass its marker."""
        if problem.solution:
            return self.sheet.joiner + problem.solution
        return f"Answer: {problem.answer}"

    def golds(self, problem: Problem) -> tuple[str, ...]:
        """Return every text that counts as the gold, the problem's own answer first."""
        return (problem.answer,)

    def right_answers(self, problem: Problem) -> tuple[str, ...]:
        """Return each different answer that is right, as read, where several may be; else nothing.

        Other golds than these are spellings of one answer. Of very many, only the first.
        """
        del problem
        return ()

    def origin(self, problem: Problem) -> str:
        """Say where a problem comes from, in words: its line in the user's file, or its id."""
        return f"problem {problem.id!r}"

    def in_other_forms(self) -> tuple["Task", ...]:
        """Return the same task asking for each other exact format that it knows."""
        return ()

    def is_stored_as(self, problem: Problem, name: str, version: int, content: str) -> bool:
        """Say whether an id of an earlier version is this very problem's: same question, same gold.

        Then a stored answer to it may be marked again.

        Args:
            problem: One of this task's.
            name: The id that was stored.
            version: The task's version then, at least 1.
            content: Its fingerprint then; empty where it had none.
        """
        since = self.problems_since or self.version
        return (
            since <= version <= self.version and content == self.fingerprint and name == problem.id
        )


@dataclass(frozen=True)
class _Derived(Task):
    """A task whose problems are made from those of another, and read and marked as those are."""

    task: Task

    @property
    def sheet(self) -> Sheet:
        """The form of the original."""
        return self.task.sheet

    def read(self, text: str) -> str | None:
        """Read as the original does."""
        return self.task.read(text)

    def mark(self, problem: Problem, text: str) -> Mark:
        """Mark as the original does, against the problem's own gold."""
        return self.task.mark(problem, text)

    @property
    def fingerprint(self) -> str:
        """That of the original."""
        return self.task.fingerprint

    @property
    def rule(self) -> Rule | None:
        """That of the original."""
        return self.task.rule

    @property
    def puzzle(self) -> Puzzle | None:
        """That of the original."""
        return self.task.puzzle

    def stated(self, problem: Problem) -> str:
        """Write the problem's gold as the original would."""
        return self.task.stated(problem)

    def golds(self, problem: Problem) -> tuple[str, ...]:
        """Return the problem's gold, and what counts with it in the original."""
        return self.task.golds(problem)

    def right_answers(self, problem: Problem) -> tuple[str, ...]:
        """Return those of the original with this gold."""
        return self.task.right_answers(problem)

    def origin(self, problem: Problem) -> str:
        """Say where the question comes from."""
        return self.task.origin(problem)


@final
@dataclass(frozen=True)
class Scrambled(_Derived):
    """The twin whose golds and worked solutions are other problems' (veto control).

    Each problem's answer comes from another problem of the same split, drawn by a keyed hash of
    the ids and never a function of the answer, so that no nudge can know it: what improves here
    is luck, leak or memory. A scrambled task can be studied itself; its own twin is the original
    with golds moved once more, so that both know nothing.
    """

    moves: int = 1
    """Places in hash order by which golds are moved, at least 1."""

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the original's problems with answers moved in hash order, none to its own."""
        originals = self.task.problems(split, n)
        order = sorted(range(n), key=lambda i: key("scrambled", originals[i].id))
        moves = self.moves % max(n, 1) or 1
        donor = {order[i]: order[i - moves] for i in range(n)}
        return tuple(
            dataclasses.replace(
                problem,
                answer=originals[donor[i]].answer,
                solution=originals[donor[i]].solution,
            )
            for i, problem in enumerate(originals)
        )

    def in_other_forms(self) -> tuple[Task, ...]:
        """Return the twins of the original's."""
        return tuple(Scrambled(task, self.moves) for task in self.task.in_other_forms())

    def is_stored_as(self, problem: Problem, name: str, version: int, content: str) -> bool:
        """Say so of the original's problem, whose id it has."""
        return self.task.is_stored_as(problem, name, version, content)


@runtime_checkable
class Varies(Protocol):
    """What writes a task's problems in another form: a probe (`modicum.probe`)."""

    version: ClassVar[int]

    def varied(self, problem: Problem, variant: str) -> Problem:
        """Return the problem in that form, with the gold that it has there; see `Probe.varied`."""


@final
@dataclass(frozen=True)
class Varied(_Derived):
    """A paired variant of a task: each of its problems in another form, under the same id."""

    name: str
    """Of probe and form: `PROBE.VARIANT`."""
    probe: Varies

    def __post_init__(self) -> None:
        """Take the original's version; that of the probe stands in the fingerprint."""
        object.__setattr__(self, "version", self.task.version)

    @property
    def fingerprint(self) -> str:
        """That of the original, and the form with its probe's version."""
        return f"{self.task.fingerprint} {self.name} {self.probe.version}".strip()

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the original's problems in this form; one that has none stays as it is."""
        variant = self.name.partition(".")[2]
        return tuple(
            _paired(p, self.probe.varied(p, variant), variant) for p in self.task.problems(split, n)
        )


def _paired(original: Problem, made: Problem, variant: str) -> Problem:
    """Return what a probe made of a problem, so that the two are known to be one."""
    return dataclasses.replace(
        made,
        id=original.id,
        difficulty=original.difficulty,
        cluster=original.cluster,
        variant=variant if made != original else original.variant,
    )


@contextlib.contextmanager
def held(tasks: Mapping[str, Task] | None) -> Iterator[None]:
    """Let tasks stand for those of their references while the context lasts.

    A study that is only read is read with the tasks that it keeps (`modicum.store.kept_tasks`), so that
    nothing is opened that its plan names: any other task is refused.

    Args:
        tasks: By full reference, none scrambled; with None every task is opened as usual.
    """
    token = _HELD.set(None if tasks is None else MappingProxyType(dict(tasks)))
    try:
        yield
    finally:
        _HELD.reset(token)


def task_parts(reference: str) -> tuple[str, dict[str, Setting]]:
    """Return the plug-in of an unscrambled reference and the settings it names; builds nothing.

    Raises:
        ConfigError: what follows the question mark is not `field=value`, or a name that means two
            files.
    """
    kind, detail, own = read_reference(full_reference(reference))
    detail = shown_marks(detail)
    return kind, {**own, **({"name": detail} if detail else {})}


def resolve_task(reference: str, settings: Settings | None = None) -> Task:
    """Return the task of a reference: `NAME`, `NAME:DETAIL?field=value` or `scrambled:REFERENCE`.

    `varied:PROBE.VARIANT:REFERENCE` is a task in another form. A file alone, `data.jsonl`,
    is the task of its suffix.

    `DETAIL` fills the plug-in's field `name`; what follows a question mark fills its other fields.

    Raises:
        UnknownNameError: no such task or field.
        ConfigError: the task's own check refuses, or a name that means two files.
    """
    if reference.partition(":")[0] in ("scrambled", "varied"):
        return _derived(reference, settings)
    whole, kept = full_reference(reference), _HELD.get()
    if kept is not None and whole in kept:
        return kept[whole]
    if kept is not None:
        raise ConfigError(
            f"task {reference!r}, of which the study has no copy",
            f"one of {', '.join(sorted(kept)) or '(none)'}",
            "run the study again where the task's own data is",
        )
    kind, own = task_parts(whole)
    task = TASKS.build(kind, {**(settings or {}), **own})
    if not isinstance(task, Task):
        raise TypeError(reference)
    task.check()
    return task


def _derived(reference: str, settings: Settings | None) -> Task:
    """Return the task of a reference that begins with `scrambled:` or `varied:PROBE.VARIANT:`."""
    kind, _, original = reference.partition(":")
    name, _, original = original.partition(":") if kind == "varied" else ("", "", original)
    if not original:
        form = "scrambled:TASK" if kind == "scrambled" else "varied:PROBE.VARIANT:TASK"
        raise ConfigError(f"task {reference!r}", form, "name the task it is made from")
    inner = resolve_task(original, settings)
    if kind == "scrambled":
        if isinstance(inner, Scrambled):
            return Scrambled(inner.task, inner.moves + 1)
        return Scrambled(inner)
    probe = PROBES.build(name.partition(".")[0])
    if not isinstance(probe, Varies):
        raise TypeError(reference)
    return Varied(inner, name, probe)
