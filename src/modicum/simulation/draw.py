"""Draws the outcomes of one whole study in a world: problems, samples, rungs, seeds, controls."""

from dataclasses import dataclass, replace

import numpy as np

from modicum.analysis.evidence import ControlScores, Evidence, RungEvidence, Samples, Twin
from modicum.analysis.nulls import luck_scores
from modicum.analysis.ship import Candidate
from modicum.simulation.world import BUDGETS, Part, World
from modicum.stats import Bools, Floats, Ints
from modicum.types import PROMPT

__all__ = ["SimulatedStudy", "Size", "Truth", "draw", "truth_of"]

_ANSWERS = 1000
_SERVING = {PROMPT: 1.0, "free": 10.0, "fine_tune": 1.0}
"""FLOPs a query beside the plain prompt's."""


@dataclass(frozen=True)
class Size:
    """How large a study is."""

    problems: int
    samples: int
    seeds: int = 3

    def __str__(self) -> str:
        """Write it as `400 x 64`."""
        return f"{self.problems} x {self.samples}"


@dataclass(frozen=True, eq=False)
class SimulatedStudy:
    """What one study in a world gave, and what the rules are given of it."""

    evidence: Evidence
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Truth:
    """What the figures of a world really are: expectations over problems, seeds and answers."""

    floor: float
    scores: dict[str, float]
    """Of every rung, by the name it is shipped by."""
    forced: float


class _Draw:
    """One set of problems with all that a model answers on them."""

    def __init__(
        self, world: World, size: Size, rng: np.random.Generator, *, is_even: bool = False
    ) -> None:
        """Draw the problems; `is_even` gives each part its very share of them."""
        self.world, self.size, self.rng = world, size, rng
        n = size.problems
        prior = np.array(world.golds) if world.golds else np.full(_ANSWERS, 1 / _ANSWERS)
        self.prior = prior / prior.sum()
        self.gold = rng.choice(self.prior.size, n, p=self.prior)
        groups = np.arange(n) // world.clusters
        kinds = rng.choice(len(world.parts), groups.max() + 1, p=[p.share for p in world.parts])
        if is_even:
            ends = np.cumsum([p.share for p in world.parts])
            kinds = np.searchsorted(ends, (np.arange(groups.max() + 1) + 0.5) / (groups.max() + 1))
        self.part = kinds[groups]
        self.clusters = groups if world.clusters > 1 and world.is_declared else None
        self.standing = self._errors()
        self.moved = np.roll(self.gold, int(rng.integers(1, max(n, 2))))
        self.w = np.zeros(n)
        for place, part in enumerate(world.parts):
            if part.tail is not None:
                chances = rng.beta(part.tail.a, part.tail.b, groups.max() + 1)[groups]
                self.w = np.where(self.part == place, chances, self.w)

    def _errors(self) -> Ints:
        """One wrong answer a problem, by the prior where it has more than two answers."""
        wrong = self.rng.choice(self.prior.size, self.size.problems, p=self.prior)
        other = (self.gold + 1) % self.prior.size
        return np.where(wrong == self.gold, other, wrong)

    def chances(self, what: str, place: int = 0) -> Floats:
        """The chance to be right by work, one a problem."""
        table = np.array([_chance(part, what, place) for part in self.world.parts])
        found = table[self.part]
        for number, part in enumerate(self.world.parts):
            if part.tail is not None:
                able = _by_tail(part, what, place, self.w)
                found = np.where(self.part == number, able, found)
        return np.asarray(found, dtype=np.float64)

    def guesses(self, n: int) -> Ints:
        """Unworked answers `[problems, n]`."""
        shape = (self.size.problems, n)
        drawn = self.rng.choice(self.prior.size, shape, p=self.prior)
        return np.where(self.rng.random(shape) < 0.5, self.standing[:, None], drawn)

    def answers(self, chances: Floats, n: int, *, lost: float = 0.0) -> Ints:
        """Answers `[problems, n]`; some unreadable."""
        worked = self.rng.random((self.size.problems, n)) < chances[:, None]
        found = np.where(worked, self.gold[:, None], self.guesses(n))
        return np.where(self.rng.random(found.shape) < lost, -1, found)

    def greedy(self, chances: Floats, *, lost: float = 0.0) -> Ints:
        """One answer a problem; a guess is the commonest gold where the world says so."""
        found = self.answers(chances, 1)[:, 0]
        if self.world.has_mode:
            worked = self.rng.random(self.size.problems) < chances
            found = np.where(worked, self.gold, int(np.argmax(self.prior)))
        return np.where(self.rng.random(found.shape) < lost, -1, found)

    def tuned(self, place: int) -> Ints:
        """Answers of a tuned rung, `[seeds, problems]`."""
        base = self.chances("tuned", place)
        rows = []
        for _ in range(self.size.seeds):
            works = self.rng.random() < self.world.seeds_that_work
            shift = self.rng.normal(0, self.world.spread)
            chances = np.clip(base + shift * (base > 0), 0, 1) if works else self.chances("greedy")
            rows.append(self.greedy(chances, lost=self.world.unreadable[1]))
        return np.stack(rows)

    def right(self, answers: Ints) -> Floats:
        """Whether answers are the gold."""
        return np.asarray(answers == self.gold, dtype=np.float64)


