"""What a trial leaves behind, and how its answers are packed: marks apart from texts.

Verdicts need marks alone, and those of a trial fit one small block; texts are packed a problem,
so that one of them is read without the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modicum.files.packing import packed_json, unpacked_json
from modicum.made import Made
from modicum.model import ModelCard
from modicum.stock import Draw
from modicum.types import Completion, Grade, Mark, Solved, Style, Trial

__all__ = [
    "Agreement",
    "Answer",
    "CompletedQuestion",
    "Lost",
    "MarkedAgain",
    "Outcome",
    "Sampled",
    "Selected",
    "Styles",
    "ThinkingEnds",
    "pack_marks",
    "unpack_marks",
]


@dataclass(frozen=True)
class Answer:
    """What was drawn and marked for one test problem."""

    problem: str
    """Id of the problem."""
    texts: tuple[str, ...]
    """Every completion's text; empty where only marks were read."""
    marks: tuple[Mark, ...]
    """Each completion's mark."""
    chosen: int = 0
    """Index of the completion that stands."""
    tokens: tuple[int, ...] = ()
    """Each completion's length."""
    stops: tuple[str, ...] = ()
    """Why each ended."""

    @property
    def mark(self) -> Mark:
        """The mark of the answer that stands."""
        return self.marks[self.chosen]

    @staticmethod
    def of(problem: str, solved: Solved, marks: tuple[Mark, ...]) -> "Answer":
        """Join what a solver gave with its marks."""
        drawn: tuple[Completion, ...] = solved.completions
        return Answer(
            problem,
            tuple(c.text for c in drawn),
            marks,
            solved.chosen,
            tuple(c.n_tokens for c in drawn),
            tuple(c.stop for c in drawn),
        )


@dataclass(frozen=True)
class Styles:
    """The closed list of styles that a model could be asked in."""

    asked: tuple[str, ...]
    """Names, the default first."""
    skipped: tuple[str, ...] = ()
    """Names of those that its tokenizer cannot spell, or its server does not take."""


@dataclass(frozen=True)
class ThinkingEnds:
    """How the thinking of answers ended."""

    answers: int
    unclosed: int
    """Answers whose thinking did not end."""
    cut: int
    """Those of them that the length limit cut off."""


@dataclass(frozen=True)
class Sampled:
    """A nudged model sampled at temperature 1 beside its greedy answers."""

    n: int
    """Samples a test problem."""
    right: tuple[int, ...]
    """How many of them were right, once a problem."""
    tokens_sampled: float = 0
    seconds: float = 0.0

    @property
    def costs(self) -> Mapping[str, float]:
        """What measuring it took, by the names of a ledger."""
        return {"tokens_sampled": self.tokens_sampled, "seconds": self.seconds}


@dataclass(frozen=True)
class Selected:
    """A rung scored on the selection problems, where a budget chooses among rungs."""

    right: float
    n: int
    """Selection problems."""
    tokens_sampled: float = 0
    seconds: float = 0.0

    @property
    def costs(self) -> Mapping[str, float]:
        """What measuring it took, by the names of a ledger."""
        return {"tokens_sampled": self.tokens_sampled, "seconds": self.seconds}


@dataclass(frozen=True)
class Lost:
    """The answers of a trial on which its marker failed."""

    answers: int = 0
    """Answers that count as unreadable for it."""
    texts: int = 0
    """Different texts among them."""
    shots: int = 0
    """Answers to shots that earned nothing for it while a nudge was made."""
    first: str = ""
    """What the marker failed with first."""


@dataclass(frozen=True)
class MarkedAgain:
    """What moved when the texts of an earlier version were marked again."""

    earlier: str
    """Id of the trial that drew them."""
    before: int
    """Problems that were right as that version read them."""
    now: int
    is_damage_old: bool = False
    """Whether the tasks that show damage have changed since: their marks are those of then."""


@dataclass(frozen=True)
class Agreement:
    """How far a text agrees with the rest of a question."""

    exact: bool
    """Whether it holds all words and signs of the rest, in their order and from its start on."""
    overlap: float
    """ROUGE-L in [0, 1], over as many words as the rest has."""


