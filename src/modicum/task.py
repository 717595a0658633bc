"""The contract of a task: it makes problems for a split and marks answers."""

import contextlib
import dataclasses
import re
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, final

from modicum.answers import Rule
from modicum.catalog import Catalog, read_reference
from modicum.errors import ConfigError
from modicum.seeds import key
from modicum.types import Mark, Problem, Split, Style, Supervision

__all__ = [
    "TASKS",
    "Scrambled",
    "Sheet",
    "Task",
    "full_reference",
    "held",
    "resolve_task",
    "task_parts",
]

TASKS = Catalog("tasks")
_SUFFIXES = {"ndjson": "jsonl"}
"""Suffixes of files that another task reads."""

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

    @property
    def fingerprint(self) -> str:
        """What else decides its problems and marks: a hash of the files it reads, or empty."""
        return ""

    @property
    def rule(self) -> Rule | None:
        """How `read` reads, as a value that leaves with an export; None where only this code can."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of it: what was guessed, how many lines were left out."""
        return ()

    def stated(self, problem: Problem) -> str:
        """Gives the gold as a model would write it in the exact format; it must pass its marker."""
        if problem.solution:
            return self.sheet.joiner + problem.solution
        return f"Answer: {problem.answer}"

    def golds(self, problem: Problem) -> tuple[str, ...]:
        """Return every text that counts as the gold, the problem's own answer first."""
        return (problem.answer,)

    def origin(self, problem: Problem) -> str:
        """Says where a problem comes from, in words: its line in the user's file, or its id."""
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


@final
@dataclass(frozen=True)
class Scrambled(Task):
    """The twin whose golds and worked solutions are other problems' (veto control).

    Each problem's answer comes from another problem of the same split, drawn by a keyed hash of
    the ids and never a function of the answer, so that no nudge can know it: what improves here
    is luck, leak or memory. A scrambled task can be studied itself; its own twin is the original
    with golds moved once more, so that both know nothing.
    """

    task: Task
    moves: int = 1
    """Places in hash order by which golds are moved, at least 1."""

    @property
    def sheet(self) -> Sheet:
        """The form of the original."""
        return self.task.sheet

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Gives the original's problems with answers moved in hash order, none to its own."""
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

    def read(self, text: str) -> str | None:
        """Reads as the original does."""
        return self.task.read(text)

    def mark(self, problem: Problem, text: str) -> Mark:
        """Marks as the original does, against the moved gold."""
        return self.task.mark(problem, text)

    @property
    def fingerprint(self) -> str:
        """That of the original."""
        return self.task.fingerprint

    @property
    def rule(self) -> Rule | None:
        """That of the original."""
        return self.task.rule

    def stated(self, problem: Problem) -> str:
        """Writes the moved gold as the original would."""
        return self.task.stated(problem)

    def golds(self, problem: Problem) -> tuple[str, ...]:
        """Return the moved gold, and what counts with it in the original."""
        return self.task.golds(problem)

    def origin(self, problem: Problem) -> str:
        """Says where the question comes from."""
        return self.task.origin(problem)

    def in_other_forms(self) -> tuple[Task, ...]:
        """Return the twins of the original's."""
        return tuple(Scrambled(task, self.moves) for task in self.task.in_other_forms())

    def is_stored_as(self, problem: Problem, name: str, version: int, content: str) -> bool:
        """Say so of the original's problem, whose id it has."""
        return self.task.is_stored_as(problem, name, version, content)


def full_reference(reference: str) -> str:
    """Gives the reference of a task that was named by its file alone.

    A suffix that is a task's name names that task, also before `.gz`. A question mark within the
    name of a file that exists is hidden, so that what follows the next one are settings.

    >>> full_reference("data/sums.jsonl?answer=gold"), full_reference("gym:chain_sum")
    ('jsonl:data/sums.jsonl?answer=gold', 'gym:chain_sum')
    """
    if reference.startswith("scrambled:"):
        return "scrambled:" + full_reference(reference.removeprefix("scrambled:"))
    reference = _hidden_marks(reference)
    head = reference.partition("?")[0]
    named = _suffix_kind(head)
    if named and head.partition(":")[0] not in TASKS.entries:
        return f"{named}:{reference}"
    return reference


