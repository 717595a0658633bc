"""What a recursive reasoning net is made of: one form with switches, and the presets of four papers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from modicum.errors import ConfigError, UnknownNameError

__all__ = ["PRESETS", "RecursiveShape", "Size", "miniature", "preset", "sized"]

Charge = Literal["all", "last", "boundary"]
Grad = Literal["last_call", "last_recursion", "all"]
Guidance = Literal["none", "full", "zero_mean", "mean_only"]
Size = Literal["mini", "full"]
"""A size that learns within minutes on one core, or the papers' own."""


@dataclass(frozen=True)
class RecursiveShape:
    """A net with two latent states of one vector a position: h, which is decoded, and l.

    A *transition* updates l `n_inner` times and h once; a *supervision step* is `n_outer` of them and
    ends with an answer; a whole computation chains `n_steps` of those.

    Source: HRM (Wang et al. 2025, 2506.21734), TRM (Jolicoeur-Martineau 2025, 2510.04871), GRAM
    (2605.19376), EqR (2605.21488) for `damping`, `is_start_random` and `noise`.
    """

    length: int
    """Positions of the sequence, at least 1; the prefix is not counted."""
    vocabulary: int
    """Token ids from 0 on, at least 2."""
    width: int = 64
    """Numbers a position; divisible by `heads`."""
    heads: int = 4
    inner: int = 128
    """Hidden width of every SwiGLU of the stacks."""
    guide_inner: int = 64
    """Hidden width of the four SwiGLUs that say mean and deviation of the noise."""
    layers: int = 1
    """Of each stack."""
    n_inner: int = 2
    """Updates of l in a transition; 0 for a flat loop, whose h takes the question itself."""
    n_outer: int = 2
    """Transitions of a supervision step, at least 1."""
    n_steps: int = 4
    """Supervision steps of a whole computation in training, at least 1."""
    is_shared: bool = False
    """Whether one stack updates both states."""
    mixer: Literal["attention", "mlp"] = "attention"
    """What lets positions see one another: attention, or a SwiGLU along the sequence."""
    positions: Literal["learned", "rotary", "none"] = "learned"
    prefix: int = 0
    """Empty positions before the question."""
    grad: Grad = "last_recursion"
    """What a supervision step's gradient flows through: its last call of each stack, its last
    transition, or all of it."""
    guidance: Guidance = "full"
    """Gaussian noise on h: none, learned, learned with mean 0, or its mean alone."""
    charge: Charge = "all"
    """Transitions whose divergence is paid for. `last` leaves the earlier ones free to carry the answer,
    a leak; with `boundary` the earlier ones draw from the prior, so that there is nothing to pay."""
    loss: Literal["softmax", "stablemax"] = "softmax"
    beta: float = 1.0
    """Weight of the divergence: summed over channels and transitions, mean over positions."""
    first_deviation: float = 0.2
    """Of the noise before training, above 0."""
    is_start_random: bool = False
    """Whether each computation starts at noise of its own, not at the net's fixed vectors."""
    damping: float = 0.0
    """Share of the old state that an update keeps, in [0, 1)."""
    noise: float = 0.0
    """Deviation of noise added to both states before each supervision step of training, at least 0."""
    halting: bool = False
    """Whether a slot of training is refilled as soon as the halt head says so."""
    judge: Literal["linear", "block"] = "block"
    """What reads halting and value off h: one linear map, or a layer of its own before it."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        rules = {
            "length": self.length >= 1,
            "vocabulary": self.vocabulary >= 2,
            "width": self.width >= 1 and self.width % self.heads == 0,
            "n_inner": self.n_inner >= 0,
            "n_outer": self.n_outer >= 1,
            "n_steps": self.n_steps >= 1,
            "layers": self.layers >= 1,
            "prefix": self.prefix >= 0,
            "damping": 0 <= self.damping < 1,
            "noise": self.noise >= 0,
            "first_deviation": self.first_deviation > 0,
            "charge": self.charge in get_args(Charge),
            "grad": self.grad in get_args(Grad),
            "guidance": self.guidance in get_args(Guidance),
            "positions": self.positions != "rotary" or (self.width // self.heads) % 2 == 0,
        }
        for name, holds in rules.items():
            if not holds:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r} in the shape of a recursive net",
                    "a number or word that its field allows (width divisible by heads; even halves "
                    "of a head for rotary positions)",
                    f"set {name} to one of those",
                )

    @property
    def places(self) -> int:
        """Positions with the prefix."""
        return self.prefix + self.length

    @property
    def is_guided(self) -> bool:
        """Whether h takes learned noise."""
        return self.guidance != "none"

    @property
    def numbers(self) -> int:
        """Weights of the net, heads for halting and value included."""
        swiglu = 3 * self.inner * self.width
        mixed = 3 * self.inner * self.places if self.mixer == "mlp" else 4 * self.width**2
        stacks = 1 if self.is_shared or not self.n_inner else 2
        layers = stacks * self.layers + (self.judge == "block")
        rows = 2 * self.vocabulary + (self.places if self.positions == "learned" else 0)
        found = layers * (swiglu + mixed) + rows * self.width + 2 * self.width + 2
        if self.is_guided:
            found += 2 * (6 * self.guide_inner + 1) * self.width
            found += 4 * self.guide_inner * self.vocabulary
        return found

    @property
    def transition_calls(self) -> int:
        """Calls of a stack in a transition."""
        return self.n_inner + 1

    @property
    def layer_flops(self) -> float:
        """FLOPs of one layer for one position, forwards."""
        swiglu = 6.0 * self.width * self.inner
        if self.mixer == "mlp":
            return swiglu + 6.0 * self.inner * self.width
        return swiglu + 8.0 * self.width**2 + 4.0 * self.places * self.width

    @property
    def step_flops(self) -> float:
        """FLOPs of one supervision step of one trajectory for one position of the sequence, forwards."""
        calls = self.transition_calls * self.layers * self.layer_flops
        guide = 12.0 * self.width * self.guide_inner if self.is_guided else 0.0
        whole = self.n_outer * (calls + guide) + 2.0 * self.width * self.vocabulary
        return whole * self.places / self.length

    @property
    def judge_flops(self) -> float:
        """FLOPs of reading halting and value off one state, for one position of the sequence."""
        block = self.layer_flops if self.judge == "block" else 0.0
        return block * self.places / self.length + 4.0 * self.width / self.length

    @property
    def trained_flops(self) -> float:
        """A third of the FLOPs of one supervision step in training, for one position of the sequence.

        A ledger counts three times the forward pass; here most of a step has no backward pass.
        """
        call = self.layers * self.layer_flops
        passed = {
            "last_call": min(2, self.transition_calls),
            "last_recursion": self.transition_calls,
            "all": self.n_outer * self.transition_calls,
        }[self.grad]
        guide = 24.0 * self.width * self.guide_inner if self.is_guided else 0.0
        learnt = guide * (self.n_outer if self.charge == "all" else 1)
        forwards = self.n_outer * (self.transition_calls * call + guide)
        whole = forwards + 2.0 * (passed * call + learnt) + 6.0 * self.width * self.vocabulary
        return whole * self.places / self.length / 3


def _gram(length: int, vocabulary: int) -> RecursiveShape:
    """GRAM as published, but for what it leaves free or open: every transition is charged, beta is 1."""
    return RecursiveShape(
        length,
        vocabulary,
        width=512,
        heads=8,
        inner=512,
        guide_inner=512,
        layers=2,
        n_inner=6,
        n_outer=3,
        n_steps=16,
        positions="rotary",
        prefix=16,
    )


def _trm(length: int, vocabulary: int) -> RecursiveShape:
    """TRM with attention; `mixer="mlp"` and `positions="none"` is its form for Sudoku."""
    return replace(
        _gram(length, vocabulary),
        inner=1536,
        is_shared=True,
        guidance="none",
        loss="stablemax",
        halting=True,
        judge="linear",
    )


def _hrm(length: int, vocabulary: int) -> RecursiveShape:
    """HRM: two deeper stacks, one gradient step through each."""
    return replace(
        _trm(length, vocabulary),
        layers=4,
        n_inner=2,
        n_outer=2,
        is_shared=False,
        grad="last_call",
        prefix=1,
    )


def _looped(length: int, vocabulary: int) -> RecursiveShape:
    """A looped transformer: one flat loop, one loss at its end, gradient through all of it."""
    return replace(
        _trm(length, vocabulary),
        n_inner=0,
        n_outer=16,
        n_steps=1,
        grad="all",
        loss="softmax",
        halting=False,
        prefix=1,
    )


def _twin(length: int, vocabulary: int) -> RecursiveShape:
    """GRAM without noise: its deterministic twin, which has the same first weights."""
    return replace(_gram(length, vocabulary), guidance="none")


def _eqr(length: int, vocabulary: int) -> RecursiveShape:
    """EqR: TRM that starts at noise, is moved a little at each step, and keeps some of what it was."""
    return replace(
        _trm(length, vocabulary), is_start_random=True, damping=0.05, noise=0.01, halting=False
    )


PRESETS: dict[str, Callable[[int, int], RecursiveShape]] = {
    "eqr": _eqr,
    "gram": _gram,
    "hrm": _hrm,
    "looped": _looped,
    "trm": _trm,
    "twin": _twin,
}
"""Shapes of the papers' own size by name, from length and vocabulary."""


