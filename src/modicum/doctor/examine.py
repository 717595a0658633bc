"""Draws the 64 answers and gathers what the doctor looks at; nothing here judges."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from modicum.doctor.exam import Exam, ExamAnswer, Golds, Memory, Prompts, Rung
from modicum.doctor.files import refuse_long
from modicum.errors import ConfigError, EndpointError
from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.marking.marks import Unmarked, mark_safely
from modicum.model import Backend, Language, Model, render, resolve_backend
from modicum.nudge import Direct, Nudge, Solver
from modicum.scope import Scope
from modicum.study.completing import QUESTIONS, completed
from modicum.study.forecast import draws
from modicum.study.grid import MEASURES
from modicum.study.plan import Plan, Subject
from modicum.study.problem_sets import POOL, problems_of
from modicum.study.speed import Speed, seconds_of, speed_of
from modicum.study.styles import closed_list
from modicum.study.trial import limited
from modicum.tables.table import Table
from modicum.task import Scrambled, Sheet, Task, resolve_task
from modicum.types import Access, Grade, Problem, Solved, Split, Style, Trial

__all__ = ["PROBLEMS", "SAMPLES", "examine", "memory_needed"]

PROBLEMS, SAMPLES = 16, 4
"""Problems, and samples of each at temperature 1: 64 answers besides the greedy ones."""
MOST_GOLDS = 64
"""Golds of a split that are held against their marker."""
DRESSES = (
    "{gold}",
    "Answer: {gold}",
    "Answer {gold}",
    "The answer is {gold}.",
    "#### {gold}",
    "\\boxed{{{gold}}}",
    "<answer>{gold}</answer>",
)
"""Ways in which answers are commonly written; a marker takes one of them at least."""
ROWS = 64
"""Completions in flight that memory is counted for, unless the model's settings say."""
CHARACTERS = 3.0
"""Characters a token, low on purpose: prompts count for more tokens than they may have."""


def examine(subject: Subject, task: Task, model: Model, ledger: Ledger) -> Exam:
    """Ask a model a few problems of the selection split and gathers the rest.

    Golds are read of the shots and selection splits alone and counted as labels in the ledger.

    Args:
        subject: What the study is about.
        task: Its task.
        model: Its loaded model.
        ledger: Counts what the examination itself costs.

    Raises:
        ConfigError: a question that fills the model's context, with its line.
    """
    plan = subject.plan
    sheet = limited(task.sheet, plan)
    splits = _splits(task, sheet, plan)
    refuse_long(model, task, sheet, splits)
    styles, skipped = closed_list(
        model,
        sheet,
        own=plan.own_style,
        instruction=plan.styles == "all",
        is_fixed=plan.styles == "own",
    )
    if not styles:
        raise ConfigError(
            f"{subject.model} cannot write the prompts of {subject.task}: its tokenizer lacks "
            f"their characters or words ({', '.join(skipped)})",
            "a model that can read the questions",
            "take another model, or give a prompt of your own that it can write (--template)",
        )
    problems = splits["selection"][:PROBLEMS]
    with ledger.timed():
        style, asked, unmarked, warm = _ask(model, task, sheet, problems, styles, ledger)
        known = completed(model, splits["test"][:QUESTIONS], ledger)
        scores = _scores(model, subject, asked)
    drawn = [c for a in asked for c in (a.greedy, *a.samples)]
    speed = speed_of(drawn, warm, len(problems))
    golds = _golds(task, splits)
    ledger.labels += len(golds.problems)
    return Exam(
        model=model.card,
        task=subject.task,
        sheet=sheet,
        prompts=_prompts(model, plan, style, skipped, problems),
        asked=asked,
        unmarked=(unmarked.texts, unmarked.first),
        golds=golds,
        splits=splits,
        completed=known,
        scores=scores,
        rungs=_rungs(subject, speed),
        speed=speed,
        test=plan.test,
        margin=plan.margin,
        is_new=resolve_backend(subject.model).is_new,
    )


