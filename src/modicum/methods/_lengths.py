"""What compression is made from: two right answers to one question, a short and a long one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.method import Judge
from modicum.model import Model, render
from modicum.sampling.capture import capture
from modicum.sampling.preference import Fork, preference
from modicum.steering.contrast import Reliability, direction_of, reliability
from modicum.steering.pairs import opening, parting
from modicum.types import Completion, Grade, Problem, Request, Sampling
from modicum.whitebox import WhiteBox

__all__ = [
    "Forms",
    "Heading",
    "answered",
    "given_forms",
    "headings_at_end",
    "headings_at_parting",
    "instructed_forms",
    "is_right",
    "own_forms",
    "read_concise",
]

Tokens = tuple[int, ...]
Pair = tuple[Problem, Completion, Completion]
"""A question with a short and a long answer."""


@dataclass(frozen=True)
class Forms:
    """Two right answers to one question, in tokens."""

    prompt: Tokens
    """The plain prompt."""
    short: Tokens
    long: Tokens
    asked: tuple[Tokens, Tokens] | None = None
    """The prompts that asked for the short and the long one; None where the plain one did."""


@dataclass(frozen=True)
class Heading:
    """Which way is shorter, in one layer."""

    layer: int
    unit: torch.Tensor
    """Direction of length one, `[hidden]`."""
    length: float
    """Of what the direction was found from: a mean difference, or a gradient."""
    state: float
    """Mean length of the layer's own activations there."""
    reliability: Reliability


def answered(
    model: Model,
    shots: Sequence[Problem],
    judge: Judge,
    ledger: Ledger,
    asked: str = "",
    *,
    is_fresh: bool = False,
) -> list[Completion]:
    """Gives the greedy answers to shots.

    Args:
        model: Plain or steered.
        shots: What to answer.
        judge: Gives style and limits.
        ledger: What it costs.
        asked: Instruction after the question.
        is_fresh: Draw again what was drawn before, so that it can be timed.
    """
    sampling = Sampling(judge.sheet.max_new_tokens, 0.0, judge.sheet.stop + judge.style.stop)
    requests = [
        Request(_prompt(model, judge, s, asked), s.id, split=None if is_fresh else s.split)
        for s in shots
    ]
    return [group[0] for group in model.generate(requests, sampling, ledger)]


def is_right(judge: Judge, shot: Problem, given: Completion) -> bool:
    """Says whether an answer to a shot is correct (lenient); the judge counts the call."""
    return judge.mark(shot.id, given.text).lenient == Grade.CORRECT


def own_forms(
    whitebox: WhiteBox,
    shots: Sequence[Problem],
    judge: Judge,
    drawn: tuple[int, float],
    ratio: float,
    ledger: Ledger,
) -> list[Forms]:
    """Gives the shortest and the longest right answer among several samples of each shot.

    Args:
        whitebox: Whose answers are taken.
        shots: One pair each, where two right answers differ enough.
        judge: Marks every distinct answer once.
        drawn: Samples a shot, and their temperature.
        ratio: How many times as long the longest must be, above 1.
        ledger: What it costs.
    """
    stops = judge.sheet.stop + judge.style.stop
    n, temperature = drawn
    sampling = Sampling(judge.sheet.max_new_tokens, temperature, stops, stream="forms")
    requests = [
        Request(_prompt(whitebox, judge, shot), shot.id, n, split=shot.split) for shot in shots
    ]
    pairs: list[Pair] = []
    for shot, group in zip(shots, whitebox.generate(requests, sampling, ledger), strict=True):
        known = {c.text: c for c in group if c.stop != "length"}
        right = [c for c in known.values() if is_right(judge, shot, c)]
        if right:
            shortest, longest = (pick(right, key=lambda c: c.n_tokens) for pick in (min, max))
            pairs.append((shot, shortest, longest))
    return _forms(whitebox, judge, pairs, ratio)


def instructed_forms(
    whitebox: WhiteBox,
    shots: Sequence[Problem],
    judge: Judge,
    words: tuple[str, str],
    ratio: float,
    ledger: Ledger,
) -> list[Forms]:
    """Gives the greedy answers under two instructions, where both are right and differ enough.

    Args:
        whitebox: Whose answers are taken.
        shots: One pair each.
        judge: Marks both answers.
        words: What asks for the short and for the long form.
        ratio: How many times as long the long one must be.
        ledger: What it costs.
    """
    drawn = [answered(whitebox, shots, judge, ledger, asked) for asked in words]
    pairs = _both_right(judge, list(zip(shots, *drawn, strict=True)))
    return _forms(whitebox, judge, pairs, ratio, words)


