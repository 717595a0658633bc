"""Answers to a few questions under many nudges, drawn together: what searches over doses compare."""

from collections.abc import Sequence

from modicum.bench import Bench
from modicum.nudge.steering import Steering
from modicum.types import Completion, Problem, Request
from modicum.whitebox import WhiteBox

__all__ = ["accuracies", "answers_under"]


def answers_under(
    bench: Bench[WhiteBox],
    steerings: Sequence[Steering | None],
    shots: Sequence[Problem],
    stream: str = "",
) -> list[list[Completion]]:
    """Return the greedy answers to shots under each of several nudges, as `Bench.answers` gives them.

    Args:
        bench: Gives model, style and limits, and counts.
        steerings: The nudges, rows of one batch; None for the model as it is.
        shots: What is answered.
        stream: Names what is drawn.
    """
    requests = [Request(bench.prompt(shot), shot.id, split=shot.split) for shot in shots]
    sampling = bench.sampling(0.0, stream)
    drawn = bench.model.generate_steered(requests, steerings, sampling, bench.ledger)
    return [[group[0] for group in groups] for groups in drawn]


def accuracies(
    bench: Bench[WhiteBox],
    steerings: Sequence[Steering | None],
    shots: Sequence[Problem],
    stream: str,
) -> list[float]:
    """Return the share of shots answered correctly under each of several nudges (lenient, greedy).

    Args:
        bench: Gives model, style and limits, marks, and counts.
        steerings: The nudges, rows of one batch; None for the model as it is.
        shots: At least one.
        stream: Names what is drawn.
    """
    return [
        sum(bench.is_right(shot, given.text) for shot, given in zip(shots, answers, strict=True))
        / len(answers)
        for answers in answers_under(bench, steerings, shots, stream)
    ]