def preset(name: str, length: int, vocabulary: int) -> RecursiveShape:
    """Return the shape of a paper's net at its own size.

    >>> preset("trm", 81, 11).n_inner, preset("gram", 81, 11).is_shared
    (6, False)

    Raises:
        UnknownNameError: no such preset.
    """
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name](length, vocabulary)


def miniature(name: str, length: int, vocabulary: int) -> RecursiveShape:
    """Return a preset at a size that learns 4 × 4 Sudoku within minutes on one core.

    What makes the preset remains: stacks, gradient, guidance, loss.

    Raises:
        UnknownNameError: no such preset.
    """
    large = preset(name, length, vocabulary)
    flat = large.n_inner == 0
    return replace(
        large,
        width=64,
        heads=4,
        inner=128,
        guide_inner=64,
        layers=1,
        n_inner=0 if flat else 2,
        n_outer=8 if flat else 2,
        n_steps=1 if flat else 4,
        positions="learned",
        prefix=0,
        halting=False,
        judge="block",
    )


def sized(name: str, size: Size, length: int, vocabulary: int) -> RecursiveShape:
    """Return a preset in one of its two sizes.

    Raises:
        UnknownNameError: no such preset.
    """
    return (miniature if size == "mini" else preset)(name, length, vocabulary)