@dataclass(frozen=True)
class CompletedQuestion:
    """How a model went on from the first words of a test question."""

    problem: str
    """Id of the problem."""
    own: Agreement
    """With the question's true rest."""
    other: Agreement
    """The same text with the rest of another question, of those the one that it agrees with most."""
    altered: Agreement | None = None
    """Of the same question with other numbers; None where its first words hold none."""
    is_right: bool = False
    """Whether it is answered rightly, read leniently, from these words alone."""


@dataclass(frozen=True)
class Outcome:
    """The result of a trial, or its error."""

    trial: Trial
    answers: tuple[Answer, ...] = ()
    """One for each test problem; empty where the trial failed."""
    elicitation: Mapping[str, float] = field(default_factory=dict)
    """Ledger of making the solver."""
    serving: Mapping[str, float] = field(default_factory=dict)
    """Ledger of solving the test problems."""
    retention: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    """Lenient correctness on each retained task, after the nudge."""
    text_loss: tuple[float, ...] = ()
    """Nats a token of each held-out passage, after the nudge; empty where it was not scored."""
    completed: tuple[CompletedQuestion, ...] = ()
    """Test questions that were completed from their first words; empty where none was."""
    card: ModelCard | None = None
    """What was known of the model; None where the trial failed."""
    asked_in: Style | None = None
    """The style that its answers were asked in; None where the trial failed."""
    styles: Styles | None = None
    """Those that the model could be asked in."""
    sampled: Sampled | None = None
    """The nudged model's samples, where the trial asks for them."""
    selected: Selected | None = None
    """The score on the selection problems, where a budget chose by it."""
    thinking: ThinkingEnds | None = None
    """How thinking ended, where the style knows any."""
    lost: Lost | None = None
    """Answers on which the marker failed; None where every one was marked."""
    marked_again: MarkedAgain | None = None
    """Where its texts are an earlier version's."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Hashes of the code of other packages' plug-ins, by kind and name."""
    made: Made = field(default_factory=dict)
    """What the method says of how its nudge was made, as plain values; see `modicum.made`."""
    artefact: str = ""
    """Folder of the nudge, relative to the study's folder."""
    error: str = ""
    """Type, message and traceback of a failed trial."""
    files: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """The nudge's files by name, on their way to its folder; not read back."""
    shared: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """What other trials of the study may take over, by path among its artefacts; not read back."""
    draws: tuple[Draw, ...] = field(default=(), compare=False, repr=False)
    """What was drawn on the way, by address, on its way to the store; not read back."""

    @property
    def style(self) -> Style:
        """The style that its answers were asked in.

        Raises:
            KeyError: the trial failed, or its record does not say.
        """
        if self.asked_in is None:
            raise KeyError("style")
        return self.asked_in


def pack_marks(answers: Iterable[Answer]) -> bytes:
    """Packs everything of a trial's answers but their texts."""
    rows = [
        (
            answer.problem,
            [m.answer for m in answer.marks],
            [int(m.lenient) for m in answer.marks],
            [int(m.strict) for m in answer.marks],
            answer.chosen,
            answer.tokens,
            answer.stops,
        )
        for answer in answers
    ]
    return packed_json(rows)


def unpack_marks(packed: bytes) -> list[Answer]:
    """Return a trial's answers without their texts; equal marks are one object."""
    known = _Marks()
    return [
        Answer(
            problem,
            (),
            tuple(map(known.__getitem__, zip(answers, lenient, strict, strict=True))),
            chosen,
            tuple(tokens),
            tuple(stops),
        )
        for problem, answers, lenient, strict, chosen, tokens, stops in unpacked_json(packed)
    ]


_GRADES = {int(grade): grade for grade in Grade}


class _Marks(dict[tuple[str | None, int, int], Mark]):
    """Marks by their plain values, each made once: samples repeat each other often."""

    def __missing__(self, plain: tuple[str | None, int, int]) -> Mark:
        answer, lenient, strict = plain
        mark = self[plain] = Mark(answer, _GRADES[lenient], _GRADES[strict])
        return mark
