"""The values that travel between the floors: frozen, plain, without torch."""

import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Literal, NewType

from modicum.plain import JsonObject, JsonValue, plain, thawed
from modicum.scope import Scope

__all__ = [
    "FLOOR",
    "PROMPT",
    "Access",
    "Branches",
    "Completion",
    "File",
    "Finding",
    "Grade",
    "Mark",
    "Problem",
    "Request",
    "Sampling",
    "Setting",
    "Settings",
    "Solved",
    "Split",
    "Stop",
    "Style",
    "Supervision",
    "ThinkingBudget",
    "Trial",
    "TrialId",
    "named",
]

Split = Literal["shots", "selection", "test"]
Stop = Literal["eos", "stop", "length"]
TrialId = NewType("TrialId", str)
Setting = JsonValue
"""A plug-in's setting as a plain value: what `catalog.fill` accepts and `settings_of` gives."""
Settings = Mapping[str, Setting]
File = Annotated[str, "a file or folder"]
"""A plug-in's setting that names a file or folder, which counts by what it holds: one a plug-in, and
written as `File` in the file of its class, which is read for it."""
_VARIED = re.compile(r"^varied:[^:]*:")


FLOOR = "prompt_style"
"""The method whose trial chooses the floor's style and scores it."""
PROMPT = "prompt"
"""What that trial is called as a rung: in verdicts, in tables and on the command line."""


class Access(IntEnum):
    """What a method needs of a model, and what a model offers; ordered."""

    TEXT = 0
    LOGPROBS = 1
    ACTIVATIONS = 2
    WEIGHTS = 3


class Supervision(IntEnum):
    """What a shot reveals to a method; ordered."""

    QUESTION = 0
    ANSWER = 1
    SOLUTION = 2
    CRITIQUE = 3


class Grade(IntEnum):
    """How one reading of an answer was judged; unreadable is not incorrect."""

    UNREADABLE = -1
    INCORRECT = 0
    CORRECT = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with its gold answer."""

    id: str
    """Unique within a task, stable across machines."""
    question: str
    """What the model is asked, without any style around it."""
    answer: str = ""
    """The gold answer; empty in what a solver sees."""
    solution: str | None = None
    """A worked solution ending in the answer, as a model would write it."""
    difficulty: str = ""
    """Name of the difficulty level; the luck null stays within it."""
    cluster: str = ""
    """Problems that are not independent share a cluster; empty = its own."""
    variant: str = ""
    """The paired variant that it is, as its probe names it; empty where it is the original."""
    split: Split | None = field(default=None, compare=False)
    """What a trial asks it for, and no part of the problem: set by whoever runs the trial; None where
    answers are not kept."""

    def hidden(self) -> "Problem":
        """Return the problem as a solver may see it: without gold or solution."""
        return dataclasses.replace(self, answer="", solution=None)


@dataclass(frozen=True, slots=True)
class Mark:
    """One answer judged, leniently and strictly."""

    answer: str | None
    """The answer read leniently; None where nothing could be read."""
    lenient: Grade
    """The judgement that *accuracy* means unless said."""
    strict: Grade
    """The judgement under the task's exact answer format."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor says of a study before it spends anything."""

    code: str
    """Short stable name, such as `truncated`."""
    level: Literal["fault", "doubt", "fact"]
    """A fault makes the study lie or fail; a doubt may; a fact only informs."""
    found: str
    """What was seen, in plain words with its figures."""
    action: str = ""
    """What to do about it; empty for a fact."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a problem becomes a prompt."""

    name: str
    """Short name, shown in the verdict."""
    template: str
    """Text with one `{question}`; filled literally, never by `str.format`."""
    system: str | None = None
    """System prompt; only where `chat`."""
    chat: bool = False
    """Wrap the filled template as a user turn of the model's chat template."""
    stop: tuple[str, ...] = ()
    """Strings at which a completion ends (cut off, not kept)."""
    thinking: tuple[str, str] | None = None
    """What opens and what closes the thinking before an answer; None where there is none."""
    is_opened: bool = False
    """Whether the prompt itself opens the thinking."""

    @staticmethod
    def thawed(values: JsonObject) -> "Style":
        """Return the style of plain values, as they were stored: lists are tuples again.

        Raises:
            TypeError: an unknown field, or a value of the wrong type: a file may hold anything.
        """
        return thawed(Style, values, "style")

    def fill(self, question: str) -> str:
        """Put the question into the template.

        >>> Style("raw", "{question}?").fill("2 + 2")
        '2 + 2?'
        """
        return self.template.replace("{question}", question)

    def answer(self, text: str) -> str | None:
        """Return what is marked of a text: what follows its thinking; None where that did not end.

        >>> Style("chat", "{question}", thinking=("<think>", "</think>")).answer("<think>3?</think>4")
        '4'
        """
        if self.thinking is None:
            return text
        opening, closing = self.thinking
        _, closed, rest = text.rpartition(closing)
        is_open = opening in rest or (self.is_opened and not closed)
        return None if is_open else rest


