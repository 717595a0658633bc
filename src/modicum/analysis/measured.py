"""What is said of a method beside its accuracy: its least data, how long its answers are, their worth."""

import math
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

from modicum.made import Budgeted
from modicum.stats import Figure
from modicum.stats.written import count, duration

__all__ = [
    "Ceiling",
    "Contamination",
    "Curve",
    "FixedPrompt",
    "FrontPoint",
    "LeastData",
    "LeastDataRows",
    "Lengths",
    "NextCommand",
    "Worth",
]


@dataclass(frozen=True)
class Ceiling:
    """The top of the gap."""

    figure: Figure
    """Corrected for guessing."""
    k: int
    """Samples a problem that it stands for; 1 where it does not come from sampling."""
    source: str
    """`sampling`, `forced`, `majority` or the name of a rung."""


@dataclass(frozen=True)
class Curve:
    """Pass@k with its two guess curves, at powers of two."""

    ks: tuple[int, ...]
    pass_k: tuple[float, ...]
    luck: tuple[float, ...]
    near_miss: tuple[float, ...]
    """Shorter than `ks`: the null needs half of the samples."""


@dataclass(frozen=True)
class Lengths:
    """What a rung that is to shorten answers did to them, on the test problems."""

    before: Figure
    """Tokens an answer of the plain model, greedy in the floor's style."""
    after: Figure
    saved: Figure
    """Share of the tokens that is gone."""
    difference: Figure
    """Accuracy after minus before, with the 90 % interval of the equivalence test."""
    margin: float
    """Difference within which accuracies count as equal."""
    is_equal: bool
    """Whether the whole interval lies within it."""
    seconds: tuple[float, float] | None
    """Measured seconds of answering all test problems, before and after (mean over seeds); None
    where some answers were drawn before."""
    controls: Mapping[str, Figure]
    """Tokens an answer of each control that the method draws itself."""
    plain: tuple[float, float]
    """Accuracy and tokens of the plain model on the first seed's shots."""
    frontier: tuple[Budgeted, ...]
    """What each budget bought there, in the chosen layer, the smallest first."""
    chosen: Budgeted


@dataclass(frozen=True)
class Worth:
    """How many samples of the plain model an accuracy is worth; infinite beyond the largest k."""

    votes: Figure
    """The k at which the majority of k samples is as accurate."""
    samples: Figure
    """The k at which one of k samples is right as often (pass@k)."""
    largest: int
    """Samples a problem that there are."""


@dataclass(frozen=True)
class Contamination:
    """How well the model completes test questions from their first words, given alone and greedily."""

    questions: int
    """Test questions that were completed: the first ones, those whose rest is too short left out."""
    cut: float
    """Share of each question's words that was given."""
    exact: Figure
    """Share completed word for word."""
    exact_control: Figure
    """The same with other numbers, or where another question's rest was completed."""
    exact_over_control: Figure
    """The difference of the two on the same questions."""
    overlap: Figure
    """Mean ROUGE-L of what was completed with the true rest."""
    overlap_control: Figure | None
    """The higher of that with other numbers and that with another question's rest; None without numbers."""
    overlap_over_control: Figure | None
    """The difference of the two on questions with numbers."""
    is_known: bool
    """Whether the 95 % interval of either difference lies above what counts as none: 0 of the exact ones,
    .1 of overlap."""
    known: tuple[str, ...]
    """Ids of the questions completed word for word where their control was not."""
    answered: Figure | None = None
    """Accuracy of answers to the first words alone, in the default style; some follow from them."""
    answered_whole: Figure | None = None
    """Accuracy on the same questions asked whole."""
    trial: str = ""


@dataclass(frozen=True)
class LeastData:
    """Smallest budget of one method that reaches shares of the gap."""

    method: str
    n50: Figure | None
    """None where never reached (censored)."""
    n90: Figure | None
    largest: int
    """Largest budget that was tried."""
    n50_between: tuple[int, int] | None = None
    """Tried budgets between which n50 lies; None where it is one of them, or beyond them."""
    n90_between: tuple[int, int] | None = None
    """As `n50_between`."""
    unit: str = ""
    """What the budgets count: labels where empty, else `unlabelled questions`."""


