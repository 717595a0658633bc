"""What a trial leaves behind, and how its answers are packed: marks apart from texts.

Verdicts need marks alone, and those of a trial fit one small block; texts are packed a problem,
so that one of them is read without the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from modicum.packing import packed_json, unpacked_json
from modicum.stock import Draw
from modicum.types import Completion, Grade, Mark, Solved, Style, Trial

__all__ = ["Answer", "Outcome", "pack_marks", "unpack_marks"]


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
        """Joins what a solver gave with its marks."""
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
    notes: Mapping[str, object] = field(default_factory=dict)
    """What the verdict quotes: the style, what was skipped, losses."""
    artefact: str = ""
    """Folder of the nudge, relative to the study's folder."""
    error: str = ""
    """Type, message and traceback of a failed trial."""
    files: Mapping[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """The nudge's files by name, on their way to its folder; not read back."""
    draws: tuple[Draw, ...] = field(default=(), compare=False, repr=False)
    """What was drawn on the way, by address, on its way to the store; not read back."""

    @property
    def sampled(self) -> tuple[int, tuple[int, ...]]:
        """How often the nudged model was sampled a problem, and how often it was right at each.

        0 and nothing where it was not sampled.
        """
        values = self.notes.get("sampled", {})
        if not isinstance(values, Mapping):
            raise TypeError(values)
        return int(values.get("n", 0)), tuple(map(int, values.get("right", ())))

    @property
    def renewed(self) -> tuple[int, ...]:
        """Empty, unless its texts are an earlier version's and were marked again.

        Then how many were right as that version read them, how many are now, and 1 where the tasks
        that show damage have changed since too.
        """
        values = self.notes.get("renewed")
        if values is None:
            return ()
        if not isinstance(values, Mapping):
            raise TypeError(values)
        before, now = map(int, values["right"])
        return before, now, int(bool(values.get("retain")))

    @property
    def style(self) -> Style:
        """The style that its answers were asked in."""
        values = self.notes["style"]
        if not isinstance(values, Mapping):
            raise TypeError(values)
        return Style.thawed(values)


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
    """Gives a trial's answers without their texts; equal marks are one object."""
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
