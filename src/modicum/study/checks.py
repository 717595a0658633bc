"""What must hold of a plan before any weights load."""

from collections.abc import Mapping

from modicum.catalog import read_settings
from modicum.errors import AccessError, ConfigError, JudgeError
from modicum.method import METHODS, Method
from modicum.model import Backend, plugin_of, resolve_backend
from modicum.stats.written import count
from modicum.study.plan import NOTHING, Grid, Plan
from modicum.study.problem_sets import most_shots, retained_size
from modicum.task import Task, resolve_task
from modicum.types import Access, Grade, Split, Supervision

__all__ = ["check_golds", "check_plan"]

_ROLES: tuple[Split, ...] = ("shots", "selection", "test")
_SHOWN: Mapping[Supervision, str] = {
    Supervision.QUESTION: "questions",
    Supervision.ANSWER: "answers",
    Supervision.SOLUTION: "worked solutions",
    Supervision.CRITIQUE: "critiques",
}
"""What shots reveal, in words."""
_ACCESS: Mapping[Access, str] = {
    Access.TEXT: "text",
    Access.LOGPROBS: "log-probabilities",
    Access.ACTIVATIONS: "activations",
    Access.WEIGHTS: "weights",
}
"""What a model offers, in words."""
GOLDS = 40
"""Golds of each role that are put before their own marker, where the problems lie in a file."""
GOLDS_MADE = 2
"""The same where problems are made on the spot, which may take long."""


def check_plan(plan: Plan) -> None:
    """Refuse, before any weights load, what cannot work.

    Raises:
        UnknownNameError: unknown model, task, method or setting.
        AccessError: a method that needs more access than a model offers.
        ConfigError: more shots than exist, or shots that reveal too little.
    """
    _check_own(plan)
    for name in plan.settings:
        _check_server(plan.method(name))
    for grid in plan.grids:
        tasks = [resolve_task(task) for task in grid.tasks]
        models = [*grid.models, *([grid.twin] if grid.twin else [])]
        backends = [(reference, resolve_backend(reference)) for reference in models]
        for reference, backend in backends:
            for name, task in zip(grid.tasks, tasks, strict=True):
                _check_boards(reference, backend, name, task)
        for name in grid.methods:
            method = plan.method(name)
            method.check()
            _check_server(method)
            for reference, backend in backends:
                _check_access(name, method, reference, backend)
            for reference, task in zip(grid.tasks, tasks, strict=True):
                _check_shots(name, method, reference, task, grid)
        _check_arms(plan, grid)
        for reference, task in zip(grid.tasks, tasks, strict=True):
            _check_split(reference, task, "test", plan.test, "--test")
            _check_split(reference, task, "selection", plan.choosing, "--selection")
            check_golds(reference, task, plan.selection)
    _check_reference(plan)
    _check_retained(plan)
    _check_probes(plan)
    _check_ready(plan)
    for subject in plan.subjects():
        subject.asides()  # builds every setting


def _check_own(plan: Plan) -> None:
    """Refuse to fix a prompt that is not there; an exported nudge brings its own."""
    models = {model for grid in plan.grids for model in grid.models}
    if plan.styles != "own" or plan.own_style or {plugin_of(m)[0] for m in models} == {"export"}:
        return
    raise ConfigError(
        "styles = own without a prompt of your own",
        "a prompt that stays as it is",
        "give it as --template FILE or --system FILE",
    )


def _check_ready(plan: Plan) -> None:
    """Ask what the models need: a server whether it is there and gives what will be asked of it."""
    named = [m for g in plan.grids for m in (*g.models, g.twin)]
    named += [trial.model for subject in plan.subjects() for trial in subject.probed()]
    for reference in dict.fromkeys(filter(None, (*named, plan.reference))):
        resolve_backend(reference).ready()
    for grid in plan.grids:
        most = _most_branches(plan, grid)
        for reference in dict.fromkeys(filter(None, (*grid.models, grid.twin))) if most else ():
            resolve_backend(reference).ready_for(most)


def _check_server(method: Method) -> None:
    """Refuse a server that cannot be asked, before its address stands in a frozen plan."""
    server = getattr(method, "server", "")
    if server:
        resolve_backend(str(server))


