"""Accuracy of the plain prompt by the length of the question, in thirds."""

from dataclasses import dataclass
from typing import final

from modicum.analysis.section import Column, Plot, Point, Section, SectionRow, SectionTable, Series
from modicum.reading import Material, Reading
from modicum.stats import Figure, proportion
from modicum.types import Grade

NAMES = ("short", "middle", "long")


@final
@dataclass(frozen=True)
class ByLength(Reading):
    """A table and a chart; the same figures go into the JSON."""

    def read(self, found: Material) -> Section | None:
        """Return accuracy in each third, the shortest questions first; None of fewer than three."""
        floor = {answer.problem: answer.mark for answer in found.gathered.floor.answers}
        asked = sorted(found.gathered.problems, key=lambda problem: len(problem.question))
        if len(asked) < len(NAMES):
            return None
        scores: dict[str, Figure] = {}
        for i, name in enumerate(NAMES):
            part = asked[i * len(asked) // 3 : (i + 1) * len(asked) // 3]
            right = [float(floor[problem.id].lenient == Grade.CORRECT) for problem in part]
            scores[name] = proportion(right)
        rows = tuple(SectionRow((name, score, score.n)) for name, score in scores.items())
        columns = (Column("questions"), Column("accuracy", "share"), Column("problems", "count"))
        points = tuple(Point(name, s.value, s.low, s.high) for name, s in scores.items())
        chart = Plot(
            name="thirds",
            caption="Accuracy of the plain prompt by the length of the question.",
            description="The table beside it holds every figure.",
            x="questions",
            y="accuracy",
            series=(Series("floor", points),),
        )
        best = max(scores, key=lambda name: scores[name].value)
        return Section(
            title="Accuracy by length of the question",
            sentences=(f"The plain prompt is most often right on {best} questions.",),
            tables=(SectionTable("By length", columns, rows),),
            charts=(chart,),
            values=scores,
        )
