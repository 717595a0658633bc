"""From drafts to problems: golds in canonical form, ids, worked solutions, duplicates."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.errors import ConfigError
from modicum.marker import text_hash
from modicum.stats.written import count
from modicum.tables.cells import cell_text
from modicum.tables.columns import Columns
from modicum.tables.drafts import Draft
from modicum.tables.golds import Marking
from modicum.types import Problem, Split

__all__ = ["Made", "check_roles", "distinct", "made"]


@dataclass(frozen=True)
class Made:
    """A problem, where it comes from, and every gold that counts."""

    problem: Problem
    origin: str
    line: int
    golds: tuple[str, ...]
    """In canonical form, the problem's own answer first."""
    written: tuple[str, ...]
    """As the file has them."""
    is_named: bool
    """Whether the file gives the id, which then says nothing of question and gold."""


def made(drafts: Sequence[Draft], columns: Columns, marking: Marking) -> list[Made]:
    """Make problems of drafts; golds are put into the marker's canonical form.

    Raises:
        ConfigError: an id that stands twice.
    """
    found: list[Made] = []
    seen: dict[str, str] = {}
    for draft in drafts:
        golds = _canonical(draft.golds, marking)
        own = cell_text(draft.row.values.get(columns.id)) if columns.id else ""
        if own and own in seen:
            raise ConfigError(
                f"{draft.origin}: the id {own!r}, which is in {seen[own]} as well",
                "unique ids",
                "correct the ids, or drop the id column",
            )
        seen[own] = draft.origin
        problem = Problem(
            id=own or text_hash(draft.question, golds[0]),
            question=draft.question,
            answer=golds[0],
            solution=_worked(draft.solution, golds[0], marking),
            difficulty=_cell(draft, columns.difficulty),
            cluster=_cell(draft, columns.cluster),
        )
        found.append(
            Made(problem, draft.origin, draft.row.line, golds, tuple(draft.golds), bool(own))
        )
    return found


def distinct(main: Sequence[Made], test: Sequence[Made] | None) -> tuple[list[Made], list[str]]:
    """Drop what stands twice, and what stands in the test file too; say how much.

    Args:
        main: Problems of the file.
        test: Those of a file of its own for the test, or None.
    """
    asked = {one.problem.question for one in test or ()}
    found: dict[tuple[str, str], Made] = {}
    overlap = 0
    for one in main:
        if one.problem.question in asked:
            overlap += 1
        else:
            found.setdefault((one.problem.question, one.problem.answer), one)
    doubled = len(main) - overlap - len(found)
    counts = Counter(question for question, _ in found)
    torn = sum(n > 1 for n in counts.values())
    notes = [
        f"{count(doubled, 'exact duplicate')} removed" if doubled else "",
        f"{count(overlap, 'question')} of the test file removed from shots and selection"
        if overlap
        else "",
        f"{count(torn, 'question')} with different answers there" if torn else "",
    ]
    return list(found.values()), notes


def check_roles(name: str, roles: Mapping[Split, Sequence[Problem]]) -> None:
    """Refuse a table too small for three roles.

    Raises:
        ConfigError: a role without a problem.
    """
    sizes = {role: len(members) for role, members in roles.items()}
    if min(sizes.values()) < 1:
        said = ", ".join(f"{n} {role}" for role, n in sizes.items())
        raise ConfigError(
            f"{name}: {said} problems", "at least 1 for each of the three roles", "add lines"
        )


def _canonical(golds: Sequence[str], marking: Marking) -> tuple[str, ...]:
    """Golds that the marker can accept, each once."""
    return tuple(dict.fromkeys(own for gold in golds if (own := marking.gold(gold)) is not None))


def _cell(draft: Draft, column: str) -> str:
    return cell_text(draft.row.values.get(column)) if column else ""


def _worked(solution: str, gold: str, marking: Marking) -> str | None:
    """A worked solution that ends in the gold, in the exact format."""
    if not solution:
        return None
    said = marking.form.find(solution)
    if said is not None and marking.gold(said) == gold:
        return solution
    return f"{solution}\n{marking.form.write(gold)}"
