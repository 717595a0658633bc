"""A study of over 200,000 stored completions: seconds until a run goes on, and until its report.

python -m benchmarks.store [--json] [--rounds N] [--folder DIR]

The default study's own grid, every trial filled with made-up answers of some 300 characters; no
model runs. There is no peer, so that a figure is seconds and its goal the most it may take. Each
command is a process of its own, from its start to its end.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from benchmarks import Figure, Report
from modicum.ledger import Ledger
from modicum.model import ModelCard
from modicum.outcome import Styles
from modicum.running.runner import planned
from modicum.seeds import stream
from modicum.store.database import Answer, Outcome, Store
from modicum.study.plan import Plan, read_plan
from modicum.task import resolve_task
from modicum.types import Grade, Mark, Problem, Style, Trial

WORDS = (
    "so",
    "then",
    "add",
    "carry",
    "take",
    "from",
    "next",
    "digit",
    "keep",
    "what",
    "is",
    "left",
)
"""What made-up answers are made of."""
LENGTH = 300
"""Characters of a made-up answer, about."""
MOST = 200_000
"""Completions that must be there, or the seconds say nothing."""
DRAWS = ("samples", "k", "n")
"""Settings that say how many answers a method draws a problem."""


@dataclass(frozen=True)
class Took:
    """What a command took; on a machine that others share its processor seconds say more."""

    wall: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the study there; reused where it exists")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        folder = given.folder or Path(spare) / "study"
        if not (folder / "study.sqlite").exists():
            fill(folder, default_plan())
        report = Report(threads=1)
        measure(folder, given.rounds, report)
    report.show(as_json=given.json)


def default_plan() -> Plan:
    """Return the grid that `modicum run` runs when nothing is said."""
    with resources.as_file(resources.files("modicum") / "studies" / "organism.toml") as path:
        return read_plan(path)


def fill(folder: Path, plan: Plan) -> int:
    """Write a made-up outcome for every trial of a plan; gives the number of completions."""
    store, drawn = Store(folder), 0
    store.freeze(plan.as_dict())
    problems = {
        task: resolve_task(task).problems("test", plan.test)
        for task in {trial.task for trial in plan.trials()}
    }
    for trial in plan.trials():
        outcome = made_up(trial, problems[trial.task])
        drawn += sum(len(answer.texts) for answer in outcome.answers)
        store.write(outcome)
    store.close()
    return drawn


def made_up(trial: Trial, problems: tuple[Problem, ...]) -> Outcome:
    """Return an outcome as a model would leave it: long texts, right at a rate of the method's."""
    rng = stream("benchmark", trial.id)
    n = next((int(str(trial.settings[name])) for name in DRAWS if name in trial.settings), 1)
    n = 1 if "rank" in trial.settings else n
    rate = {"plain": 0.1 if n > 1 else 0.03, "prompt_style": 0.05}.get(trial.method, 0.8)
    rate = 0.0 if trial.task.startswith("scrambled:") or trial.control else rate
    golds = [problem.answer for problem in problems]
    answers = []
    for problem in problems:
        said = [str(golds[i]) for i in rng.integers(len(golds), size=n)]
        is_right = rng.random(n) < rate
        said = [problem.answer if ok else text for ok, text in zip(is_right, said, strict=True)]
        grades = [Grade(int(text == problem.answer)) for text in said]
        answers.append(
            Answer(
                problem.id,
                tuple(f"{filler(rng)} Answer {text}" for text in said),
                tuple(Mark(text, g, g) for text, g in zip(said, grades, strict=True)),
                0,
                tuple(int(x) for x in rng.integers(40, 72, size=n)),
                tuple("eos" if x < 0.95 else "length" for x in rng.random(n)),
            )
        )
    spent = Ledger(labels=trial.n_shots, flops=1e9, seconds=2.0).as_dict()
    return Outcome(
        trial,
        tuple(answers),
        spent,
        Ledger(flops=1e7 * n * len(problems), seconds=1.0).as_dict(),
        card=ModelCard(trial.model, "0" * 16, 0, 0.0),
        asked_in=Style("raw", "{question}"),
        styles=Styles(("default", "raw")),
        artefact="" if trial.method == "plain" else f"artefacts/{trial.id}",
    )


def filler(rng: np.random.Generator) -> str:
    """Return some 300 characters of text."""
    return " ".join(WORDS[i] for i in rng.integers(len(WORDS), size=LENGTH // 5))


def measure(folder: Path, rounds: int, report: Report) -> None:
    """Time the commands that a person waits for, and add their seconds."""
    store = Store(folder)
    plan = Plan.thawed(store.plan or {})
    if not planned(plan, store) <= store.done():
        raise SystemExit(f"{folder} is not complete: `run` would run models; remove it")
    outcomes = (store.read(trial, texts=False) for trial in plan.trials())
    drawn = sum(len(a.marks) for outcome in outcomes if outcome for a in outcome.answers)
    store.close()
    report.figures.append(Figure.of_value("completions stored", float(drawn), goal=MOST))
    seconds("run", "--out", folder)  # the first run after a change of code judges anew
    resumed = [seconds("run", "--out", folder) for _ in range(rounds)]
    written = [seconds("report", folder) for _ in range(rounds)]
    judged = []
    for _ in range(rounds):
        store = Store(folder)
        store.write(store.by_id(plan.trials()[-1].id))  # type: ignore[arg-type]
        store.close()
        judged.append(seconds("report", folder))
    add(report, "seconds to the verdict of a resumed run", resumed, goal=3.0)
    add(report, "seconds to the report", written, goal=30.0)
    add(report, "seconds to the report, judged anew", judged, goal=30.0)


def add(report: Report, name: str, took: list[Took], *, goal: float) -> None:
    """Add the median of several seconds with their range, and beside it processor seconds."""
    walls = [one.wall for one in took]
    middle = statistics.median(walls)
    spread = (round(min(walls), 3), round(middle, 3), round(max(walls), 3))
    busy = statistics.median(one.cpu for one in took)
    note = f"at most; processor {busy:.2f} s"
    report.figures.append(Figure(name, round(middle, 3), 0.0, spread, goal, note))


def seconds(*arguments: object) -> Took:
    """Time one command, the start of Python included."""
    command = [sys.executable, "-m", "modicum", *map(str, arguments)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(wall, cpu)


if __name__ == "__main__":
    main()
