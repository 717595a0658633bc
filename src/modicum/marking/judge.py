"""The metered door to a task: a method's answers are marked there, and everybody's are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

from modicum.errors import BudgetError, JudgeError
from modicum.ledger import Ledger
from modicum.marking.marks import mark_or_unread, read_or_none
from modicum.task import Sheet, Task
from modicum.types import Mark, Problem, Style

__all__ = ["Judge"]

_MOST_LOST = 10
"""Texts on which a marker may fail while a nudge is made, however few calls there are."""


@dataclass(frozen=True)
class Judge:
    """The metered door to the task for a method: it marks the shots' answers and no others.

    A method may call `mark`, `read`, `stated`, `golds` and `in_style`, and read the task's `sheet`,
    the `style` that prompts are written in and the closed list of `styles`. Nothing else: shots,
    ledger and folders are the bench's (`modicum.bench`).
    """

    _task: Task
    sheet: Sheet
    shots: Mapping[str, Problem]
    style: Style
    styles: tuple[Style, ...]
    ledger: Ledger
    is_form_only: bool = False
    """Control `format`: right is what any answer states in the exact format, whatever it says."""
    _lost: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Texts on which the marker failed, and why; shared by the doors made from this one."""

    def mark(self, problem_id: str, text: str) -> Mark:
        """Mark one answer to one of the shots, and count the call.

        A text on which the marker fails is unreadable: it earns nothing, and ends no training.

        Raises:
            BudgetError: the id is not a shot's, or too many calls.
            JudgeError: the marker failed on more than a few texts, and on one call in a hundred.
        """
        if problem_id not in self.shots:
            msg = f"problem {problem_id!r} is not among the {len(self.shots)} shots"
            raise BudgetError(msg)
        self.ledger.judged()
        shot = self.shots[problem_id]
        mark = self._marked(shot, text)
        if not self.is_form_only or mark.answer is None:
            return mark
        # its own answer taken for gold, only the format can be wrong
        own = self._marked(replace(shot, answer=mark.answer), text)
        return replace(own, lenient=own.strict)

    def _marked(self, shot: Problem, text: str) -> Mark:
        mark, why = mark_or_unread(self._task, shot, text, self.style)
        if why:
            self._lost.setdefault(text, why)
            n, calls = len(self._lost), self.ledger.judge_calls
            if n > _MOST_LOST and 100 * n >= calls:
                raise JudgeError(f"the marker failed on {n} texts in {calls} calls, last: {why}")
        return mark

    @property
    def lost(self) -> int:
        """Different texts on which the marker failed so far."""
        return len(self._lost)

    @staticmethod
    def bare(task: Task, sheet: Sheet, style: Style) -> "Judge":
        """Return a door to a task of which no shot is known: it reads answers and marks none."""
        return Judge(task, sheet, {}, style, (style,), Ledger())

    def stated(self, problem_id: str) -> str:
        """Return a shot's bare answer in the task's exact format.

        Raises:
            BudgetError: the id is not a shot's.
        """
        if problem_id not in self.shots:
            msg = f"problem {problem_id!r} is not among the {len(self.shots)} shots"
            raise BudgetError(msg)
        return self._task.stated(replace(self.shots[problem_id], solution=None))

    @final
    def golds(self, problem_id: str) -> frozenset[str]:
        """Return every text that counts as a shot's gold.

        Raises:
            BudgetError: the id is not a shot's.
        """
        if problem_id not in self.shots:
            msg = f"problem {problem_id!r} is not among the {len(self.shots)} shots"
            raise BudgetError(msg)
        return frozenset(self._task.golds(self.shots[problem_id]))

    @final
    def in_style(self, style: Style) -> "Judge":
        """The same door for answers in another style: what follows its thinking is marked."""
        return replace(self, style=style)

    def read(self, text: str) -> str | None:
        """Read the answer from any text; knows no gold, so it is free."""
        answer = self.style.answer(text)
        return None if answer is None else read_or_none(self._task, answer)
