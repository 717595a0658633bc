"""The charts of one subject, in the order of the page."""

from modicum.analysis.verdict import Verdict
from modicum.report.axes import Palette
from modicum.report.cost_chart import cost_chart
from modicum.report.drawing import Chart
from modicum.report.gap_chart import gap_chart
from modicum.report.length_chart import length_chart
from modicum.report.pass_chart import pass_chart
from modicum.report.plots import core_charts, section_charts

__all__ = ["charts"]


def charts(verdict: Verdict, palette: Palette, floor_serving: float | None) -> list[Chart]:
    """Return the charts for which a verdict has figures.

    Args:
        verdict: What to show.
        palette: Hues of the methods.
        floor_serving: FLOPs a query of the floor; None where not known.
    """
    import altair

    # altair's own checks cost more than the drawing; the specs are constant but for data
    with altair.utils.schemapi.debug_mode(False):
        found = [
            gap_chart(verdict, palette),
            pass_chart(verdict, palette),
            cost_chart(verdict, palette, floor_serving),
            *core_charts(verdict, "retention", palette),
            length_chart(verdict, palette),
            *core_charts(verdict, "learning", palette),
            *section_charts(verdict, palette),
        ]
    return [chart for chart in found if chart is not None]
