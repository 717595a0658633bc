"""From a study's stored outcomes to the sides of a comparison: a method, the floor, the one to ship."""

from collections.abc import Mapping, Sequence

import numpy as np

from modicum.analysis.comparison import Costs, Side
from modicum.analysis.gather import stack
from modicum.analysis.verdict import Verdict
from modicum.ledger import cost
from modicum.outcome import Outcome
from modicum.store.database import Store
from modicum.study.grid import MEASURES
from modicum.study.plan import Subject
from modicum.study.problem_sets import problems_of
from modicum.task import resolve_task
from modicum.types import PROMPT, Trial

__all__ = ["FLOOR", "PICK", "names_of_sides", "side_of"]

FLOOR = "floor"
"""Name of the model as asked plainly, in the floor's style."""
PICK = "pick"
"""Name of what the verdict says to ship; the floor where it ships none."""


def names_of_sides(subject: Subject, store: Store) -> tuple[str, ...]:
    """Return the names of what is finished of a subject: the floor and its methods, each with its budget."""
    done = store.done()
    floor = (FLOOR,) if subject.floor().id in done else ()
    return (
        *floor,
        *(name for name, trials in _rungs(subject).items() if any(t.id in done for t in trials)),
    )


def side_of(
    subject: Subject, store: Store, name: str, verdict: Verdict | None = None
) -> Side | None:
    """Return a side of a comparison, all finished seeds of it; None where nothing of it is finished.

    Args:
        subject: The model on the task.
        store: Where its outcomes are; texts are not read.
        name: One of `names_of_sides`, or `pick`.
        verdict: The subject's, which says what to ship; without it `pick` is the floor.
    """
    shipped = verdict.ship.name if verdict is not None and name == PICK else None
    wanted = shipped if shipped not in (None, PROMPT) else FLOOR if name == PICK else name
    trials = [subject.floor()] if wanted == FLOOR else _trials(_rungs(subject), wanted)
    read = [store.read(trial, texts=False) for trial in trials]
    outcomes = [o for o in read if o is not None and not o.error and o.answers]
    if not outcomes:
        return None
    outcomes = [o for o in outcomes if _problems(o) == _problems(outcomes[0])]
    asked = problems_of(resolve_task(subject.task), "test", subject.scope())
    known = {p.id: p.cluster for p in asked}
    names = _problems(outcomes[0])
    return Side(
        name=wanted if wanted == FLOOR else _name(trials[0]),
        model=subject.model,
        task=subject.task,
        problems=names,
        scores=stack(outcomes),
        clusters=tuple(known.get(problem, "") for problem in names),
        costs=_costs(outcomes, is_floor=wanted == FLOOR),
        questions={p.id: p.question for p in asked},
    )


def _trials(rungs: Mapping[str, list[Trial]], name: str) -> list[Trial]:
    """Return the trials of a method by its name; without a budget those of its largest one."""
    of_method = [trials for full, trials in rungs.items() if full.partition(" n=")[0] == name]
    largest = max(of_method, key=lambda trials: trials[0].n_shots, default=[])
    return rungs.get(name, largest)


def _rungs(subject: Subject) -> dict[str, list[Trial]]:
    """Return the trials of every method and budget on the studied model, seeds in their order."""
    found: dict[str, list[Trial]] = {}
    for trial in subject.rungs():
        if trial.control or trial.is_twin or trial.method in MEASURES:
            continue
        found.setdefault(_name(trial), []).append(trial)
    return found


def _name(trial: Trial) -> str:
    return f"{trial.method} n={trial.n_shots}" if trial.n_shots else trial.method


def _problems(outcome: Outcome) -> tuple[str, ...]:
    return tuple(answer.problem for answer in outcome.answers)


def _costs(outcomes: Sequence[Outcome], *, is_floor: bool) -> Costs:
    """Return what making it took (mean over seeds), and what an answer takes.

    The floor is asked plainly: the labels that chose its style are spent on measuring.
    """
    made = [o.elicitation for o in outcomes]
    served = [o.serving for o in outcomes]
    answers = len(outcomes[0].answers)
    return Costs(
        labels=0 if is_floor else int(made[0].get("labels", 0)),
        tokens=_mean(made, "tokens_sampled", "tokens_trained", "tokens_reused"),
        seconds=_mean(made, "seconds"),
        tokens_per_answer=_mean(served, "tokens_sampled", "tokens_reused") / answers,
        flops_per_answer=float(np.mean([cost(ledger) for ledger in served])) / answers,
    )


def _mean(ledgers: Sequence[Mapping[str, float]], *names: str) -> float:
    return float(np.mean([sum(ledger.get(name, 0.0) for name in names) for ledger in ledgers]))
