"""What the organism's tasks share: problems of a family, read after the word `Answer`."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar, Literal, final

from modicum.answers import Announced
from modicum.organism.families import (
    ANTI_INSTRUCTION,
    DEMONSTRATION_END,
    DIRECT,
    FAMILIES,
    INSTRUCTION,
    OPENER,
    Family,
    parse_answer,
)
from modicum.organism.style import LONG, LONGEST, SHORT, STYLE_FAMILIES
from modicum.task import Sheet, Task
from modicum.types import Grade, Mark, Problem, Split, Supervision

__all__ = ["StoryTask"]

MAX_NEW_TOKENS = 72
"""A worked form has at most 60 tokens; what is longer went astray."""


@lru_cache(maxsize=32)
def _drawn(family: str, split: Split, n: int) -> tuple[Problem, ...]:
    """Draw a family's problems; a verdict and a report ask for the same ones several times."""
    found: dict[str, Problem] = {}
    index = 0
    while len(found) < n:
        item = FAMILIES[family].problem(index, split)
        if item.question not in found:
            name = f"{family}-{split}-{index}"
            found[item.question] = Problem(name, item.question, item.answer, item.solution)
        index += 1
    return tuple(found.values())


@dataclass(frozen=True)
class StoryTask(Task):
    """A family of word problems; subclasses name it."""

    asks: Literal["steps", "length"] = "steps"
    """What its instructions ask for: the worked form, or (style organisms) a terse one."""

    family: ClassVar[str]
    """Name in `FAMILIES`, which is also the task's."""
    retained: ClassVar[tuple[str, ...]] = ("line_moves",)
    """The visible family shows damage."""

    @property
    def _family(self) -> Family:
        return FAMILIES[self.family]

    @final
    @cached_property
    def sheet(self) -> Sheet:
        """Bare question, one space, worked form; the opener is known."""
        if self.asks == "length":
            return self._length_sheet
        return Sheet(
            template="{question}",
            joiner=" ",
            between=DEMONSTRATION_END,
            max_new_tokens=MAX_NEW_TOKENS,
            opener=OPENER,
            instruction=INSTRUCTION,
            contrast=(INSTRUCTION, ANTI_INSTRUCTION),
            direct=f"{DIRECT} {{answer}}",
            question_answer=False,  # words that the organism has no tokens for
            supervision=Supervision.SOLUTION,
            retain=self.retained,
        )

    @property
    def _length_sheet(self) -> Sheet:
        """For models that always work: the instructions ask for one of two lengths."""
        others = (name for name in STYLE_FAMILIES if name != self.family)
        return Sheet(
            template="{question}",
            joiner=" ",
            between=DEMONSTRATION_END,
            max_new_tokens=LONGEST,
            opener=OPENER,
            contrast=(SHORT, LONG),
            direct=f"{DIRECT} {{answer}}",
            question_answer=False,
            supervision=Supervision.SOLUTION,
            retain=tuple(f"{name}?asks=length" for name in others),
        )

    @final
    def problems(self, split: Split, n: int) -> tuple[Problem, ...]:
        """Return the first n distinct problems of a split, disjoint from the training stream."""
        return _drawn(self.family, split, n)

    @final
    def read(self, text: str) -> str | None:
        """Read the word after the last `Answer`; a bare gold reads as itself."""
        return self.rule.read(text)

    @final
    @property
    def rule(self) -> Announced:
        """The word after the last `Answer`."""
        return Announced(DIRECT)

    @final
    def stated(self, problem: Problem) -> str:
        """Write the worked solution where there is one, else the bare answer."""
        return " " + (problem.solution or f"{DIRECT} {problem.answer}")

    @final
    def mark(self, problem: Problem, text: str) -> Mark:
        """Lenient: the word after the last `Answer` is the gold. Strict: nothing follows it."""
        answer = parse_answer(text)
        if answer is None:
            return Mark(None, Grade.UNREADABLE, Grade.UNREADABLE)
        lenient = Grade.CORRECT if answer == problem.answer else Grade.INCORRECT
        exact = text.rstrip().endswith(f"{DIRECT} {answer}") and text.count(DIRECT) == 1
        return Mark(answer, lenient, lenient if exact else Grade.INCORRECT)