@dataclass(frozen=True, slots=True)
class Branches:
    """Branching at the first token: each of the likeliest is taken once, and continued greedily.

    >>> Branches(10, min_probability=1e-3)
    Branches(k=10, min_probability=0.001)
    """

    k: int
    """Likeliest first tokens, at least 1."""
    min_probability: float = 0.0
    """Branches whose first token is less likely are dropped, the first never."""


@dataclass(frozen=True, slots=True)
class ThinkingBudget:
    """How long a model thinks before it answers, forced from outside; tokens put in are part of the answer.

    >>> ThinkingBudget(at_most=512).extensions
    0
    """

    at_most: int = 0
    """Tokens of an answer after which thinking that is still open is closed; 0 for no such limit."""
    extensions: int = 0
    """How often `text` is put where the model would close its thinking, which then goes on."""
    text: str = "Wait"
    """What is put there."""

    def __post_init__(self) -> None:
        """Refuse what forces nothing."""
        if min(self.at_most, self.extensions) < 0 or not (self.at_most or self.extensions):
            msg = f"at_most = {self.at_most}, extensions = {self.extensions}"
            raise ValueError(msg)
        if self.extensions and not self.text:
            msg = "extensions without a text"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How completions are drawn."""

    max_new_tokens: int
    """Most tokens a completion may have, at least 1."""
    temperature: float = 1.0
    """0 is greedy; 1 the model's own distribution."""
    stop: tuple[str, ...] = ()
    """Strings that end a completion."""
    stream: str = ""
    """Name of the random stream (the trial's seed); addresses differ below it."""
    margins: bool = False
    """Record token texts and top-1 minus top-2 probabilities for each step."""
    ids: bool = False
    """Record token ids, for training on what was drawn."""
    branches: Branches | None = None
    """Branch at the first token instead of drawing samples: temperature and `n` are not read, and
    completions carry pieces, margins and probabilities. Needs `Access.LOGPROBS`."""

    scores: bool = False
    """Record the log-probability of each token under the model itself, at temperature 1."""
    thinking: ThinkingBudget | None = None
    """Force the length of the thinking; not beside margins, scores or branches."""

    @property
    def is_greedy(self) -> bool:
        """Whether no random stream is read."""
        return self.branches is not None or self.temperature == 0


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to be answered `n` times."""

    prompt: str
    """The whole prompt text, style included."""
    address: str
    """Names the random streams: sample i of this request draws from (stream, address, i)."""
    n: int = 1
    """Samples wanted, at least 1."""
    first: int = 0
    """Index of the first of them: those before it are known."""
    split: Split | None = None
    """Split of the problem it asks; answers to other splits lie elsewhere, so that no choice can read
    those to test problems. None where answers are neither kept nor taken from what was kept."""
    begun: tuple[int, ...] = ()
    """Token ids after the prompt from which it goes on; completions hold what follows them.

    The random stream goes on as well: behind its own first tokens a sample is continued as it was."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One generated text."""

    text: str
    """The text after the prompt, without specials, cut at a stop string."""
    n_tokens: int
    """Tokens generated, the end token included."""
    stop: Stop
    """Why it ended: end token, stop string or the length limit."""
    pieces: tuple[str, ...] = ()
    """Text of each token; joined they give the uncut text. Only with `Sampling.margins`."""
    margins: tuple[float, ...] = ()
    """Top-1 minus top-2 probability of each step, aligned with `pieces`."""
    probabilities: tuple[float, ...] = ()
    """Probability the model gave each token taken, aligned with `pieces`."""
    ids: tuple[int, ...] = ()
    """Id of each token, the end token included. Only with `Sampling.ids`."""
    logprobs: tuple[float, ...] = ()
    """Log-probability (nats) of each token, the end token included. Only with `Sampling.scores`."""


