"""The verdict as plain text: the answer first, a table of methods, what to do next."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from modicum.analysis.contamination import counted
from modicum.analysis.meaning import has_pick, shipped_name
from modicum.analysis.printed import control_name, method_name
from modicum.analysis.remarks import of_most_studies
from modicum.analysis.short_names import heading, model_title, references
from modicum.analysis.verdict import RungRow, Verdict
from modicum.cli.columns import WIDTH, columns
from modicum.cli.section_text import core_text, section_text
from modicum.cli.terminal import Paint
from modicum.report import words
from modicum.report.untrusted import visible
from modicum.stats import Figure, disagree
from modicum.stats.written import count, percent, percents, rounded_points

__all__ = ["Look", "overview_text", "verdict_text"]

LABEL = 12
"""Columns before a finding."""
MOST_WARNINGS = 3
"""Warnings that are printed unless all are asked for."""
EVEN = 0.2
"""How unlike the sides of an interval may be, as a share of the longer, for one margin to stand for both."""
FULL = 76
"""Columns from which costs and effects elsewhere stand in the table."""


@dataclass(frozen=True)
class Look:
    """How a verdict is laid out."""

    width: int = WIDTH
    """Most columns of a line."""
    verbose: bool = False
    """Controls by name, worth, costs, notes and all warnings as well."""
    paint: Paint = field(default_factory=Paint)
    pick: str = ">"
    """Sign before the method to ship."""
    folder: str = ""
    """The study's folder, for the command that comes next."""


PLAIN = Look()


def verdict_text(verdict: Verdict, look: Look = PLAIN) -> str:
    """Return a verdict as text, without a final newline."""
    core = [section for section in verdict.sections.values() if section.is_core]
    others = [section for section in verdict.sections.values() if not section.is_core]
    parts = [
        _head(verdict, look),
        _answers(verdict, look),
        _table(verdict, look),
        *([_measures(verdict, look)] if look.verbose else []),
        *(text for section in core for text in core_text(section, look.width) if look.verbose),
        *(section_text(section, look.width) for section in others),
        _rest(verdict, look),
    ]
    return "\n\n".join(part for part in parts if part)


def overview_text(verdicts: Sequence[Verdict], look: Look = PLAIN) -> str:
    """Return the answer for each model on each task: word, floor, ceiling, least data, what to ship."""
    if look.width < FULL:
        return "\n".join(line for verdict in verdicts for line in _stacked(verdict, look))
    rows = [
        (
            visible(verdict.titled),
            visible(model_title(verdict)),
            verdict.ability.upper(),
            percent(verdict.floor.value),
            percent(verdict.ceiling.figure.value) if verdict.ceiling else "none",
            _labels(verdict.unlocked_labels),
            visible(shipped_name(verdict)),
        )
        for verdict in verdicts
    ]
    head = ("task", "model", "ability", "floor", "ceiling", "least data", "ship")
    lines = columns([head, *rows], right=(3, 4, 5), elastic=(0, 1, 6), width=look.width)
    painted = [
        line.replace(v.ability.upper(), look.paint.ability(v.ability, v.ability.upper()), 1)
        for line, v in zip(lines[1:], verdicts, strict=True)
    ]
    return "\n".join([lines[0], *painted])


def _stacked(verdict: Verdict, look: Look) -> list[str]:
    """Return a verdict in two lines, for a narrow terminal."""
    word = verdict.ability.upper()
    top = percent(verdict.ceiling.figure.value) if verdict.ceiling else "none"
    title = _wrapped(f"{word}  {heading(verdict)}", look)
    facts = f"floor {percent(verdict.floor.value)}, ceiling {top}; ship {shipped_name(verdict)}"
    return [
        title.replace(word, look.paint.ability(verdict.ability, word), 1),
        _wrapped(f"  {facts}", look),
    ]


def _head(verdict: Verdict, look: Look) -> str:
    """Return the word, what it is about, and what it means."""
    word = verdict.ability.upper()
    title = _wrapped(f"{word}  {heading(verdict)}", look)
    title = title.replace(word, look.paint.ability(verdict.ability, word), 1)
    said = [verdict.means, verdict.do] if verdict.means else [words.headline(verdict)]
    said += [verdict.fixed_prompt.said] if verdict.fixed_prompt is not None else []
    return "\n".join([title, *(_wrapped(line, look) for line in said)])


def _answers(verdict: Verdict, look: Look) -> str:
    """Return the two answers, least data and what to ship, and whether it may all be memory."""
    memory = verdict.contamination
    found = [
        ("Least data", words.least_data(verdict)),
        ("Ship", _ship(verdict)),
        ("Shorter", _brief(verdict, "lengths")),
        ("Reference", _brief(verdict, "reference")),
        ("By heart", "" if memory is None else counted(memory)),
    ]
    return "\n".join(_finding(label, said, look) for label, said in found if said)


