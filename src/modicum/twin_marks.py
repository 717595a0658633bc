"""Marks of a measure's answers against the scrambled twin's golds: what luck alone would be right in."""

from collections.abc import Sequence

from modicum.draws import problems_of
from modicum.marking import Unmarked
from modicum.outcome import Answer
from modicum.task import resolve_task
from modicum.types import Grade, Style, Trial

__all__ = ["needs_twin_marks", "scrambled_right"]


def needs_twin_marks(trial: Trial) -> bool:
    """Whether a verdict reads a trial's answers against moved golds: floor and default are so read."""
    if trial.is_twin or not trial.scope.test:
        return False
    is_default = trial.method == "plain" and trial.settings.get("style") == "default"
    return trial.method == "prompt_style" or is_default


def scrambled_right(trial: Trial, answers: Sequence[Answer], style: Style) -> tuple[int, ...]:
    """Return, once a problem, 1 where the answer that stands has the scrambled twin's gold, else 0.

    A text on which the marker fails has no gold.

    Args:
        trial: What was answered; not a twin.
        answers: With their texts, in the order of the test problems.
        style: What they were asked in.

    Raises:
        JudgeError: the marker failed on more than a few texts.
    """
    task = resolve_task(f"scrambled:{trial.task}")
    moved = problems_of(task, "test", trial.scope)
    asked = [(p, [a.texts[a.chosen]]) for p, a in zip(moved, answers, strict=True)]
    marks = Unmarked().marks(task, asked, style)
    return tuple(int(mark.lenient == Grade.CORRECT) for (mark,) in marks)
