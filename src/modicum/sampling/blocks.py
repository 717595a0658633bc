"""What is drawn together: completions wanted, how they are drawn, and their cut into blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Literal, NamedTuple

from transformers import PreTrainedModel

from modicum.nudge.attach import Attached
from modicum.nudge.steering import Steering
from modicum.sampling.cache import Arena, Window
from modicum.sampling.pages import Pools
from modicum.sampling.prefix import Tokens
from modicum.sampling.sound import Sound
from modicum.sampling.text import Stops
from modicum.types import Branches, Request, Stop

__all__ = ["Asked", "Engine", "Raw", "SamplingJob", "SamplingRule", "plan_blocks"]

Noted = Literal["margins", "probabilities", "logprobs"]
"""Figures of a token."""
_BLOCK_FILLS = 8
"""Completions in a block, as a multiple of its rows: how often each row is refilled."""


class Asked(NamedTuple):
    """A request with what is drawn of it."""

    request: Request
    n: int
    """Samples, or branches."""
    limit: int
    """Most tokens of each."""
    nudge: int = 0
    """Which nudge of a stack acts."""


@dataclass(frozen=True)
class SamplingJob:
    """One completion to be drawn."""

    request: int
    """Which request it answers."""
    sample: int
    """Which of the request's samples, or branches, it is."""
    prompt: Tokens
    """Tokens of the prompt, with those of the answer that are said already."""
    key: int
    """Names its random stream."""
    begun: int = 0
    """Tokens at the prompt's end that are the answer's."""
    limit: int = 0
    """Most tokens of this one; 0 for the rule's."""
    nudge: int = 0
    """Which nudge of a stack acts on it."""


@dataclass(frozen=True)
class Raw:
    """One completion in tokens."""

    tokens: list[int]
    stop: Stop
    margins: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()
    logprobs: tuple[float, ...] = ()

    @property
    def spoken(self) -> list[int]:
        """Tokens without the end token, which some tokenizers would write out."""
        return self.tokens[:-1] if self.stop == "eos" else self.tokens


@dataclass(frozen=True)
class SamplingRule:
    """How tokens are chosen and completions end."""

    max_new_tokens: int
    temperature: float
    """0 where nothing is drawn at random, as behind the first token of a branch."""
    margins: bool = False
    stops: Stops | None = None
    ids: bool = False
    """Give the ids of the tokens with the text."""
    branches: Branches | None = None
    """If any, sample i begins with the i-th likeliest first token and goes on greedily."""
    scores: bool = False
    """Note the log-probability of each token."""

    @property
    def noted(self) -> tuple[Noted, ...]:
        """What is noted of each token: fields of `Draws` and of `Raw`."""
        own: tuple[Noted, ...] = ("margins", "probabilities") if self.margins else ()
        return (*own, "logprobs") if self.scores else own


@dataclass(frozen=True)
class Engine:
    """A module and what the loop must know of it."""

    module: PreTrainedModel
    windows: Sequence[Window] | None
    """How far each layer looks; None where rows cannot share a cache (see `fit`)."""
    eos: frozenset[int]
    context: int
    """Most tokens of prompt and completion together."""
    flops_per_token: float
    arenas: list[Arena] | None = None
    """Memory that blocks use again, one block at a time; None for fresh memory."""
    steering: Steering | None = None
    """Directions that are added to the activations; a stack where jobs name their nudges."""
    pools: Pools = field(default_factory=lambda: Pools(kept=False))
    """Memory for blocks that the native kernel steps."""
    lock: Lock = field(default_factory=Lock)
    """Held while tokens are counted: blocks may run side by side."""
    laid: Attached | None = None
    """The steering where it hangs on the module: for the time of a block."""
    sound: Sound = field(default_factory=Sound)
    """Looks at the first scores."""
    halt: Event = field(default_factory=Event)
    """Once set, blocks end with an error: another one failed, or the user wants to stop."""

    @property
    def shared_windows(self) -> Sequence[Window]:
        """How far each layer looks.

        Raises:
            RuntimeError: the module's rows cannot share a cache.
        """
        if self.windows is None:
            raise RuntimeError("rows of this module share no cache")
        return self.windows


def plan_blocks(n_samples: Sequence[int], rows: int) -> list[list[tuple[int, int]]]:
    """Cuts requests into blocks of (request, sample), in order, before anything is drawn.

    What stands in a block, and hence its bits, depends on the numbers of samples and rows (of all
    flights together) and on nothing else. A request is cut in two only where it is larger than a
    block.

    >>> [len(block) for block in plan_blocks([10, 10, 20], rows=2)]
    [10, 10, 16, 4]
    """
    most = rows * _BLOCK_FILLS
    blocks: list[list[tuple[int, int]]] = [[]]
    for request, n in enumerate(n_samples):
        jobs = [(request, sample) for sample in range(n)]
        if blocks[-1] and len(blocks[-1]) + n > most:
            blocks.append([])
        while len(blocks[-1]) + len(jobs) > most:
            room = most - len(blocks[-1])
            blocks[-1].extend(jobs[:room])
            jobs = jobs[room:]
            blocks.append([])
        blocks[-1].extend(jobs)
    return [block for block in blocks if block]
