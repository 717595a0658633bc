"""The questions without labels that a method is shown, and the prompts that they can be asked in."""

from dataclasses import replace

from modicum.bench import Bench
from modicum.method import Method
from modicum.model import Model
from modicum.study.plan import Plan
from modicum.study.problem_sets import shots_of
from modicum.study.styles import closed_list
from modicum.task import Task
from modicum.types import Trial

__all__ = ["with_questions"]


def with_questions(
    bench: Bench[Model], plan: Plan, trial: Trial, task: Task, method: Method
) -> Bench[Model]:
    """Return the bench with the questions that a method is shown without labels: those after its shots.

    With them come the plain prompts that they can be asked in; both are counted where there are any.
    """
    n = method.texts(trial.n_shots)
    if not n:
        return bench
    shown = method.shown(trial.n_shots)
    plain = replace(trial, control="", n_shots=trial.n_shots or 1)
    found = shots_of(plain, task, shown + n)[shown:]
    texts = tuple(replace(problem.hidden(), split=method.needs.split) for problem in found)
    prompts, _ = closed_list(bench.model, bench.sheet, own=plan.own_style, instruction=True)
    language = bench.model.language
    tokens = 0 if language is None else sum(language.count_tokens(p.question) for p in texts)
    bench.ledger.read_unlabelled(len(texts), tokens)
    return replace(bench, texts=texts, prompts=prompts)
