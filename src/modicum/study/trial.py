"""One trial from its identity to its outcome: a pure function that any process can run."""

import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from modicum.bench import Bench
from modicum.errors import JudgeError, ModicumError, TrialError
from modicum.ledger import Ledger, as_reused
from modicum.marking.judge import Judge
from modicum.marking.marks import Unmarked
from modicum.method import Method, method_of
from modicum.model import Model, ModelCard, plugin_of, resolve_backend
from modicum.nudge import Direct, Nudge, Shelf, Solver, weight_bytes
from modicum.outcome import Answer, Outcome, Sampled, Selected, Styles, ThinkingEnds
from modicum.secrecy import clean
from modicum.seeds import stream
from modicum.stock import Stock
from modicum.store.provenance import plugin_sources, weights_source
from modicum.study.completing import completed_and_answered
from modicum.study.controls import WITH
from modicum.study.held_out import text_loss
from modicum.study.plan import Plan
from modicum.study.problem_sets import POOL, names_of, problems_of, retained_size, shots_of
from modicum.study.questions import with_questions
from modicum.study.styles import closed_list
from modicum.task import Sheet, Task, resolve_task
from modicum.types import Grade, Problem, Solved, Split, Style, Trial

__all__ = [
    "AS_PLANNED",
    "Way",
    "dtype_of",
    "judge_for",
    "limited",
    "open_model",
    "remark",
    "run_trial",
    "scratch_of",
    "thinking_of",
]

_DTYPE = re.compile(r"\d+ threads?, (float32|bfloat16|float16)")
_DECOYS = 64
"""Golds of other problems from which wrong keys are made."""


@dataclass(frozen=True)
class Way:
    """How a trial is run, which is no part of its identity."""

    rows: int = 0
    """Completions in flight that the study froze for its model; 0 where it has not."""
    dtype: str = ""
    """Number format of the weights that the study froze; empty where it has not."""
    selects: bool = False
    """Whether it is scored on the selection problems as well: a budget chooses by that."""


AS_PLANNED = Way()
"""Rows by rule, scored on the test problems alone."""


def run_trial(
    plan: Plan,
    trial: Trial,
    floor: Style | None,
    artefacts: Path,
    observer: Callable[[Ledger], None] | None = None,
    stock: Stock | None = None,
    way: Way = AS_PLANNED,
) -> Outcome:
    """Return a trial's outcome; an error inside becomes part of it.

    Args:
        plan: The study's plan.
        trial: What to run.
        floor: The floor's style of the trial's subject; None where it is not chosen yet.
        artefacts: Where the driver puts the nudge; checkpoints lie beside it.
        observer: Called as tokens are spent.
        stock: What was drawn before; what is drawn now is added to it.
        way: How it is run.
    """
    stock = stock or Stock()
    try:
        return _outcome(plan, trial, floor, artefacts, observer, stock, way)
    except Exception as error:  # noqa: BLE001 - a failed trial is data; the study goes on
        return Outcome(trial, error=_told(error), draws=stock.added)


def _told(error: Exception) -> str:
    """Say why a trial failed, without secrets; where it arose, if it was not raised on purpose."""
    trace = "" if isinstance(error, ModicumError) else "".join(traceback.format_exception(error))
    return clean("\n".join(filter(None, (f"{type(error).__name__}: {error}", trace))))


def _outcome(
    plan: Plan,
    trial: Trial,
    floor: Style | None,
    artefacts: Path,
    observer: Callable[[Ledger], None] | None,
    stock: Stock,
    way: Way,
) -> Outcome:
    """Run a trial: what `run_trial` gives where nothing fails."""
    spent, served, unmarked = Ledger(observer=observer), Ledger(observer=observer), Unmarked()
    task, method = resolve_task(trial.task), method_of(trial)
    spent.says("loading the model")
    model = _settled(trial.model, way, spent).stocked(stock)
    judge, styles = judge_for(plan, trial, task, model, floor, spent)
    spent.labels = method.reads(len(judge.shots))
    rng = stream("elicit", trial.method, trial.task, trial.seed, *names_of(trial))
    bench = Bench(trial.method, model, judge, rng, trial.n_shots)
    bench = _equipped(with_questions(bench, plan, trial, task, method), task, method, artefacts)
    spent.says("preparing the prompt or nudge")
    with spent.timed():
        nudge = method.elicit(bench)
        files = {} if method.kind == "measure" else nudge.files()
    spent.nudge_bytes = weight_bytes(files)
    solver = Solver.of(model, nudge, judge)
    style, unmarked.shots = nudge.style, judge.lost
    problems = () if trial.scope.cut else problems_of(task, "test", trial.scope)
    served.says(f"answering {len(problems)} problems")
    with served.timed():
        solved = _solve(solver, problems, trial, served, split="test")
        served.says(f"marking the answers to {len(problems)} problems")
        answers = unmarked.answered(task, problems, solved, style)
    known = completed_and_answered(solver, task, trial, served, unmarked)
    retention = _retention(plan, trial, method, solver, unmarked)
    sampled = _sampled(solver, task, problems, trial, style, unmarked)
    selected = _selected(solver, task, trial, style, unmarked) if way.selects else None
    _check_unchanged(trial)
    return Outcome(
        trial=trial,
        answers=answers,
        elicitation=spent.as_dict(),
        serving=served.as_dict(),
        retention=retention,
        text_loss=text_loss(solver.model) if _scores_text(trial) else (),
        completed=known,
        card=model.card,
        asked_in=style,
        styles=styles,
        sampled=sampled,
        selected=selected,
        thinking=thinking_of(answers, style),
        lost=unmarked.lost,
        sources={**plugin_sources(trial), **weights_source(trial.model)},
        made=dict(nudge.facts),
        artefact=f"{artefacts.parent.name}/{artefacts.name}" if files else "",
        files=files,
        shared=bench.shelf.added(),
        draws=stock.added,
    )


