"""What an autoregressive energy net is made of: one form with switches, and the paper's two recipes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from modicum.errors import ConfigError, UnknownNameError

__all__ = ["ENERGY_TEXT_PRESETS", "EnergyTextShape", "energy_text_preset"]

Conditioning = Literal["none", "added", "token"]
TextUpdate = Literal["prob_reset", "logit_accumulate"]


@dataclass(frozen=True)
class EnergyTextShape:
    """A net that says of each position how ill a distribution over the next id fits the ids so far.

    Its state is one row of logits a position; softmax makes a candidate of it, and a step goes down the
    gradient of the energy. All positions take their steps at once, and none sees another's candidate.

    Source: Gladstone et al. 2025 (2507.02092), energy-based transformers of text; sizes of steps and of
    noise for small vocabularies, where the paper's own are for 50,277 ids.
    """

    vocabulary: int
    """Ids from 0, at least 2."""
    length: int
    """Most ids that are seen, at least 1."""
    width: int = 64
    """Numbers a position; divisible by twice the heads."""
    heads: int = 4
    inner: int = 64
    """Hidden width of every SwiGLU; the paper's is that of the net."""
    layers: int = 3
    conditioning: Conditioning = "none"
    """How a step is told which landscape it is in: `added` to the candidates alone, so that what was
    observed is the same at every step; or as a first `token` that all positions see, as released."""
    landscapes: int = 1
    """Energy functions with a learned row each; step i is in landscape i, later ones in the last."""
    update: TextUpdate = "prob_reset"
    """How a step goes down: from the candidates along the gradient with respect to them (the released
    rule), or from the logits along their own gradient (as the paper writes it)."""
    step_size: float = 5.0
    """What a gradient is multiplied by, above 0."""
    is_step_size_learned: bool = False
    step_size_rate: float = 3.0
    """A learned step size has the learning rate times this times the first step size; above 0."""
    jitter: float = 1.0
    """In training each position's step size is drawn evenly from 1 / jitter to jitter times it."""
    noise: float = 0.0
    """Deviation of the noise that is added to the state before each step of training (Langevin)."""
    least_steps: int = 2
    """Steps of an update of training are drawn from this number on, at least 1."""
    most_steps: int = 2
    """At most; at least `least_steps`. As many are taken in thinking where nothing else is said."""
    detaches: bool = True
    """Whether no gradient flows from one step into the one before."""
    is_truncated: bool = False
    """Whether steps before the last are taken without a graph of their gradients (S2's rule)."""
    loss: Literal["every", "last"] = "every"
    """Which steps' states are held against the next id."""
    replays: int = 0
    """Sequences whose last states are kept, to begin later updates from; 0 for none. An update takes half
    as many of them as it has fresh ones, and keeps the fresh ones' states alone."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises:
            ConfigError: a number or word that a field does not allow.
        """
        rules = {
            "vocabulary": self.vocabulary >= 2,
            "length": self.length >= 1,
            "heads": self.heads >= 1,
            "width": self.width >= 1 and self.heads >= 1 and self.width % (2 * self.heads) == 0,
            "inner": self.inner >= 1,
            "layers": self.layers >= 1,
            "conditioning": self.conditioning in get_args(Conditioning),
            "landscapes": self.landscapes >= 1,
            "update": self.update in get_args(TextUpdate),
            "step_size": 0 < self.step_size < float("inf"),
            "step_size_rate": 0 < self.step_size_rate < float("inf"),
            "jitter": 1 <= self.jitter < float("inf"),
            "noise": 0 <= self.noise < float("inf"),
            "least_steps": self.least_steps >= 1,
            "most_steps": self.most_steps >= self.least_steps,
            "loss": self.loss in ("every", "last"),
            "replays": self.replays >= 0,
        }
        for name, holds in rules.items():
            if not holds:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r} in the shape of an energy net of text",
                    "a number or word that its field allows (width divisible by twice the heads)",
                    f"set {name} to one of those",
                )
        if self.landscapes > 1 and self.conditioning == "none":
            raise ConfigError(
                f"landscapes = {self.landscapes} that no step is told of",
                "one landscape, or conditioning `added` or `token`",
                "set conditioning = added",
            )
        if self.is_truncated and self.loss == "every":
            raise ConfigError(
                "a loss on every step of which all but the last are truncated",
                "loss = last where is_truncated is set",
                "set loss = last, or is_truncated = false",
            )

    @property
    def first_place(self) -> int:
        """Position of the first id: 1 behind a token that tells the landscape, else 0."""
        return int(self.conditioning == "token")

    def landscape(self, step: int) -> int:
        """Return the landscape of a step, counted from 0."""
        return min(step, self.landscapes - 1)

    @property
    def numbers(self) -> int:
        """Weights of the net."""
        layer = self._layer + 2 * self.width
        told = 0 if self.conditioning == "none" else self.landscapes * self.width
        tables = 2 * self.vocabulary * self.width + told + 2 * self.width
        return self.layers * layer + tables + self.is_step_size_learned

    @property
    def observing_flops(self) -> float:
        """FLOPs of what is done once for each id that is seen: twice the weights that it passes.

        The last layer reads keys and values and goes no further, for nothing else of it is looked at.
        Products of positions are left out here and below.
        """
        return 2.0 * ((self.layers - 1) * self._layer + 2 * self.width**2)

    @property
    def pass_flops(self) -> float:
        """FLOPs of an energy for each candidate: twice the weights that it passes."""
        return 2.0 * (self.layers * self._layer + (self.vocabulary + 1) * self.width)

    @property
    def _layer(self) -> int:
        return 4 * self.width**2 + 3 * self.width * self.inner

    def thinking_flops(self, steps: int, candidates: int) -> float:
        """Return FLOPs of thinking for each position.

        A step's gradient costs about a second pass; of several candidates each is weighed once more.
        """
        weighed = self.pass_flops if candidates > 1 else 0.0
        return self.observing_flops + candidates * (2 * self.pass_flops * steps + weighed)

    def training_flops(self, steps: float) -> float:
        """Return FLOPs of an update of so many steps for each position.

        A step's gradient of a gradient costs about four passes on top of the two that it goes through;
        what was observed is gone through once and back once, which costs three.
        """
        counted = 2 * (steps - 1) + 6 if self.is_truncated else 6 * steps
        return 3 * self.observing_flops + counted * self.pass_flops


_ANY = EnergyTextShape(vocabulary=2, length=1)
ENERGY_TEXT_PRESETS: Mapping[str, EnergyTextShape] = {
    "paper_s1": replace(_ANY, conditioning="added", landscapes=2, is_step_size_learned=True),
    "paper_s2": replace(
        _ANY,
        jitter=2.0,
        noise=1.0,
        most_steps=3,
        detaches=False,
        is_truncated=True,
        loss="last",
    ),
}
"""Shapes by name, of no size."""


def energy_text_preset(name: str, vocabulary: int, length: int) -> EnergyTextShape:
    """Return the shape of a preset for texts of a vocabulary and a length.

    Args:
        name: `paper_s1`, two landscapes of one step each, for scaling; `paper_s2`, one landscape and a
            drawn number of steps, for thinking.
        vocabulary: Ids.
        length: Most ids that are seen.

    Raises:
        UnknownNameError: no such preset.

    >>> energy_text_preset("paper_s2", 96, 64).most_steps
    3
    """
    if name not in ENERGY_TEXT_PRESETS:
        raise UnknownNameError("preset", name, ENERGY_TEXT_PRESETS)
    return replace(ENERGY_TEXT_PRESETS[name], vocabulary=vocabulary, length=length)
