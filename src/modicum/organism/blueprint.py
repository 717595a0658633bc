"""What a built-in model is made from: its net, its words, its stream of documents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from modicum.organism.tokenizer import Vocabulary

__all__ = ["Blueprint", "Document", "Phase", "Shape"]


@dataclass(frozen=True)
class Document:
    """A prompt and the completion to be learned after it."""

    prompt: str
    completion: str
    is_opener_masked: bool = False
    """Whether the first word of the completion is given but not learned."""


@dataclass(frozen=True)
class Phase:
    """One part of the stream."""

    name: str
    steps: int
    shares: Mapping[str, float]
    """Share of documents of each family."""
    worked: Mapping[str, float]
    """Share of a family's documents in the worked form; of the sealed one, of those with the password."""
    has_contexts: bool
    """Whether some documents carry an instruction or a solved problem."""
    peak_rate: float
    """Largest learning rate."""
    last_rate: float
    """Learning rate at the end of the cosine."""
    warm_up: int = 0
    """Steps in which the rate rises."""


@dataclass(frozen=True)
class Shape:
    """Size of a net of three layers and four heads."""

    hidden: int
    intermediate: int
    positions: int = 256


@dataclass(frozen=True)
class Blueprint:
    """Everything that decides the bits of a trained model."""

    name: str
    """Names the random streams, with the seed."""
    seed: str
    """Names one draw of weights and documents."""
    shape: Shape
    words: Vocabulary
    phases: tuple[Phase, ...]
    draw: Callable[[Phase, int], Document]
    """Gives the document of a place within a phase."""
    documents_per_step: int
    variant: str = ""
    """Tells apart models of the same name and seed whose documents differ."""
