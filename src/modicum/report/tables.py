"""Tables of a subject: the rungs with every figure, and the costs in full."""

from modicum.analysis.printed import control_name, method_name, printed
from modicum.analysis.verdict import RungRow, Verdict
from modicum.report import words
from modicum.report.axes import Palette
from modicum.report.drawing import QUIET, glyph, strip
from modicum.report.evidence import cited
from modicum.report.markup import Markup, element, join
from modicum.stats.written import count

__all__ = ["costs", "curve", "rungs", "scrolled"]

_ENDS = (-0.25, 1.25)
"""Shares of the gap between which a cell's line runs; what lies beyond stands at its edge."""


def rungs(verdict: Verdict, palette: Palette, floor_serving: float | None) -> Markup:
    """Return the table of rungs with every figure that a row has.

    Args:
        verdict: What to show.
        palette: Hues of the methods.
        floor_serving: FLOPs a query of the floor; None where not known.
    """
    base = floor_serving or words.serving_base(verdict)
    titles = (
        "method and its controls", "labels", "correct", "share of the gap", "",
        "effect elsewhere", "cost per answer", "one-off cost", "seeds", "trials",
    )  # fmt: skip
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    bodies = [
        element(
            "tbody",
            _rung(row, palette, base),
            *(_control(row, n) for n in words.controls(verdict, row)),
        )
        for row in verdict.rungs
    ]
    table = element("table", element("thead", head), *bodies, class_="rungs")
    of = "the floor's" if floor_serving else "the cheapest one's"
    note = element(
        "p",
        "Brackets are 95 % intervals over problems and seeds; the line runs from floor to ceiling. "
        "Correct reads answers leniently; the strict reading stands below it. Effect elsewhere is "
        "the change in accuracy, in points, on tasks that the method did not target, the worst "
        "first; on text it is perplexity after over before: read the change, for the model may "
        f"have seen the text. Cost per answer is computing as a multiple of {of}.",
        class_="note",
    )
    return join([scrolled(table, "Methods"), note])


def curve(verdict: Verdict) -> Markup:
    """Return the figures behind the pass@k chart."""
    points = verdict.curve
    head = element(
        "tr",
        element("th", "k", scope="col"),
        *(element("th", str(k), scope="col", class_="figure") for k in points.ks),
    )
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            *(element("td", words.percent(v), class_="figure") for v in values),
            *(element("td", words.MISSING, class_="figure") for _ in points.ks[len(values) :]),
        )
        for name, values in (
            ("pass@k", points.pass_k),
            (printed("luck"), points.luck),
            (printed("near miss"), points.near_miss),
        )
    ]
    return scrolled(element("table", element("thead", head), element("tbody", *rows)), "Pass@k")


def costs(verdict: Verdict) -> Markup:
    """Return what eliciting each rung cost, every counter of its ledger."""
    names = list(dict.fromkeys(name for row in verdict.rungs for name in row.costs))
    shown = [name for name in names if any(row.costs.get(name) for row in verdict.rungs)]
    titles = ["method", "one-off cost", "cost per answer", *(n.replace("_", " ") for n in shown)]
    head = element(
        "tr",
        *(
            element("th", title, scope="col", class_="figure" if i else None)
            for i, title in enumerate(titles)
        ),
    )
    rows = [
        element(
            "tr",
            element("th", method_name(row.name), scope="row", class_="id"),
            element("td", words.flops(row.elicitation_flops), class_="figure"),
            element("td", words.flops(row.serving_flops), class_="figure"),
            *(element("td", _cost(name, row.costs.get(name)), class_="figure") for name in shown),
        )
        for row in verdict.rungs
    ]
    whole = element(
        "p",
        f"Means over seeds. All trials of this task on this model took "
        f"{words.duration(verdict.seconds)} and ran {words.count(verdict.tokens)} tokens; "
        f"{words.count(verdict.tokens_reused)} tokens were reused. FLOPs count both.",
        class_="note",
    )
    if not verdict.rungs:
        return whole
    table = element("table", element("thead", head), element("tbody", *rows))
    return join([scrolled(table, "Costs"), whole])


def scrolled(table: Markup, label: str) -> Markup:
    """Return a table that scrolls by itself where the screen is narrow, by keyboard too."""
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=label)


def _rung(row: RungRow, palette: Palette, base: float | None) -> Markup:
    color = palette.color(row.method)
    mark = glyph(color, palette.shape(row.method))
    note = element("small", words.note(row)) if row.note else ""
    seconds = row.costs.get("seconds")
    strict = element("small", f"strict {words.percents(row.strict)}")
    time = element("small", words.duration(seconds)) if seconds is not None else ""
    scores = ", ".join(words.percent(score) for score in row.seed_scores)
    seeds = element("small", scores) if len(row.seed_scores) > 1 else ""
    against = row.gap_against_reference
    other = element("small", f"to the reference {words.percents(against)}") if against else ""
    is_said = row.gain is not None and not row.is_prompt
    gained = element("small", f"gain {words.gain(row)}") if is_said else ""
    readable = element("small", words.unreadable(row)) if words.unreadable(row) else ""
    cells = (
        (words.count(row.labels), _unlabelled(row)),
        (words.score(row), join([strict, gained, readable])),
        (words.gap(row), other),
        (strip(row.gap_recovered, color=color, ticks=(0, 1), ends=_ENDS), ""),
        _damage(row),
        (words.multiple(row.serving_flops / base if base else None), ""),
        (words.flops(row.elicitation_flops), time),
        (str(row.seeds), seeds),
        (cited(row.trials), ""),
    )
    return element(
        "tr",
        element("th", mark, element("span", method_name(row.name), class_="id"), note, scope="row"),
        *(element("td", first, second, class_="figure") for first, second in cells),
    )


def _unlabelled(row: RungRow) -> Markup:
    """Return the questions without labels that a method was shown, below its labels."""
    said = count(row.unlabelled, "unlabelled question")
    return element("small", said) if row.unlabelled else Markup("")


def _damage(row: RungRow) -> tuple[str, Markup]:
    """Return the worst change, and below it all that was retained, before and after."""
    said = words.retained(row)
    if not said:
        return words.MISSING, Markup("")
    levels = [
        f"{words.percent(kept.before.value)} → {words.percent(kept.after.value)}"
        for kept in row.retention
    ]
    levels += [""] * (len(said) - len(levels))
    is_one = len(said) == 1
    each = [
        element("small", f"{name} {'' if is_one else figure} {level}".strip().replace("  ", " "))
        for (name, figure), level in zip(said, levels, strict=True)
    ]
    return said[0][1], join(each)


def _control(row: RungRow, name: str) -> Markup:
    """Return one control: its score and its share of the gap in the columns of its rung."""
    gap = row.control_gaps.get(name)
    score = row.controls.get(name)
    line = strip(gap, color=QUIET, ticks=(0, 1), ends=_ENDS)
    return element(
        "tr",
        element("th", control_name(name), scope="row"),
        element("td"),
        element("td", words.percents(score), class_="figure"),
        element("td", words.percents(gap), class_="figure"),
        element("td", line, class_="figure"),
        *(element("td") for _ in range(4)),
        element("td", cited(row.control_trials.get(name, ())), class_="figure"),
        class_="control",
    )


def _cost(name: str, value: float | None) -> str:
    if value is None:
        return words.MISSING
    if name == "seconds":
        return words.duration(value)
    if name.startswith("flops"):
        return words.flops(value)
    return words.count(value)
