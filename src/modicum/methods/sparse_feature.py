"""One feature of a sparse autoencoder, found by contrast and by effect, and put to the test."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from modicum.bench import Bench
from modicum.ledger import Ledger
from modicum.method import Control, Kind, Method, Needs, Quick
from modicum.model import Model
from modicum.nets.saelens import read_card
from modicum.nudge import Change, Nudge
from modicum.nudge.contrast import random_like
from modicum.nudge.pairs import Pair
from modicum.nudge.sites import blocks
from modicum.nudge.steering import Direction, Steering
from modicum.plain import JsonObject, JsonValue
from modicum.sampling.capture import capture
from modicum.training.changes import Vectors
from modicum.training.contrast import (
    Contrast,
    accuracies,
    directions,
    least_dose,
    paired,
    sides_of,
)
from modicum.training.dictionary import (
    Dictionary,
    DictionaryAnswers,
    learned,
    loaded,
    own_answers,
    place_of,
    width_of,
)
from modicum.training.falsify import Suspect, by_cues, mode_or_correctness
from modicum.training.sparse import SparseRecipe
from modicum.types import Access, File, Supervision
from modicum.whitebox import WhiteBox, need_whitebox

__all__ = ["SparseFeature"]


@final
@dataclass(frozen=True)
class SparseFeature(Method):
    """Adds what one feature writes, once, at the first generated token.

    A BatchTopK autoencoder is trained on the activations of the model's own answers, or a folder in
    SAELens' form is read. Features are ranked by how much more they fire on the wanted side of
    pairs; of the first few the one stands that does most for the shots, at the smallest strength.
    Its notes say whether cue tokens alone call it up and whether it foretells the mode or the
    right answer.

    Source: He et al. 2026 (2601.08058), steering with one feature at the first generated token;
    Bussmann, Leask, Nanda 2024 (2412.06410), BatchTopK; Ma et al. 2026 (2601.05679), falsification.
    Differs: features are chosen by their effect on the shots, not by contrast alone; strengths are
    in units of the mean difference's length; random features and vectors and the mean difference
    itself stand beside it at equal length.
    """

    needs: ClassVar[Needs] = Needs(access=Access.ACTIVATIONS, supervision=Supervision.ANSWER)
    controls: ClassVar[tuple[Control, ...]] = (
        Control("random", veto=True, draws=5, settings={"direction": "random"}),
        Control("random_feature", veto=True, draws=5, settings={"direction": "other_feature"}),
        Control("mean_difference", draws=5, settings={"direction": "mean_difference"}),
        Control("format"),
    )
    quick: ClassVar[Quick] = Quick(
        {"steps": 30, "samples": 1, "candidates": 2, "strengths": (0.5, 1.0)}
    )
    kind: ClassVar[Kind] = "steering"
    changes: ClassVar[tuple[type[Change], ...]] = (Vectors,)

    sae: File = ""
    """Folder of an autoencoder in SAELens' form; one is trained where empty."""
    layer: int | None = None
    """Layer after whose output it stands; six tenths of the way up where not said.
    Early layers know the instruction, not yet the choice."""
    contrast: Contrast = "instructions"
    """What the two sides of a pair differ in."""
    wanted: str = ""
    """Instruction that asks for what is wanted; the task's, or a general one, where empty."""
    unwanted: str = ""
    """Its opposite."""
    features: int = 0
    """Features that are trained; four times the model's width where 0."""
    k: int = 0
    """Features that fire for an activation on average; a twelfth of the width where 0."""
    steps: int = 400
    """Optimiser steps, at least 1."""
    samples: int = 4
    """The model's own answers a prompt, at least 1; three prompts a shot."""
    tokens: int = 300_000
    """Most activations."""
    candidates: int = 8
    """Features, the first by contrast, whose effect is tried."""
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Strengths tried, in units of the mean difference."""
    selection: int = 16
    """Most shots on which feature and strength are chosen."""
    direction: Literal["feature", "other_feature", "random", "mean_difference"] = "feature"
    """What is added at the chosen strength: the feature; another living one or a random direction
    (veto controls); the mean difference of the pairs."""

    def __post_init__(self) -> None:
        """Refuse settings outside their ranges."""
        if not self.strengths or min(self.strengths) <= 0:
            msg = "strengths above 0"
            raise ValueError(msg)
        counts = (self.steps, self.samples, self.candidates, self.selection, self.tokens)
        if min(counts) < 1 or min(self.features, self.k) < 0:
            msg = "steps, samples, candidates, selection and tokens of at least 1"
            raise ValueError(msg)

    def check(self) -> None:
        """Look whether the folder holds an autoencoder that can be read.

        Raises:
            CheckpointError: it does not.
        """
        if self.sae:
            read_card(Path(self.sae))

    def draws(self, n_shots: int) -> int:
        """Return its answers to each shot, counted as to one prompt a shot."""
        return n_shots * self.samples

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Find the feature and its dose, and test what it is.

        Raises:
            BudgetError: too few shots for the contrast.
            AccessError: the model's activations cannot be reached.
            ConfigError: an autoencoder that does not fit the model.
            TrialError: the two sides of the pairs do not differ.
        """
        white = bench.on(need_whitebox)
        whitebox, rng, ledger = white.model, white.rng, white.ledger
        sides = sides_of(white, self.contrast, (self.wanted, self.unwanted))
        pairs = paired(whitebox, sides)
        card = read_card(Path(self.sae)) if self.sae else None
        layer = place_of(card, self.layer, len(blocks(whitebox.module)))
        asked = DictionaryAnswers.of(white, sides, self.samples)
        answers = own_answers(white, asked)
        if card is not None:
            dictionary = loaded(white, answers, card, layer, self.tokens)
        else:
            recipe = self._recipe(width_of(whitebox))
            dictionary = learned(white, answers, layer, recipe, self.tokens)
        [mean] = directions(whitebox, pairs, [layer], "mean", ledger)
        ranked = _by_contrast(whitebox, dictionary, pairs, ledger)[: self.candidates]
        on_shots = _OnShots(white, layer, self.selection)
        chosen = _chosen(dictionary, ranked, float(mean.values.norm()), self.strengths, on_shots)
        notes: dict[str, JsonValue] = {
            **chosen.notes,
            "pairs": len(pairs),
            "dictionary": dictionary.facts,
        }
        values = chosen.values
        if self.direction == "feature":
            suspect = Suspect(whitebox, dictionary, chosen.feature, answers, ledger)
            notes["beside"] = _beside(chosen, mean.values, on_shots)
            notes["cues"] = by_cues(suspect, rng)
            notes["foretells"] = mode_or_correctness(
                suspect, lambda heat: own_answers(white, asked, heat), white
            )
        elif self.direction == "random":
            values = random_like(values, rng)
        elif self.direction == "other_feature":
            others = [i for i in dictionary.living if i != chosen.feature] or [chosen.feature]
            other = notes["drawn"] = int(rng.choice(others))
            values = _written(dictionary, other, float(values.norm()))
        else:
            values = mean.values * chosen.strength
        vectors = Vectors(on_shots.steering(values.clone()), whitebox.card.weights)
        return Nudge(white.style, changes=(vectors,), facts=notes)

    def _recipe(self, width: int) -> SparseRecipe:
        features = self.features or 4 * width
        return SparseRecipe(features, min(features, self.k or max(1, width // 12)), self.steps)


@dataclass(frozen=True)
class _Ranked:
    """A feature with what it fires more on the wanted side."""

    feature: int
    contrast: float


@dataclass(frozen=True)
class _OnShots:
    """Directions tried on the shots, at the first generated token after one layer."""

    bench: Bench[WhiteBox]
    layer: int
    selection: int
    """Most shots."""

    def steering(self, values: Float[Tensor, " hidden"]) -> Steering:
        """Return a direction as it acts."""
        return Steering((Direction(self.layer, values.detach()),), "first")

    def scores(self, tried: Sequence[Float[Tensor, " hidden"] | None]) -> list[float]:
        """Return the greedy accuracy with each of several directions; None: without."""
        steerings = [None if values is None else self.steering(values) for values in tried]
        return accuracies(self.bench, steerings, self.bench.shots[: self.selection], "dose")


def _by_contrast(
    whitebox: WhiteBox, dictionary: Dictionary, pairs: Sequence[Pair], ledger: Ledger
) -> list[_Ranked]:
    """Return features by how much more they fire at the end of the wanted side, the most first."""
    ends = [
        capture(whitebox, texts, [dictionary.layer], ledger)[:, 0]
        for texts in ([p.wanted for p in pairs], [p.unwanted for p in pairs])
    ]
    with torch.inference_mode():
        wanted, unwanted = (dictionary.net.encode(rows).mean(0) for rows in ends)
    gains = (wanted - unwanted).tolist()
    order = sorted(range(len(gains)), key=lambda i: (-gains[i], i))
    return [_Ranked(i, gains[i]) for i in order]


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The feature that stands."""

    feature: int
    strength: float
    values: Float[Tensor, " hidden"]
    """What is added."""
    notes: JsonObject
    """What the record keeps of the choice."""


def _chosen(
    dictionary: Dictionary,
    ranked: Sequence[_Ranked],
    length: float,
    strengths: Sequence[float],
    on_shots: _OnShots,
) -> _Chosen:
    """Return the feature that does most for the shots at the smallest strength, the first at a tie.

    Args:
        dictionary: Whose features they are.
        ranked: Candidates, the first by contrast first.
        length: Of the mean difference.
        strengths: In units of that.
        on_shots: Scores them.
    """

    def scores(places: Sequence[int], strength: float) -> list[float]:
        features = [ranked[-place].feature for place in places]
        return on_shots.scores([_written(dictionary, f, length * strength) for f in features])

    # at equal strength `least_dose` keeps the largest number, here the first by contrast
    places = [-place for place in range(len(ranked))]
    best, tried = least_dose(places, strengths, scores)
    feature = ranked[-best.layer].feature
    notes: dict[str, JsonValue] = {
        "feature": feature,
        "layer": dictionary.layer,
        "where": "first",
        "strength": best.strength,
        "length": length * best.strength,
        "on_shots": best.score,
        "ranked": [[r.feature, r.contrast] for r in ranked],
        "tried": [[ranked[-d.layer].feature, d.strength, d.score] for d in tried],
    }
    values = _written(dictionary, feature, length * best.strength)
    return _Chosen(feature, best.strength, values, notes)


def _written(dictionary: Dictionary, feature: int, length: float) -> Float[Tensor, " hidden"]:
    """Return what a feature writes, at a length."""
    return torch.nn.functional.normalize(dictionary.net.decoder[feature], dim=0) * length


def _beside(
    chosen: _Chosen, mean: Float[Tensor, " hidden"], on_shots: _OnShots
) -> dict[str, float | None]:
    """Return the scores on the shots without it, against it, and of the mean difference as long."""
    cosine = torch.nn.functional.cosine_similarity(chosen.values, mean, dim=0)
    tried = [None, -chosen.values, mean * chosen.strength]
    unsteered, against, mean_difference = on_shots.scores(tried)
    return {
        "unsteered": unsteered,
        "against": against,
        "mean_difference": mean_difference,
        "cosine": float(cosine),
    }