def _ship(verdict: Verdict) -> str:
    """Say what to ship with its accuracy and cost, and why."""
    row = verdict.pick
    if row is None or row.is_prompt:
        return words.ship(verdict)
    base = verdict.serving_base
    cost = f", {words.multiple(row.serving_flops / base)} cost per answer" if base else ""
    why = words.ship(verdict).partition(": ")[2]
    said = f"{row.name}: {percents(row.score)} correct{cost}"
    return f"{said}; {why}" if why else said


def _table(verdict: Verdict, look: Look) -> str:
    """Return the table of methods, the ceiling below them."""
    is_full = look.width >= FULL
    head = ["  method", "labels", "correct", "gap", "controls"]
    head += ["cost", "elsewhere"] * is_full
    for is_exact in (True, False):
        rows = [head, *(_method(verdict, row, look, is_exact=is_exact) for row in verdict.rungs)]
        rows = [row[: len(head)] for row in [*rows, _ceiling(verdict, len(head))]]
        set_out = columns(rows, right=(1, 3, 4, 5), elastic=(0,), width=look.width)
        if not any("\n" in row for row in set_out):
            break  # no name had to give way
    first, *lines, last = set_out
    start = first.index(head[2])
    table = [first]
    for row, line in zip(verdict.rungs, lines, strict=True):
        table.append(look.paint.pick(line) if row.name == _shipped(verdict) else line)
        table += [_below(what, said, start, look) for what, said in _more(verdict, row, look)]
    return "\n".join([*table, last, _wrapped(f"  {_chance(verdict)}", look)])


def _method(verdict: Verdict, row: RungRow, look: Look, *, is_exact: bool) -> list[str]:
    """Return a method's line; ends of effects elsewhere in whole points unless exact."""
    base = verdict.serving_base
    sign = look.pick if row.name == _shipped(verdict) else " "
    return [
        f"{sign} {visible(method_name(row.name, is_fixed=verdict.fixed_prompt is not None))}",
        words.count(row.labels),
        _correct(row),
        _gap(row),
        _highest(row),
        words.multiple(row.serving_flops / base if base else None),
        _elsewhere(row, is_exact=is_exact),
    ]


def _more(verdict: Verdict, row: RungRow, look: Look) -> list[tuple[str, str]]:
    """Return what a reader must know of a method's figures, and every detail where asked for."""
    said = []
    if disagree(row.seed_scores):
        said.append(("each seed", ", ".join(map(percent, row.seed_scores))))
    if row.unlabelled:
        said.append(("unlabelled", count(row.unlabelled, "question")))
    if row.gain_kind == "format":
        said.append(("gain in format", words.in_points(row.gain)))
    if unread := words.unreadable(row):
        said.append(("unreadable", unread.removeprefix("unreadable ")))
    return [*said, *_beside(verdict, row)] if look.verbose else said


def _below(what: str, said: str, start: int, look: Look) -> str:
    """Set a detail under its method, its figure in the column of accuracies."""
    line = f"    {what}".ljust(start - 2) + f"  {said}"
    return line if len(line) <= look.width else _wrapped(f"    {what}: {said}", look)


def _beside(verdict: Verdict, row: RungRow) -> list[tuple[str, str]]:
    """Return controls by name, effects elsewhere, and the way to the reference."""
    said = [
        (visible(control_name(name)), percents(row.controls[name]))
        for name in words.controls(verdict, row)
        if name in row.controls
    ]
    said += [(f"on {visible(name)}", change) for name, change in words.retained(row)]
    if row.gap_recovered is not None and not row.is_ceiling:
        said.append(("share of the gap", percents(row.gap_recovered)))
    if row.is_ceiling:
        said.append(("gain over floor", words.gain(row)))
    if row.gap_against_reference is not None:
        said.append(("way to reference", percents(row.gap_against_reference)))
    return said


def _correct(row: RungRow) -> str:
    """Return the accuracy with its interval; without one where few seeds disagree."""
    return percent(row.score.value) if disagree(row.seed_scores) else percents(row.score)


def _gap(row: RungRow) -> str:
    """Return the share of the gap; `top` for the method that is the ceiling itself."""
    if row.is_ceiling:
        return "top"
    return words.MISSING if row.gap_recovered is None else percent(row.gap_recovered.value)


def _highest(row: RungRow) -> str:
    """Return the accuracy of the best control."""
    values = [figure.value for figure in row.controls.values()]
    return percent(max(values)) if values else words.MISSING


def _elsewhere(row: RungRow, *, is_exact: bool) -> str:
    """Return the worst change on other tasks in points, else the ratio of the text's perplexity."""
    if row.damage is not None:
        return _change(row.damage, row, is_exact=is_exact)
    ratio = row.text_perplexity_ratio
    return words.MISSING if ratio is None else words.ratio(ratio).partition(" ")[0]


def _change(change: Figure, row: RungRow, *, is_exact: bool) -> str:
    """Return a change in points: one margin where both sides are alike, else both ends."""
    if disagree(row.retention[0].seeds):
        return words.points(change.value)
    below, above = change.value - change.low, change.high - change.value
    reach = max(below, above)
    if math.isfinite(reach) and abs(below - above) <= EVEN * reach:
        return f"{words.points(change.value)} ±{100 * reach:.1f}"
    return words.figure(change, words.points) if is_exact else rounded_points(change)


