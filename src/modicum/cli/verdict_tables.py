"""Verdicts as a table to paste: Markdown for a model card, CSV for a spreadsheet."""

import csv
import io
from collections.abc import Sequence

from modicum.analysis.printed import method_name
from modicum.analysis.short_names import heading
from modicum.analysis.verdict import RungRow, Verdict
from modicum.report import words
from modicum.report.untrusted import visible
from modicum.stats import Figure
from modicum.stats.written import percent, percents

__all__ = ["verdicts_csv", "verdicts_markdown"]

HEAD = ("method", "labels", "correct", "share of the gap", "best control", "cost per answer")
FIELDS = (
    "task", "model", "ability", "method", "n_shots", "labels", "seeds", "accuracy", "accuracy_low",
    "accuracy_high", "gap", "gap_low", "gap_high", "cost_per_answer", "effect_elsewhere", "is_shipped",
)  # fmt: skip
"""Columns of the CSV, a row for each method; accuracies and shares lie between 0 and 1."""


def verdicts_markdown(verdicts: Sequence[Verdict]) -> str:
    """Return a heading, a sentence and a table for each verdict."""
    return "\n\n".join(map(_markdown, verdicts))


def verdicts_csv(verdicts: Sequence[Verdict]) -> str:
    """Return CSV with a head, a row for each method of each verdict."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for verdict in verdicts:
        writer.writerows(_fields(verdict, row) for row in verdict.rungs)
    return out.getvalue().rstrip("\n")


def _markdown(verdict: Verdict) -> str:
    base = verdict.serving_base
    rows = [HEAD, ["---"] * len(HEAD)]
    for row in verdict.rungs:
        name = method_name(row.name, is_fixed=verdict.fixed_prompt is not None)
        mark = "**" if row is verdict.pick else ""
        controls = [figure.value for figure in row.controls.values()]
        rows.append(
            [
                f"{mark}{_cell(name)}{mark}",
                words.labels(row),
                percents(row.score),
                "is the ceiling" if row.is_ceiling else percents(row.gap_recovered),
                percent(max(controls)) if controls else words.MISSING,
                words.multiple(row.serving_flops / base if base else None),
            ]
        )
    top = (
        percents(verdict.ceiling.figure) if verdict.ceiling is not None else "none above the floor"
    )
    rows.append(["ceiling", "", top, "", "", ""])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    title = f"**{verdict.ability.upper()}**: {_cell(heading(verdict))}"
    said = f"{verdict.means} {verdict.do}" if verdict.means else words.headline(verdict)
    fixed = f" {verdict.fixed_prompt.said}" if verdict.fixed_prompt is not None else ""
    return f"{title}\n\n{_cell(said + fixed)}\n\n{table}"


def _fields(verdict: Verdict, row: RungRow) -> list[object]:
    base, score, gap = verdict.serving_base, row.score, row.gap_recovered
    damage = row.damage
    return [
        verdict.task,
        verdict.model,
        verdict.ability,
        row.method,
        row.n_shots,
        row.labels,
        row.seeds,
        *_numbers(score),
        *_numbers(gap),
        f"{row.serving_flops / base:.4f}" if base else "",
        f"{damage.value:.4f}" if damage is not None else "",
        row is verdict.pick,
    ]


def _numbers(figure: Figure | None) -> list[str]:
    if figure is None:
        return ["", "", ""]
    return [f"{number:.4f}" for number in (figure.value, figure.low, figure.high)]


def _cell(text: str) -> str:
    """Escape what Markdown would read: names may be a stranger's."""
    escaped = "".join(f"\\{c}" if c in "\\|*_`<>[]" else c for c in visible(text))
    return " ".join(escaped.split())
