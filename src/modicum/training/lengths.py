"""What compression is made from: two right answers to one question, a short and a long one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from modicum.bench import Bench
from modicum.errors import ConfigError
from modicum.ledger import Ledger
from modicum.model import Model
from modicum.nudge.contrast import Reliability, direction_of, reliability
from modicum.nudge.pairs import opening, parting
from modicum.sampling.capture import capture
from modicum.sampling.preference import Fork, preference
from modicum.types import Completion, Problem, Request
from modicum.whitebox import WhiteBox

__all__ = [
    "Forms",
    "Heading",
    "answered",
    "given_forms",
    "headings_at_end",
    "headings_at_parting",
    "instructed_forms",
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
    bench: Bench[Model],
    model: Model,
    shots: Sequence[Problem],
    asked: str = "",
    *,
    is_fresh: bool = False,
) -> list[Completion]:
    """Return the greedy answers to shots.

    Args:
        bench: Gives style and limits, and counts.
        model: Plain or steered.
        shots: What to answer.
        asked: Instruction after the question.
        is_fresh: Draw again what was drawn before, so that it can be timed.
    """
    requests = [
        Request(bench.prompt(s, asked), s.id, split=None if is_fresh else s.split) for s in shots
    ]
    return [group[0] for group in model.generate(requests, bench.sampling(), bench.ledger)]


def own_forms(bench: Bench[WhiteBox], drawn: tuple[int, float], ratio: float) -> list[Forms]:
    """Return the shortest and the longest right answer among several samples of each shot.

    Args:
        bench: Its shots give one pair each, where two right answers differ enough; every distinct
            answer is marked once.
        drawn: Samples a shot, and their temperature.
        ratio: How many times as long the longest must be, above 1.
    """
    n, temperature = drawn
    sampling = bench.sampling(temperature, "forms")
    requests = [Request(bench.prompt(s), s.id, n, split=s.split) for s in bench.shots]
    groups = bench.model.generate(requests, sampling, bench.ledger)
    pairs: list[Pair] = []
    for shot, group in zip(bench.shots, groups, strict=True):
        known = {c.text: c for c in group if c.stop != "length"}
        right = [c for c in known.values() if bench.is_right(shot, c.text)]
        if right:
            shortest, longest = (pick(right, key=lambda c: c.n_tokens) for pick in (min, max))
            pairs.append((shot, shortest, longest))
    return _forms(bench, pairs, ratio)


def instructed_forms(bench: Bench[WhiteBox], words: tuple[str, str], ratio: float) -> list[Forms]:
    """Return the greedy answers under two instructions, where both are right and differ enough.

    Args:
        bench: Its shots give one pair each.
        words: What asks for the short and for the long form.
        ratio: How many times as long the long one must be.
    """
    drawn = [answered(bench, bench.model, bench.shots, asked) for asked in words]
    pairs = _both_right(bench, list(zip(bench.shots, *drawn, strict=True)))
    return _forms(bench, pairs, ratio, words)


def given_forms(bench: Bench[WhiteBox], texts: Mapping[str, str], ratio: float) -> list[Forms]:
    """Pair short answers from elsewhere with the model's own greedy ones, where both are right.

    Args:
        bench: Its shots give one pair each.
        texts: The short answer to each question, as far as there is one.
        ratio: How many times as long the own one must be.
    """
    told = [shot for shot in bench.shots if shot.question in texts]
    given = [bench.sheet.joiner + texts[shot.question].strip() for shot in told]
    short = [Completion(text, 0, "eos") for text in given]
    long = answered(bench, bench.model, told)
    pairs = _both_right(bench, list(zip(told, short, long, strict=True)))
    return _forms(bench, pairs, ratio)


def read_concise(path: Path) -> dict[str, str]:
    """Read a user's own short answers: JSON lines with `question` and `answer`.

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
    """Return the direction of each layer at the token where most pairs part.

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
    """Return the mean difference of each layer at the last token of question and answer.

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


def _both_right(bench: Bench[WhiteBox], pairs: Sequence[Pair]) -> list[Pair]:
    return [
        (shot, short, long)
        for shot, short, long in pairs
        if bench.is_right(shot, short.text) and bench.is_right(shot, long.text)
    ]


def _forms(
    bench: Bench[WhiteBox],
    pairs: Sequence[Pair],
    ratio: float,
    words: tuple[str, str] | None = None,
) -> list[Forms]:
    """Return right answers in tokens, ends included, where their lengths differ enough.

    Args:
        bench: Whose tokens.
        pairs: Right answers.
        ratio: How many times as long the long one must be.
        words: What asked for the short and for the long one, where something did.
    """
    found = []
    for shot, *answers in pairs:
        short, long = (tuple(bench.model.encode_completion(given.text)) for given in answers)
        if len(long) >= ratio * len(short):
            plain, *asked = (
                tuple(bench.model.encode(bench.prompt(shot, word))) for word in ("", *(words or ()))
            )
            found.append(Forms(plain, short, long, (asked[0], asked[1]) if asked else None))
    return found