def _ceiling(verdict: Verdict, n: int) -> list[str]:
    """Return the ceiling's line."""
    top = verdict.ceiling
    said = percents(top.figure) if top is not None else "none above the floor"
    return ["  ceiling", "", said, *[""] * (n - 3)]


def _chance(verdict: Verdict) -> str:
    """Say where the ceiling comes from, and what guessing would score."""
    top = verdict.ceiling
    source = f"ceiling {words.ceiling_source(top)}; " if top is not None else ""
    return (
        f"{source}chance {percent(verdict.luck.value)} to {percent(verdict.near_miss.value)}; "
        f"{verdict.test} test problems"
    )


def _measures(verdict: Verdict, look: Look) -> str:
    """Return what the floor and the ceiling rest on."""
    always = verdict.majority_class
    floor = "best plain prompt" if verdict.fixed_prompt is None else "your own prompt, fixed,"
    lines = [
        f"As given {percents(verdict.default)}, {floor} {percents(verdict.floor)} "
        f'(style "{visible(verdict.floor_style)}")',
        f"Chance {percents(verdict.luck)}, by wrong answers {percents(verdict.near_miss)}"
        + (f", always the commonest answer {percents(always)}" if always is not None else ""),
    ]
    if strict := words.read_strictly(verdict):
        lines.append(f"Read strictly: {strict}")
    if memory := _brief(verdict, "contamination"):
        lines.append(f"Contamination: {memory}")
    return "\n".join(_wrapped(line, look) for line in lines)


def _rest(verdict: Verdict, look: Look) -> str:
    """Return warnings, what the study took and, where asked for, everything else."""
    found = [f for f in verdict.findings if f.level != "fact" and f.code != "detectable"]
    faults = [f.found for f in found if f.level == "fault"]
    others = [f.found for f in found if f.level != "fault"]
    # what the size can show is among the doubts
    warnings = [*faults, *(d for d in verdict.doubts if not of_most_studies(d)), *others]
    shown = warnings if look.verbose else warnings[:MOST_WARNINGS]
    lines = [look.paint.warning(_item("!", said, look)) for said in shown]
    if hidden := len(warnings) - len(shown):
        lines.append(f"  … and {words.count(hidden)} more: -v shows all")
    lines.append(_item(" ", _spent(verdict), look))
    if look.verbose:
        asides = "; ".join(f"{visible(a.setting)} {percents(a.score)}" for a in verdict.asides)
        more = [
            ("Task", visible(references(verdict).removeprefix("task "))),
            ("Aside", asides),
            ("Costs", words.costs(verdict)),
            ("Needs", "; ".join(verdict.next)),
            ("Notes", "; ".join([*filter(of_most_studies, verdict.doubts), *verdict.notes])),
        ]
        lines += [_finding(label, said, look) for label, said in more if said]
    return "\n".join([*lines, *_next(verdict, look)])


def _next(verdict: Verdict, look: Look) -> list[str]:
    """Return the command that comes next, whole on a line of its own where it is long, and its cost."""
    command = verdict.next_command
    if command is None:
        return []
    text = command.text(look.folder)
    if not text:
        return [_finding("Next", command.why, look)]
    if not command.said and len(text) + LABEL + 2 <= look.width:
        return [_finding("Next", text, look)]
    return [_finding("Next", command.said, look), f"  {visible(text)}"]


def _spent(verdict: Verdict) -> str:
    seeds = "1 seed" if verdict.seeds == 1 else f"{verdict.seeds} seeds"
    parts = [
        words.duration(verdict.seconds),
        seeds,
        f"{words.count(verdict.measuring_labels)} labels spent on measuring",
        f"{words.count(verdict.tokens)} tokens",
        *([words.trials_failed(verdict.failed)] if verdict.failed else []),
    ]
    return " · ".join(parts)


def _shipped(verdict: Verdict) -> str | None:
    return verdict.ship.name if has_pick(verdict) else None


def _labels(labels: int | None) -> str:
    return words.MISSING if labels is None else words.count(labels)


def _brief(verdict: Verdict, name: str) -> str:
    """Return one of the verdict's own sections in one line; empty where there is none."""
    section = verdict.sections.get(name)
    return "" if section is None else section.brief


def _finding(label: str, said: str, look: Look) -> str:
    return textwrap.fill(
        visible(said),
        look.width,
        initial_indent=f"  {label.ljust(LABEL)}",
        subsequent_indent=" " * (LABEL + 2),
        break_on_hyphens=False,
    )


def _item(sign: str, said: str, look: Look) -> str:
    return textwrap.fill(
        visible(said),
        look.width,
        initial_indent=f"  {sign} " if sign.strip() else "  ",
        subsequent_indent="    " if sign.strip() else "  ",
        break_on_hyphens=False,
    )


def _wrapped(line: str, look: Look) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        visible(line), look.width, subsequent_indent=indent, break_on_hyphens=False
    )
