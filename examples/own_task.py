"""A task of your own: it makes problems for a split, reads an answer and marks it.

As a file in `modicum/tasks/`, or an entry point of the group `modicum.tasks` in your package (see
`plugin_package/` for a method), it gets studies, nulls, a scrambled twin and contract tests. Here
it is used by hand, to show what a method sees: a bench with shots and a judge, never the task.
"""

from dataclasses import dataclass
from typing import final

from modicum.bench import Bench
from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.method import METHODS
from modicum.model import resolve_backend
from modicum.nudge import Solver
from modicum.seeds import stream
from modicum.study.styles import closed_list
from modicum.task import Sheet, Task
from modicum.types import Grade, Mark, Problem, Split


@final
@dataclass(frozen=True)
class Doubles(Task):
    """Asks for a number plus itself."""

    @property
    def sheet(self) -> Sheet:
        """The form of the task: how it is asked, how long an answer may be."""
        return Sheet(template="{question}", joiner=" ", max_new_tokens=24)

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n problems of a split; the splits share none."""
        first = {"shots": 100, "selection": 300, "test": 500}[split]
        return tuple(
            Problem(f"doubles/{x}", f"What is {x} + {x}?", str(2 * x))
            for x in range(first, first + n)
        )

    def read(self, text: str) -> str | None:
        """Read the last number."""
        numbers = [word for word in text.split() if word.isdecimal()]
        return numbers[-1] if numbers else None

    def mark(self, problem: Problem, text: str) -> Mark:
        """Unreadable is not incorrect."""
        answer = self.read(text)
        if answer is None:
            return Mark(None, Grade.UNREADABLE, Grade.UNREADABLE)
        grade = Grade.CORRECT if answer == problem.answer else Grade.INCORRECT
        return Mark(answer, grade, grade)


task, model, spent = Doubles(), resolve_backend("scripted:latent").open(), Ledger()
styles, _ = closed_list(model, task.sheet, own=None, instruction=False)
problems = task.problems("test", 100)
for name in ("plain", "cot_decoding"):
    judge = Judge(task, task.sheet, {}, styles[0], styles, spent)
    nudge = METHODS.build(name).elicit(Bench(name, model, judge, stream("example")))  # type: ignore[attr-defined]
    solver = Solver.of(model, nudge, judge)
    solved = solver.solve([p.hidden() for p in problems], stream="example", ledger=spent)
    marks = [task.mark(p, s.text).lenient for p, s in zip(problems, solved, strict=True)]
    print(f"{name:<13} {sum(m == Grade.CORRECT for m in marks)} of {len(marks)} right")