def _hidden_marks(reference: str) -> str:
    """Percent-encodes the question marks of a file's name, where such a file exists."""
    ends = [i for i, c in enumerate(reference) if c == "?"]
    for end in reversed([*ends[1:], len(reference)] if ends else []):
        kind, colon, rest = reference[:end].partition(":")
        path = rest if colon and kind in TASKS.entries else reference[:end]
        if "?" in path and _is_file(path):
            return reference[: end - len(path)] + _hidden(path) + reference[end:]
    # of a file that is not there: what follows its question mark are no settings
    name = re.match(r"(?:[^?]*\?(?![A-Za-z_]\w*=))+[^?]*", reference)
    if name and _suffix_kind(name.group()):
        return _hidden(name.group()) + reference[name.end() :]
    return reference


def _hidden(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3F")


def _suffix_kind(name: str) -> str:
    """Gives the task that a file's suffix names, also before `.gz`; empty where there is none."""
    stem, dot, suffix = name.removesuffix(".gz").rpartition(".")
    kind = _SUFFIXES.get(suffix.lower(), suffix.lower())
    return kind if stem and dot and kind in TASKS.entries else ""


def _shown_marks(detail: str) -> str:
    """Gives the name of a file back as it is on disk, where it was percent-encoded.

    Raises:
        ConfigError: both names are files.
    """
    plain = urllib.parse.unquote(detail)
    if plain == detail or not (_is_file(plain) or "%3F" in detail):
        return detail
    if _is_file(detail) and not _is_file(plain):
        return detail
    if _is_file(detail):
        raise ConfigError(
            f"two files that are meant by one name: {detail!r} and {plain!r}",
            "one of them",
            "rename one: a question mark in a file's name is written %3F here",
        )
    return plain


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def held(tasks: Mapping[str, Task] | None) -> Iterator[None]:
    """Let tasks stand for those of their references while the context lasts.

    A study that is only read is read with the tasks that it keeps (`modicum.kept_task`), so that
    nothing is opened that its plan names: any other task is refused.

    Args:
        tasks: By full reference, none scrambled; with None every task is opened as usual.
    """
    token = _HELD.set(None if tasks is None else MappingProxyType(dict(tasks)))
    try:
        yield
    finally:
        _HELD.reset(token)


def task_parts(reference: str) -> tuple[str, dict[str, object]]:
    """Return the plug-in of an unscrambled reference and the settings it names; builds nothing.

    Raises:
        ConfigError: what follows the question mark is not `field=value`, or a name that means two
            files.
    """
    kind, detail, own = read_reference(full_reference(reference))
    detail = _shown_marks(detail)
    return kind, {**own, **({"name": detail} if detail else {})}


def resolve_task(reference: str, settings: Mapping[str, object] | None = None) -> Task:
    """Gives the task of a reference: `NAME`, `NAME:DETAIL?field=value` or `scrambled:REFERENCE`.

    A file alone, `data.jsonl`, is the task of its suffix.

    `DETAIL` fills the plug-in's field `name`; what follows a question mark fills its other fields.

    Raises:
        UnknownNameError: no such task or field.
        ConfigError: the task's own check refuses, or a name that means two files.
    """
    if reference.partition(":")[0] == "scrambled":
        original = reference.removeprefix("scrambled").removeprefix(":")
        if not original:
            raise ConfigError("task 'scrambled'", "scrambled:TASK", "name the task to scramble")
        inner = resolve_task(original, settings)
        if isinstance(inner, Scrambled):
            return Scrambled(inner.task, inner.moves + 1)
        return Scrambled(inner)
    whole, kept = full_reference(reference), _HELD.get()
    if kept is not None and whole in kept:
        return kept[whole]
    if kept is not None:
        raise ConfigError(
            f"task {reference!r}, of which the study keeps no copy",
            f"one of {', '.join(sorted(kept)) or '(none)'}",
            "run the study again where the task's own data lies",
        )
    kind, own = task_parts(whole)
    task = TASKS.build(kind, {**(settings or {}), **own})
    if not isinstance(task, Task):
        raise TypeError(reference)
    task.check()
    return task