def _check_reference(plan: Plan) -> None:
    if not plan.reference:
        return
    resolve_backend(plan.reference)
    if all(subject.model == plan.reference for subject in plan.subjects()):
        raise ConfigError(
            f"--reference {plan.reference!r}, the very model under study",
            "a second model",
            "name another model, such as a reasoning model, or drop --reference",
        )


def check_golds(reference: str, task: Task, most: int = GOLDS) -> None:
    """Refuse a task whose golds do not pass its own marker, or whose roles share a question.

    Each gold is written in the task's exact format; it must be correct in both readings.

    Args:
        reference: The task, for the message.
        task: What is looked at: a sample of each role.
        most: Most problems of a role.

    Raises:
        ConfigError: a gold that is not correct leniently and strictly, with its line; a marker
            that fails; or a question that stands in two roles.
    """
    sizes = task.sheet.available
    asked: dict[str, Split] = {}
    for split in _ROLES:
        n = min(most, GOLDS, sizes[split]) if split in sizes else min(most, GOLDS_MADE)
        for problem in task.problems(split, n):
            if asked.setdefault(problem.question, split) != split:
                raise ConfigError(
                    f"{task.origin(problem)} of {reference}: its question is in "
                    f"{asked[problem.question]} and in {split}",
                    "shots, selection and test without common questions",
                    task.instead or "fix the task: never test on problems that were learned from",
                )
            said = task.stated(problem)
            if not (problem.answer and said):
                continue  # nothing to go by: a task without golds, a format that cannot be written
            try:
                mark = task.mark(problem, said)
            except JudgeError as error:
                raise ConfigError(
                    f"{task.origin(problem)} of {reference}: its marker failed: {error}",
                    "a marker that runs",
                    "fix it, or choose another --marker",
                ) from error
            if (mark.lenient, mark.strict) != (Grade.CORRECT, Grade.CORRECT):
                raise ConfigError(
                    f"{task.origin(problem)} of {reference}: its own marker calls {said[-80:]!r} "
                    f"{mark.lenient.name.lower()} (lenient) and {mark.strict.name.lower()} (strict)",
                    f"a marker that accepts the gold answer {problem.answer!r:.80}",
                    "correct the gold answer, or choose another --marker",
                )


def _check_retained(plan: Plan) -> None:
    if NOTHING in plan.retain and len(plan.retain) > 1:
        raise ConfigError(
            f"--retain {', '.join(plan.retain)}",
            f"{NOTHING} by itself, or tasks",
            f"drop {NOTHING}",
        )
    names = {name for subject in plan.subjects() for name in subject.retain()}
    for name in sorted(names):
        task = resolve_task(name)
        if not retained_size(task, plan.retain_test):
            raise ConfigError(
                f"retained task {name!r} without test problems",
                "at least 1",
                "drop it from --retain",
            )
        check_golds(name, task, plan.retain_test)


def _check_probes(plan: Plan) -> None:
    """Refuse probes whose trials cannot run: their tasks, models and methods are looked at as others."""
    trials = {t.id: t for subject in plan.subjects() for t in subject.probed()}.values()
    for reference, n in {t.task: t.scope.size("test") for t in trials}.items():
        task = resolve_task(reference)
        _check_split(reference, task, "test", n, "--test")
        check_golds(reference, task)
    for trial in {(t.method, t.model): t for t in trials}.values():
        backend = resolve_backend(trial.model)
        _check_access(trial.method, plan.method(trial.method), trial.model, backend)


def _check_boards(model: str, backend: Backend, reference: str, task: Task) -> None:
    """Refuse a model that reads the boards of one task alone and is asked another."""
    own = backend.boards
    if not own or resolve_task(own).puzzle == task.puzzle:
        return
    raise AccessError(
        f"model {model!r}, which reads the boards of {own!r} alone, on {reference!r}",
        "a task with the boards that the model was made for",
        f"give --task {own!r}, or another model",
    )


