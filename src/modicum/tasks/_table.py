"""What the tasks from a user's table share: columns, roles, marker and form."""

import dataclasses
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast, final

from modicum.answers import FORMS, Form, Rule
from modicum.errors import ConfigError
from modicum.marker import Marker, resolve_marker, text_hash
from modicum.task import Sheet, Task
from modicum.tasks._columns import Columns, Row, cell_text, choose_columns, described
from modicum.tasks._drafts import Draft, read_draft
from modicum.tasks._roles import in_roles
from modicum.types import Mark, Problem, Split, Style, Supervision

__all__ = ["Table"]


@dataclass(frozen=True)
class Table(Task):
    """Problems from the records of a table; three disjoint roles are made from them.

    The columns are guessed where they are not named, and what was guessed is said.
    """

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
    choices: str = ""
    """Column of the options of a multiple-choice question."""
    cluster: str = ""
    """Column that names what hangs together: it stays in one role, and counts as one."""
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
    def rows(self, name: str) -> list[Row]:
        """Reads the records of a table.

        Raises:
            ConfigError: it is missing, broken or empty.
        """

    @abstractmethod
    def stamp(self) -> tuple[object, ...]:
        """Gives what changes when the table changes, at no cost: times and sizes of files."""

    @final
    @property
    def sheet(self) -> Sheet:
        """The form of the task."""
        found = self._loaded
        own = "" if found.marker.is_form else found.form.instruction
        words = self.instruction or own
        return Sheet(
            template=self.template or "{question}\n" + (f"{words}\n" if words else ""),
            max_new_tokens=self.max_new_tokens,
            stop=tuple(filter(None, self.stop.split("|"))),
            triggers=(
                Style("question-answer", "Question: {question}\nAnswer:", stop=("\nQuestion:",)),
            ),
            supervision=Supervision.SOLUTION if found.has_solutions else Supervision.ANSWER,
            available={split: len(members) for split, members in found.roles.items()},
        )

    @final
    def check(self) -> None:
        """Reads the table once.

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
    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed and what was left out."""
        return self._loaded.notes

    @final
    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Gives the first n problems of a role, in hash order.

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
        """Reads as the marker does."""
        return self._loaded.marker.read(text, self._loaded.form)

    @final
    @property
    def rule(self) -> Rule | None:
        """The marker's."""
        return self._loaded.marker.rule(self._loaded.form)

    @final
    def mark(self, problem: Problem, text: str) -> Mark:
        """Marks as the marker does."""
        return self._loaded.marker.mark(problem, text, self._loaded.form)

    @final
    def stated(self, problem: Problem) -> str:
        """Writes the gold in the exact format."""
        return self._loaded.marker.stated(problem.answer, self._loaded.form)

    @final
    def origin(self, problem: Problem) -> str:
        """Names the line of the file."""
        return self._loaded.origins.get(problem.id, super().origin(problem))

    @property
    def _loaded(self) -> "_Loaded":
        return _load(self, self.stamp())


@dataclass(frozen=True)
class _Loaded:
    """A table as it was read."""

    roles: Mapping[Split, tuple[Problem, ...]]
    origins: Mapping[str, str]
    marker: Marker
    form: Form
    notes: tuple[str, ...]
    fingerprint: str
    has_solutions: bool


@lru_cache(maxsize=16)
def _load(table: Table, stamp: tuple[object, ...]) -> _Loaded:
    """Reads a table once for each state of its files."""
    del stamp  # a part of the key alone
    rows = table.rows(table.name)
    named = {f: getattr(table, f) for f in _ROLES}
    columns = choose_columns(table.name, rows, named, table.preset)
    drafts = [read_draft(row, columns, table.name) for row in rows]
    others = table.rows(table.test) if table.test else []
    apart = [read_draft(row, columns, table.test) for row in others]
    marker, why = _choose_marker(table, columns, [*drafts, *apart])
    form = FORMS[table.form or ("boxed" if columns.preset == "math" else "line")]
    if any("\n" in draft.answer for draft in drafts):
        form = dataclasses.replace(form, is_long=True)
    main = _problems(drafts, columns, marker, form)
    test = _problems(apart, columns, marker, form) if table.test else None
    kept, notes = _kept(main, test)
    roles = in_roles([p for _, p in kept], None if test is None else [p for _, p in test])
    _check_roles(table.name, roles)
    said = described(columns)
    hashed = [v for members in roles.values() for p in members for v in _hashed(p)]
    return _Loaded(
        roles=roles,
        origins={p.id: draft.origin for draft, p in (*main, *(test or []))},
        marker=marker,
        form=form,
        notes=tuple(filter(None, (said, why, *notes))),
        fingerprint=text_hash(*hashed, marker.fingerprint, str(marker.version)),
        has_solutions=bool(columns.solution or drafts[0].solution),
    )


