"""Tables of what rungs are worth beside their controls, and of their arms with other settings."""

from modicum.report import words
from modicum.report.evidence import cited
from modicum.report.markup import Markup, element, join
from modicum.report.tables import scrolled
from modicum.verdict import ArmRow, RungRow, Verdict

__all__ = ["arms", "worth"]


def worth(verdict: Verdict) -> Markup:
    """Gives what each rung gained beyond its format and its reward, and its worth in samples."""
    rows = [row for row in verdict.rungs if row.worth is not None]
    if not rows:
        return Markup("")
    titles = (
        "rung", "beyond format", "from its reward", "worth votes", "worth pass@k", "one sample",
        "numbers trained",
    )  # fmt: skip
    table = element("table", _head(titles), element("tbody", *map(_worth, rows)))
    note = element(
        "p",
        "Beyond format is the score minus that of the best arm whose reward, or data, has the right "
        "form and no content. From its reward is the score minus that of the arm whose reward is "
        "random. Worth is the number of samples of the plain model at which their majority, or the "
        "best of them (pass@k), is as accurate; neither is corrected for guessing. One sample is the "
        "accuracy of the nudged model at temperature 1. Brackets are 95 % intervals.",
        class_="note",
    )
    return join([element("h3", "What it is worth"), scrolled(table, "Worth"), note])


def arms(verdict: Verdict) -> Markup:
    """Gives every rung that has arms, each arm below it; nothing where none has."""
    rows = [row for row in verdict.rungs if row.arms]
    if not rows:
        return Markup("")
    titles = (
        "rung and its arms", "labels", "numbers trained", "greedy", "over the floor", "one sample",
        "over plain sampling", "effect", "damage", "seeds", "trials",
    )  # fmt: skip
    bodies = [element("tbody", *(_arm(row, arm) for arm in row.arms)) for row in rows]
    table = element("table", _head(titles), *bodies, class_="rungs")
    note = element(
        "p",
        "Each arm is the same method on the same shots with other settings. It helps or harms where "
        "the interval of its gain leaves out 0, by one sample where that was drawn, else greedily; "
        "it holds where the whole interval lies within .05. Damage is in points.",
        class_="note",
    )
    return join([element("h3", "Arms with other settings"), scrolled(table, "Arms"), note])


def _head(titles: tuple[str, ...]) -> Markup:
    cells = (
        element("th", title, scope="col", class_="figure" if i else None)
        for i, title in enumerate(titles)
    )
    return element("thead", element("tr", *cells))


def _worth(row: RungRow) -> Markup:
    known = row.worth
    cells = (
        words.figure(row.beyond_format),
        words.figure(row.reward_attributable),
        words.MISSING if known is None else words.worth(known.votes, known.largest),
        words.MISSING if known is None else words.worth(known.samples, known.largest),
        words.figure(row.sampled),
        words.MISSING if row.scalars is None else words.count(row.scalars),
    )
    return element(
        "tr",
        element("th", row.name, scope="row", class_="id"),
        *(element("td", cell, class_="figure") for cell in cells),
    )


def _arm(row: RungRow, arm: ArmRow) -> Markup:
    gain = arm.gain if arm.sampled_gain is None else arm.sampled_gain
    cells = (
        words.count(arm.labels),
        words.MISSING if arm.scalars is None else words.count(arm.scalars),
        words.figure(arm.score),
        words.figure(arm.gain),
        words.figure(arm.sampled),
        words.figure(arm.sampled_gain),
        words.effect(gain),
        words.damage_figure(arm.damage),
        str(arm.seeds),
    )
    return element(
        "tr",
        element("th", arm.name or row.name, scope="row", class_=None if arm.name else "id"),
        *(element("td", cell, class_="figure") for cell in cells),
        element("td", cited(arm.trials), class_="figure"),
        class_="control" if arm.name else None,
    )
