"""A steering vector from n pairs: the mean difference of activations, at the smallest dose that works."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar, Literal, final

import numpy as np

from modicum.ledger import Ledger
from modicum.method import Judge, Kind, Method, PromptSolver
from modicum.methods._contrast import (
    Contrast,
    Dose,
    Found,
    directions,
    least_dose,
    paired,
    parted,
    sides_of,
)
from modicum.model import Model
from modicum.steering.contrast import Average, random_like
from modicum.steering.nudge import Direction, Steering, Where, load_steering, save_steering
from modicum.steering.sites import chosen_layers
from modicum.types import Access, Grade, Problem, Settings, Supervision
from modicum.whitebox import WhiteBox, need_whitebox

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

    access: ClassVar[Access] = Access.ACTIVATIONS
    supervision: ClassVar[Supervision] = Supervision.ANSWER
    kind: ClassVar[Kind] = "steering"
    controls: ClassVar[tuple[str, ...]] = ("random", "format")
    veto_controls: ClassVar[tuple[str, ...]] = ("random",)
    control_draws: ClassVar[int] = 5
    control_settings: ClassVar[Mapping[str, Settings]] = {"random": {"direction": "random"}}

    contrast: Contrast = "instructions"
    """What the two sides of a pair differ in."""
    wanted: str = ""
    """Instruction that asks for what is wanted; the task's, or a general one, where empty."""
    unwanted: str = ""
    """Its opposite."""
    at: Literal["first", "parting", "generated", "all"] = "first"
    """Where it acts: the first generated token; the token where the two forms part, found from the
    pairs; every generated token; every position."""
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
        """Refuses settings outside their ranges."""
        if not self.strengths or min(self.strengths) <= 0 or self.selection < 1:
            msg = "strengths above 0 and a selection of at least 1"
            raise ValueError(msg)

    def elicit(
        self,
        model: Model,
        shots: Sequence[Problem],
        judge: Judge,
        rng: np.random.Generator,
        ledger: Ledger,
    ) -> PromptSolver:
        """Finds the direction and its dose.

        Raises:
            BudgetError: too few shots for the contrast.
            AccessError: the model's activations cannot be reached.
            TrialError: the two sides of the pairs do not differ.
        """
        whitebox = need_whitebox(model, "steering_vector")
        sides = sides_of(whitebox, shots, judge, self.contrast, (self.wanted, self.unwanted))
        pairs = paired(whitebox, sides)
        where: Where = "first"
        offset = 0
        if self.at == "parting":
            pairs, offset = parted(whitebox, sides, judge, ledger)
        elif self.at != "first":
            where = self.at
        layers = chosen_layers(whitebox.module, self.layers)
        found = {f.layer: f for f in directions(whitebox, pairs, layers, self.average, ledger)}

        def steering(layer: int, strength: float) -> Steering:
            values = found[layer].values * strength
            return Steering((Direction(layer, values),), where, offset)

        chosen_on = list(shots[: self.selection])

        def score(layer: int, strength: float) -> float:
            return _accuracy(whitebox, steering(layer, strength), chosen_on, judge, ledger)

        best, tried = least_dose(layers, self.strengths, score)
        against = score(best.layer, -best.strength)
        sign = 1.0 if best.score >= against else -1.0
        nudge = steering(best.layer, sign * best.strength)
        if self.direction == "random":
            drawn = random_like(nudge.directions[0].values, rng)
            nudge = replace(nudge, directions=(replace(nudge.directions[0], values=drawn),))
        notes = _notes(best, tried, found[best.layer], against, len(pairs))
        folder = Path(mkdtemp(prefix="modicum-nudge-"))
        base = {"base": whitebox.card.weights}
        ledger.nudge_bytes = save_steering(nudge, folder / "vector.safetensors", base)
        return PromptSolver(
            whitebox.with_steering(nudge),
            judge.style,
            judge.sheet,
            source=folder,
            notes={**notes, "where": where, "offset": offset},
        )

    def restore(self, model: Model, judge: Judge, folder: Path) -> PromptSolver:
        """Gives the model with the saved direction."""
        steered = need_whitebox(model, "steering_vector").with_steering(
            load_steering(folder / "vector.safetensors")
        )
        style = PromptSolver.saved_style(folder)
        return PromptSolver(steered, style, judge.sheet, source=folder)


def _accuracy(
    whitebox: WhiteBox,
    steering: Steering,
    shots: Sequence[Problem],
    judge: Judge,
    ledger: Ledger,
) -> float:
    """Gives the greedy accuracy of the steered model on shots."""
    solver = PromptSolver(whitebox.with_steering(steering), judge.style, judge.sheet)
    solved = solver.solve([shot.hidden() for shot in shots], stream="dose", ledger=ledger)
    right = [
        judge.mark(shot.id, given.text).lenient == Grade.CORRECT
        for shot, given in zip(shots, solved, strict=True)
    ]
    return sum(right) / len(right)


def _notes(
    best: Dose, tried: Sequence[Dose], found: Found, against: float, n_pairs: int
) -> dict[str, object]:
    """Gives what the record keeps of the choice."""
    return {
        "layer": best.layer,
        "strength": best.strength,
        "length": float(found.values.norm()),
        "pairs": n_pairs,
        "cosine": found.reliability.cosine,
        "separability": found.reliability.separability,
        "sign_test": {"with": best.score, "against": against, "flipped": best.score < against},
        "tried": [[dose.layer, dose.strength, dose.score] for dose in tried],
    }