_ROLES = ("question", "answer", "solution", "id", "choices", "cluster", "difficulty")


def _choose_marker(table: Table, columns: Columns, drafts: Sequence[Draft]) -> tuple[Marker, str]:
    """Gives the named marker, or the one that fits the golds, and why that one."""
    if table.marker:
        return resolve_marker(table.marker), ""
    if columns.choices:
        last = chr(ord("A") + max(draft.n_options for draft in drafts) - 1)
        return resolve_marker(f"choice?last={last}"), "marker choice (there are options)"
    if columns.preset == "math":
        return resolve_marker("math_verify"), "marker math_verify (preset math)"
    number = resolve_marker("number")
    if all(number.gold(draft.answer) is not None for draft in drafts):
        return number, "marker number (every gold is a number)"
    return resolve_marker("exact"), "marker exact (the golds are not all numbers)"


def _problems(
    drafts: Iterable[Draft], columns: Columns, marker: Marker, form: Form
) -> list[tuple[Draft, Problem]]:
    """Makes problems; the gold is put into the marker's canonical form.

    Raises:
        ConfigError: a gold that the marker can never accept, or an id that stands twice.
    """
    found: list[tuple[Draft, Problem]] = []
    seen: dict[str, str] = {}
    for draft in drafts:
        gold = marker.gold(draft.answer)
        if gold is None:
            raise ConfigError(
                f"{draft.origin}: the gold {draft.answer!r:.80}, which the marker "
                f"{type(marker).__name__.lower()!r} cannot read",
                "golds that their marker accepts",
                "correct the line, or choose another --marker",
            )
        own = cell_text(draft.values.get(columns.id)) if columns.id else ""
        if own and own in seen:
            raise ConfigError(
                f"{draft.origin}: the id {own!r}, which stands in {seen[own]} too",
                "ids that differ",
                "correct the ids, or leave the id column out",
            )
        seen[own] = draft.origin
        problem = Problem(
            id=own or text_hash(draft.question, gold),
            question=draft.question,
            answer=gold,
            solution=_worked(draft.solution, gold, marker, form),
            difficulty=cell_text(draft.values.get(columns.difficulty))
            if columns.difficulty
            else "",
            cluster=cell_text(draft.values.get(columns.cluster)) if columns.cluster else "",
        )
        found.append((draft, problem))
    return found


def _worked(solution: str, gold: str, marker: Marker, form: Form) -> str | None:
    """Gives a worked solution that ends in the gold, in the exact format."""
    if not solution:
        return None
    said = form.find(solution)
    if said is not None and marker.gold(said) == gold:
        return solution
    return f"{solution}\n{form.write(gold)}"


def _kept(
    main: Sequence[tuple[Draft, Problem]], test: Sequence[tuple[Draft, Problem]] | None
) -> tuple[list[tuple[Draft, Problem]], list[str]]:
    """Drops what stands twice, and what stands in the test file too; says how much."""
    asked = {problem.question for _, problem in test or ()}
    found: dict[tuple[str, str], tuple[Draft, Problem]] = {}
    overlap = 0
    for draft, problem in main:
        if problem.question in asked:
            overlap += 1
        else:
            found.setdefault((problem.question, problem.answer), (draft, problem))
    doubled = len(main) - overlap - len(found)
    counts = Counter(question for question, _ in found)
    torn = sum(n > 1 for n in counts.values())
    notes = [
        f"{doubled} exact duplicates left out" if doubled else "",
        f"{overlap} questions of the test file left out of shots and selection" if overlap else "",
        f"{torn} questions stand there with different answers" if torn else "",
    ]
    return list(found.values()), notes


def _check_roles(name: str, roles: Mapping[Split, Sequence[Problem]]) -> None:
    """Refuses a table too small for three roles.

    Raises:
        ConfigError: a role without a problem.
    """
    sizes = {role: len(members) for role, members in roles.items()}
    if min(sizes.values()) < 1:
        said = ", ".join(f"{n} {role}" for role, n in sizes.items())
        raise ConfigError(
            f"{name}: {said} problems", "at least 1 for each of the three roles", "add lines"
        )


def _hashed(problem: Problem) -> tuple[str, ...]:
    values = dataclasses.astuple(problem)
    return cast(tuple[str, ...], tuple("" if v is None else v for v in values))
