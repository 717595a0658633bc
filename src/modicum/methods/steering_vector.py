"""A steering vector from n pairs: the mean difference of activations, at the smallest dose that works."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final

from modicum.bench import Bench
from modicum.method import Control, Kind, Method, Needs
from modicum.model import Model
from modicum.nudge import Change, Nudge
from modicum.nudge.contrast import Average, random_like
from modicum.nudge.sites import chosen_layers
from modicum.nudge.steering import Direction, Steering, Where
from modicum.plain import JsonValue
from modicum.training.changes import Vectors
from modicum.training.contrast import (
    accuracies,
    directions,
    facts_of,
    least_dose,
    paired,
    parted,
    sides_of,
)
from modicum.training.prompt_contrast import Place, PromptPairs
from modicum.types import Access, Supervision
from modicum.whitebox import need_whitebox

__all__ = ["SteeringVector"]


@final
@dataclass(frozen=True)
class SteeringVector(Method):
    """Adds one direction to one layer; layer and strength are chosen on the shots alone.

    Source: mean difference of contrastive pairs, Rimsky et al. 2024 (2312.06681).
    Differs: added at the first generated token by default, where the form of an answer is decided;
    the *smallest* sufficient strength is taken, in units of the mean difference's length, and a
    sign test is run on the shots.
    """

    needs: ClassVar[Needs] = Needs(access=Access.ACTIVATIONS, supervision=Supervision.ANSWER)
    controls: ClassVar[tuple[Control, ...]] = (
        Control("random", veto=True, draws=5, settings={"direction": "random"}),
        Control("format"),
    )
    proposals: ClassVar[Mapping[str, str]] = {
        "latent": "a steering vector could reach the same without touching weights",
    }
    kind: ClassVar[Kind] = "steering"
    changes: ClassVar[tuple[type[Change], ...]] = (Vectors,)

    contrast: Literal["instructions", "demonstrations", "completions", "prompts"] = "instructions"
    """What the two sides of a pair differ in. With `prompts` the same question stands in two prompts:
    the budget counts questions without answers, and no label is read, as with `prompt_vector`."""
    wanted: str = ""
    """Instruction that asks for what is wanted; the task's, or a general one, where empty. With
    `contrast = prompts` the name of a plain prompt, or a text with `{question}`."""
    unwanted: str = ""
    """Its opposite."""
    at: Place = "first"
    """Where it acts: once, at the last token of the prompt, which decides the first generated one; the
    token where the two forms part, found from the pairs; every generated token; every position."""
    average: Average = "mean"
    """How pairs become one direction."""
    layers: tuple[int, ...] = ()
    """Layers tried; all of them where empty."""
    strengths: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    """Strengths tried, in units of the mean difference."""
    selection: int = 16
    """Most shots on which layer and strength are chosen."""
    direction: Literal["contrast", "random"] = "contrast"
    """`random` puts a random direction of equal length at the chosen place (veto control)."""

    def __post_init__(self) -> None:
        """Refuse settings outside their ranges."""
        if not self.strengths or min(self.strengths) <= 0 or self.selection < 1:
            msg = "strengths above 0 and a selection of at least 1"
            raise ValueError(msg)

    @property
    def supervision(self) -> Supervision:
        """Answers; questions alone with two prompts."""
        return Supervision.QUESTION if self.contrast == "prompts" else self.needs.supervision

    def texts(self, n_shots: int) -> int:
        """Return the questions of its budget, with two prompts."""
        return n_shots if self.contrast == "prompts" else 0

    def shown(self, n_shots: int) -> int:
        """Return the shots of its budget; none with two prompts."""
        return 0 if self.contrast == "prompts" else n_shots

    def elicit(self, bench: Bench[Model]) -> Nudge:
        """Find the direction and its dose.

        Raises:
            BudgetError: too few shots for the contrast, or no question.
            AccessError: the model's activations cannot be reached.
            ConfigError: a prompt that is not among the plain ones.
            TrialError: the two sides of the pairs do not differ.
        """
        white = bench.on(need_whitebox)
        if self.contrast == "prompts":
            return self._between_prompts().nudge(white)
        whitebox, ledger = white.model, white.ledger
        sides = sides_of(white, self.contrast, (self.wanted, self.unwanted))
        pairs = paired(whitebox, sides)
        where: Where = "first"
        offset = 0
        if self.at == "parting":
            pairs, offset = parted(white, sides)
        elif self.at != "first":
            where = self.at
        layers = chosen_layers(whitebox.module, self.layers)
        found = {f.layer: f for f in directions(whitebox, pairs, layers, self.average, ledger)}

        def steering(layer: int, strength: float) -> Steering:
            values = found[layer].values * strength
            return Steering((Direction(layer, values),), where, offset)

        def scores(layers: Sequence[int], strength: float) -> list[float]:
            steerings = [steering(layer, strength) for layer in layers]
            return accuracies(white, steerings, white.shots[: self.selection], "dose")

        best, tried = least_dose(layers, self.strengths, scores)
        [against] = scores([best.layer], -best.strength)
        sign = 1.0 if best.score >= against else -1.0
        chosen = steering(best.layer, sign * best.strength)
        if self.direction == "random":
            drawn = random_like(chosen.directions[0].values, white.rng)
            chosen = replace(chosen, directions=(replace(chosen.directions[0], values=drawn),))
        facts: dict[str, JsonValue] = {
            **facts_of(found[best.layer], best.strength, len(pairs)),
            "sign_test": {"with": best.score, "against": against, "flipped": best.score < against},
            "tried": [[dose.layer, dose.strength, dose.score] for dose in tried],
            "where": where,
            "offset": offset,
        }
        return Nudge(white.style, changes=(Vectors(chosen, whitebox.card.weights),), facts=facts)

    def _between_prompts(self) -> PromptPairs:
        """Return the search that needs no label, with these settings."""
        return PromptPairs(
            self.wanted,
            self.unwanted,
            self.at,
            self.average,
            self.layers,
            self.strengths,
            self.selection,
            self.direction,
        )
