"""Marks answers so that a marker that fails is never taken for a wrong answer, nor denies a study.

One text of a model may make a pattern, a formula or a user's function hang or die. Such a text is
*unreadable*, counted and said, while it is one of a hundred; where it is more, the marker is broken
and the trial fails.
"""

import hashlib
from collections.abc import Sequence
from typing import final

from modicum.errors import JudgeError
from modicum.outcome import Answer, Lost
from modicum.task import Scrambled, Task
from modicum.types import Grade, Mark, Problem, Solved, Style

__all__ = ["Unmarked", "mark_or_unread", "mark_safely", "read_or_none"]

_UNREAD = Mark(None, Grade.UNREADABLE, Grade.UNREADABLE)
_ONE_OF = 100
"""Less than one text of so many may be lost, or one where there are few."""

_hung: dict[bytes, str] = {}
"""What was said of each text on which a marker hung or died, by a hash of both: waiting for it twice
took seconds, and it will hang again."""


def mark_safely(task: Task, problem: Problem, text: str, style: Style | None = None) -> Mark:
    """Mark an answer, trying twice: a judge that fails is an error, never *incorrect*.

    Where the style knows thinking, what follows it is marked; thinking that did not end is
    unreadable, not incorrect.
    A marker that hung or died has been tried twice already (`modicum.marking.killable`), and is not asked
    about the same text again in this process.

    Raises:
        JudgeError: marking failed twice.
    """
    answer = text if style is None else style.answer(text)
    if answer is None:
        return _UNREAD
    _refuse_hung(task, answer)
    try:
        return task.mark(problem, answer)
    except JudgeError as error:
        _remember(task, answer, error)
        raise
    except Exception:  # noqa: BLE001 - a foreign marker may raise anything; tried once more
        try:
            return task.mark(problem, answer)
        except Exception as error:
            msg = f"marking problem {problem.id!r} failed twice: {error}"
            raise JudgeError(msg) from error


def mark_or_unread(
    task: Task, problem: Problem, text: str, style: Style | None = None
) -> tuple[Mark, str]:
    """Return a mark, or *unreadable* and why the marker failed; empty where it did not."""
    try:
        return mark_safely(task, problem, text, style), ""
    except JudgeError as error:
        return _UNREAD, str(error)


def read_or_none(task: Task, text: str) -> str | None:
    """Read the answer from a text; None where there is none, or where reading it fails."""
    try:
        _refuse_hung(task, text)
        return task.read(text)
    except JudgeError as error:
        _remember(task, text, error)
        return None


@final
class Unmarked:
    """Counts the answers of a trial on which its marker failed; too many are an error."""

    def __init__(self) -> None:
        """Have seen nothing yet."""
        self.answers = 0
        """Answers that count as unreadable for it."""
        self.texts = 0
        """Different texts among them."""
        self.shots = 0
        """Answers to shots that earned nothing for it while a nudge was made."""
        self.first = ""
        """What the marker failed with first."""

    def marks(
        self, task: Task, asked: Sequence[tuple[Problem, Sequence[str]]], style: Style | None
    ) -> list[tuple[Mark, ...]]:
        """Mark the answers to each problem; equal texts once, for samples repeat each other often.

        Args:
            task: Whose marker is asked.
            asked: Each problem with the texts that answer it.
            style: What they were asked in.

        Raises:
            JudgeError: the marker failed on more than one text and on one in a hundred or more, or on
                more than half of the answers.
        """
        total = sum(len(set(texts)) for _, texts in asked)
        lost_texts, lost_answers, found = 0, 0, []
        for problem, texts in asked:
            known: dict[str, Mark] = {}
            for text in dict.fromkeys(texts):
                known[text], why = mark_or_unread(task, problem, text, style)
                if why:
                    lost_texts += 1
                    lost_answers += texts.count(text)
                    self.first = self.first or why
                    if lost_texts > 1 and _ONE_OF * lost_texts >= total:
                        said = f"the marker failed on {lost_texts} of at most {total} texts"
                        raise JudgeError(f"{said}, first: {self.first}")
            found.append(tuple(known[text] for text in texts))
        n = sum(len(texts) for _, texts in asked)
        if 2 * lost_answers > n:
            raise JudgeError(f"the marker failed on {lost_answers} of {n} answers: {self.first}")
        self.answers += lost_answers
        self.texts += lost_texts
        return found

    def answered(
        self, task: Task, problems: Sequence[Problem], solved: Sequence[Solved], style: Style
    ) -> tuple[Answer, ...]:
        """Mark what a solver gave, as `marks` does, and join both."""
        pairs = list(zip(problems, solved, strict=True))
        asked = [(problem, [c.text for c in given.completions]) for problem, given in pairs]
        return tuple(
            Answer.of(problem.id, given, marks)
            for (problem, given), marks in zip(pairs, self.marks(task, asked, style), strict=True)
        )

    @property
    def lost(self) -> Lost | None:
        """What an outcome keeps of it: nothing where every answer was marked."""
        lost = Lost(self.answers, self.texts, self.shots, self.first)
        return lost if lost.answers or lost.texts or lost.shots else None


def _refuse_hung(task: Task, text: str) -> None:
    """Raise what was said of the text before, where the task's marker hung on it."""
    if _hung and (said := _hung.get(_name(task, text))) is not None:
        raise JudgeError(said, has_hung=True)


def _remember(task: Task, text: str, error: JudgeError) -> None:
    if error.has_hung:
        _hung.setdefault(_name(task, text), str(error))


def _name(task: Task, text: str) -> bytes:
    """Name a text before a marker: the twin's is the original's, and a mended one is another."""
    own = task.task if isinstance(task, Scrambled) else task
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(f"{type(own).__module__} {own!r} {own.fingerprint}".encode("utf-8", "replace"))
    return digest.digest()