def _chance(part: Part, what: str, place: int) -> float:
    if part.tail is not None:
        return 0.0
    return part.tuned[place] if what == "tuned" else float(getattr(part, what))


def _by_tail(part: Part, what: str, place: int, w: Floats) -> Floats:
    if part.tail is None:
        raise ValueError(what)
    if what == "sampled":
        return w
    if what == "tuned":
        return np.asarray(0.97 * (w > part.tail.tuned[place]), dtype=np.float64)
    limit = {"greedy": part.tail.greedy, "free": part.tail.free}.get(what)
    return np.zeros_like(w) if limit is None else (w > limit).astype(np.float64)


def draw(
    world: World, size: Size, rng: np.random.Generator, *, is_even: bool = False
) -> SimulatedStudy:
    """Draw one study.

    Args:
        world: What is true.
        size: How large it is.
        rng: Stream of all its draws.
        is_even: Whether each part of the world has its very share of the problems.
    """
    one = _Draw(world, size, rng, is_even=is_even)
    before = world.unreadable[0]
    plain = one.greedy(one.chances("greedy"), lost=before)
    samples = one.answers(one.chances("sampled"), size.samples, lost=before)
    strata = np.zeros(size.problems, dtype=np.int64)
    default = one.right(plain)
    moved = np.asarray(plain == one.moved, dtype=np.float64)
    unread = np.asarray(plain < 0, dtype=np.float64)
    rungs = [_prompt(default, moved, unread)]
    frees = ["free"] * world.has_free + [f"idle_{i}" for i in range(world.extra)]
    for name in frees:
        chances = one.chances("free" if name == "free" else "greedy")
        read = one.greedy(chances, lost=before)
        luck = luck_scores(read, one.gold, strata)
        vetoes = (ControlScores("luck", luck[None]),)
        rungs.append(_rung(name, 0, one, read[None], vetoes))
    for place, n in enumerate(BUDGETS):
        read = one.tuned(place)
        veto = one.greedy(np.zeros(size.problems), lost=world.unreadable[1])
        control = np.asarray(veto == one.moved, dtype=np.float64)[None]
        vetoes = (ControlScores("scrambled", np.repeat(control, size.seeds, axis=0), moved),)
        rungs.append(_rung("fine_tune", n, one, read, vetoes, is_tuned=True))
    has_forced = any(part.forced for part in world.parts)
    forced = one.right(one.greedy(one.chances("forced"))) if has_forced else None
    twins = tuple(
        Twin(
            "fine_tune",
            n,
            np.stack([one.right(one.greedy(np.full(size.problems, c))) for _ in range(size.seeds)]),
        )
        for n, c in world.twin.items()
    )
    evidence = Evidence(
        default=default,
        floor=default,
        default_moved=moved,
        default_unread=unread,
        floor_unread=unread,
        samples=Samples(
            answers=samples, gold=one.gold, correct=_correct(samples, one.gold), strata=strata
        ),
        forced=forced,
        rungs=tuple(rungs),
        twins=twins,
        clusters=one.clusters,
    )
    return SimulatedStudy(evidence, _candidates(rungs))


def _correct(samples: Ints, gold: Ints) -> Bools:
    return np.asarray(samples == gold[:, None], dtype=np.bool_)


def _prompt(default: Floats, moved: Floats, unread: Floats) -> RungEvidence:
    veto = ControlScores("scrambled", moved[None], moved)
    return RungEvidence(
        method=PROMPT, n_shots=0, labels=0, scores=default[None], is_tuned=False, is_prompt=True,
        vetoes=(veto,), unread=unread[None],
    )  # fmt: skip


def _rung(
    name: str,
    n: int,
    one: _Draw,
    read: Ints,
    vetoes: tuple[ControlScores, ...],
    *,
    is_tuned: bool = False,
) -> RungEvidence:
    return RungEvidence(
        method=name,
        n_shots=n,
        labels=n,
        scores=one.right(read),
        is_tuned=is_tuned,
        vetoes=vetoes,
        unread=np.asarray(read < 0, dtype=np.float64),
    )


def _candidates(rungs: list[RungEvidence]) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            name=rung.name,
            scores=rung.scores,
            labels=rung.labels,
            elicitation_flops=float(rung.labels),
            serving_flops=_SERVING.get(rung.method, _SERVING["free"]),
            is_plain=rung.is_prompt,
        )
        for rung in rungs
    )


def truth_of(world: World, rng: np.random.Generator, problems: int = 20_000) -> Truth:
    """Give a world's true figures, from so many problems that their noise is below .4 points."""
    one = _Draw(replace(world, clusters=1), Size(problems, 2, 1), rng, is_even=True)
    plain = one.right(one.greedy(one.chances("greedy"), lost=world.unreadable[0])).mean()
    scores = {PROMPT: float(plain)}
    if world.has_free:
        free = one.greedy(one.chances("free"), lost=world.unreadable[0])
        scores["free"] = float(one.right(free).mean())
    for place, n in enumerate(BUDGETS):
        reached = one.right(one.greedy(one.chances("tuned", place), lost=world.unreadable[1]))
        works = world.seeds_that_work
        scores[f"fine_tune n={n}"] = float(works * reached.mean() + (1 - works) * plain)
    forced = float(one.right(one.greedy(one.chances("forced"))).mean())
    return Truth(float(plain), scores, forced)