def open_model(reference: str, dtype: str = "") -> Model:
    """Return the loaded model of a reference; the last two stay loaded in this process.

    Args:
        reference: Of a model.
        dtype: Number format of its weights where the reference leaves that open; as measured on
            this machine if not given.
    """
    return _opened(reference, dtype, weights_source(reference).get("weights", ""))


@lru_cache(maxsize=2)
def _opened(reference: str, dtype: str, weights: str) -> Model:
    """Return the model; that of other files under the same reference is loaded anew."""
    del weights
    _, said = plugin_of(reference)
    is_open = dtype and said.get("dtype", "auto") == "auto" and _has_dtype(reference)
    return resolve_backend(reference, {"dtype": dtype} if is_open else None).open()


def dtype_of(card: ModelCard) -> str:
    """Return the number format of a model's weights, which its notes name; empty where they do not."""
    found = map(_DTYPE.fullmatch, card.notes)
    return next((match[1] for match in found if match), "")


def _has_dtype(reference: str) -> bool:
    return hasattr(resolve_backend(reference), "dtype")


def _settled(reference: str, way: Way, ledger: Ledger) -> Model:
    """Return the loaded model with its rows settled; what a timing of them takes is counted."""
    model = open_model(reference)
    if way.dtype and dtype_of(model.card) != way.dtype:
        model = open_model(reference, way.dtype)
    with ledger.timed():
        return model.tuned(way.rows)


def judge_for(
    plan: Plan,
    trial: Trial,
    task: Task,
    model: Model,
    floor: Style | None,
    ledger: Ledger,
) -> tuple[Judge, Styles]:
    """Return the metered door to the task, and the styles that the model can be asked in."""
    sheet = limited(task.sheet, plan)
    styles, skipped = closed_list(
        model,
        sheet,
        own=plan.own_style,
        instruction=plan.styles == "all",
        is_fixed=plan.styles == "own",
    )
    if not styles:
        raise TrialError(
            f"no usable style: the tokenizer cannot encode any of {', '.join(skipped)}; give a "
            "prompt of your own that it can (--template)"
        )
    method = method_of(trial)
    found = shots_of(trial, task, method.shown(trial.n_shots))
    shots = [replace(shot, split=method.needs.split) for shot in found]
    judge = Judge(
        _task=task,
        sheet=sheet,
        shots={shot.id: shot for shot in shots},
        style=floor or styles[0],
        styles=styles,
        ledger=ledger,
        is_form_only=trial.control == "format",
    )
    return judge, Styles(tuple(s.name for s in styles), skipped)


def _equipped(bench: Bench[Model], task: Task, method: Method, artefacts: Path) -> Bench[Model]:
    """Return the bench with what training needs: places for files, wrong keys."""
    if not method.changes_model:
        return bench
    pool = task.problems("shots", min(POOL, task.sheet.available.get("shots", POOL)))
    known = {shot.id for shot in bench.shots}
    decoys = tuple(p.answer for p in pool if p.id not in known)[:_DECOYS]
    scratch = scratch_of(artefacts)
    shelf = Shelf(artefacts.parent, scratch / "shared")
    return replace(bench, decoys=decoys, scratch=scratch, shelf=shelf)


def scratch_of(artefacts: Path) -> Path:
    """Name the folder in which a trial keeps what a killed run goes on from."""
    return artefacts.with_name(f"{artefacts.name}.unfinished")


def limited(sheet: Sheet, plan: Plan) -> Sheet:
    """Return the sheet with the plan's length limit."""
    if not plan.max_new_tokens:
        return sheet
    return replace(sheet, max_new_tokens=plan.max_new_tokens)


