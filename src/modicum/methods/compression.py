"""Shorter answers by one vector: from the model's own short and long ones, at a budget of divergence."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np

from modicum.bench import Bench
from modicum.errors import BudgetError, TrialError
from modicum.method import Aim, Control, Kind, Method, Needs, Quick
from modicum.model import Model
from modicum.nudge import Change, Nudge
from modicum.nudge.contrast import random_like
from modicum.nudge.dose import Dosed, Slope, bisected, bound, bounded_dose
from modicum.nudge.sites import chosen_layers
from modicum.nudge.steering import Direction, Steering, Where
from modicum.plain import JsonValue
from modicum.sampling.divergence import Meter, Spent
from modicum.training.changes import Vectors
from modicum.training.contrast import answers_under
from modicum.training.lengths import (
    Forms,
    Heading,
    answered,
    given_forms,
    headings_at_end,
    headings_at_parting,
    instructed_forms,
    own_forms,
    read_concise,
)
from modicum.types import Access, Completion, File, Problem, Supervision
from modicum.whitebox import WhiteBox, need_whitebox

__all__ = ["Compression"]

_CONCISE = ("Answer in as few words as possible.", "Explain every step in full sentences.")
"""Where neither the user nor the task gives instructions."""
_STEP = 0.02
"""Dose of the differences that give slope and bound, as a share of the activations' length."""
_SAME = 1.02
"""Ratio within which two lengths count as the same."""
_HOPELESS = 0.5
"""Share of the plain accuracy below which a layer is given no larger budget."""


@dataclass(frozen=True)
class _Reading:
    """How a model answers the shots on which layer and budget are chosen."""

    accuracy: float
    tokens: float


@dataclass(frozen=True)
class _Step:
    """One layer at one budget."""

    layer: int
    budget: float
    dose: float
    spent: Spent
    is_met: bool
    bound: float
    fisher_dose: float
    bound_dose: float
    read: _Reading

    def as_dict(self) -> dict[str, JsonValue]:
        """Return plain values for the record."""
        own = {k: v for k, v in asdict(self).items() if k not in ("spent", "read", "is_met")}
        return {
            **own,
            "kl": self.spent.token,
            "kl_high": self.spent.high,
            "kl_answer": self.spent.answer,
            "met": self.is_met,
            **asdict(self.read),
        }


