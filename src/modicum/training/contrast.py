"""What methods that steer share: pairs from shots, activations of both sides, answers under doses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from modicum.bench import Bench
from modicum.errors import BudgetError
from modicum.ledger import Ledger
from modicum.model import Model
from modicum.nudge.contrast import Average, Reliability, direction_of, reliability
from modicum.nudge.pairs import Pair, opening, parting
from modicum.nudge.steering import Steering
from modicum.plain import JsonValue
from modicum.sampling.capture import capture
from modicum.task import Sheet
from modicum.types import Completion, Problem, Request, Sampling
from modicum.whitebox import WhiteBox

__all__ = [
    "Contrast",
    "Dose",
    "Found",
    "accuracies",
    "answers_under",
    "directions",
    "facts_of",
    "least_dose",
    "paired",
    "pairs_of",
    "parted",
    "sides_of",
]

Contrast = Literal["instructions", "demonstrations", "completions"]
"""What the two sides of a pair differ in."""

_WANTED, _UNWANTED = "Let's think step by step.", "Give only the final answer."
"""Where neither the user nor the task gives instructions."""


@dataclass(frozen=True)
class Found:
    """The direction of one layer, as long as the mean difference."""

    layer: int
    values: Float[Tensor, " hidden"]
    reliability: Reliability


@dataclass(frozen=True)
class Dose:
    """One choice of layer and strength with its score on the shots."""

    layer: int
    strength: float
    score: float


def pairs_of(
    bench: Bench[WhiteBox], contrast: Contrast, instructions: tuple[str, str] = ("", "")
) -> list[Pair]:
    """Return one pair a shot; see `sides_of`."""
    return paired(bench.model, sides_of(bench, contrast, instructions))


def paired(whitebox: WhiteBox, texts: Sequence[tuple[str, str]]) -> list[Pair]:
    """Return the tokens of pairs of texts."""
    return [Pair(*(tuple(whitebox.encode(side)) for side in sides)) for sides in texts]


def sides_of(
    bench: Bench[Model], contrast: Contrast, instructions: tuple[str, str] = ("", "")
) -> list[tuple[str, str]]:
    """Return the wanted and the unwanted text of each shot, as prompts.

    Args:
        bench: With at least one shot; two for demonstrations.
        contrast: What the two sides differ in.
        instructions: Wanted and unwanted; the task's, or general ones, where empty.

    Raises:
        BudgetError: too few shots, or shots without a worked solution where one is needed.
    """
    shots, sheet = bench.shots, bench.sheet
    if not shots or (contrast == "demonstrations" and len(shots) < 2):
        msg = f"{len(shots)} shots for a contrast of {contrast}"
        raise BudgetError(msg)
    if contrast != "instructions" and any(shot.solution is None for shot in shots):
        msg = f"a contrast of {contrast} needs shots with worked solutions"
        raise BudgetError(msg)
    own = sheet.contrast or (_WANTED, _UNWANTED)
    said = tuple(given or default for given, default in zip(instructions, own, strict=True))
    texts = []
    for place, shot in enumerate(shots):
        if contrast == "instructions":
            sides = [bench.prompt(shot, words) for words in said]
        elif contrast == "demonstrations":
            shown = shots[place - 1]
            sides = [
                bench.prompt(replace(shot, question=f"{shown.question}{form}\n{shot.question}"))
                for form in _forms(sheet, shown)
            ]
        else:
            asked = bench.prompt(shot)
            sides = [f"{asked}{form}" for form in _forms(sheet, shot)]
        texts.append((sides[0], sides[1]))
    return texts


def parted(bench: Bench[WhiteBox], texts: Sequence[tuple[str, str]]) -> tuple[list[Pair], int]:
    """Return the pairs of texts continued to where their answers part, and after how many tokens.

    Answers are greedy. The texts themselves are asked, chat marks and all, which decoded tokens lack.
    Where both forms begin with the same words nothing is decided at the prompt's end, and a
    direction taken there steers nothing.
    """
    pairs = paired(bench.model, texts)
    sampling = Sampling(bench.sheet.max_new_tokens, 0.0, bench.sheet.stop, ids=True)
    sides = [side for both in texts for side in both]
    requests = [Request(side, f"pair/{i}") for i, side in enumerate(sides)]
    drawn = [group[0].ids for group in bench.model.generate(requests, sampling, bench.ledger)]
    forms = list(zip(drawn[::2], drawn[1::2], strict=True))
    shared = parting(forms)
    return [
        Pair((*pair.wanted, *opening(*form)), (*pair.unwanted, *opening(*form)))
        for pair, form in zip(pairs, forms, strict=True)
        if len(opening(*form)) == shared
    ], shared


def directions(
    whitebox: WhiteBox,
    pairs: Sequence[Pair],
    layers: Sequence[int],
    average: Average,
    ledger: Ledger,
) -> list[Found]:
    """Return the direction of each layer from unwanted to wanted, with its forecast.

    Source: mean difference of contrastive pairs, Rimsky et al. 2024 (2312.06681).
    """
    wanted = capture(whitebox, [pair.wanted for pair in pairs], layers, ledger)
    unwanted = capture(whitebox, [pair.unwanted for pair in pairs], layers, ledger)
    found = []
    for place, layer in enumerate(layers):
        values = direction_of(wanted[:, place], unwanted[:, place], average)
        forecast = reliability(wanted[:, place], unwanted[:, place], values)
        found.append(Found(layer, values, forecast))
    return found


def facts_of(found: Found, strength: float, n_pairs: int) -> dict[str, JsonValue]:
    """Return what a record keeps of a direction that was chosen.

    Args:
        found: The direction, as long as the mean difference.
        strength: The chosen one, in units of that.
        n_pairs: Pairs that it was taken from.
    """
    return {
        "layer": found.layer,
        "strength": strength,
        "length": float(found.values.norm()),
        "pairs": n_pairs,
        "cosine": found.reliability.cosine,
        "separability": found.reliability.separability,
    }


def least_dose(
    layers: Sequence[int],
    strengths: Sequence[float],
    scores: Callable[[Sequence[int], float], Sequence[float]],
) -> tuple[Dose, list[Dose]]:
    """Return the smallest strength that reaches the best score, and all that was tried.

    At equal strength the later layer stands, where less comes after it that could be harmed.
    Strengths are tried from the smallest on, and no further once a score is perfect.

    Args:
        layers: What is tried at each strength.
        strengths: At least one.
        scores: Gives the score of each layer at a strength, all of them at once.

    >>> best, tried = least_dose([0, 1], [0.5, 1, 2], lambda ls, s: [min(1.0, l * s) for l in ls])
    >>> best.layer, best.strength, len(tried)
    (1, 1, 4)
    """
    tried: list[Dose] = []
    for strength in sorted(strengths):
        given = zip(layers, scores(layers, strength), strict=True)
        tried += [Dose(layer, strength, score) for layer, score in given]
        if max(dose.score for dose in tried) >= 1.0:
            break
    # max takes the first of equals: smaller strengths, and at equal strength later layers, come first
    ordered = sorted(tried, key=lambda dose: (dose.strength, -dose.layer))
    return max(ordered, key=lambda dose: dose.score), tried


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


def _forms(sheet: Sheet, shot: Problem) -> tuple[str, str]:
    """The worked form and the bare answer, as they stand after a prompt."""
    direct = sheet.direct.replace("{answer}", shot.answer)
    return f"{sheet.joiner}{shot.solution}", f"{sheet.joiner}{direct}"
