"""What became of the length of answers, in words and as a table of budgets."""

from modicum.made import Budgeted
from modicum.report import words
from modicum.report.markup import Markup, element, join
from modicum.report.tables import scrolled
from modicum.verdict import Lengths, Verdict

__all__ = ["lengths", "shorter"]


def shorter(verdict: Verdict) -> str:
    """Says of each rung that is to shorten answers what it did; empty where there is none."""
    return "; ".join(
        f"{row.name}: {_said(row.lengths)}" for row in verdict.rungs if row.lengths is not None
    )


def lengths(verdict: Verdict) -> Markup:
    """Gives the section on the length of answers, or nothing."""
    rows = [row for row in verdict.rungs if row.lengths is not None]
    if not rows:
        return Markup("")
    parts = [element("h3", "Length of answers")]
    for row in rows:
        if row.lengths is not None:
            parts += [element("p", f"{row.name}: {_said(row.lengths)}."), _table(row.lengths)]
    return join(parts)


def _said(read: Lengths) -> str:
    parts = [
        f"{read.before.value:.0f} → {read.after.value:.0f} tokens an answer, "
        f"{words.figure(read.saved)} saved",
        f"accuracy changed by {words.damage_figure(read.difference)} points, "
        + ("equal" if read.is_equal else "not shown to be equal")
        + f" within ±{words.points(read.margin)} (equivalence test)",
        f"{read.chosen.kl:.2g} nats a token measured, bound {read.chosen.bound:.2g}",
    ]
    if read.seconds is not None:
        before, after = read.seconds
        parts.append(
            f"answered in {words.duration(before)} → {words.duration(after)}, "
            f"{words.multiple(before / after)} as fast (measured)"
        )
    parts += [f"{name} control {figure.value:.0f} tokens" for name, figure in read.controls.items()]
    return ", ".join(parts)


def _table(read: Lengths) -> Markup:
    """Gives what each budget bought on the shots, the plain model first."""
    titles = ("nats a token", "measured", "bound", "accuracy", "tokens")
    head = element("tr", *(element("th", title, scope="col", class_="figure") for title in titles))
    plain = ("0", "0", "0", words.share(read.plain[0]), f"{read.plain[1]:.1f}")
    rows = [plain, *(_cells(step, read.chosen) for step in read.frontier)]
    body = [
        element("tr", *(element("td", cell, class_="figure") for cell in cells)) for cells in rows
    ]
    table = element("table", element("thead", head), element("tbody", *body))
    note = element(
        "p",
        "On the shots of the first seed, in the layer that was chosen: budgets of divergence from "
        "the plain model, what was measured, what the closed form allows at most at that dose, "
        "and what it bought. The chosen budget is marked.",
        class_="note",
    )
    return join([scrolled(table, "Budgets of divergence"), note])


def _cells(step: Budgeted, chosen: Budgeted) -> tuple[str, ...]:
    mark = " ◂" if step == chosen else ""
    return (
        f"{step.budget:g}{mark}",
        f"{step.kl:.2g}",
        f"{step.bound:.2g}",
        words.share(step.accuracy),
        f"{step.tokens:.1f}",
    )
