"""What the doctor looks at: plain frozen evidence, gathered once, read by small pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from modicum.model import ModelCard
from modicum.outcome import CompletedQuestion
from modicum.study.speed import Speed
from modicum.task import Sheet
from modicum.types import Completion, Finding, Grade, Mark, Problem, Split, Style

__all__ = [
    "Exam",
    "ExamAnswer",
    "FindingLevel",
    "Golds",
    "Memory",
    "Prompts",
    "Rung",
    "of",
    "only",
    "share",
]

FindingLevel: TypeAlias = Literal["fault", "doubt", "fact"]
"""How bad a finding is."""


@dataclass(frozen=True)
class ExamAnswer:
    """One problem, how it was asked, and what came."""

    problem: Problem
    """With its gold; never of the test split."""
    prompt: str
    """The whole prompt, chat template included."""
    greedy: Completion
    greedy_mark: Mark
    samples: tuple[Completion, ...]
    """Drawn at temperature 1."""
    marks: tuple[Mark, ...]

    @property
    def hits(self) -> int:
        """Samples marked correct, leniently."""
        return sum(mark.lenient == Grade.CORRECT for mark in self.marks)


@dataclass(frozen=True)
class Prompts:
    """What is known of the way from a question to tokens."""

    style: Style
    """The style that the answers were drawn in."""
    own: Style | None = None
    """The user's production prompt."""
    skipped: tuple[str, ...] = ()
    """Styles of the closed list that the tokenizer cannot encode."""
    has_chat: bool = False
    """Whether the model brings a chat template."""
    doubled: str = ""
    """The beginning token's text where prompts get it twice."""
    unencodable: tuple[str, ...] = ()
    """Questions that the tokenizer cannot write."""
    lacks_end: bool = False
    """Whether the tokenizer is known to have no end token."""


@dataclass(frozen=True)
class Golds:
    """Gold answers held against the task's own marker, of the shots and selection splits."""

    problems: tuple[Problem, ...] = ()
    rejected: tuple[Problem, ...] = ()
    """Those whose gold the marker accepts in none of its usual dresses."""
    strangers: int = 0
    """Problems whose marker accepted another problem's different gold."""
    compared: int = 0
    """Problems for which such another gold was tried."""
    marker: str = ""
    """Name of the marker that a file's golds got; empty where the task marks by itself."""


@dataclass(frozen=True)
class Memory:
    """What a run will need, in bytes, before anything is loaded."""

    weights: int
    cache: int
    """Keys and values of a block."""
    copies: int
    """How many times the weights stand in memory at once: a tuned copy is one more."""
    machine: int
    """What the machine has."""
    training: int = 0
    """Gradients and the optimiser's numbers, where all weights are trained."""

    @property
    def needed(self) -> int:
        """Bytes in all."""
        return self.weights * self.copies + self.cache + self.training


@dataclass(frozen=True)
class Rung:
    """One arm of the study and how long it should take in one process."""

    name: str
    seconds: float
    learns_from_rewards: bool = False
    """Whether it tunes on its own marked samples."""


@dataclass(frozen=True)
class Exam:
    """Everything the doctor saw of one model on one task."""

    model: ModelCard
    task: str
    sheet: Sheet
    """With the study's length limit."""
    prompts: Prompts
    asked: tuple[ExamAnswer, ...]
    golds: Golds = field(default_factory=Golds)
    splits: Mapping[Split, tuple[Problem, ...]] = field(default_factory=dict)
    """Questions of each split; those of the test split without golds."""
    completed: tuple[CompletedQuestion, ...] = ()
    """Test questions that were completed from their first words."""
    scores: tuple[float, ...] = ()
    """Log-probabilities of some of its own answers, where it gives any."""
    unmarked: tuple[int, str] = (0, "")
    """Texts on which the marker failed, and what it failed with first."""
    rungs: tuple[Rung, ...] = ()
    speed: Speed | None = None
    """How fast it answered; None where everything was drawn before."""
    test: int = 400
    """Test problems of the study."""
    margin: float = 0.05
    """What the study counts as no difference."""
    is_new: bool = False
    """Whether the model has learned nothing yet, so that it may say anything."""

    @property
    def samples(self) -> tuple[Completion, ...]:
        """Every sample."""
        return tuple(sample for asked in self.asked for sample in asked.samples)

    @property
    def completions(self) -> tuple[Completion, ...]:
        """Every greedy answer and every sample."""
        return (*(asked.greedy for asked in self.asked), *self.samples)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The mark of each of `completions`, in the same order."""
        sampled = (mark for asked in self.asked for mark in asked.marks)
        return (*(asked.greedy_mark for asked in self.asked), *sampled)


def of(part: int, whole: int, what: str) -> str:
    """Say how many of how many, and the share.

    >>> of(12, 64, "samples")
    '12 of 64 samples (19 %)'
    """
    share = 100 * part / whole if whole else 0.0
    return f"{part} of {whole} {what} ({share:.0f} %)"


def only(*findings: Finding | None) -> tuple[Finding, ...]:
    """Return the findings that there are.

    >>> only(None)
    ()
    """
    return tuple(finding for finding in findings if finding is not None)


def share(flags: Sequence[bool]) -> float:
    """Return the share that is true; 0 of nothing."""
    return sum(flags) / len(flags) if flags else 0.0