@final
class LeastDataRows(tuple[LeastData, ...]):
    """The least data of each method that takes labels; shown, it says as well where none are needed."""

    words: str

    @staticmethod
    def told(
        rows: Iterable[LeastData], free: tuple[str, int] | None, *, is_shown: bool
    ) -> "LeastDataRows":
        """Return rows that say themselves.

        Args:
            rows: Of the methods that take labels.
            free: The method that unlocks the ability without any, and the unlabelled questions that it
                was shown; None where none does.
            is_shown: Whether there is nothing to unlock.
        """
        said = ["none needed: it works as it is"] if is_shown else []
        if free is not None:
            name, shown = free
            beside = f", only {count(shown, 'unlabelled question')}" if shown else ""
            said.append(f"none needed: {name} takes no labels{beside}")
        found = LeastDataRows(rows)
        said += [_least(row) for row in found]
        found.words = "; ".join(said) or "not known"
        return found

    def __repr__(self) -> str:
        """Say it in words."""
        return f"<{self.words}>"


def _least(row: LeastData) -> str:
    """Say how many labels a method needs."""
    for share, found in ((90, row.n90), (50, row.n50)):
        if found is not None and math.isfinite(found.value):
            return f"{row.method}: {share} % of the gap at {found.value:.0f} {row.unit or 'labels'}"
    return f"{row.method}: more than {row.largest} {row.unit or 'labels'}, if any"


@dataclass(frozen=True)
class FixedPrompt:
    """That the user's own prompt is fixed: the floor and every method are asked in it."""

    left_out: tuple[str, ...] = ()
    """Methods that were named and left out, for each would change the prompt."""

    @property
    def said(self) -> str:
        """Say it in words.

        >>> FixedPrompt(("few_shot",)).said.rpartition(". ")[2]
        'Left out, since it would change the prompt: few_shot.'
        """
        fixed = "Your prompt is fixed: the floor and every method are asked in it."
        if not self.left_out:
            return fixed
        they = "it" if len(self.left_out) == 1 else "they"
        names = ", ".join(self.left_out)
        return f"{fixed} Left out, since {they} would change the prompt: {names}."


@dataclass(frozen=True)
class FrontPoint:
    """One rung on the Pareto front of labels, elicitation and serving."""

    name: str
    labels: int
    elicitation_flops: float
    serving_flops: float
    score: float
    breakeven_queries: float | None
    """Queries at which it costs as many FLOPs in all as the pick; None for the pick itself."""


@dataclass(frozen=True)
class NextCommand:
    """The command to run after a verdict; without the study's folder, which may have moved."""

    arguments: tuple[str, ...] = ()
    """Of `modicum`: the verb and its options; empty where no command helps."""
    why: str = ""
    """What it does; where no command helps, what is needed."""
    seconds: float | None = None
    """About how long it takes on this machine, at most; None where that was not measured."""
    labels: int | None = None
    """Labels that it spends on measuring in all; None where it spends none."""
    is_python: bool = False
    """Whether model or task live in the process that lent them: then no command line can name them."""

    @property
    def said(self) -> str:
        """What it does, with its cost.

        >>> NextCommand(("run",), "should decide it", 66.0, 340).said
        'should decide it: about 66 s at most, 340 labels in all'
        """
        cost = []
        if self.seconds is not None:
            cost.append(f"about {duration(self.seconds)} at most")
        if self.labels is not None:
            cost.append(f"{count(self.labels, 'label')} in all")
        return ": ".join(filter(None, [self.why, ", ".join(cost)]))

    def text(self, folder: str = "") -> str:
        """Return it as it is typed; empty where no command helps.

        Args:
            folder: The study's folder; left out where empty.

        >>> NextCommand(("run", "--test", "300")).text("runs/my study")
        "modicum run --test 300 --out 'runs/my study'"
        """
        if not self.arguments:
            return ""
        verb, *options = self.arguments
        if self.is_python:
            return _in_python(verb, options)
        placed = [folder, *options] if verb == "export" else [*options, "--out", folder]
        return shlex.join(["modicum", verb, *(placed if folder else options)])


def _in_python(verb: str, options: list[str]) -> str:
    """Return the call that does the same in Python, where the model and the task are at hand."""
    if verb == "export":
        return "study.export()"
    pairs = list(zip(options[::2], options[1::2], strict=True))
    sizes = [(n.removeprefix("--"), v) for n, v in pairs if n in ("--test", "--samples", "--seeds")]
    said = ", ".join(f"{name}={value}" for name, value in sizes)
    methods = next((value.split(",") for name, value in pairs if name == "--methods"), [])
    return f"Study(…, {said}, methods={methods}).run()"