def remark(outcome: Outcome, twin: Trial) -> Outcome:
    """Marks stored answers against the scrambled twin's golds; draws nothing.

    Right for methods that see no shots: their answers cannot depend on the golds.
    """
    task = resolve_task(twin.task)
    problems, style = problems_of(task, "test", twin.scope), outcome.style
    unmarked, pairs = Unmarked(), list(zip(problems, outcome.answers, strict=True))
    try:
        marks = unmarked.marks(task, [(problem, answer.texts) for problem, answer in pairs], style)
    except JudgeError as error:
        return Outcome(twin, error=f"JudgeError: {error}")
    answers = tuple(
        replace(answer, marks=own) for (_, answer), own in zip(pairs, marks, strict=True)
    )
    drawn = sum(len(answer.texts) for answer in answers)
    return replace(
        outcome,
        trial=twin,
        answers=answers,
        lost=unmarked.lost,
        elicitation=as_reused(outcome.elicitation, 0),
        serving=as_reused(outcome.serving, drawn),
        artefact="",
    )


def _solve(
    solver: Solver,
    problems: Sequence[Problem],
    trial: Trial,
    ledger: Ledger,
    *,
    split: Split | None = None,
) -> list[Solved]:
    """Solve the hidden problems; answers are kept where a split is named."""
    hidden = [replace(problem.hidden(), split=split) for problem in problems]
    name = "/".join((*names_of(trial), f"seed-{trial.seed}"))
    return solver.solve(hidden, stream=name, ledger=ledger)


def _check_unchanged(trial: Trial) -> None:
    """Refuse what was marked by other files than those that the trial's identity names.

    Raises:
        TrialError: a file of the task or of its marker has changed while the study ran.
    """
    versions = trial.scope.versions
    if versions is not None and versions.content != resolve_task(trial.task).fingerprint:
        raise TrialError(
            f"the files of {trial.task} changed while the study ran; run the same command again to "
            "use their present contents"
        )


def _sampled(
    solver: Solver,
    task: Task,
    problems: Sequence[Problem],
    trial: Trial,
    style: Style,
    unmarked: Unmarked,
) -> Sampled | None:
    """Sample the nudged model where the trial asks for it; keeps how many were right a problem.

    Its cost is measuring cost, and stands with the counts instead of in the nudge's own ledgers.
    """
    n, ledger = trial.scope.sampled, Ledger()
    if not n:
        return None
    drawing = replace(solver, nudge=Nudge(style, Direct(n, 1.0)))
    with ledger.timed():
        solved = _solve(drawing, problems, trial, ledger)
        answers = unmarked.answered(task, problems, solved, style)
    right = (sum(mark.lenient == Grade.CORRECT for mark in answer.marks) for answer in answers)
    return Sampled(n, tuple(right), ledger.tokens_sampled, ledger.seconds)


def _selected(
    solver: Solver, task: Task, trial: Trial, style: Style, unmarked: Unmarked
) -> Selected:
    """Score the solver on the selection problems, where rungs are to be chosen among.

    Its cost is measuring cost, as that of `_sampled`; the labels are those that chose the floor.
    """
    problems, ledger = problems_of(task, "selection", trial.scope), Ledger()
    with ledger.timed():
        solved = _solve(solver, problems, trial, ledger)
        answers = unmarked.answered(task, problems, solved, style)
    right = sum(answer.mark.lenient == Grade.CORRECT for answer in answers)
    return Selected(right, len(problems), ledger.tokens_sampled, ledger.seconds)


def thinking_of(answers: Sequence[Answer], style: Style) -> ThinkingEnds | None:
    """Count the answers whose thinking did not end, and those of them that the limit cut."""
    if style.thinking is None:
        return None
    drawn = [pair for a in answers for pair in zip(a.texts, a.stops, strict=True)]
    endless = [stop for text, stop in drawn if style.answer(text) is None]
    return ThinkingEnds(len(drawn), len(endless), endless.count("length"))


def _retention(
    plan: Plan, trial: Trial, method: Method, solver: Solver, unmarked: Unmarked
) -> dict[str, tuple[bool, ...]]:
    """Score the nudged model, greedy and in each retained task's default style."""
    retain = trial.scope.retain
    if not method.changes_model or _is_control(trial) or retain is None:
        return {}
    retained: dict[str, tuple[bool, ...]] = {}
    for name in retain.tasks:
        task = resolve_task(name)
        sheet = limited(task.sheet, plan)
        styles, _ = closed_list(solver.model, sheet, own=plan.own_style, instruction=False)
        door = Judge.bare(task, sheet, styles[0])
        plain = Solver(solver.model, Nudge(styles[0]), door)
        scope = replace(trial.scope, test=retained_size(task, retain.test))
        problems = problems_of(task, "test", scope)
        hidden = [problem.hidden() for problem in problems]
        solved = plain.solve(hidden, stream="retain", ledger=Ledger())
        asked = [(p, [given.text]) for p, given in zip(problems, solved, strict=True)]
        marks = unmarked.marks(task, asked, styles[0])
        retained[name] = tuple(mark.lenient == Grade.CORRECT for (mark,) in marks)
    return retained


def _scores_text(trial: Trial) -> bool:
    """Say whether a trial is to score the held-out text: the text itself is in its identity."""
    return bool(trial.scope.text) and not _is_control(trial)


def _is_control(trial: Trial) -> bool:
    """Say whether a trial is a control; an arm with other settings is none, and may do damage."""
    return trial.is_twin or bool(trial.control and not trial.control.startswith(WITH))
