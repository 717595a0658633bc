"""Accuracy against tokens an answer, over budgets of divergence."""

from modicum.analysis.verdict import Lengths, RungRow, Verdict
from modicum.plain import JsonValue
from modicum.report import words
from modicum.report.axes import SHARE_TICKS, Palette, layered, marks, method_keys
from modicum.report.drawing import INK, Chart, Key

__all__ = ["length_chart"]


def length_chart(verdict: Verdict, palette: Palette) -> Chart | None:
    """Return the chart, or None where no rung is to shorten answers.

    Points are what each budget bought on the shots of the first seed; a line joins them in the
    order of their budgets, from the plain model on.
    """
    import altair as alt

    rows = [(row, row.lengths) for row in verdict.rungs if row.lengths is not None]
    if not rows:
        return None
    values = [value for row, read in rows for value in _values(row, read, palette)]
    most = 1.06 * max(float(str(value["tokens"])) for value in values)
    x = alt.X("tokens:Q").scale(domain=[0, most], nice=False).title("tokens an answer")
    y = alt.Y("accuracy:Q").scale(domain=[0, 1.06], nice=False)
    y = y.title("correct on the shots").axis(**SHARE_TICKS)
    base = alt.Chart(alt.InlineData(values)).encode(
        x=x, color=alt.Color("color:N").scale(None), detail="rung:N"
    )
    plain, nudged = (base.transform_filter(f"datum.budget {sign} 0") for sign in ("==", ">"))
    layers = [
        base.mark_line(strokeWidth=1.2, opacity=0.6).encode(y=y, order="budget:Q"),
        marks(plain, y, filled=False),
        marks(nudged, y),
    ]
    row, read = rows[0]
    return Chart(
        "length",
        "Accuracy and tokens an answer over budgets of divergence, on the shots.",
        f"{row.name} goes from {read.plain[1]:.0f} tokens at accuracy {words.percent(read.plain[0])} "
        f"to {read.chosen.tokens:.0f} at {words.percent(read.chosen.accuracy)}. A table of every "
        "budget follows.",
        layered(layers),
        (Key("plain model", INK, is_hollow=True), *method_keys((r for r, _ in rows), palette)),
    )


def _values(row: RungRow, read: Lengths, palette: Palette) -> list[dict[str, JsonValue]]:
    steps = [(0.0, *read.plain), *((s.budget, s.accuracy, s.tokens) for s in read.frontier)]
    return [
        {
            "rung": row.name,
            "tip": f"{row.name}\n{budget:g} nats a token\n{tokens:.0f} tokens, "
            f"accuracy {words.percent(accuracy)}",
            "budget": budget,
            "accuracy": accuracy,
            "tokens": tokens,
            "color": palette.color(row.method),
            "shape": palette.shape(row.method),
        }
        for budget, accuracy, tokens in steps
    ]
