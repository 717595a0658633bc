"""Whether a server samples from the weights that the local module has: one probe, scored twice."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modicum.errors import ConfigError, EndpointError, TrialError
from modicum.model import Model
from modicum.serving.endpoint import Endpoint, Json
from modicum.serving.protocol import Step, ask_for, choices_of, named_model

__all__ = [
    "PROBE",
    "TOLERANCE",
    "Parity",
    "ParityReading",
    "ParityReference",
    "ParityTrace",
    "Scorer",
    "Tolerance",
    "compare",
    "local_values",
    "read_greedy",
    "read_probe",
    "scorer_of",
    "shows_change",
]

Scorer = Callable[[str, Sequence[str]], Sequence[float]]
"""Gives a log-probability (nats) for each token's text, each after the prompt and those before."""

_WIDEST = 1.0
"""Nats: a tolerance beyond it would let other weights through."""
_GREEDY_TOKENS = 16
_SAME = 1e-6
"""Nats below which two values of a server are the same number."""
_LEAST = 1e-3
"""Nats: where the local change is larger at some token, a served change of nothing is no change."""
_SHARE = 0.5
"""Of the local change, what the server must show: new weights show 1, old ones 0."""


@dataclass(frozen=True)
class ParityTrace:
    """A text that both sides score; the longer, the smaller the change that it shows."""

    prompt: str
    continuation: str
    """Begins where a token begins, so with a space or a new line."""

    def __post_init__(self) -> None:
        """Refuse a probe without words on both sides.

        Raises:
            ConfigError: an empty prompt or continuation.
        """
        if not self.prompt.strip() or not self.continuation.strip():
            raise ConfigError(
                f"a probe of {self.prompt!r} and {self.continuation!r}",
                "a prompt and a continuation with words in them",
                "give a question and a worked answer of the task",
            )


@dataclass(frozen=True)
class Tolerance:
    """How far served log-probabilities may lie from local ones; the defaults suit bfloat16."""

    mean: float = 0.05
    """Nats a token, mean of the absolute differences."""
    most: float = 0.3
    """Nats, largest absolute difference."""
    apart: float = 0.3
    """Nats, root of the summed squares: the least local change that the server must show too.

    Where two readings round .03 nats apart a token, half such a change is 5 standard errors.
    """

    def __post_init__(self) -> None:
        """Refuse a tolerance that no weights, or any weights, would meet.

        Raises:
            ConfigError: not 0 < mean <= most <= 1, or apart not above 0.
        """
        if not (0 < self.mean <= self.most <= _WIDEST and 0 < self.apart < math.inf):
            raise ConfigError(
                f"tolerance of {self.mean} nats in the mean, {self.most} at most, {self.apart} apart",
                f"0 < mean <= most <= {_WIDEST:g} and apart > 0",
                "take the defaults, which suit a server in bfloat16",
            )


TOLERANCE = Tolerance()
PROBE = ParityTrace(
    "Question: A baker fills 14 trays with 12 rolls each and sells 95 of the rolls before noon. "
    "How many rolls are left?\nAnswer:",
    " First count all the rolls: 14 trays of 12 rolls are 14 * 12 = 168 rolls. Then take away "
    "those that were sold: 168 - 95 = 73. I check this by going back, 73 + 95 = 168, which is "
    "right. So there are 73 rolls left in the afternoon, and the answer is 73.\nQuestion: And how "
    "many trays do they fill?\nAnswer: Six trays hold 72 rolls, so one roll lies on a seventh.",
)


@dataclass(frozen=True)
class ParityReading:
    """Tokens of one text and what they were given."""

    tokens: tuple[str, ...]
    values: tuple[float, ...]
    """Log-probabilities, nats."""


@dataclass(frozen=True)
class ParityReference:
    """Other weights that the new ones must not be taken for, seen from both sides."""

    name: str
    """Such as `the untuned model`."""
    served: ParityReading
    local: tuple[float, ...]


@dataclass(frozen=True)
class Parity:
    """How well the server's values met the local ones."""

    mean: float
    """Nats a token."""
    most: float
    """Nats."""
    tells_apart: bool
    """Whether the new weights differ enough from each older ones to be told from them."""


def scorer_of(model: Model) -> Scorer:
    """Return the scorer of a local model, by way of `Model.logprob`."""

    def score(prompt: str, tokens: Sequence[str]) -> list[float]:
        before = [prompt + "".join(tokens[:i]) for i in range(len(tokens))]
        return model.logprob(before, tokens)

    return score


def read_probe(endpoint: Endpoint, name: str, probe: ParityTrace, extra: Json) -> ParityReading:
    """Ask the server what it gives the continuation's tokens under a model's name.

    Raises:
        EndpointError: no answer, of another model, or without the prompt's log-probabilities.
    """
    text = probe.prompt + probe.continuation
    steps = _ask(endpoint, name, text, {**extra, "max_tokens": 1, "echo": True})
    place = "".join(step.token for step in steps).find(text)  # an opening token may stand before
    start, end = place + len(probe.prompt), place + len(text)
    inside, done = [], 0
    for step in steps:
        if start <= done and done + len(step.token) <= end and step.token:
            inside.append(step)
        done += len(step.token)
    if place < 0 or "".join(step.token for step in inside) != probe.continuation:
        raise EndpointError(
            f"no log-probabilities of the probe's tokens under {name!r}: the server does not echo "
            "the prompt with them, or a token lies across the continuation's begin"
        )
    return _reading(inside)


