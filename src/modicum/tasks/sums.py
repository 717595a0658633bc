"""Sums of two numbers: the task of the scripted model, for tests and docs."""

import re
from dataclasses import dataclass
from typing import final

from modicum.seeds import key, stream
from modicum.task import Sheet, Task
from modicum.types import Grade, Mark, Problem, Split, Supervision

__all__ = ["Sums"]

_SPLITS: tuple[Split, ...] = ("shots", "selection", "test", "test")
"""Which split a sum belongs to, by a hash of its addends: splits cannot meet."""
_STRICT = re.compile(r"(?:^|\s)Answer (-?\d+)\s*$")
_AFTER = re.compile(r"-?\d+")


@final
@dataclass(frozen=True)
class Sums(Task):
    """Asks for sums of two numbers."""

    low: int = 100
    """Smallest addend."""
    high: int = 899
    """Largest addend."""

    @property
    def sheet(self) -> Sheet:
        """The form of the task."""
        return Sheet(
            template="{question}",
            joiner=" ",
            max_new_tokens=24,
            stop=("\n",),
            opener="Think",
            instruction="Show steps .",
            contrast=("Show steps .", "Only Answer ."),
            direct="Answer {answer}",
            supervision=Supervision.SOLUTION,
        )

    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n distinct sums of a split."""
        rng = stream("sums", split, self.low, self.high)
        found: dict[str, Problem] = {}
        while len(found) < n:
            a, b = (int(x) for x in rng.integers(self.low, self.high + 1, size=2))
            name = f"sums/{a}+{b}"
            if _SPLITS[key("sums split", a, b) % len(_SPLITS)] == split:
                found[name] = Problem(
                    id=name,
                    question=f"What is {a} + {b}?",
                    answer=str(a + b),
                    solution=f"Think {a} + {b} = {a + b} Answer {a + b}",
                )
        return tuple(found.values())

    def read(self, text: str) -> str | None:
        """Read the number after the last `Answer`, else the last number.

        >>> Sums().read("Think 1 + 2 = 3 Answer 03 apples")
        '3'
        """
        _, found, tail = text.rpartition("Answer")
        after = _AFTER.findall(tail) if found else []
        anywhere = _AFTER.findall(text)
        if after:
            return _canonical(after[-1])
        return _canonical(anywhere[-1]) if anywhere else None

    def stated(self, problem: Problem) -> str:
        """Write the worked solution where there is one, else the bare answer."""
        return " " + (problem.solution or f"Answer {problem.answer}")

    def mark(self, problem: Problem, text: str) -> Mark:
        """Judge a text; strictly, it must end in `Answer N`."""
        answer = self.read(text)
        exact = _STRICT.search(text)
        strict = _canonical(exact.group(1)) if exact else None
        return Mark(answer, _grade(answer, problem.answer), _grade(strict, problem.answer))


def _canonical(digits: str) -> str:
    """Return a number without leading zeros; by text, since `int` refuses very long ones."""
    sign, plain = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    plain = plain.lstrip("0") or "0"
    return plain if plain == "0" else sign + plain


def _grade(answer: str | None, gold: str) -> Grade:
    if answer is None:
        return Grade.UNREADABLE
    return Grade.CORRECT if answer == gold else Grade.INCORRECT