def memory_needed(subject: Subject, backend: Backend) -> Memory | None:
    """Return what weights and caches will take, from the model's files; None where they do not say."""
    footprint = backend.footprint()
    if footprint is None:
        return None
    plan, task = subject.plan, resolve_task(subject.task)
    longest = max(len(p.question) for p in task.problems("selection", 1)) / CHARACTERS
    tokens = int(longest) + limited(task.sheet, plan).max_new_tokens
    rows = int(getattr(backend, "rows", None) or ROWS)
    rungs = subject.rungs()
    is_tuned = any(plan.method(trial.method).changes_model for trial in rungs)
    is_whole = any(trial.settings.get("parameters") == "full" for trial in rungs)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cache = rows * tokens * footprint.cache_bytes
    training = footprint.training_bytes * is_whole
    return Memory(footprint.weight_bytes, cache, 1 + is_tuned, machine, training)


def _splits(task: Task, sheet: Sheet, plan: Plan) -> dict[Split, tuple[Problem, ...]]:
    """Return the problems of each split as the study will see them; the test's without golds."""

    def exist(split: str, wanted: int) -> int:
        return min(wanted, sheet.available.get(split, wanted))

    tuned = [g for g in plan.grids if any(plan.method(name).has_budgets for name in g.methods)]
    most = max((n for grid in tuned for n in grid.shots), default=0)
    shots = exist("shots", max(POOL, most) if most else PROBLEMS)
    selection = exist("selection", max(plan.selection, PROBLEMS))
    scope = Scope(test=exist("test", plan.test), stream=plan.stream)
    test = problems_of(task, "test", scope)
    return {
        "shots": task.problems("shots", shots),
        "selection": task.problems("selection", selection),
        "test": tuple(problem.hidden() for problem in test),
    }


def _ask(
    model: Model,
    task: Task,
    sheet: Sheet,
    problems: Sequence[Problem],
    styles: Sequence[Style],
    ledger: Ledger,
) -> tuple[Style, tuple[ExamAnswer, ...], Unmarked, Ledger]:
    """Ask greedily in the default style and the task's own, and sample in the better one.

    The last value is what the samples took: the first answers warm the machine up.

    The floor will be the best of the whole list, so a default style in which nothing ends is no
    fault of the study where another one serves.
    """
    triggers = [style for style in styles[1:] if style in sheet.triggers]
    wanted = [styles[0], *(triggers if styles[0].name != "own" else [])]
    tries = [_drawn(model, Judge.bare(task, sheet, style), problems, 1, ledger) for style in wanted]
    ranks, greedy = [], []
    for style, drawn in zip(wanted, tries, strict=True):
        texts = [(p, [solved.text]) for p, solved in zip(problems, drawn, strict=True)]
        greedy.append(Unmarked().marks(task, texts, style))
        right = [mark.lenient == Grade.CORRECT for (mark,) in greedy[-1]]
        cut = [solved.completions[0].stop == "length" for solved in drawn]
        ranks.append((sum(right), -sum(cut)))
    best = ranks.index(max(ranks))
    style = wanted[best]
    before, start = (ledger.tokens_prompt, ledger.tokens_sampled), time.perf_counter()
    sampled = _drawn(model, Judge.bare(task, sheet, style), problems, SAMPLES, ledger)
    warm = Ledger(
        tokens_prompt=ledger.tokens_prompt - before[0],
        tokens_sampled=ledger.tokens_sampled - before[1],
        seconds=time.perf_counter() - start,
    )
    unmarked, pairs = Unmarked(), zip(problems, tries[best], sampled, strict=True)
    texts = [(p, [g.text, *(c.text for c in drawn.completions)]) for p, g, drawn in pairs]
    marks = unmarked.marks(task, texts, style)
    asked = tuple(
        ExamAnswer(
            problem,
            render(model, style, problem.question),
            said.completions[0],
            own,
            samples.completions,
            tuple(others),
        )
        for problem, said, samples, (own, *others) in zip(
            problems, tries[best], sampled, marks, strict=True
        )
    )
    return style, asked, unmarked, warm


def _drawn(
    model: Model,
    judge: Judge,
    problems: Sequence[Problem],
    n: int,
    ledger: Ledger,
) -> list[Solved]:
    nudge = Nudge(judge.style, Direct(n, 1.0 if n > 1 else 0.0))
    asked = [replace(p.hidden(), split="selection") for p in problems]
    return Solver.of(model, nudge, judge).solve(asked, stream="doctor", ledger=ledger)


