"""The verdict as plain text, laid out for a terminal of a hundred columns."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from modicum.analysis.verdict import RungRow, Verdict
from modicum.cli.columns import WIDTH, columns
from modicum.cli.section_text import core_text, section_text
from modicum.report import words
from modicum.report.untrusted import visible
from modicum.stats import disagree

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["highlighted", "overview_text", "verdict_text"]

LABEL = 13
"""Columns before a finding."""


def verdict_text(verdict: Verdict) -> str:
    """Return a verdict as plain text, without a final newline."""
    core = [section for section in verdict.sections.values() if section.is_core]
    others = [section for section in verdict.sections.values() if not section.is_core]
    parts = [
        _header(verdict),
        "\n".join([_wrapped(words.headline(verdict, shout=True)), *_measures(verdict)]),
        *([_rungs(verdict)] if verdict.rungs else []),
        *(text for section in core for text in core_text(section)),
        *map(section_text, others),
        _findings(verdict),
    ]
    return "\n\n".join(parts)


def overview_text(verdicts: Sequence[Verdict]) -> str:
    """Return one line a subject: task, model, word, default to ceiling, what to ship."""
    rows = [
        (
            visible(verdict.titled),
            visible(verdict.model),
            verdict.ability.upper(),
            words.share(verdict.default.value),
            words.share(verdict.floor.value),
            words.share(verdict.ceiling.figure.value) if verdict.ceiling else "none",
            _unlocked(verdict),
            visible(verdict.ship.name or "nothing"),
        )
        for verdict in verdicts
    ]
    head = ("task", "model", "ability", "default", "floor", "ceiling", "least data", "ship")
    return "\n".join(columns([head, *rows], right=(3, 4, 5), elastic=(0, 1, 7)))


def highlighted(text: str) -> "Text":
    """Return a printed verdict for a rich console: the ability's line in bold."""
    from rich.text import Text  # noqa: PLC0415 - most output needs no rich

    styled = Text(text)
    styled.highlight_regex(r"(?m)^[A-Z]{5,}[ ,:.].*$", "bold")
    return styled


def _header(verdict: Verdict) -> str:
    facts = [
        f"{visible(verdict.titled)} on {visible(verdict.model)}",
        f"{verdict.test} test problems",
        "1 seed" if verdict.seeds == 1 else f"{verdict.seeds} seeds",
        words.duration(verdict.seconds),
        *([words.trials_failed(verdict.failed)] if verdict.failed else []),
    ]
    return _wrapped(" · ".join(facts))


def _measures(verdict: Verdict) -> list[str]:
    """Return default, floor and ceiling on one line, and what they rest on below it."""
    ceiling = verdict.ceiling
    top = "no ceiling above the floor"
    if ceiling is not None:
        top = f"ceiling {words.figure(ceiling.figure)} {words.ceiling_source(ceiling)}"
    line = (
        f"default {words.figure(verdict.default)}  →  floor {words.figure(verdict.floor)}"
        f"  ……  {top}"
    )
    always = verdict.majority_class
    modal = f", commonest gold {words.figure(always)}" if always is not None else ""
    rests = (
        f'(style "{visible(verdict.floor_style)}", {words.count(verdict.measuring_labels)} '
        f"measuring labels; luck {words.figure(verdict.luck)}, "
        f"near miss {words.figure(verdict.near_miss)}{modal})"
    )
    lines = [_wrapped(line), _wrapped(rests)]
    strict = words.read_strictly(verdict)
    if strict:
        lines.append(_wrapped(f"(read strictly: {strict})"))
    if said := _brief(verdict, "reference"):
        lines.append(_wrapped(said))
    return lines


def _rungs(verdict: Verdict) -> str:
    """Return the table of rungs, one line more for each further control."""
    has_gap = any(row.gap_recovered is not None or row.is_ceiling for row in verdict.rungs)
    base = words.serving_base(verdict)
    what = "gap recovered" if has_gap else "score"
    table: list[tuple[str, ...]] = [("rung", "labels", what, "its control", "damage", "serving")]
    for row in verdict.rungs:
        table += _rung(verdict, row, base, has_gap=has_gap)
    return "\n".join(columns(table, right=(1, 4, 5), elastic=(0,)))


def _rung(
    verdict: Verdict, row: RungRow, base: float | None, *, has_gap: bool
) -> list[tuple[str, ...]]:
    values = row.control_gaps if has_gap else row.controls
    controls = [
        f"{visible(name)} {words.figure(values[name])}"
        for name in words.controls(verdict, row)
        if name in values
    ] or [words.MISSING]
    first = (
        visible(row.name),
        words.count(row.labels),
        words.gap(row) if has_gap else words.score(row),
        controls[0],
        _damage(row),
        words.multiple(row.serving_flops / base if base else None),
    )
    rest = [("", "", "", control, "", "") for control in controls[1:]]
    if (row.is_ceiling and has_gap) or row.gain_kind == "format":
        rest.append(("  gain over floor", "", words.gain(row), "", "", ""))
    if has_gap and disagree(row.seed_scores):
        rest.append(("  score", "", words.score(row), "", "", ""))
    if said := words.unreadable(row):
        rest.append(("  unreadable", "", said.removeprefix("unreadable "), "", "", ""))
    if row.gap_against_reference is not None:
        what = "  to reference" if has_gap else "  gap to reference"
        rest.append((what, "", words.figure(row.gap_against_reference), "", "", ""))
    kept = [(f"  on {visible(name)}", "", "", "", said, "") for name, said in words.retained(row)]
    return [first, *rest, *kept]


def _damage(row: RungRow) -> str:
    """Return the worst change in points, else the ratio of the text; intervals stand below it."""
    ratio = row.text_perplexity_ratio
    if row.damage is None and ratio is not None:
        return f"×{words.share(ratio.value)}"
    return words.damage(row.damage)


def _findings(verdict: Verdict) -> str:
    """Return least data, what to ship, doubts and what to try next."""
    found = [
        ("Least data", words.least_data(verdict)),
        ("Shorter", _brief(verdict, "lengths")),
        ("Ship", words.ship(verdict)),
        (
            "Aside",
            "; ".join(f"{visible(a.setting)} {words.figure(a.score)}" for a in verdict.asides),
        ),
        ("Costs", words.costs(verdict)),
        ("Doctor", words.doctor(verdict)),
        ("Doubts", "; ".join(verdict.doubts) or "none found"),
        ("Next", "; ".join(verdict.next) or "nothing more to try"),
        ("Notes", "; ".join(verdict.notes)),
    ]
    return "\n".join(_finding(label, said) for label, said in found if said)


def _brief(verdict: Verdict, name: str) -> str:
    """Return one of the verdict's own sections in one line; empty where there is none."""
    section = verdict.sections.get(name)
    return "" if section is None else section.brief


def _finding(label: str, said: str) -> str:
    return textwrap.fill(
        visible(said),
        WIDTH,
        initial_indent=label.ljust(LABEL),
        subsequent_indent=" " * LABEL,
        break_on_hyphens=False,
    )


def _unlocked(verdict: Verdict) -> str:
    """Say the least data in a few words: the labels that unlock it, or none needed."""
    if verdict.unlocked_by is None or verdict.unlocked_labels is None:
        return words.MISSING
    return f"{verdict.unlocked_labels} labels" if verdict.unlocked_labels != 1 else "1 label"


def _wrapped(line: str) -> str:
    return textwrap.fill(visible(line), WIDTH, break_on_hyphens=False)
