"""A direction between two prompts of the same questions; its dose by the model's own answers, not golds.

Source: mean difference of contrastive pairs, Rimsky et al. 2024 (2312.06681).
Differs: the sides are one question in two prompts; the dose is chosen without golds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.bench import Bench
from modicum.errors import BudgetError, ConfigError, TrialError
from modicum.model import Language, render
from modicum.nudge import Nudge, Solver, Vote
from modicum.nudge.contrast import Average, random_like
from modicum.nudge.sites import chosen_layers
from modicum.nudge.steering import Direction, Steering, Where
from modicum.plain import JsonValue
from modicum.sampling.capture import capture
from modicum.sampling.divergence import Meter
from modicum.training.changes import Vectors
from modicum.training.contrast import Found, answers_under, directions, facts_of, paired, parted
from modicum.types import Problem, Style
from modicum.whitebox import WhiteBox

__all__ = [
    "Place",
    "PlainAnswer",
    "PromptPairs",
    "RatedDose",
    "best_of",
    "candidates",
    "ranked",
    "two_prompts",
]

Place = Literal["first", "parting", "generated", "all"]
"""Where a vector acts: once, at the last token of the prompt; where the two forms part; at every
generated token; at every position."""

_HEAD = 32
"""Tokens of a plain answer whose likelihood is compared: how it begins is what a vector decides."""
_ENOUGH = 0.9
"""Share of the best gain in likelihood that counts as nearly as much."""
_SCORED = 4
"""Questions on whose plain answers likelihood is compared."""


@dataclass(frozen=True)
class PlainAnswer:
    """What the model itself answers to a question under the wanted prompt."""

    question: Problem
    """Without its gold."""
    text: str
    read: str
    """The answer as the task reads it: what is agreed with, in a gold's place."""


@dataclass(frozen=True)
class RatedDose:
    """A layer and a strength with what they did."""

    layer: int
    strength: float
    likelihood: float
    """Mean log-probability of a token of the plain answers, nats."""
    agreement: float = 0.0
    """Share of the questions that are answered as under the wanted prompt."""


@dataclass(frozen=True)
class PromptPairs:
    """How a vector is found from two prompts of the same questions, which need no answers.

    Layers and strengths are ranked by how likely they make the model's own answers under the wanted
    prompt, strengths near 1 first where they do nearly as much (`ranked`); of the first few the one
    stands whose answers agree most with those.
    """

    wanted: str = ""
    """Name of the wanted prompt among the plain ones, or a text with `{question}`; the first that is not
    the unwanted one where empty."""
    unwanted: str = ""
    """The same of the other side; the prompt that is asked in where empty."""
    at: Place = "first"
    """Where it acts."""
    average: Average = "mean"
    """How pairs become one direction."""
    layers: tuple[int, ...] = ()
    """Layers tried; all of them where empty."""
    strengths: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    """Strengths tried, in units of the mean difference."""
    selection: int = 16
    """Most questions on which layer and strength are chosen."""
    direction: Literal["contrast", "random", "questions"] = "contrast"
    """What is added at the chosen place, at equal length: the contrast; a random direction; the
    difference between two questions under one prompt."""
    samples: int = 1
    """Answers to a question whose majority is agreed with; the greedy one where 1."""
    tries: int = 8
    """Layers and strengths, the first by likelihood, whose answers are compared."""

    def nudge(self, bench: Bench[WhiteBox]) -> Nudge:
        """Find the direction, its layer and its dose.

        Raises:
            BudgetError: no question.
            ConfigError: a prompt that is not among the plain ones.
            TrialError: no plain answer can be read, or the two prompts do not differ.
        """
        questions = bench.texts[: bench.budget or None]
        if not questions:
            raise BudgetError("a contrast of prompts without a question")
        whitebox, styles = bench.model, two_prompts(bench, self.wanted, self.unwanted)
        answers = self._answers(bench, styles[0], questions)
        sides = [tuple(render(whitebox, s, q.question) for s in styles) for q in questions]
        texts = [(wanted, unwanted) for wanted, unwanted in sides]
        where: Where = "first" if self.at == "parting" else self.at
        pairs, offset = (
            parted(bench, texts) if self.at == "parting" else (paired(whitebox, texts), 0)
        )
        layers = chosen_layers(whitebox.module, self.layers)
        found = {
            f.layer: f for f in directions(whitebox, pairs, layers, self.average, bench.ledger)
        }
        search = _Search.of(bench, found, (where, offset), answers[: self.selection])
        scored = search.likelihoods(candidates(layers, self.strengths))
        order = ranked(scored, search.meter.likelihood())
        tried = search.agreements(order[: self.tries])
        best = best_of(tried)
        [against] = search.agreements([replace(best, strength=-best.strength)])
        is_flipped = against.agreement > best.agreement
        chosen = search.steering(against if is_flipped else best)
        notes: dict[str, JsonValue] = {
            "contrast": "prompts",
            "wanted": styles[0].name,
            "unwanted": styles[1].name,
            "where": where,
            "offset": offset,
            **facts_of(found[best.layer], best.strength, len(pairs)),
            "agreement": best.agreement,
            "likelihood": best.likelihood,
            "answers": len(answers),
            "unread": len(questions) - len(answers),
            "unsteered": search.unsteered,
            "sign_test": {
                "with": best.agreement,
                "against": against.agreement,
                "flipped": is_flipped,
            },
            "likelihoods": [[one.layer, one.strength, one.likelihood] for one in order],
            "tried": [[one.layer, one.strength, one.agreement] for one in tried],
        }
        if self.direction != "contrast":
            chosen = self._control(bench, chosen, styles[1])
        return Nudge(bench.style, changes=(Vectors(chosen, whitebox.card.weights),), facts=notes)

    def _answers(
        self, bench: Bench[WhiteBox], style: Style, questions: Sequence[Problem]
    ) -> list[PlainAnswer]:
        """Return the model's own answers in a style, those that cannot be read left out."""
        if self.samples == 1:
            texts = [given.text for given in bench.answers(bench.model, questions, "own", style)]
        else:
            voting = Solver.of(bench.model, Nudge(style, Vote(self.samples)), bench.judge)
            solved = voting.solve(questions, stream="own", ledger=bench.ledger)
            texts = [given.text for given in solved]
        judge = bench.judge.in_style(style)
        read = [
            PlainAnswer(question, text, answer)
            for question, text in zip(questions, texts, strict=True)
            if (answer := judge.read(text)) is not None
        ]
        if not read:
            raise TrialError(
                f"none of the model's {len(questions)} answers in the prompt {style.name!r} can be "
                "read: there is nothing to agree with; take other questions or another prompt"
            )
        return read

    def _control(self, bench: Bench[WhiteBox], chosen: Steering, style: Style) -> Steering:
        """Return the steering with another direction, as long, at the same place."""
        [own] = chosen.directions
        if self.direction == "random":
            values = random_like(own.values, bench.rng)
        else:
            values = _between_questions(bench, style, own.layer)
            values = values / values.norm() * own.values.norm()
        return replace(chosen, directions=(replace(own, values=values),))


