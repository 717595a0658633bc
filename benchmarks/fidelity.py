"""How near a model's answers in bfloat16 products stay to those in single precision.

python -m benchmarks.fidelity [--json] [--quick] [--model NAME] [--task NAME] [--answers N]
    [--forced N] [--threads N]

Greedy answers of up to 256 tokens in both formats: how many texts are equal, both accuracies, their
paired difference and whether it is equivalent to none within 5 points (two one-sided tests). 400
answers; 800 where the marks of more than 12 % differ, for which 400 would not suffice. Along the
single-precision answers to the first `--forced` problems, the divergence of the next token's
distribution. And other rows in flight, which must leave all but a few completions as they were.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks import Figure, Report
from benchmarks.real import DATA, PLAIN, opened, say
from benchmarks.sampling import flat
from modicum.ledger import Ledger
from modicum.model import render, resolve_backend
from modicum.nudge.dose import divergences
from modicum.sampling.linear import FastLinear
from modicum.sampling.local import Local
from modicum.sampling.whole import whole_logits
from modicum.stats import Equivalence, equivalence, proportion
from modicum.task import Task, resolve_task
from modicum.types import Completion, Grade, Problem, Request, Sampling, Style

ANSWERS, MORE = 400, 800
MOST_DIFFERING = 0.12
"""Share of marks that differ, above which more answers are needed."""
MARGIN, MOST_DIVERGENCE = 0.05, 0.01
OTHER_ROWS = 48
REQUESTS, SAMPLES = 8, 16
"""Problems and samples that are drawn again with other rows."""


@dataclass(frozen=True)
class Sides:
    """The same model in both formats, and what it is asked."""

    half: Local
    single: Local
    task: Task
    limit: int

    def asked(self, problems: Sequence[Problem], n: int = 1) -> list[Request]:
        """Return requests in the chat template."""
        style = Style("bench", PLAIN, chat=True)
        return [Request(render(self.single, style, p.question), p.id, n) for p in problems]

    def answers(self, model: Local, problems: Sequence[Problem]) -> list[Completion]:
        """Return greedy answers, with their tokens."""
        sampling = Sampling(self.limit, 0.0, stream="fidelity", ids=True)
        return flat(model.generate(self.asked(problems), sampling, Ledger()))

    def is_right(self, problem: Problem, answer: Completion) -> bool:
        """Say whether an answer is right, read leniently."""
        return self.task.mark(problem, answer.text).lenient == Grade.CORRECT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="16 answers of 48 tokens, 4 forced")
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--task", default=f"jsonl:{DATA}" if DATA.exists() else "gym:chain_sum")
    parser.add_argument("--answers", type=int)
    parser.add_argument("--forced", type=int)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    report = Report(threads=given.threads)
    half, single = (opened(given, dtype) for dtype in ("bfloat16", "float32"))
    sides = Sides(half, single, resolve_task(given.task), 48 if given.quick else 256)
    n = given.answers or (16 if given.quick else ANSWERS)
    most = max(n, MORE) if n >= ANSWERS else n
    most = min(most, sides.task.sheet.available.get("test", most))
    problems = sides.task.problems("test", most)
    say(f"{n} greedy answers in both formats")
    answers = compared(sides, problems[:n], problems[n:], report)
    say("divergence along the single-precision answers")
    n_forced = given.forced or (4 if given.quick else 64)
    with torch.inference_mode(), FastLinear():
        forced(sides, problems[:n_forced], answers[:n_forced], report)
    say("samples again with other rows")
    other_rows(sides, problems[:REQUESTS], given.model, report)
    report.show(as_json=given.json)


def compared(
    sides: Sides, problems: Sequence[Problem], further: Sequence[Problem], report: Report
) -> list[Completion]:
    """Add how equal texts and marks are; return the single-precision answers."""
    exact, rounded = (sides.answers(model, problems) for model in (sides.single, sides.half))
    marks = _marks(sides, problems, (exact, rounded))
    if further and np.mean(marks[0] != marks[1]) > MOST_DIFFERING:
        more = [sides.answers(model, further) for model in (sides.single, sides.half)]
        marks = np.concatenate([marks, _marks(sides, further, more)], axis=1)
        exact, rounded = exact + more[0], rounded + more[1]
    n = len(exact)
    found = equivalence(marks[1], marks[0], margin=MARGIN)
    equal = sum(a.text == b.text for a, b in zip(exact, rounded, strict=True))
    right = [proportion(row) for row in marks]
    note = "; ".join(
        f"{name} {figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
        for name, figure in zip(("float32", "bfloat16"), right, strict=True)
    )
    note += f"; {np.mean(marks[0] != marks[1]):.1%} of {n} marks differ; {_words(found)}"
    gap = found.difference
    report.figures += [
        Figure.of_value("greedy texts equal, share", equal / n, goal=None, note=f"of {n}"),
        Figure(
            "accuracy, bfloat16 less float32 (90 %)",
            right[1].value,
            right[0].value,
            (gap.low, gap.value, gap.high),
            MARGIN,
            note,
        ),
    ]
    return exact


def forced(
    sides: Sides, problems: Sequence[Problem], answers: Sequence[Completion], report: Report
) -> None:
    """Add the divergence of the next token's distribution along single-precision answers."""
    apart, same = [], []
    for request, answer in zip(sides.asked(problems), answers, strict=True):
        row = [*sides.single.encode(request.prompt), *answer.ids]
        exact, rounded = (
            whole_logits(model.module, [row])[0, -len(answer.ids) - 1 : -1]
            for model in (sides.single, sides.half)
        )
        apart.append(divergences(exact, rounded))
        same.append((exact.argmax(-1) == rounded.argmax(-1)).float())
    each = torch.cat(apart)
    share = float(torch.cat(same).mean())
    note = (
        f"{len(each):,} tokens of {len(answers)} answers; 99th percentile "
        f"{float(each.quantile(0.99)):.3g}; likeliest token the same in {share:.2%}"
    )
    mean = float(each.mean())
    report.figures.append(
        Figure.of_value("divergence, nats a token", mean, goal=MOST_DIVERGENCE, note=note)
    )


def other_rows(sides: Sides, problems: Sequence[Problem], name: str, report: Report) -> None:
    """Add how many completions stay equal with other rows in flight."""
    sampling = Sampling(sides.limit, 1.0, stream="rows")
    asked = sides.asked(problems, SAMPLES)
    format_and_rows = f"?dtype=bfloat16&rows={OTHER_ROWS}"
    other = resolve_backend(name + format_and_rows, {"threads": sides.half.threads}).open()
    first, second = (flat(m.generate(asked, sampling, Ledger())) for m in (sides.half, other))
    unequal = sum(a != b for a, b in zip(first, second, strict=True))
    note = f"of {len(first)} samples; {sides.half.rows_for(400)} rows and {OTHER_ROWS}"
    report.figures.append(
        Figure.of_value("completions unequal with other rows", unequal, goal=0, note=note)
    )


def _marks(
    sides: Sides, problems: Sequence[Problem], answers: Sequence[Sequence[Completion]]
) -> np.ndarray:
    """Return 1 where an answer is right, `[sides, problems]`."""
    return np.array(
        [
            [
                sides.is_right(problem, answer)
                for problem, answer in zip(problems, side, strict=True)
            ]
            for side in answers
        ],
        dtype=float,
    )


def _words(found: Equivalence) -> str:
    """Say what the test found."""
    word = "equivalent" if found.is_equivalent else "not shown to be equivalent"
    return f"{word} within {100 * found.margin:.0f} points"


if __name__ == "__main__":
    main()
