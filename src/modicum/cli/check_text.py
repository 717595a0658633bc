"""What the check finds, and the table of a scan, as plain text."""

import textwrap
from collections.abc import Sequence

from modicum.analysis.printed import level_name
from modicum.doctor.scan import GYM, Scan, ScanRow
from modicum.doctor.visit import Checked
from modicum.report import words
from modicum.report.untrusted import visible
from modicum.types import Finding

__all__ = ["checked_text", "scan_text"]

WIDTH = 80
LEVEL = 9
"""Columns before a finding."""


def checked_text(checked: Checked) -> str:
    """Return every finding, faults first, each with what to do."""
    spent, subject = checked.ledger, checked.subject
    head = (
        f"{visible(subject.task)} on {visible(subject.model)} · {words.count(spent.tokens_sampled)} "
        f"tokens sampled · {words.count(spent.labels)} labels read · {words.duration(spent.seconds)}"
    )
    lines = [line for finding in checked.findings for line in _finding(finding)]
    return "\n".join([head, "", *lines, "", _sum(checked)])


def scan_text(scan: Scan) -> str:
    """Return the table of a scan, the finalists on fresh problems, and the pick."""
    n = scan.rows[0].greedy.n if scan.rows else 0
    parts = [
        f"{visible(scan.model)} on {len(scan.rows)} tasks: {n} problems of the shots split each, "
        f"greedy and {scan.rows[0].k if scan.rows else 0} samples",
        "",
        *_table(scan.rows),
    ]
    if scan.finalists:
        fresh = scan.finalists[0].greedy.n
        head = f"the best again, on {fresh} fresh problems of the selection split"
        parts += ["", head, "", *_table(scan.finalists)]
    parts += ["", *_footnotes(scan.rows)]
    parts += ["", *textwrap.wrap(_pick(scan), WIDTH, break_on_hyphens=False)]
    parts += [f"failed: {visible(text)}" for text in scan.failed]
    return "\n".join(parts)


def _sum(checked: Checked) -> str:
    if checked.faults:
        return "An error: the results would mislead or the run would fail. `run` stops here without --force."
    if checked.doubts:
        return (
            f"No errors, {words.count(len(checked.doubts))} warning"
            f"{'s' if len(checked.doubts) > 1 else ''}. Read them before trusting the results."
        )
    return "No problems found, as far as these few answers show."


def _finding(finding: Finding) -> list[str]:
    """Return a finding, wrapped, and what to do about it below."""
    rest = " " * LEVEL
    lines = textwrap.wrap(
        visible(finding.found),
        WIDTH,
        initial_indent=level_name(finding.level).ljust(LEVEL),
        subsequent_indent=rest,
        break_on_hyphens=False,
    )
    if finding.action:
        lines += textwrap.wrap(
            f"→ {visible(finding.action)}",
            WIDTH,
            initial_indent=rest,
            subsequent_indent=f"{rest}  ",
            break_on_hyphens=False,
        )
    return lines


def _table(rows: Sequence[ScanRow]) -> list[str]:
    k = rows[0].k if rows else 0
    head = ("", "task", "style", "greedy", "pass@1", f"pass@{k}", "chance", "unread", "tokens")
    cells = [
        head,
        *(
            (
                "*" if row.is_half_known else "",
                _short(row.task),
                row.style,
                words.percents(row.greedy),
                words.percents(row.pass_1),
                words.percents(row.pass_k),
                words.percent(row.luck.value),
                words.percent(row.unreadable),
                f"{row.tokens:.0f}",
            )
            for row in rows
        ),
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = []
    for row in cells:
        aligned = [
            cell.rjust(width) if i > 5 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(" ".join(aligned).rstrip())
    return lines


def _short(task: str) -> str:
    """Return a task's name without the words that all of them share; a number where two are alike."""
    name = task.removeprefix("gym:").partition("?")[0]
    alike = [t for t in GYM if t.removeprefix("gym:").partition("?")[0] == name]
    return f"{name} {alike.index(task) + 1}" if len(alike) > 1 and task in alike else name


def _footnotes(rows: Sequence[ScanRow]) -> list[str]:
    """Say which settings stand behind names that differ by a number only."""
    named = {_short(row.task): row.task for row in rows}
    return [f"{name}: {visible(task)}" for name, task in sorted(named.items()) if " " in name]


def _pick(scan: Scan) -> str:
    rule = (
        "* solved only sometimes: pass@k between 20 % and 90 %, above chance and above pass@1 by the lower "
        "ends of paired 95 % intervals."
    )
    if scan.pick:
        return f"{rule} Pick: {scan.pick}"
    if scan.finalists:
        near = scan.finalists[0]
        return (
            f"{rule} No pick: none of them holds on fresh problems; nearest {near.task}, "
            f"{words.in_points(near.above_luck)} above chance and "
            f"{words.in_points(near.above_pass_1)} above pass@1"
        )
    return f"{rule} No pick: no task is solved only sometimes."