def two_prompts(bench: Bench[WhiteBox], wanted: str, unwanted: str) -> tuple[Style, Style]:
    """Return the wanted and the unwanted prompt.

    Args:
        bench: With the plain prompts.
        wanted: Name or text; the first prompt that is not the unwanted one where empty.
        unwanted: Name or text; the prompt that is asked in where empty.

    Raises:
        ConfigError: no prompt of that name, or only one prompt.
    """
    known = {style.name: style for style in (*bench.prompts, bench.style)}
    off = _named(bench, known, unwanted) if unwanted else bench.style
    others = [style for style in known.values() if style != off]
    if not wanted and not others:
        raise ConfigError(
            f"one prompt alone, {off.name!r}",
            "two that differ",
            "give the other as `wanted`, a text with {question}",
        )
    return (_named(bench, known, wanted) if wanted else others[0]), off


def _named(bench: Bench[WhiteBox], known: dict[str, Style], name: str) -> Style:
    if name in known:
        return known[name]
    if "{question}" not in name:
        raise ConfigError(
            f"a prompt {name!r:.60}",
            f"one of {', '.join(known)}, or a text with {{question}}",
            "choose one of those",
        )
    language = bench.model.language or Language()
    return replace(
        bench.style,
        name="given",
        template=name,
        system=None,
        chat=language.chat(None, "?") is not None,
    )


def candidates(layers: Sequence[int], strengths: Sequence[float]) -> list[tuple[int, float]]:
    """Return what is tried: every layer at every strength, the smallest strength first.

    >>> candidates([3, 4], [1.0, 0.5])
    [(3, 0.5), (4, 0.5), (3, 1.0), (4, 1.0)]
    """
    return [(layer, strength) for strength in sorted(strengths) for layer in layers]


