"""What the tasks from a user's table share: columns, roles, marker and form."""

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, Literal, final

from modicum.answers import Form, Rule
from modicum.errors import ConfigError
from modicum.marker import Marker, named_marker, text_hash
from modicum.tables.columns import NEAR
from modicum.tables.earlier import earlier_ids
from modicum.tables.near import grouped
from modicum.tables.problems import Made, check_roles, distinct, made
from modicum.tables.reading import TableRead, TableReading, Wanted, odd_text, read_table, refuse_odd
from modicum.tables.records import Records
from modicum.tables.roles import in_roles
from modicum.task import QUESTION_ANSWER, Sheet, Task
from modicum.types import Grade, Mark, Problem, Split, Supervision

__all__ = ["Table"]


@dataclass(frozen=True)
class Table(Task):
    """Problems from the records of a table; three disjoint roles are made from them.

    The columns are guessed where they are not named, and what was guessed is said.
    """

    powers: ClassVar[Mapping[str, str]] = {"marker": "markers"}

    name: str = ""
    """The file."""
    question: str = ""
    """Column of the question; `question`, `problem`, `prompt`, `input` or `query` where empty."""
    answer: str = ""
    """Column of the gold; `answer`, `target`, `gold`, `output`, `label` … where empty."""
    solution: str = ""
    """Column of a worked solution; `solution`, `rationale`, `reasoning` where empty; or `none`."""
    id: str = ""
    """Column of an id that is unique; a hash of question and answer where empty."""
    context: str = ""
    """Columns that stand above the question, parted by commas; `context`, `passage`, `body`,
    `system` … where empty; or `none`."""
    choices: str = ""
    """Column of the options of a multiple-choice question, or several parted by commas; `choices`,
    `options`, `A`, `B`, `C` … where empty; or `none`."""
    gold_is: Literal["", "label", "text", "from_0", "from_1"] = ""
    """How a gold names its option; what fits every row where empty."""
    odd: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of rows that cannot be read as the others are."""
    cluster: str = ""
    """Column that names what hangs together: it stays in one role, and counts as one; `near_equal` for
    questions that differ in numbers or a few words alone."""
    difficulty: str = ""
    """Column of the difficulty; luck is measured within a level."""
    preset: Literal["", "gsm8k", "math"] = ""
    """`gsm8k`: the answer stands after `####`; `math`: in the last box of the solution."""
    marker: str = ""
    """Marker by name, `NAME` or `NAME:DETAIL`; chosen by the golds where empty."""
    form: Literal["", "line", "boxed", "hashes"] = ""
    """The answer's exact format: `Answer: X`, a box, `#### X`."""
    template: str = ""
    """The raw prompt with one `{question}`; the question and an instruction where empty."""
    instruction: str = ""
    """What asks for the exact format; the form's own words where empty."""
    max_new_tokens: int = 256
    """Length limit of an answer."""
    stop: str = ""
    """Strings that end an answer, parted by `|`."""
    test: str = ""
    """A table of its own for the test; else the test is a part of the one file."""

    @abstractmethod
    def rows(self, name: str) -> Records:
        """Read the records of a table.

        Raises:
            ConfigError: it is missing, broken or empty.
        """

    @abstractmethod
    def stamp(self) -> tuple[object, ...]:
        """Return what changes when the table changes, at no cost: times and sizes of files."""

    @final
    @property
    def sheet(self) -> Sheet:
        """The form of the task."""
        found = self._loaded
        own = "" if found.marker.is_form else found.form.instruction
        words = self.instruction or " ".join(filter(None, (own, found.read.marking.hint)))
        return Sheet(
            template=self.template or "{question}\n" + (f"{words}\n" if words else ""),
            max_new_tokens=self.max_new_tokens,
            stop=tuple(filter(None, self.stop.split("|"))),
            triggers=(dataclasses.replace(QUESTION_ANSWER, name="question-answer"),),
            supervision=Supervision.SOLUTION if found.has_solutions else Supervision.ANSWER,
            available={split: len(members) for split, members in found.roles.items()},
        )

    @final
    def check(self) -> None:
        """Read the table once.

        Raises:
            ConfigError: anything wrong with it, with the line.
            UnknownNameError: a column or marker that does not exist.
        """
        if self.template and "{question}" not in self.template:
            raise ConfigError(
                "a template without {question}", "one {question}", "put {question} into it"
            )
        self._loaded  # noqa: B018 - reading is the check

    @final
    @property
    def fingerprint(self) -> str:
        """A hash of all problems and of the marker's own file."""
        return self._loaded.fingerprint

    @final
    def has_content(self, fingerprint: str) -> bool:
        """Say so of the same problems with an earlier version of the marker too."""
        return fingerprint in self._loaded.earlier

    @final
    def in_other_forms(self) -> tuple[Task, ...]:
        """Return the same table with each form that could be named."""
        forms: tuple[Literal["line", "boxed", "hashes"], ...] = ("line", "boxed", "hashes")
        return tuple(dataclasses.replace(self, form=form) for form in forms if form != self.form)

    @final
    def is_stored_as(self, problem: Problem, name: str, version: int, content: str) -> bool:
        """Say whether a stored id is this problem's; see `Task.is_stored_as`."""
        del version  # what decides is what the table held
        one = self._loaded.made[problem.id]
        if one.is_named:
            return name == problem.id and content in self._loaded.earlier
        return name in earlier_ids(one.problem.question, (*one.written, *one.golds))

    @final
    @property
    def rule(self) -> Rule | None:
        """The marker's: it reads an answer, whichever gold that is compared with."""
        return self._loaded.marker.rule(self._loaded.form)

    @final
    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed and what was left out."""
        return self._loaded.notes

    @final
    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n problems of a role, in hash order.

        Raises:
            ConfigError: the role has fewer.
        """
        found = self._loaded.roles[split]
        if n > len(found):
            raise ConfigError(
                f"{n} {split} problems of {self.name}",
                f"at most {len(found)}",
                "ask for fewer, or add lines",
            )
        return found[:n]

    @final
    def read(self, text: str) -> str | None:
        """Read as the marker does."""
        return self._loaded.marker.read(text, self._loaded.form)

    @final
    def mark(self, problem: Problem, text: str) -> Mark:
        """Mark as the marker does; where several golds count, each is tried."""
        loaded = self._loaded
        found = loaded.marker.mark(problem, text, loaded.form)
        for gold in loaded.golds(problem)[1:]:
            if found.lenient == found.strict == Grade.CORRECT:
                break
            other = dataclasses.replace(problem, answer=gold)
            again = loaded.marker.mark(other, text, loaded.form)
            lenient, strict = max(found.lenient, again.lenient), max(found.strict, again.strict)
            found = dataclasses.replace(found, lenient=lenient, strict=strict)
        return found

    @final
    def stated(self, problem: Problem) -> str:
        """Write the gold in the exact format."""
        return self._loaded.marker.stated(problem.answer, self._loaded.form)

    @final
    def origin(self, problem: Problem) -> str:
        """Name the line of the file."""
        own = self._loaded.made.get(problem.id)
        return own.origin if own is not None else super().origin(problem)

    @final
    @property
    def reading(self) -> TableReading:
        """How the table was read: columns, marker and why, what is unused or odd."""
        return self._loaded.read.reading

    @final
    def golds(self, problem: Problem) -> tuple[str, ...]:
        """Return every gold that counts for a problem, its own answer first."""
        return self._loaded.golds(problem)

    @final
    def in_order(self) -> tuple[Problem, ...]:
        """Return all problems in the order of the file, without duplicates."""
        members = [p for role in self._loaded.roles.values() for p in role]
        return tuple(sorted(members, key=lambda p: self._loaded.made[p.id].line))

    @property
    def _loaded(self) -> "_Loaded":
        return _load(self, (*self.stamp(), *self._marker_stamp))

    @cached_property
    def _marker_stamp(self) -> tuple[object, ...]:
        """The state of the marker's files as this task found them; it marks by no other."""
        return named_marker(self.marker).stamp if self.marker else ()


