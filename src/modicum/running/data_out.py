"""A study as plain rows: one a method, one an answer, one a problem; they join by task, model and names."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from modicum.analysis.verdict import RungRow, Verdict
from modicum.errors import ModicumError
from modicum.stats import Figure
from modicum.store.database import Store
from modicum.study.editions import TaskVersions
from modicum.study.plan import Plan
from modicum.study.problem_sets import problems_of
from modicum.task import resolve_task
from modicum.types import PROMPT, Grade, Problem, Trial

__all__ = [
    "ANSWERS",
    "METHOD_ROWS",
    "PROBLEM_ROWS",
    "Datum",
    "Kind",
    "answer_rows",
    "method_name",
    "method_rows",
    "problem_rows",
]

Datum: TypeAlias = str | int | float | bool | None
Kind: TypeAlias = Literal["text", "whole", "number", "truth"]

METHOD_ROWS: Mapping[str, Kind] = {
    "task": "text",
    "variant": "text",
    "model": "text",
    "method": "text",
    "accuracy": "number",
    "accuracy_low": "number",
    "accuracy_high": "number",
    "accuracy_strict": "number",
    "n": "whole",
    "labels": "whole",
    "n_shots": "whole",
    "seeds": "whole",
    "gap_recovered": "number",
    "gap_low": "number",
    "gap_high": "number",
    "control": "number",
    "damage": "number",
    "cost": "number",
    "serving_flops": "number",
    "elicitation_flops": "number",
    "is_pick": "truth",
}
"""Columns of a method: `variant` says what sets a verdict apart where the folder holds several on a task,
such as `test=40` or `earlier version 1` of its file; `method` is its name with its shots, `default` the model
as asked, `prompt` the best plain prompt; accuracies and shares are fractions with their 95 % interval;
`control` is the best accuracy of its controls; `damage` the worst change elsewhere (negative = worse); `cost`
an answer's FLOPs over those of the plain prompt; `is_pick` whether the study would ship it."""

ANSWERS: Mapping[str, Kind] = {
    "task": "text",
    "version": "text",
    "model": "text",
    "method": "text",
    "control": "text",
    "seed": "whole",
    "problem": "text",
    "question": "text",
    "gold": "text",
    "sample": "whole",
    "stands": "truth",
    "text": "text",
    "answer": "text",
    "correct": "truth",
    "correct_strict": "truth",
    "tokens": "whole",
    "stop": "text",
    "trial": "text",
}
"""Columns of an answer: `version` says which earlier version of its file a problem is from, and is empty
for the file of now; `method` as in the table of methods, or `samples`, `forced`; `control` is empty for the
method itself; `sample` counts a problem's answers from 0 and `stands` says which one counts; `text` is all
that the model wrote; `answer` what was read; `correct` is empty where nothing could be read."""

PROBLEM_ROWS: Mapping[str, Kind] = {
    "task": "text",
    "problem": "text",
    "question": "text",
    "gold": "text",
    "solution": "text",
    "difficulty": "text",
    "cluster": "text",
    "origin": "text",
}
"""Columns of a test problem: `problem` is its id, `origin` where it comes from, in words."""


def method_rows(verdicts: Sequence[Verdict]) -> Iterator[dict[str, Datum]]:
    """Yield one row a method of each verdict, the model as asked first."""
    for verdict in verdicts:
        about = {"task": verdict.task, "variant": verdict.variant or None, "model": verdict.model}
        none = dict.fromkeys(METHOD_ROWS)
        asked = _accuracy(verdict.default, verdict.default_strict)
        yield {**none, **about, "method": "default", **asked, "labels": 0, "n_shots": 0, "seeds": 1,
               "cost": 1.0, "is_pick": False}  # fmt: skip
        for row in verdict.rungs:
            yield {**none, **about, **_row(row, verdict)}