def ranked(scored: Sequence[RatedDose], plain: float) -> list[RatedDose]:
    """Return what is tried in its order: of what does nearly as much as anything the difference itself first.

    Those that keep nine tenths of the best gain in likelihood stand first: strengths near 1 before
    others, for that is what really lies between the two prompts. A weaker one may do for the questions
    at hand and not for the next; a stronger one leaves what the model knows. Of equally near ones the
    likelier stands first; then come the rest, the likeliest first.

    Args:
        scored: With likelihoods; at least one.
        plain: Likelihood without a vector, nats.

    >>> doses = [RatedDose(1, 2.0, -1.0), RatedDose(1, 1.0, -1.05), RatedDose(2, 1.0, -1.9)]
    >>> [(dose.layer, dose.strength) for dose in ranked(doses, -2.0)]
    [(1, 1.0), (1, 2.0), (2, 1.0)]
    """
    least = plain + _ENOUGH * (max(one.likelihood for one in scored) - plain)
    return sorted(
        scored,
        key=lambda one: (
            one.likelihood < least,
            abs(math.log(one.strength)) if one.likelihood >= least else 0.0,
            -one.likelihood,
        ),
    )


def best_of(tried: Sequence[RatedDose]) -> RatedDose:
    """Return what agrees most; of equals the one that stands first.

    Where a few questions leave many doses equal, likelihood has ranked those first that answer as the
    wanted prompt does, before those that agree by other ways.

    >>> best_of([RatedDose(1, 1.0, -1.0, 0.5), RatedDose(2, 1.0, -2.0, 0.5)]).layer
    1
    """
    return max(tried, key=lambda one: one.agreement)


@dataclass(frozen=True)
class _Search:
    """Scores layers and strengths; lists go in and come out, so that one batch may hold them all."""

    bench: Bench[WhiteBox]
    found: dict[int, Found]
    place: tuple[Where, int]
    answers: Sequence[PlainAnswer]
    meter: Meter
    """Measures how likely the beginnings of the plain answers are under the prompt that is asked in."""

    @staticmethod
    def of(
        bench: Bench[WhiteBox],
        found: dict[int, Found],
        place: tuple[Where, int],
        answers: Sequence[PlainAnswer],
    ) -> "_Search":
        """Return the search among the directions of some layers."""
        whitebox, shown = bench.model, answers[:_SCORED]
        texts = [
            (whitebox.encode(bench.prompt(a.question)), whitebox.encode_more(a.text)[:_HEAD])
            for a in shown
        ]
        return _Search(bench, found, place, answers, Meter(whitebox, texts, bench.ledger))

    def steering(self, one: RatedDose) -> Steering:
        """Return a direction as it acts."""
        values = self.found[one.layer].values * one.strength
        return Steering((Direction(one.layer, values),), *self.place)

    def likelihoods(self, places: Sequence[tuple[int, float]]) -> list[RatedDose]:
        """Return layers and strengths with how likely they make the plain answers."""
        ones = [RatedDose(layer, strength, 0.0) for layer, strength in places]
        found = self.meter.likelihoods([self.steering(one) for one in ones])
        return [replace(one, likelihood=nats) for one, nats in zip(ones, found, strict=True)]

    def agreements(self, ones: Sequence[RatedDose]) -> list[RatedDose]:
        """Return the same with the share of questions that they answer as the wanted prompt does."""
        shares = self._agreements([self.steering(one) for one in ones])
        return [replace(one, agreement=share) for one, share in zip(ones, shares, strict=True)]

    @property
    def unsteered(self) -> dict[str, JsonValue]:
        """What the prompt by itself does."""
        [agreement] = self._agreements([None])
        return {"agreement": agreement, "likelihood": self.meter.likelihood()}

    def _agreements(self, steerings: Sequence[Steering | None]) -> list[float]:
        bench, wanted = self.bench, [answer.read for answer in self.answers]
        questions = [answer.question for answer in self.answers]
        read = [
            [bench.judge.read(one.text) for one in given]
            for given in answers_under(bench, steerings, questions, "dose")
        ]
        return [sum(a == b for a, b in zip(one, wanted, strict=True)) / len(wanted) for one in read]


def _between_questions(
    bench: Bench[WhiteBox], style: Style, layer: int
) -> Float[Tensor, " hidden"]:
    """Return the mean difference between questions under one prompt, taken by pairs in a drawn order.

    Raises:
        BudgetError: one question alone.
        TrialError: they do not differ.
    """
    if len(bench.texts) < 2:
        raise BudgetError("a difference between questions with one question")
    order = bench.rng.permutation(len(bench.texts))
    asked = [render(bench.model, style, bench.texts[i].question) for i in order]
    rows = capture(bench.model, [bench.model.encode(a) for a in asked], [layer], bench.ledger)[:, 0]
    half = len(rows) // 2
    values: Tensor = (rows[:half] - rows[half : 2 * half]).mean(0)
    if not bool(torch.isfinite(values).all() and values.norm() > 0):
        raise TrialError("the questions are alike at this place: there is no difference to add")
    return values
