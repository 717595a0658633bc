"""Many trajectories of many questions at once: folded into rows, refilled as they end, then compacted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from modicum.errors import ConfigError
from modicum.nets.recursive import Latent, RecursiveNet
from modicum.seeds import stream

__all__ = ["Rolled", "Rolling", "roll", "varies"]


@dataclass(frozen=True)
class Rolling:
    """How wide, how deep, how hot."""

    depth: int
    """Supervision steps of a trajectory at most, at least 1."""
    width: int = 1
    """Trajectories of each question, at least 1."""
    temperature: float = 1.0
    """Factor of the prior's deviation, at least 0."""
    noise: float = 0.0
    """Deviation of noise that is added to both states before each supervision step, at least 0."""
    halts: bool = False
    """Whether a trajectory ends as soon as the halt head is sure that its answer is right."""
    sure: float = 0.5
    """Probability above which it is sure, between 0 and 1: higher is deeper and more often right."""
    stream: str = "rollout"
    """Names the random streams, with the question's address and the trajectory's number."""
    rows: int = 128
    """Trajectories in flight, at least 1; no answer depends on it but by rounding."""
    is_traced: bool = False
    """Whether the answer and the halt logit after every supervision step are kept."""

    def __post_init__(self) -> None:
        """Refuse what cannot be rolled out."""
        if not 0 < self.sure < 1:
            raise ConfigError(
                f"sure = {self.sure} for rollouts", "a number between 0 and 1", "set sure to one"
            )
        least = {"depth": 1, "width": 1, "temperature": 0, "noise": 0, "rows": 1}
        for name, bound in least.items():
            if not getattr(self, name) >= bound:
                raise ConfigError(
                    f"{name} = {getattr(self, name)} for rollouts",
                    f"at least {bound}",
                    f"raise {name}",
                )


@dataclass(frozen=True, eq=False)
class Rolled:
    """Where trajectories ended, in the order of the questions."""

    answers: Int[Tensor, "questions width length"]
    """Token ids."""
    steps: Int[Tensor, "questions width"]
    """Supervision steps taken."""
    halt: Float[Tensor, "questions width"]
    """Halt logit at the end."""
    value: Float[Tensor, "questions width"]
    """Value at the end, between 0 and 1."""
    residual: Float[Tensor, "questions width"]
    """Root mean square by which the last supervision step moved h."""
    traced: Int[Tensor, "questions width depth length"] | None
    """Answer after each supervision step; the last one again after the end."""
    traced_halt: Float[Tensor, "questions width depth"] | None = None
    """Halt logit after each supervision step; the last one again after the end."""


@torch.inference_mode()
def roll(
    net: RecursiveNet,
    questions: Int[Tensor, "questions length"],
    addresses: Sequence[str],
    how: Rolling,
    first: Sequence[int] = (),
) -> Rolled:
    """Roll out trajectories from the prior.

    The noise of a trajectory depends on stream, address, its number and the step alone, never on what
    is rolled out beside it. A net without randomness takes one trajectory and says so of all.

    Source: GRAM (2605.19376) for width; PTRM (2605.19943) for noise at test.

    Args:
        net: On the device of the questions.
        questions: Token ids.
        addresses: What names each question; equal ones share their noise.
        how: How wide, how deep, how hot.
        first: Number of each question's first trajectory; 0 where empty.
    """
    if not varies(net, how) and how.width > 1:
        one = roll(net, questions, addresses, replace(how, width=1))
        n, w = len(questions), how.width
        traced = None if one.traced is None else one.traced.expand(n, w, -1, -1)
        halts = None if one.traced_halt is None else one.traced_halt.expand(n, w, -1)
        ends = (part.expand(n, w) for part in (one.steps, one.halt, one.value, one.residual))
        steps, halt, value, residual = ends
        return Rolled(one.answers.expand(n, w, -1), steps, halt, value, residual, traced, halts)
    flight = _Flight(net, questions, addresses, how, first)
    while flight.goes_on:
        flight.step()
    return flight.landed()


def varies(net: RecursiveNet, how: Rolling) -> bool:
    """Say whether trajectories of one question can differ."""
    drawn = net.shape.guidance in ("full", "zero_mean") and how.temperature > 0
    return drawn or net.shape.is_start_random or how.noise > 0