def read_greedy(endpoint: Endpoint, name: str, probe: ParityTrace, extra: Json) -> ParityReading:
    """Ask for a short greedy answer, drawn as rollouts are; up to the first unreadable token.

    Raises:
        EndpointError: no answer, of another model, or without log-probabilities.
    """
    steps = _ask(endpoint, name, probe.prompt, {**extra, "max_tokens": _GREEDY_TOKENS})
    odd = (i for i, step in enumerate(steps) if _is_odd(step.token))
    return _reading(steps[: next(odd, len(steps))])


def local_values(scorer: Scorer, prompt: str, tokens: Sequence[str]) -> tuple[float, ...]:
    """Return what the local module says of the server's tokens.

    Raises:
        TrialError: another number of values than of tokens, or values that are not finite.
    """
    values = tuple(scorer(prompt, tokens))
    if len(values) != len(tokens) or not all(map(math.isfinite, values)):
        raise TrialError(f"{len(values)} local values for {len(tokens)} tokens, or infinite ones")
    return values


def compare(
    what: str, reading: ParityReading, local: Sequence[float], tolerance: Tolerance
) -> tuple[float, float]:
    """Return the mean and the largest difference (nats) of served and local values.

    Raises:
        TrialError: beyond the tolerance.
    """
    gaps = [abs(a - b) for a, b in zip(reading.values, local, strict=True)]
    mean, most = sum(gaps) / max(1, len(gaps)), max(gaps, default=0.0)
    if mean > tolerance.mean or most > tolerance.most:
        worst = gaps.index(most)
        found, expected = _mean(reading.values), _mean(local)
        raise TrialError(
            f"the server does not sample from the weights of {what}: it gives the probe's tokens "
            f"{found:.3f} nats in the mean, the local module {expected:.3f}; they differ by "
            f"{mean:.3f} in the mean ({tolerance.mean:g} allowed) and by {most:.3f} at "
            f"{reading.tokens[worst]!r} ({tolerance.most:g} allowed; found "
            f"{reading.values[worst]:.3f}, expected {local[worst]:.3f})"
        )
    return mean, most


def shows_change(
    what: str,
    reading: ParityReading,
    local: Sequence[float],
    other: ParityReference,
    tolerance: Tolerance,
) -> bool:
    """Say whether the new weights can be told from other ones, of the same tokens.

    The local change is compared with the served one, so that what the two engines round
    differently drops out: a served change that follows less than half of the local one comes from
    the other weights.

    Raises:
        TrialError: the server still gives the other weights' values, or other tokens.
    """
    if reading.tokens != other.served.tokens:
        raise TrialError(f"the server cuts the probe otherwise under {what} than before")
    wanted = [a - b for a, b in zip(local, other.local, strict=True)]
    shown = [a - b for a, b in zip(reading.values, other.served.values, strict=True)]
    square = sum(step**2 for step in wanted)
    is_apart = math.sqrt(square) >= tolerance.apart
    is_still = max(map(abs, shown)) <= _SAME and max(map(abs, wanted)) >= _LEAST
    share = sum(a * b for a, b in zip(wanted, shown, strict=True)) / square if square else 1.0
    if is_still or (is_apart and share < _SHARE):
        raise TrialError(
            f"the server still samples from {other.name} under {what}: it gives the probe's tokens "
            f"{_mean(reading.values):.4f} nats in the mean and gave {_mean(other.served.values):.4f} "
            f"before, the local module {_mean(local):.4f} and {_mean(other.local):.4f}: "
            f"{share:.0%} of the change shows"
        )
    return is_apart


def _ask(endpoint: Endpoint, name: str, prompt: str, body: Json) -> tuple[Step, ...]:
    """Return the tokens of a greedy answer with their probabilities."""
    body = {**body, "model": name, "temperature": 0.0}
    answer = endpoint.answer(ask_for(prompt, body, top=1))
    if named_model(answer) not in (name, None):
        # stricter than for other answers: a revision behind the name would be other weights
        raise EndpointError(f"the server answers as {named_model(answer)!r}, asked for {name!r}")
    [choice] = choices_of(answer, 1)
    if not choice.steps:
        raise EndpointError(f"no log-probabilities from {endpoint.base_url} under {name!r}")
    return choice.steps


def _reading(steps: Sequence[Step]) -> ParityReading:
    tiny = math.ulp(0.0)  # what underflows is very unlikely, never impossible
    values = tuple(math.log(max(step.probability, tiny)) for step in steps)
    return ParityReading(tuple(step.token for step in steps), values)


def _is_odd(token: str) -> bool:
    """Half a character, or a token without a text of its own, such as an end."""
    return not token or "\ufffd" in token or token.startswith(("bytes:", "<"))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