@dataclass(frozen=True)
class _Loaded:
    """A table as it was read."""

    roles: Mapping[Split, tuple[Problem, ...]]
    made: Mapping[str, Made]
    """Every problem by its id, with its place in the file."""
    read: TableRead
    notes: tuple[str, ...]
    fingerprint: str
    earlier: frozenset[str]
    """Fingerprints of the same problems with the marker's earlier versions."""
    has_solutions: bool

    @property
    def marker(self) -> Marker:
        return self.read.marking.marker

    @property
    def form(self) -> Form:
        return self.read.marking.form

    @cached_property
    def accepted(self) -> Mapping[str, tuple[str, ...]]:
        """What counts as a gold, by the gold that stands first: a twin's come from elsewhere."""
        found: dict[str, tuple[str, ...]] = {}
        for one in self.made.values():
            if len(one.golds) > 1:
                known = found.get(one.golds[0], ())
                found[one.golds[0]] = tuple(dict.fromkeys((*known, *one.golds)))
        return found

    def golds(self, problem: Problem) -> tuple[str, ...]:
        """Every gold that counts for a problem, its own answer first."""
        own = self.made.get(problem.id)
        if own is not None and own.golds[0] == problem.answer:
            return own.golds
        return self.accepted.get(problem.answer, (problem.answer,))