@final
class _Flight:
    """Rows in flight. A row that ends takes the next trajectory; with none left, rows are dropped.

    Rows are dropped down to a power of two once no more than half of them are live, so that few sizes
    occur and each holds at least half of live rows.
    """

    def __init__(
        self,
        net: RecursiveNet,
        questions: Tensor,
        addresses: Sequence[str],
        how: Rolling,
        first: Sequence[int] = (),
    ) -> None:
        self._net, self._questions, self._addresses, self._how = net, questions, addresses, how
        self._first = first or (0,) * len(addresses)
        shape, total = net.shape, len(questions) * how.width
        self._total, self._next = total, 0
        size = min(how.rows, total)
        self._place = np.full(size, -1)
        """Which trajectory a row is; -1 where it has ended."""
        self._age = np.zeros(size, np.int64)
        self._rngs: list[np.random.Generator | None] = [None] * size
        state = questions.new_zeros((size, shape.places, shape.width), dtype=net.head.dtype)
        self._latent, self._injected = Latent(state, state.clone()), state.clone()
        self._draws = shape.n_outer if shape.guidance in ("full", "zero_mean") else 0
        self._draws = self._draws if how.temperature else 0
        self._answers = questions.new_zeros((total, shape.length))
        self._ends = state.new_zeros((4, total))
        """Steps, halt logit, value, residual."""
        self._traced = None
        if how.is_traced:
            self._traced = questions.new_zeros((total, how.depth, shape.length))
            self._traced_halt = state.new_zeros((total, how.depth))
        self._fill(np.arange(size))

    @property
    def goes_on(self) -> bool:
        """Whether a row is live."""
        return bool((self._place >= 0).any())

    def step(self) -> None:
        """Take one supervision step with all rows, then land those that end and fill their rows."""
        net, how = self._net, self._how
        noise = self._noise()
        before = self._latent
        if how.noise and noise is not None:
            moved = noise[:, self._draws :]
            before = Latent(
                before.high.add(moved[:, 0], alpha=how.noise),
                before.low.add(moved[:, 1], alpha=how.noise),
            )
        own = noise[:, : self._draws] if noise is not None and self._draws else None
        self._latent = net.advance(before, self._injected, own, how.temperature)
        self._age += 1
        ends = self._age >= how.depth
        judged = net.judge(self._latent.high, self._injected) if how.halts else None
        if judged is not None:
            ends |= (judged[:, 0].sigmoid() > how.sure).cpu().numpy()
        if self._traced is not None:
            self._trace()
        over = np.flatnonzero(ends & (self._place >= 0))
        if len(over):
            self._land(over, self._latent.high - before.high, judged)
            self._place[over] = -1
            self._fill(over)
            self._compact()

    def landed(self) -> Rolled:
        """Return where all ended."""
        n, w = len(self._questions), self._how.width
        steps, halt, value, residual = (part.view(n, w) for part in self._ends)
        traced = self._traced
        return Rolled(
            self._answers.view(n, w, -1),
            steps.long(),
            halt,
            value,
            residual,
            None if traced is None else traced.view(n, w, *traced.shape[1:]),
            None if traced is None else self._traced_halt.view(n, w, -1),
        )

    def _fill(self, rows: np.ndarray) -> None:
        """Give rows the next trajectories, as far as there are any."""
        net, shape, how = self._net, self._net.shape, self._how
        rows = rows[: self._total - self._next]
        if not len(rows):
            return
        chosen = np.arange(self._next, self._next + len(rows))
        self._next += len(rows)
        self._place[rows], self._age[rows] = chosen, 0
        asked, which = np.unique(chosen // how.width, return_inverse=True)
        encoded = net.encode(self._questions[torch.from_numpy(asked)])
        for row, number in zip(rows, chosen, strict=True):
            place = int(number) // how.width
            own = self._first[place] + number % how.width
            self._rngs[row] = stream("recursive", how.stream, self._addresses[place], own)
        noise = self._drawn(rows, 2) if shape.is_start_random else None
        start = net.start(len(rows), None if noise is None else noise.transpose(0, 1))
        places = torch.from_numpy(rows).to(encoded.device)
        self._injected[places] = encoded[torch.from_numpy(which).to(encoded.device)]
        self._latent.high[places], self._latent.low[places] = start.high, start.low

    def _noise(self) -> Tensor | None:
        """Draw what the next supervision step needs, each row from its trajectory's own stream."""
        draws = self._draws + (2 if self._how.noise else 0)
        return self._drawn(np.arange(len(self._place)), draws) if draws else None

    def _drawn(self, rows: np.ndarray, draws: int) -> Tensor:
        """Return standard normals `[rows, draws, places, width]`; zeros where a row has ended."""
        shape = self._net.shape
        numbers = np.zeros((len(rows), draws * shape.places * shape.width), np.float32)
        for i, row in enumerate(rows):
            rng = self._rngs[row]
            if rng is not None and self._place[row] >= 0:
                rng.standard_normal(dtype=np.float32, out=numbers[i])
        drawn = torch.from_numpy(numbers).to(self._injected)
        return drawn.view(len(rows), draws, shape.places, shape.width)

    def _trace(self) -> None:
        """Keep every live row's answer and halt logit as of now, for all the steps that may follow."""
        live = np.flatnonzero(self._place >= 0)
        chosen = torch.from_numpy(live)
        halts = self._net.judge(self._latent.high[chosen], self._injected[chosen])[:, 0]
        for answer, halt, row in zip(self._decoded(live), halts, live, strict=True):
            if self._traced is not None:
                place, age = self._place[row], self._age[row] - 1
                self._traced[place, age:], self._traced_halt[place, age:] = answer, halt

    def _decoded(self, rows: np.ndarray) -> Tensor:
        return self._net.decode(self._latent.high[torch.from_numpy(rows)]).argmax(-1)

    def _land(self, rows: np.ndarray, moved: Tensor, judged: Tensor | None) -> None:
        """Write down where rows ended."""
        chosen = torch.from_numpy(rows)
        place = torch.from_numpy(self._place[rows])
        self._answers[place] = self._decoded(rows)
        if judged is None:
            judged = self._net.judge(self._latent.high[chosen], self._injected[chosen])
        else:
            judged = judged[chosen]
        steps = torch.from_numpy(self._age[rows]).to(judged)
        residual = moved[chosen].square().mean((1, 2)).sqrt()
        self._ends[:, place] = torch.stack(
            (steps, judged[:, 0], judged[:, 1].sigmoid(), residual.to(judged))
        )

    def _compact(self) -> None:
        """Drop rows that have ended once they are the half, down to a power of two."""
        live = np.flatnonzero(self._place >= 0)
        if self._next < self._total or not len(live) or 2 * len(live) > len(self._place):
            return
        size = 1 << (len(live) - 1).bit_length()
        ended = np.flatnonzero(self._place < 0)
        kept = np.sort(np.concatenate((live, ended[: size - len(live)])))
        chosen = torch.from_numpy(kept)
        self._place, self._age = self._place[kept], self._age[kept]
        self._rngs = [self._rngs[row] for row in kept]
        self._injected = self._injected[chosen]
        self._latent = Latent(self._latent.high[chosen], self._latent.low[chosen])