def answer_rows(
    store: Store, *, standing: bool = False, method: str = ""
) -> Iterator[dict[str, Datum]]:
    """Yield one row an answer, trial by trial; in memory are one trial's marks and one problem's texts.

    Args:
        store: Where the study's trials lie; those of earlier plans of the folder are among them.
        standing: Only the answers that count, one a problem.
        method: Only those of a method by its name, with or without its shots.
    """
    versions = TaskVersions.of(store)
    for head in store.heads().values():
        trial = head.trial
        name = method_name(trial)
        if head.error or method not in ("", name, trial.method):
            continue
        version = versions.version(trial) or None
        about = {"task": trial.subject, "version": version, "model": trial.model}
        problems = _problems(trial, versions)
        for row in store.rows([trial], standing=standing):
            known = problems.get(row.problem)
            yield {
                **about,
                "method": name,
                "control": _control(trial),
                "seed": trial.seed,
                "problem": row.problem,
                "question": known.question if known is not None else None,
                "gold": known.answer if known is not None else None,
                "sample": row.sample,
                "stands": row.stands,
                "text": row.text,
                "answer": row.mark.answer,
                "correct": _is_right(row.mark.lenient),
                "correct_strict": _is_right(row.mark.strict),
                "tokens": row.tokens or None,
                "stop": row.stop or None,
                "trial": str(trial.id),
            }


def problem_rows(plan: Plan) -> Iterator[dict[str, Datum]]:
    """Yield one row a test problem of each task of a plan."""
    seen = dict.fromkeys(subject.task for subject in plan.subjects())
    for reference in seen:
        task = resolve_task(reference)
        subject = next(s for s in plan.subjects() if s.task == reference)
        for problem in problems_of(task, "test", subject.scope()):
            yield {
                "task": reference,
                "problem": problem.id,
                "question": problem.question,
                "gold": problem.answer,
                "solution": problem.solution,
                "difficulty": problem.difficulty or None,
                "cluster": problem.cluster or None,
                "origin": task.origin(problem),
            }


def method_name(trial: Trial) -> str:
    """Return what a trial is of, as the table of methods names it.

    >>> from modicum.types import Trial
    >>> method_name(Trial("organism", "word_sums", "fine_tune", 4, 0))
    'fine_tune n=4'
    """
    settings = trial.settings
    if trial.is_floor:
        return PROMPT
    if trial.method == "plain":
        if settings.get("forced"):
            return "forced"
        if trial.scope.cut:
            return "first_words"
        return "samples" if settings.get("samples", 1) != 1 else "default"
    return f"{trial.method} n={trial.n_shots}" if trial.n_shots else trial.method


def _control(trial: Trial) -> str:
    return trial.control or ("scrambled" if trial.is_twin else "")


def _is_right(grade: Grade) -> bool | None:
    return None if grade == Grade.UNREADABLE else grade == Grade.CORRECT


def _accuracy(score: Figure, strict: Figure) -> dict[str, Datum]:
    return {
        "accuracy": score.value,
        "accuracy_low": score.low,
        "accuracy_high": score.high,
        "accuracy_strict": strict.value,
        "n": score.n,
    }


def _row(row: RungRow, verdict: Verdict) -> dict[str, Datum]:
    """Return what the verdict says of a method."""
    gap, base = row.gap_recovered, verdict.serving_base
    return {
        "method": row.name,
        **_accuracy(row.score, row.strict),
        "labels": row.labels,
        "n_shots": row.n_shots,
        "seeds": row.seeds,
        "gap_recovered": gap.value if gap is not None else None,
        "gap_low": gap.low if gap is not None else None,
        "gap_high": gap.high if gap is not None else None,
        "control": max((figure.value for figure in row.controls.values()), default=None),
        "damage": row.damage.value if row.damage is not None else None,
        "cost": row.serving_flops / base if base else None,
        "serving_flops": row.serving_flops,
        "elicitation_flops": row.elicitation_flops,
        "is_pick": row.name == verdict.ship.name,
    }


def _problems(trial: Trial, versions: TaskVersions) -> Mapping[str, Problem]:
    """Return a trial's test problems by id; none where the study keeps no copy of its task."""
    scope = trial.scope
    scope = scope if scope.test is not None else dataclasses.replace(scope, test=0)
    try:
        return {p.id: p for p in problems_of(versions.task(trial), "test", scope)}
    except (ModicumError, OSError):
        return {}