def _check_access(name: str, method: Method, reference: str, backend: Backend) -> None:
    if method.kind == "scratch" and not backend.is_new:
        new = (backend.boards or "sudoku").replace("&", "%26")
        kind = plugin_of(reference)[0] if backend.boards else "recursive"
        why = "was trained before" if backend.boards else "is no net that reads boards"
        raise AccessError(
            f"method {name!r} on model {reference!r}, which {why}",
            "a net that has learned nothing yet",
            f"give --model '{kind}:new?task={new}', or leave the method out",
        )
    if method.needs.language and not backend.speaks:
        raise AccessError(
            f"method {name!r} on model {reference!r}, which knows no language",
            "a language model: the method tells it something in words",
            "leave the method out; self_consistency asks for nothing but answers",
        )
    if method.needs.access > backend.access:
        raise AccessError(
            f"{name} needs {_ACCESS[method.needs.access]}, but model {reference!r} gives "
            f"{_ACCESS[backend.access]} only",
            f"a model that gives its {_ACCESS[method.needs.access]}",
            _for_more(method, backend),
        )


def _for_more(method: Method, backend: Backend) -> str:
    """Say how a model would offer what a method needs."""
    weights = "drop the method, or use a model with weights (a folder or hub id)"
    if method.needs.access > Access.LOGPROBS or not backend.more_access:
        return weights
    return f"{backend.more_access}, {weights}"


def _for_less(method: Method, task: Task) -> str:
    """Say what to do where the problems show less than a method needs."""
    if method.supervision == Supervision.SOLUTION:
        column = ", or name the column of the solutions (--solution COLUMN)"
        instead = "use rejection_tuning, which needs answers only"
        return (instead if task.sheet.supervision >= Supervision.ANSWER else "add answers") + column
    if method.supervision == Supervision.ANSWER:
        return "add answers (--answer COLUMN), or use methods without labels, such as cot_decoding"
    return "add them, or use fine_tune, which needs worked solutions only"


def _most_branches(plan: Plan, grid: Grid) -> int:
    """Return the most first tokens that a method of a grid, or an arm of one, branches at."""
    built = [plan.method(name) for name in grid.methods]
    for name, own in map(read_settings, grid.arms):
        arm = METHODS.build(name, {**plan.settings.get(name, {}), **own})
        built += [arm] if isinstance(arm, Method) else []
    return max((method.answering.first_tokens for method in built), default=0)


def _check_shots(name: str, method: Method, reference: str, task: Task, grid: Grid) -> None:
    if not method.has_budgets:
        return
    if method.supervision > task.sheet.supervision:
        raise ConfigError(
            f"{name} needs {_SHOWN[method.supervision]}, but {reference!r} has "
            f"{_SHOWN[task.sheet.supervision]} only",
            f"problems with {_SHOWN[method.supervision]}",
            _for_less(method, task),
        )
    budgets = (*grid.shots, *grid.twin_shots)
    if min(budgets) < 1:
        raise ConfigError(
            "--shots with a number below 1", "at least 1 shot", "remove it from --shots"
        )
    exist = most_shots(task, method)
    # what it picks from and watches among them, and what it is asked without labels
    most = max(method.shown(n) + method.texts(n) for n in budgets)
    if most > exist:
        raise ConfigError(
            f"{count(most, 'shot')} of task {reference!r}",
            f"at most {exist}",
            "lower --shots",
        )


def _check_arms(plan: Plan, grid: Grid) -> None:
    """Build every arm with other settings, and look whether its shots exist."""
    for name, own in map(read_settings, grid.arms):
        if name not in grid.methods:
            raise ConfigError(
                f"a variant of {name!r}, which is not among the methods of this grid",
                f"one of {', '.join(grid.methods)}",
                "add it to methods, or remove the variant",
            )
        method = METHODS.build(name, {**plan.settings.get(name, {}), **own})
        if isinstance(method, Method):
            _check_server(method)
            for reference in grid.tasks:
                _check_shots(name, method, reference, resolve_task(reference), grid)


def _check_split(reference: str, task: Task, split: str, wanted: int, option: str) -> None:
    exist = task.sheet.available.get(split)
    if exist is not None and wanted > exist:
        raise ConfigError(
            f"{count(wanted, f'{split} problem')} of task {reference!r}",
            f"at most {exist}",
            f"lower {option}, or add problems",
        )
