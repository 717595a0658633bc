"""What a method works at, as a trial builds it, and the solver that comes of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from modicum.bench import Bench
from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.method import METHODS, Method
from modicum.model import Model
from modicum.nudge import NO_SHELF, Shelf, Solver
from modicum.seeds import stream
from modicum.study.styles import closed_list
from modicum.task import Sheet, Task, resolve_task
from modicum.types import Problem, Style


def judge_of(
    model: Model,
    task: Task | str,
    shots: int | Sequence[Problem] = (),
    *,
    style: Style | None = None,
    sheet: Sheet | None = None,
    ledger: Ledger | None = None,
) -> Judge:
    """Return the door to a task for its first n shots, or for given ones."""
    task = resolve_task(task) if isinstance(task, str) else task
    sheet = sheet or task.sheet
    styles = (style,) if style else closed_list(model, sheet, own=None, instruction=False)[0]
    known = task.problems("shots", shots) if isinstance(shots, int) else shots
    return Judge(task, sheet, {s.id: s for s in known}, styles[0], styles, ledger or Ledger())


def bench_of(
    model: Model,
    task: Task | str,
    shots: int | Sequence[Problem] = (),
    *,
    rng: np.random.Generator | None = None,
    budget: int = 0,
    scratch: Path | None = None,
    shelf: Shelf = NO_SHELF,
    **door: object,
) -> Bench[Model]:
    """Return the bench of such a door; `door` are the other settings of `judge_of`."""
    judge = judge_of(model, task, shots, **door)
    rng = stream("test") if rng is None else rng
    return Bench("test", model, judge, rng, budget, scratch=scratch, shelf=shelf)


def asked_bench(bench: Bench[Model], task: Task | str, n: int) -> Bench[Model]:
    """Return a bench with n questions without labels, and the prompts that they can be asked in."""
    task = resolve_task(task) if isinstance(task, str) else task
    asked = tuple(p.hidden() for p in task.problems("shots", n))
    prompts, _ = closed_list(bench.model, bench.sheet, own=None, instruction=True)
    return replace(bench, texts=asked, prompts=prompts, budget=n)


def solver_of(method: Method | str, bench: Bench[Model], **settings: object) -> Solver:
    """Return the solver that a method makes at a bench."""
    built = METHODS.build(method, settings) if isinstance(method, str) else method
    return Solver.of(bench.model, built.elicit(bench), bench.judge)
