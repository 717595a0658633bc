"""What an energy net of boards is made of: one form with switches, and presets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from modicum.errors import ConfigError, UnknownNameError

__all__ = ["ENERGY_PRESETS", "EnergyShape", "energy_preset"]

Reading = Literal["energy", "logits"]
Update = Literal["prob_reset", "reset_only", "probability_only", "logit_accumulate"]


@dataclass(frozen=True)
class EnergyShape:
    """A net that fills all open positions of a board at once, in steps.

    Its state is one row of logits a position; softmax makes candidates of them, a distribution over ids.
    Reading `energy`, the net says how ill question and candidates fit, and a step goes down the gradient
    of that. Reading `logits`, it says the next state itself: a looped network, whose candidates are fed
    back, or with one step a plain one.

    Source: Gladstone et al. 2025 (2507.02092), energy-based transformers, whose bidirectional form is of
    images; that of boards, which has no published form, follows its text recipe S1.
    """

    length: int
    """Positions of a board, at least 1."""
    vocabulary: int
    """Ids from 0, which is blank, at least 2."""
    width: int = 64
    """Numbers a position; divisible by `heads`."""
    heads: int = 4
    inner: int = 128
    """Hidden width of every SwiGLU."""
    layers: int = 3
    reads: Reading = "energy"
    update: Update = "prob_reset"
    """How a step goes down: from the candidates, along the gradient with respect to them (the released
    rule, `prob_reset`); with one of the two alone (`reset_only`: from the candidates along the gradient
    with respect to the logits, `probability_only`); or from the logits along their own gradient, as the
    paper writes it (`logit_accumulate`)."""
    step_size: float = 5.0
    """What a gradient is multiplied by, above 0."""
    is_step_size_learned: bool = False
    jitter: float = 2.0
    """In training each board's step size is multiplied by a number between 1 / jitter and jitter, even
    in its logarithm; 1 for none."""
    noise: float = 0.0
    """Deviation of the noise that is added to the state before each step of training (Langevin)."""
    least_steps: int = 2
    """Steps of an update of training are drawn from this number on, at least 1."""
    most_steps: int = 2
    """At most; at least `least_steps`."""
    detaches: bool = True
    """Whether no gradient flows from one step into the one before."""
    is_truncated: bool = False
    """Whether steps before the last are taken without a graph of their gradients (S2's rule)."""
    loss: Literal["every", "last"] = "every"
    """Which steps' states are held against the answer."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises:
            ConfigError: a number or word that a field does not allow.
        """
        rules = {
            "length": self.length >= 1,
            "vocabulary": self.vocabulary >= 2,
            "heads": self.heads >= 1,
            "width": self.width >= 1 and self.heads >= 1 and self.width % self.heads == 0,
            "inner": self.inner >= 1,
            "layers": self.layers >= 1,
            "reads": self.reads in get_args(Reading),
            "update": self.update in get_args(Update),
            "step_size": 0 < self.step_size < float("inf"),
            "jitter": 1 <= self.jitter < float("inf"),
            "noise": 0 <= self.noise < float("inf"),
            "least_steps": self.least_steps >= 1,
            "most_steps": self.most_steps >= self.least_steps,
            "loss": self.loss in ("every", "last"),
        }
        for name, holds in rules.items():
            if not holds:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r} in the shape of an energy net",
                    "a number or word that its field allows (width divisible by heads)",
                    f"set {name} to one of those",
                )

    @property
    def numbers(self) -> int:
        """Weights of the net."""
        layer = 4 * self.width**2 + 3 * self.width * self.inner + 2 * self.width
        tables = (2 * self.vocabulary + self.length + 1) * self.width
        if self.reads == "energy":
            return self.layers * layer + tables + self.width + self.is_step_size_learned
        return self.layers * layer + tables + self.vocabulary * self.width

    @property
    def pass_flops(self) -> float:
        """FLOPs of a forward pass for each position: products alone, twice the weights they read."""
        layer = 4 * self.width**2 + 3 * self.width * self.inner + 2 * self.length * self.width
        return 2.0 * (self.layers * layer + 2 * self.vocabulary * self.width)

    @property
    def step_flops(self) -> float:
        """FLOPs of a step of thinking for each position; a gradient costs about a second pass."""
        return self.pass_flops * (2 if self.reads == "energy" else 1)

    def training_flops(self, steps: float) -> float:
        """Return FLOPs of an update for each position, counted as forward passes and gradients.

        A gradient of a gradient costs about four passes on top of the two that it goes through: 6 passes
        a step; a looped network's step is 3; a truncated one's earlier steps are 2 each.
        """
        if self.reads == "logits":
            return 3 * self.pass_flops * steps
        counted = (2 * (steps - 1) + 6) if self.is_truncated else 6 * steps
        return self.pass_flops * counted


_ANY = EnergyShape(length=1, vocabulary=2)
ENERGY_PRESETS: Mapping[str, EnergyShape] = {
    "boards": _ANY,
    "paper_s1": replace(_ANY, is_step_size_learned=True, jitter=1.0),
    "paper_s2": replace(
        _ANY, noise=1.0, most_steps=3, detaches=False, is_truncated=True, loss="last"
    ),
    "looped": replace(_ANY, reads="logits"),
    "plain": replace(_ANY, reads="logits", least_steps=1, most_steps=1),
}
"""Shapes by name, of no size of board."""


def energy_preset(name: str, length: int, vocabulary: int) -> EnergyShape:
    """Return the shape of a preset for boards of a size.

    Args:
        name: `boards` learns boards as this library's trials found best; `paper_s1` and `paper_s2` are the
            paper's two recipes, their noise and step size for small vocabularies; `looped` and `plain` are
            what an energy stands beside, with as many weights but for the head.
        length: Positions.
        vocabulary: Ids.

    Raises:
        UnknownNameError: no such preset.
    """
    if name not in ENERGY_PRESETS:
        raise UnknownNameError("preset", name, ENERGY_PRESETS)
    return replace(ENERGY_PRESETS[name], length=length, vocabulary=vocabulary)