@dataclass(frozen=True, slots=True)
class Solved:
    """What a solver gives for one problem."""

    completions: tuple[Completion, ...]
    """Everything drawn for it, in order."""
    chosen: int = 0
    """Index of the completion that stands as the answer."""
    scores: tuple[float, ...] = ()
    """Optional score of each completion (votes, answer-span margin)."""

    @property
    def text(self) -> str:
        """The text that is marked."""
        return self.completions[self.chosen].text


@dataclass(frozen=True, slots=True)
class Trial:
    """The identity of one cell of a study."""

    model: str
    """Name of the model as given."""
    task: str
    """Name of the task as given; one `scrambled:` more before it for the twin, `varied:PROBE.VARIANT:`
    for a paired variant."""
    method: str
    """Name of the method's plug-in."""
    n_shots: int
    """Labelled problems the method may see."""
    seed: int
    """Which draw of shots and random streams, from 0."""
    settings: Settings = field(default_factory=dict)
    """Fields of the method plug-in that differ from nothing: all of them."""
    control: str = ""
    """Empty for a rung; else the control's name, which changes the shots."""
    scope: Scope = field(default_factory=Scope)
    """Study-wide settings that change the result: test size, style list, versions."""

    @property
    def subject(self) -> str:
        """The task whose verdict it stands in; a scrambled task may be one itself."""
        return self.scope.subject or _unvaried(self.task.removeprefix("scrambled:"))

    @property
    def is_twin(self) -> bool:
        """Whether it is the scrambled twin of an arm, and no arm of its own."""
        return _unvaried(self.task) != self.subject

    @property
    def is_floor(self) -> bool:
        """Whether it chooses the floor's style and scores it."""
        return self.method == FLOOR

    @property
    def id(self) -> TrialId:
        """Hash of every field: 16 hexadecimal digits."""
        return TrialId(hashlib.blake2b(self.identity.encode(), digest_size=8).hexdigest())

    @property
    def identity(self) -> str:
        """Every field as JSON, by sorted names."""
        return json.dumps(self.plain(), sort_keys=True, default=str)

    def plain(self) -> dict[str, JsonValue]:
        """Return every field as plain values."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {**own, "settings": plain(self.settings), "scope": self.scope.plain()}

    @staticmethod
    def thawed(text: str) -> "Trial":
        """Return the trial of a stored identity; a scope of another version stands as it is.

        Raises:
            ValueError: no JSON.
            TypeError: something that is no trial.
        """
        values = thawed(dict[str, JsonValue], json.loads(text), "trial")
        scope = thawed(dict[str, JsonValue], values.pop("scope", {}), "scope")
        trial = thawed(Trial, values, "trial")
        return dataclasses.replace(trial, scope=Scope.thawed(scope))


def _unvaried(task: str) -> str:
    """Return the task of which a reference is a variant; itself where it is none."""
    return _VARIED.sub("", task)


def named(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Names trials briefly, those of one rung together.

    >>> named([Trial("m", "t", "fine_tune", 4, seed) for seed in range(3)])
    ('fine_tune n=4 (3)',)
    """
    counts = Counter(f"{t.method} n={t.n_shots}" if t.n_shots else t.method for t in trials)
    return tuple(f"{name} ({count})" if count > 1 else name for name, count in counts.items())
