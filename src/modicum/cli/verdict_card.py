"""A verdict where Python shows it: the terminal's text, and a small card for a notebook."""

import math
from collections.abc import Sequence
from typing import final

from modicum.analysis.comparison import Comparison, Comparisons
from modicum.analysis.printed import method_name, printed
from modicum.analysis.remarks import of_most_studies
from modicum.analysis.short_names import heading, references
from modicum.analysis.shown import Shown
from modicum.analysis.verdict import Verdict
from modicum.analysis.verdicts import Verdicts
from modicum.cli.columns import WIDTH
from modicum.cli.compare_text import comparison_text
from modicum.cli.terminal import terminal_width
from modicum.cli.verdict_text import Look, overview_text, verdict_text
from modicum.report import words
from modicum.report.markup import Markup, element, join
from modicum.stats import Figure

__all__ = ["PrintedLayout"]

MOST = 5
"""Problems that changed which a comparison names, each way."""
_CARD = (
    "border:1px solid #8888;border-radius:6px;padding:.7em 1em;margin:.3em 0;max-width:46em;"
    "font-family:system-ui,sans-serif;line-height:1.4"
)
_CELL = "padding:.1em .8em .1em 0;text-align:left;border:0"
_NUMBER = "padding:.1em .8em .1em 0;text-align:right;border:0;font-variant-numeric:tabular-nums"


@final
class PrintedLayout:
    """Writes verdicts as the command line does."""

    def text(self, shown: Shown) -> str:
        """Return the terminal's text."""
        if not isinstance(shown, Verdict | Verdicts):
            return "\n\n".join(_compared(one) for one in _comparisons(shown))
        found, look = _verdicts(shown), Look(terminal_width())
        texts = [verdict_text(verdict, look) for verdict in found]
        return "\n\n".join([*texts, overview_text(found, look)] if len(found) > 1 else texts)

    def html(self, shown: Shown) -> str:
        """Return one card a verdict; everything that a model or a file said is escaped."""
        if not isinstance(shown, Verdict | Verdicts):
            return str(element("pre", self.text(shown), style=_CARD))
        return str(join([_card(verdict) for verdict in _verdicts(shown)]))


def _verdicts(shown: Shown) -> Sequence[Verdict]:
    if isinstance(shown, Verdicts):
        return shown
    return (shown,) if isinstance(shown, Verdict) else ()


def _comparisons(shown: Shown) -> Sequence[Comparison]:
    if isinstance(shown, Comparisons):
        return shown
    return (shown,) if isinstance(shown, Comparison) else ()


def _compared(comparison: Comparison) -> str:
    """Return one comparison; of the problems that changed the first few."""
    return comparison_text(comparison, width=WIDTH, most=MOST)


def _card(verdict: Verdict) -> Markup:
    """Return one verdict: the word, the sentence, the methods, and the first doubts."""
    subject = heading(verdict)
    head = element(
        "div",
        element("b", verdict.ability.upper(), style="font-size:1.15em;letter-spacing:.03em"),
        "\u2002",
        element("span", subject, style="opacity:.75", title=references(verdict) or None),
    )
    said = element("div", verdict.means or words.headline(verdict), style="margin:.3em 0 .5em")
    fixed = [element("div", verdict.fixed_prompt.said)] if verdict.fixed_prompt is not None else []
    pick = verdict.pick
    least = element("div", element("b", "Least data "), words.least_data(verdict))
    ship = element("div", element("b", "Ship "), words.ship(verdict))
    advice = [element("div", element("b", "Do "), verdict.do)] if verdict.do else []
    warnings = [doubt for doubt in verdict.doubts if not of_most_studies(doubt)][:2]
    doubts = [element("div", f"! {doubt}", style="opacity:.8") for doubt in warnings]
    rows = [_row(printed("default"), "0", verdict.default, is_pick=False)]
    rows += [
        _row(
            method_name(row.name, is_fixed=verdict.fixed_prompt is not None),
            words.labels(row),
            row.score,
            is_pick=row is pick,
        )
        for row in verdict.rungs
    ]
    names = ("method", "labels", "correct", "95 % interval")
    header = element("tr", *(element("th", name, style=_CELL, scope="col") for name in names))
    table = element("table", header, *rows, style="border-collapse:collapse;margin:.4em 0")
    return element("div", head, said, *fixed, table, least, ship, *advice, *doubts, style=_CARD)


def _row(name: str, labels: str, score: Figure, *, is_pick: bool) -> Markup:
    """Return one method of the table; the pick in bold and marked."""
    shown = element("b", f"▸ {name}") if is_pick else name
    value, low, high = (
        f"{100 * one:.0f}" if math.isfinite(one) else words.MISSING
        for one in (score.value, score.low, score.high)
    )
    return element(
        "tr",
        element("td", shown, style=_CELL),
        element("td", labels, style=_NUMBER),
        element("td", f"{value} %", style=_NUMBER),
        element("td", f"[{low}, {high}]", style=_NUMBER),
    )