@final
@dataclass(frozen=True)
class Compression(Method):
    """Makes answers shorter and no less right, by one direction in one layer.

    Source: activation-steered compression, Azizi et al. 2025 (2507.04742).
    Differs: acts where short and long answers part, found from the pairs, unless told to act at
    every step; the strength spends a *measured* divergence (the second-order dose first, then
    bisection), beside which the paper's bound is printed; layer and budget are chosen on shots;
    where one prompt gave both answers the direction is the gradient of the preference at the
    parting, for the activations there do not differ; a sign test is run.
    """

    needs: ClassVar[Needs] = Needs(
        access=Access.ACTIVATIONS, supervision=Supervision.ANSWER, reads_solutions=True
    )
    aim: ClassVar[Aim] = "length"
    controls: ClassVar[tuple[Control, ...]] = (
        Control("random", veto=True, draws=5, settings={"direction": "random"}),
    )
    quick: ClassVar[Quick] = Quick(
        {"layers": [2], "budgets": [0.01], "samples": 6, "calibration": 1},
        model="organism-style-64",
        task="word_sums?asks=length",
    )
    kind: ClassVar[Kind] = "steering"
    changes: ClassVar[tuple[type[Change], ...]] = (Vectors,)

    pairs: Literal["own", "instructions", "solutions", "file"] = "own"
    """Where short and long answers come from: the model's own samples; two instructions; the shots'
    solutions, or your own file, as the short ones beside its greedy answers."""
    concise: str = ""
    """Instruction that asks for short answers; the task's, or a general one, where empty."""
    verbose: str = ""
    """Its opposite."""
    file: File = ""
    """Your own short answers: JSON lines with `question` and `answer`."""
    samples: int = 8
    """Samples a shot among which the shortest and the longest right ones are taken."""
    temperature: float = 1.0
    """Of these samples."""
    ratio: float = 1.2
    """How many times as long as the short answer the long one of a pair must be."""
    taken: Literal["parting", "end"] = "parting"
    """Where the direction is taken: where the answers part, or at their ends as in the paper."""
    at: Literal["parting", "every"] = "parting"
    """Where it acts: where the answers part, or at every step."""
    layers: tuple[int, ...] = ()
    """Layers tried; all of them where empty."""
    budgets: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03)
    """Divergences tried, in nats a token of the plain answers."""
    loss: float = 0.02
    """Share of accuracy on the shots that may be lost."""
    selection: int = 32
    """Most shots on which layer and budget are chosen."""
    calibration: int = 8
    """Most shots on whose plain answers divergence is measured."""
    direction: Literal["contrast", "random"] = "contrast"
    """`random` puts a random direction of equal length at the chosen place (veto control)."""

    def __post_init__(self) -> None:
        """Refuse settings outside their ranges."""
        if not self.budgets or min(self.budgets) <= 0 or self.ratio <= 1:
            msg = "budgets above 0 and a ratio above 1"
            raise ValueError(msg)
        if min(self.samples - 1, self.selection, self.calibration) < 1 or self.temperature <= 0:
            msg = "at least 2 samples at a temperature above 0, selection and calibration from 1 on"
            raise ValueError(msg)
        if (self.pairs == "file") != bool(self.file):
            msg = "file = your JSON lines together with pairs = file"
            raise ValueError(msg)
        if self.taken == "end" and self.at == "parting":
            msg = "taken = end together with at = every: the two places are not the same"
            raise ValueError(msg)

    def check(self) -> None:
        """Look whether the file holds short answers.

        Raises:
            ConfigError: it does not.
        """
        if self.file:
            read_concise(Path(self.file))

    def draws(self, n_shots: int) -> int:
        """Return the samples of all shots."""
        return n_shots * self.samples

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Find the direction, its layer and its dose.

        Raises:
            BudgetError: no shots, or shots without solutions where those are the short answers.
            AccessError: the model's activations cannot be reached.
            ConfigError: a broken file of short answers.
            TrialError: no shot has a short and a long right answer.
        """
        white = bench.on(need_whitebox)
        whitebox, ledger = white.model, white.ledger
        search = _Search(self, white)
        forms = self._forms(white)
        layers = chosen_layers(whitebox.module, self.layers)
        offset, n_pairs = 0, len(forms)
        if self.taken == "end":
            headings = headings_at_end(whitebox, forms, layers, ledger)
        else:
            headings, offset, n_pairs = headings_at_parting(whitebox, forms, layers, ledger)
        where: Where = "first" if self.at == "parting" else "generated"
        place = (where, offset if where == "first" else 0)
        plain, tried = search.tried(headings, place)
        best = _chosen(tried, plain, self.loss)
        heading = next(h for h in headings if h.layer == best.layer)
        chosen = _steering(heading, best.dose, place)
        [against] = search.read([chosen.scaled(-1.0)])
        is_flipped = _is_better(against, best.read, plain, self.loss)
        chosen = chosen.scaled(-1.0) if is_flipped else chosen
        notes: dict[str, JsonValue] = {
            "pairs": n_pairs,
            "shots": len(white.shots),
            "where": place[0],
            "offset": place[1],
            "length": heading.length,
            "cosine": heading.reliability.cosine,
            "separability": heading.reliability.separability,
            "sign_test": {"against": asdict(against), "flipped": is_flipped},
            "plain": asdict(plain),
            "chosen": best.as_dict(),
            "frontier": [step.as_dict() for step in tried if step.layer == best.layer],
            "tried": [[s.layer, s.budget, s.read.accuracy, s.read.tokens] for s in tried],
        }
        if self.direction == "random":
            drawn = random_like(chosen.directions[0].values, white.rng)
            chosen = replace(chosen, directions=(replace(chosen.directions[0], values=drawn),))
        else:
            notes["seconds"] = search.timed(chosen)
        return Nudge(white.style, changes=(Vectors(chosen, whitebox.card.weights),), facts=notes)

    def _forms(self, bench: Bench[WhiteBox]) -> list[Forms]:
        shots = bench.shots
        if not shots:
            msg = "compression needs at least one shot"
            raise BudgetError(msg)
        if self.pairs == "solutions" and any(shot.solution is None for shot in shots):
            msg = "pairs = solutions needs shots with worked solutions"
            raise BudgetError(msg)
        if self.pairs == "own":
            forms = own_forms(bench, (self.samples, self.temperature), self.ratio)
        elif self.pairs == "instructions":
            own = bench.sheet.contrast or _CONCISE
            words = (self.concise or own[0], self.verbose or own[1])
            forms = instructed_forms(bench, words, self.ratio)
        else:
            texts = {shot.question: shot.solution for shot in shots if shot.solution}
            texts = read_concise(Path(self.file)) if self.pairs == "file" else texts
            forms = given_forms(bench, texts, self.ratio)
        if not forms:
            msg = (
                f"none of {len(shots)} shots has two right answers, one {self.ratio:g} times as "
                "long as the other: nothing to compress by"
            )
            raise TrialError(msg)
        return forms


@dataclass(frozen=True)
class _Search:
    """Tries layers and budgets on shots."""

    settings: Compression
    bench: Bench[WhiteBox]

    @property
    def shots(self) -> tuple[Problem, ...]:
        """Those on which layer and budget are chosen."""
        return self.bench.shots[: self.settings.selection]

    def tried(
        self, headings: Sequence[Heading], place: tuple[Where, int]
    ) -> tuple[_Reading, list[_Step]]:
        """Return how the plain model answers, and every layer at every budget, smallest first.

        At a budget the layers answer together.
        """
        whitebox = self.bench.model
        answers = answered(self.bench, whitebox, self.shots)
        plain = self._reading(answers)
        texts = [
            (whitebox.encode(self.bench.prompt(shot)), whitebox.encode_completion(given.text))
            for shot, given in zip(self.shots, answers, strict=True)
        ]
        meter = Meter(whitebox, texts[: self.settings.calibration], self.bench.ledger)
        slopes = [meter.slope(_steering(h, 1.0, place), _STEP * h.state) for h in headings]
        steps: list[list[_Step]] = [[] for _ in headings]
        going = [*range(len(headings))]
        for budget in sorted(self.settings.budgets):
            found = [_dosed(meter, headings[i], slopes[i], budget, place) for i in going]
            nudges = [
                _steering(headings[i], f.dose, place) for i, f in zip(going, found, strict=True)
            ]
            reads = self.read(nudges)
            for i, dosed, nudge, read in zip(going, found, nudges, reads, strict=True):
                steps[i].append(
                    _Step(
                        headings[i].layer,
                        budget,
                        dosed.dose,
                        meter.spent(nudge),
                        dosed.is_met,
                        bound(slopes[i], dosed.dose),
                        slopes[i].fisher_dose(budget),
                        bounded_dose(slopes[i], budget),
                        read,
                    )
                )
            least = _HOPELESS * plain.accuracy
            going = [
                i for i in going if steps[i][-1].is_met and steps[i][-1].read.accuracy >= least
            ]
        return plain, [step for own in steps for step in own]

    def read(self, steerings: Sequence[Steering]) -> list[_Reading]:
        """Return how the model answers under each of several nudges."""
        return [self._reading(given) for given in answers_under(self.bench, steerings, self.shots)]

    def timed(self, steering: Steering) -> dict[str, float]:
        """Return the seconds that the plain and the steered model take for the shots, drawn afresh."""
        spent = {}
        for name, model in (
            ("plain", self.bench.model),
            ("nudged", self.bench.model.with_steering(steering)),
        ):
            start = time.perf_counter()
            answered(self.bench, model, self.shots, is_fresh=True)
            spent[name] = time.perf_counter() - start
        return spent

    def _reading(self, answers: Sequence[Completion]) -> _Reading:
        pairs = zip(self.shots, answers, strict=True)
        right = [self.bench.is_right(shot, given.text) for shot, given in pairs]
        return _Reading(float(np.mean(right)), float(np.mean([a.n_tokens for a in answers])))


def _dosed(
    meter: Meter, heading: Heading, slope: Slope, budget: float, place: tuple[Where, int]
) -> Dosed:
    """Return the dose that spends a budget."""
    start = min(slope.fisher_dose(budget), 4 * heading.state)
    return bisected(_spends(meter, heading, place), budget, start)


def _spends(meter: Meter, heading: Heading, place: tuple[Where, int]) -> Callable[[float], float]:
    return lambda dose: meter.spent(_steering(heading, dose, place)).token


def _steering(heading: Heading, dose: float, place: tuple[Where, int]) -> Steering:
    return Steering((Direction(heading.layer, heading.unit * dose),), *place)


def _chosen(tried: Sequence[_Step], plain: _Reading, loss: float) -> _Step:
    """Return the least budget among the shortest of those that lose no more than allowed.

    At equal budget the later layer stands, where less comes after it that could be harmed. Where
    all lose more, the most accurate at its smallest budget stands.
    """
    fit = [s for s in tried if s.read.accuracy >= plain.accuracy - loss]
    if not fit:
        return max(tried, key=lambda s: (s.read.accuracy, -s.budget, s.layer))
    fewest = min(s.read.tokens for s in fit)
    short = [s for s in fit if s.read.tokens <= _SAME * fewest]
    return min(short, key=lambda s: (s.budget, -s.layer))


def _is_better(other: _Reading, read: _Reading, plain: _Reading, loss: float) -> bool:
    """Say whether the opposite direction keeps accuracy and gives fewer tokens."""
    return other.accuracy >= plain.accuracy - loss and other.tokens < read.tokens
