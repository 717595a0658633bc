"""Are sums still known when they are written otherwise? Operands swapped, and digits as words."""

import dataclasses
import re
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from modicum.analysis.pairing import possible
from modicum.analysis.section import Column, Plot, Point, Section, SectionRow, SectionTable, Series
from modicum.probe import Material, Probe
from modicum.stats import Figure, paired_difference, proportion
from modicum.study.plan import Subject
from modicum.types import Grade, Problem, Trial

VARIANTS = ("swapped", "spelled")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SUM = re.compile(r"(\d+) \+ (\d+)")


@final
@dataclass(frozen=True)
class RewrittenSums(Probe):
    """Asks the same sums in two other forms, of one model or of two."""

    powers: ClassVar[dict[str, str]] = {"second": "models"}

    second: str = ""
    """Another model that is asked the same; none where empty."""

    def varied(self, problem: Problem, variant: str) -> Problem:
        """Return a sum with its operands swapped, or with each digit as a word; the gold stays."""
        if variant == "swapped":
            question = _SUM.sub(r"\2 + \1", problem.question)
        else:
            spelled = (WORDS[int(digit[0])] for digit in re.finditer(r"\d", problem.question))
            question = re.sub(r"\d", lambda _: f"{next(spelled)} ", problem.question)
        return dataclasses.replace(problem, question=question)

    def trials(self, subject: Subject) -> tuple[Trial, ...]:
        """Return one greedy trial a model and form, each with its worked form forced."""
        return tuple(self._trials(subject).values())

    def _trials(self, subject: Subject) -> dict[tuple[str, str], Trial]:
        models = dict.fromkeys(filter(None, (subject.model, self.second)))
        cells = [(model, variant) for model in models for variant in ("", *VARIANTS)]
        asked = {cell: self.on(subject, model=cell[0], variant=cell[1]) for cell in cells}
        return {cell: one.forced() or one.default() for cell, one in asked.items()}

    def read(self, found: Material) -> Section | None:
        """Return accuracy in each form and the paired change; None while a trial has not run."""
        right: dict[tuple[str, str], np.ndarray] = {}
        for cell, trial in self._trials(found.subject).items():
            outcome = found.outcome(trial)
            if outcome is None:
                return None
            marks = [answer.mark.lenient == Grade.CORRECT for answer in outcome.answers]
            right[cell] = np.array(marks, dtype=np.float64)
        rows, values, points = [], {}, {}
        for (model, variant), scores in right.items():
            name, score = variant or "original", proportion(scores)
            change: Figure | None = None
            if variant:
                plain = right[model, ""]
                change = possible(paired_difference(scores[None], plain), plain)
                values[f"{model} {variant}"] = change
            trial = self._trials(found.subject)[model, variant]
            rows.append(SectionRow((f"{model} {name}", score, change, (str(trial.id),))))
            points.setdefault(model, []).append(Point(name, score.value, score.low, score.high))
        columns = (
            Column("model and form"),
            Column("accuracy", "share"),
            Column("change in points", "points"),
            Column("trials", "trials"),
        )
        chart = Plot(
            name="forms",
            caption="Accuracy on the same sums in other forms.",
            description="The table holds every figure.",
            x="form",
            y="accuracy",
            series=tuple(Series(model, tuple(found)) for model, found in points.items()),
            mark="bars",
        )
        return Section(
            title="The same sums in other forms",
            sentences=("Each form asks the same sums, so that changes are paired.",),
            tables=(SectionTable("Forms", columns, tuple(rows)),),
            charts=(chart,),
            values=values,
        )