def _scores(model: Model, subject: Subject, asked: Sequence[ExamAnswer]) -> tuple[float, ...]:
    """Return the log-probability of two of its own answers, where the model gives any."""
    spoken = [a for a in asked if a.greedy.text][:2]
    if resolve_backend(subject.model).access < Access.LOGPROBS or not spoken:
        return ()
    try:
        return tuple(model.logprob([a.prompt for a in spoken], [a.greedy.text for a in spoken]))
    except EndpointError:  # a server may give log-probabilities, and none of texts it is handed
        return ()


def _golds(task: Task, splits: Mapping[Split, tuple[Problem, ...]]) -> Golds:
    """Holds golds against their marker, in every usual dress and as another problem's."""
    problems = (*splits["selection"][:MOST_GOLDS], *splits["shots"][:MOST_GOLDS])
    rejected, strangers, compared = [], 0, 0
    for problem, other in zip(problems, (*problems[1:], *problems[:1]), strict=True):
        worked = [problem.solution] if problem.solution else []
        dressed = [dress.format(gold=problem.answer) for dress in DRESSES]
        taken = next(
            (i for i, text in enumerate([*worked, *dressed]) if _accepts(task, problem, text)), None
        )
        if taken is None or not problem.answer.strip():
            rejected.append(problem)
        elif _differs(problem.answer, other.answer):
            i = taken - len(worked)
            strange = other.solution or "" if i < 0 else DRESSES[i].format(gold=other.answer)
            compared += 1
            strangers += _accepts(task, problem, strange)
    inner = task.task if isinstance(task, Scrambled) else task
    marker = inner.reading.marker if isinstance(inner, Table) else ""
    return Golds(problems, tuple(rejected), strangers, compared, marker)


def _accepts(task: Task, problem: Problem, text: str) -> bool:
    return mark_safely(task, problem, text).lenient == Grade.CORRECT


def _differs(one: str, other: str) -> bool:
    return one.strip().casefold() != other.strip().casefold()


def _prompts(
    model: Model,
    plan: Plan,
    style: Style,
    skipped: tuple[str, ...],
    problems: Sequence[Problem],
) -> Prompts:
    """Look at the way from question to tokens, as far as the model lets one look."""
    tokenizer = getattr(model, "tokenizer", None)
    language = model.language or Language()
    lost = tuple(p.question for p in problems if not language.can_encode(p.question))
    return Prompts(
        style=style,
        own=plan.own_style,
        skipped=skipped,
        has_chat=language.chat(None, "?") is not None,
        doubled=_doubled(model, tokenizer, render(model, style, problems[0].question)),
        unencodable=lost,
        lacks_end=tokenizer is not None and getattr(tokenizer, "eos_token_id", 0) is None,
    )


def _doubled(model: Model, tokenizer: Any, prompt: str) -> str:  # noqa: ANN401 - any tokenizer
    """Return the beginning token's text where the prompt's tokens begin with it twice."""
    encode = getattr(model, "encode", None)
    first = getattr(tokenizer, "bos_token_id", None)
    if encode is None or first is None or list(encode(prompt)[:2]) != [first, first]:
        return ""
    return str(tokenizer.bos_token)


def _rungs(subject: Subject, speed: Speed | None) -> tuple[Rung, ...]:
    """Estimate the time of each trial from the answers' lengths and the speed so far."""
    if speed is None:
        return ()
    plan, rungs = subject.plan, []
    for trial in _subject_trials(subject):
        own = plan.method(trial.method)
        learns = own.changes_model and own.draws(1) > 0
        rungs.append(Rung(_name(trial), seconds_of(draws(plan, trial), trial, speed), learns))
    return tuple(rungs)


def _subject_trials(subject: Subject) -> list[Trial]:
    trials = [*subject.measures(), *subject.rungs(), *subject.twins()]
    return list({trial.id: trial for trial in trials}.values())


def _name(trial: Trial) -> str:
    if trial.method in MEASURES:
        return "floor and ceiling"
    return trial.method