def given_forms(
    whitebox: WhiteBox,
    shots: Sequence[Problem],
    judge: Judge,
    texts: Mapping[str, str],
    ratio: float,
    ledger: Ledger,
) -> list[Forms]:
    """Pairs short answers from elsewhere with the model's own greedy ones, where both are right.

    Args:
        whitebox: Whose answers are the long ones.
        shots: One pair each.
        judge: Marks both answers.
        texts: The short answer to each question, as far as there is one.
        ratio: How many times as long the own one must be.
        ledger: What it costs.
    """
    told = [shot for shot in shots if shot.question in texts]
    given = [judge.sheet.joiner + texts[shot.question].strip() for shot in told]
    short = [Completion(text, 0, "eos") for text in given]
    long = answered(whitebox, told, judge, ledger)
    pairs = _both_right(judge, list(zip(told, short, long, strict=True)))
    return _forms(whitebox, judge, pairs, ratio)


def read_concise(path: Path) -> dict[str, str]:
    """Reads a user's own short answers: JSON lines with `question` and `answer`.

    Raises:
        ConfigError: the file is missing, or a line is something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(path)!r}: {error}", "a file of JSON lines", "check it") from error
    texts = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line) if line.strip() else None
            if row is not None:
                texts[str(row["question"])] = str(row["answer"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{str(path)!r}, line {number}: {line[:60]!r}",
                '{"question": …, "answer": …} on each line',
                "correct that line",
            ) from error
    return texts


def headings_at_parting(
    whitebox: WhiteBox, forms: Sequence[Forms], layers: Sequence[int], ledger: Ledger
) -> tuple[list[Heading], int, int]:
    """Gives the direction of each layer at the token where most pairs part.

    Where two instructions asked, it is the mean difference of the activations after what both
    answers share; where one prompt gave both, these are alike and the gradient of the preference
    for the short one's next token takes its place.

    Returns:
        The directions, how many tokens the answers share, and how many pairs part there.
    """
    shared = parting([(f.short, f.long) for f in forms])
    kept = [f for f in forms if len(opening(f.short, f.long)) == shared < len(f.short)]
    texts = [(*f.prompt, *f.short[:shared]) for f in kept]
    states = capture(whitebox, texts, layers, ledger)
    if all(f.asked is not None for f in kept):
        sides = [
            capture(
                whitebox,
                [(*f.asked[i], *f.short[:shared]) for f in kept if f.asked],
                layers,
                ledger,
            )
            for i in (0, 1)
        ]
    else:
        forks = [
            Fork(text, f.short[shared], f.long[shared]) for text, f in zip(texts, kept, strict=True)
        ]
        pulls = preference(whitebox, forks, layers, ledger)
        sides = [pulls, torch.zeros_like(pulls)]
    return _headings(layers, sides[0], sides[1], states), shared, len(kept)


def headings_at_end(
    whitebox: WhiteBox, forms: Sequence[Forms], layers: Sequence[int], ledger: Ledger
) -> list[Heading]:
    """Gives the mean difference of each layer at the last token of question and answer.

    Source: Azizi et al. 2025 (2507.04742), equation 1.
    """
    sides = [
        capture(whitebox, [(*f.prompt, *answer[:-1]) for f, answer in side], layers, ledger)
        for side in ([(f, f.short) for f in forms], [(f, f.long) for f in forms])
    ]
    return _headings(layers, sides[0], sides[1], sides[1])


def _headings(
    layers: Sequence[int], wanted: torch.Tensor, unwanted: torch.Tensor, states: torch.Tensor
) -> list[Heading]:
    found = []
    for place, layer in enumerate(layers):
        values = direction_of(wanted[:, place], unwanted[:, place])
        forecast = reliability(wanted[:, place], unwanted[:, place], values)
        length = float(values.norm())
        state = float(states[:, place].norm(dim=-1).mean())
        found.append(Heading(layer, values / length, length, state, forecast))
    return found


def _prompt(model: Model, judge: Judge, shot: Problem, asked: str = "") -> str:
    return render(model, judge.style, f"{shot.question} {asked}" if asked else shot.question)


def _both_right(judge: Judge, pairs: Sequence[Pair]) -> list[Pair]:
    return [
        (shot, short, long)
        for shot, short, long in pairs
        if is_right(judge, shot, short) and is_right(judge, shot, long)
    ]


def _forms(
    whitebox: WhiteBox,
    judge: Judge,
    pairs: Sequence[Pair],
    ratio: float,
    words: tuple[str, str] | None = None,
) -> list[Forms]:
    """Gives right answers in tokens, ends included, where their lengths differ enough.

    Args:
        whitebox: Whose tokens.
        judge: Gives the style.
        pairs: Right answers.
        ratio: How many times as long the long one must be.
        words: What asked for the short and for the long one, where something did.
    """
    found = []
    for shot, *answers in pairs:
        short, long = (tuple(whitebox.encode_completion(given.text)) for given in answers)
        if len(long) >= ratio * len(short):
            plain, *asked = (
                tuple(whitebox.encode(_prompt(whitebox, judge, shot, word)))
                for word in ("", *(words or ()))
            )
            found.append(Forms(plain, short, long, (asked[0], asked[1]) if asked else None))
    return found
