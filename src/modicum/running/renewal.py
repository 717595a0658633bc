"""Trials of an earlier version, marked again from their stored texts: nothing is drawn.

A version that reads answers better makes other trials of the same cells. Where a folder holds a trial
that differs from a planned one in nothing else, and answered the very same problems, its texts are
marked as answers are read now. What was chosen by the earlier reading stands: the floor's style,
branches, the samples that training was paid for; only votes are counted again.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modicum.errors import JudgeError
from modicum.marking.marks import Unmarked, read_or_none
from modicum.method import method_of
from modicum.outcome import Answer, MarkedAgain, Outcome
from modicum.scope import Versions
from modicum.store.database import Store
from modicum.study.plan import Plan
from modicum.study.problem_sets import problems_of
from modicum.study.styles import is_asked_so
from modicum.study.trial import thinking_of
from modicum.task import Task, resolve_task
from modicum.types import Grade, Problem, Style, Trial

__all__ = ["Renewed", "renew"]


@dataclass(frozen=True)
class Renewed:
    """A trial that was marked again."""

    trial: Trial
    problems: int
    before: int
    """Problems that were right, as answers were read then."""
    now: int


def renew(plan: Plan, store: Store) -> tuple[Renewed, ...]:
    """Mark again what an earlier version has answered of a plan, and write it.

    Args:
        plan: What is to be run.
        store: The study's; the earlier trials stay in it.
    """
    planned, done = plan.trials(), store.done()
    todo = [trial for trial in planned if trial.id not in done]
    if not todo or not done:
        return ()
    names = {trial.id for trial in planned}
    earlier = {
        _cell(outcome.trial): outcome.trial
        for name, outcome in store.heads().items()
        if name not in names and not outcome.error
    }
    found = []
    for trial in todo:
        old = earlier.get(_cell(trial))
        outcome = store.read(old) if old is not None else None
        again = _marked_again(outcome, trial) if outcome is not None else None
        if outcome is not None and again is not None:
            store.write(again)
            found.append(Renewed(trial, len(again.answers), _right(outcome), _right(again)))
    return tuple(found)


def _cell(trial: Trial) -> str:
    """Return a trial's identity without the versions and contents of its tasks."""
    scope = trial.scope
    if scope.versions is not None:
        scope = dataclasses.replace(scope, versions=Versions(scope.versions.model))
    if scope.retain is not None:
        scope = dataclasses.replace(scope, retain=dataclasses.replace(scope.retain, editions={}))
    return dataclasses.replace(trial, scope=scope).identity


def _marked_again(outcome: Outcome, trial: Trial) -> Outcome | None:
    """Return the outcome as answers are read now; None where it is of other problems or prompts."""
    own, style = resolve_task(trial.task), outcome.style
    # an earlier version may have asked for another exact format, and texts are read in that one
    asking = (t for t in (own, *own.in_other_forms()) if is_asked_so(style, t.sheet))
    task, problems = next(asking, None), problems_of(own, "test", trial.scope)
    answers = _matched(own, problems, outcome)
    if answers is None or task is None:
        return None
    unmarked = Unmarked()
    asked = [(p, answer.texts) for p, answer in zip(problems, answers, strict=True)]
    try:
        marks = unmarked.marks(task, asked, style)
    except JudgeError:
        return None  # the trial is run, and says what its marker failed with
    answering = method_of(trial).answering
    chosen = [answering.stands(_read(task, style, t) for t in answer.texts) for answer in answers]
    answers = [
        dataclasses.replace(
            answer, problem=p.id, marks=own, chosen=answer.chosen if place is None else place
        )
        for p, answer, own, place in zip(problems, answers, marks, chosen, strict=True)
    ]
    moved = MarkedAgain(
        earlier=outcome.trial.id,
        before=_right(outcome),
        now=sum(a.mark.lenient == Grade.CORRECT for a in answers),
        is_damage_old=_editions(outcome.trial) != _editions(trial),
    )
    return dataclasses.replace(
        outcome,
        trial=trial,
        answers=tuple(answers),
        thinking=thinking_of(answers, style),
        lost=unmarked.lost,
        marked_again=moved,
    )


def _matched(task: Task, problems: Sequence[Problem], outcome: Outcome) -> list[Answer] | None:
    """Return the stored answer to each problem; None where they are not all of these and no other."""
    known = outcome.trial.scope.versions or Versions(1)
    if len(problems) != len(outcome.answers):
        return None
    found, left = [], list(outcome.answers)
    for problem in problems:
        place = next(
            (
                i
                for i, a in enumerate(left)
                if task.is_stored_as(problem, a.problem, known.task, known.content)
            ),
            None,
        )
        if place is None:
            return None
        found.append(left.pop(place))
    return found


def _read(task: Task, style: Style, text: str) -> str | None:
    answer = style.answer(text)
    return None if answer is None else read_or_none(task, answer)


def _editions(trial: Trial) -> Mapping[str, tuple[int, str]]:
    """Return the versions of the tasks that show damage, as far as they are in a trial's identity."""
    return trial.scope.retain.editions if trial.scope.retain is not None else {}


def _right(outcome: Outcome) -> int:
    return sum(answer.mark.lenient == Grade.CORRECT for answer in outcome.answers)
