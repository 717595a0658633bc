"""What compression removes from the style organisms' answers, and how much sooner they are there.

python -m benchmarks.compression [--json] [--widths 64,96] [--problems 1000] [--pairs 50] [--rounds 3]

For each width a vector is made from shots of the first family (a `compression` rung as it stands) and
answers test problems of both families. Tokens and accuracy stand beside the plain model's and
beside the model's own terse form, asked for by its instruction. Clock and processor seconds compare
plain and nudged answers to the same problems, taken in turn.
"""

import argparse
import time
from dataclasses import replace

import numpy as np

from benchmarks import Figure, Report
from modicum.bench import Bench
from modicum.ledger import Ledger
from modicum.marking.judge import Judge
from modicum.method import METHODS, Method
from modicum.model import resolve_backend
from modicum.nudge import Nudge, Solver
from modicum.organism.style import SHORT, STYLE_FAMILIES
from modicum.seeds import stream
from modicum.stats import Floats, equivalence
from modicum.study.styles import closed_list
from modicum.task import Task, resolve_task
from modicum.types import Grade, Problem, Style
from modicum.whitebox import WhiteBox, need_whitebox

MARGIN = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--widths", default="64,96")
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=50, help="shots; each gives at most one pair")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs-from", default="own", help="setting `pairs` of the method")
    given = parser.parse_args()
    report = Report(threads=1)
    for width in given.widths.split(","):
        model = need_whitebox(resolve_backend(f"organism-style-{width}").open(), "compression")
        solver, figures = elicited(model, given.pairs, given.pairs_from)
        report.figures += [replace(f, name=f"width {width}, {f.name}") for f in figures]
        for name in STYLE_FAMILIES:
            task = resolve_task(f"{name}?asks=length")
            for f in compared(model, solver, task, given.problems, given.rounds):
                report.figures.append(replace(f, name=f"width {width}, {name}: {f.name}"))
    report.show(as_json=given.json)


def elicited(model: WhiteBox, n: int, pairs: str) -> tuple[Solver, list[Figure]]:
    """Return the nudged solver of the first family, and what its making chose and cost."""
    task = resolve_task(f"{STYLE_FAMILIES[0]}?asks=length")
    shots = task.problems("shots", n)
    ledger, style = Ledger(), style_of(model, task)
    judge = Judge(task, task.sheet, {s.id: s for s in shots}, style, (style,), ledger)
    method = METHODS.build("compression", {"pairs": pairs, "samples": 16})
    if not isinstance(method, Method):
        raise TypeError(method)
    nudge = method.elicit(Bench("compression", model, judge, stream("compression")))
    chosen = nudge.facts["chosen"]
    values = {
        "pairs found": nudge.facts["pairs"],
        "layer": chosen["layer"],  # type: ignore[index]
        "divergence measured, nats a token": chosen["kl"],  # type: ignore[index]
        "its closed-form bound": chosen["bound"],  # type: ignore[index]
        "dose": chosen["dose"],  # type: ignore[index]
        "dose that the bound allows": chosen["bound_dose"],  # type: ignore[index]
        "cosine of the pairs": nudge.facts["cosine"],
        "judge calls of eliciting": ledger.judge_calls,
        "tokens sampled in eliciting": ledger.tokens_sampled,
    }
    return Solver.of(model, nudge, judge), [
        Figure.of_value(name, float(f"{float(str(value)):.4g}"), goal=None)
        for name, value in values.items()
    ]


def compared(model: WhiteBox, solver: Solver, task: Task, n: int, rounds: int) -> list[Figure]:
    """Return tokens, accuracy and seconds of the nudged solver beside the plain model's."""
    problems = task.problems("test", n)
    style = style_of(model, task)
    judge = Judge.bare(task, task.sheet, style)
    plain = Solver.of(model, Nudge(style), judge)
    nudged = replace(solver, nudge=replace(solver.nudge, style=style), judge=judge)
    asked = Style("short", f"{style.template} {SHORT}")
    reads: dict[str, tuple[Floats, Floats]] = {}
    spent: dict[str, list[tuple[float, float]]] = {"plain": [], "nudged": []}
    for _ in range(rounds):
        for name, one in (("plain", plain), ("nudged", nudged)):
            start, busy = time.perf_counter(), time.process_time()
            solved = one.solve([p.hidden() for p in problems], stream="bench", ledger=Ledger())
            spent[name].append((time.perf_counter() - start, time.process_time() - busy))
            reads[name] = read(task, problems, solved)
    terse = read(
        task,
        problems,
        Solver.of(model, Nudge(asked), judge).solve(
            [p.hidden() for p in problems], stream="bench", ledger=Ledger()
        ),
    )
    (right, tokens), (right_after, tokens_after) = reads["plain"], reads["nudged"]
    possible, saved = tokens.mean() - terse[1].mean(), tokens.mean() - tokens_after.mean()
    equal = equivalence(right_after, right, margin=MARGIN)
    note = f"90 % interval [{equal.difference.low:+.4f}, {equal.difference.high:+.4f}]"
    lengths = f"{tokens.mean():.1f} -> {tokens_after.mean():.1f}, terse form {terse[1].mean():.1f}"
    return [
        Figure.of_value(
            "tokens removed of verbose - terse", saved / possible, goal=0.9, note=lengths
        ),
        Figure.of_value("tokens saved, share", saved / tokens.mean(), goal=0.67),
        Figure.of_value("accuracy, plain", right.mean(), goal=None),
        Figure.of_value("accuracy, nudged", right_after.mean(), goal=None),
        Figure.of_value("accuracy equal within .02", float(equal.is_equivalent), goal=1, note=note),
        *(
            Figure.of_rounds(
                f"{kind} seconds, plain over nudged",
                [both[place] for both in spent["plain"]],
                [both[place] for both in spent["nudged"]],
                goal=2.5,
            )
            for place, kind in enumerate(("clock", "processor"))
        ),
    ]


def read(task: Task, problems: tuple[Problem, ...], solved: list) -> tuple[Floats, Floats]:  # type: ignore[type-arg]
    """Return correctness and tokens of each answer."""
    right = [
        task.mark(p, s.text).lenient == Grade.CORRECT for p, s in zip(problems, solved, strict=True)
    ]
    tokens = [s.completions[s.chosen].n_tokens for s in solved]
    return np.array(right, dtype=np.float64), np.array(tokens, dtype=np.float64)


def style_of(model: WhiteBox, task: Task) -> Style:
    """Return the style in which the model is asked by default."""
    return closed_list(model, task.sheet, own=None, instruction=False)[0][0]


if __name__ == "__main__":
    main()