@lru_cache(maxsize=16)
def _load(table: Table, stamp: tuple[object, ...]) -> _Loaded:
    """Read a table once for each state of its files."""
    del stamp  # a part of the key alone
    held = table.rows(table.name)
    apart = table.rows(table.test) if table.test else Records([])
    wanted = Wanted(
        {role: getattr(table, role) for role in _ROLES}, table.gold_is, table.marker, table.form
    )
    read = read_table(table.name, held.rows, table.test, apart.rows, wanted)
    odd = read.reading.odd
    if table.odd != "leave_out":
        refuse_odd(odd)
    left_out = f"{len(odd)} odd rows left out: {odd_text(odd)}" if odd else ""
    main = made(read.drafts, read.columns, read.marking)
    test = made(read.apart, read.columns, read.marking) if table.test else None
    if table.cluster == NEAR and not read.columns.cluster:
        both = grouped([*main, *(test or ())])
        main, test = both[: len(main)], None if test is None else both[len(main) :]
    kept, notes = distinct(main, test)
    roles = in_roles(
        [one.problem for one in kept], None if test is None else [one.problem for one in test]
    )
    check_roles(table.name, roles)
    hashed = [v for members in roles.values() for p in members for v in _hashed(p)]
    marker, more = read.marking.marker, tuple(_more(read, main))
    prints = [
        text_hash(*hashed, marker.fingerprint, str(version), *more)
        for version in range(1, marker.version + 1)
    ]
    return _Loaded(
        roles=roles,
        made={one.problem.id: one for one in reversed([*main, *(test or [])])},
        read=read,
        notes=tuple(filter(None, (held.note, *read.reading.notes, left_out, *notes))),
        fingerprint=prints[-1],
        earlier=frozenset(prints),
        has_solutions=bool(read.columns.solution or any(d.solution for d in read.drafts[:1])),
    )


_ROLES = (
    *("question", "answer", "solution", "id", "choices", "context", "cluster", "difficulty"),
    "preset",
)


def _more(read: TableRead, main: Sequence[Made]) -> Iterator[str]:
    """What else decides marks: nothing, where problems and marker say all of it."""
    if read.marking.is_formulas:
        yield "formulas in boxes"
    if read.marking.hint:
        yield read.marking.hint
    if read.marking.why:  # chosen by the golds, and no setting of the task says so
        yield from filter(None, [getattr(read.marking.marker, "among", "")])
    for one in main:
        if len(one.golds) > 1:
            yield from (one.problem.id, *one.golds)


def _hashed(problem: Problem) -> Iterator[str]:
    """Every field that is the problem's own, in order."""
    for field in dataclasses.fields(problem):
        value = getattr(problem, field.name)
        if field.compare:
            yield "" if value is None else value
