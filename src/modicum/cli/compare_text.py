"""A comparison as text for the terminal, as Markdown, as CSV rows and as plain values."""

import csv
import io
import textwrap
from collections.abc import Sequence

from modicum.analysis.comparison import Changed, Comparison
from modicum.plain import plain
from modicum.report.untrusted import pieces
from modicum.stats import Figure
from modicum.stats.written import count, duration, flops, percents

__all__ = ["comparison_csv", "comparison_json", "comparison_markdown", "comparison_text"]

MISSING = "–"
FIELDS = (
    "task_a", "model_a", "name_a", "task_b", "model_b", "name_b", "problems", "paired",
    "accuracy_a", "accuracy_a_low", "accuracy_a_high", "accuracy_b", "accuracy_b_low",
    "accuracy_b_high", "difference", "difference_low", "difference_high", "right_only_b",
    "right_only_a", "labels_a", "labels_b",
)  # fmt: skip
"""Columns of the CSV, a row for each comparison; accuracies and differences are shares."""


def comparison_text(found: Comparison, *, width: int, most: int, option: str = "") -> str:
    """Return one comparison as lines of at most `width` columns.

    Args:
        found: The comparison.
        width: Most columns of a line.
        most: Changed problems that are listed, each way.
        option: Names what would list more; empty where nothing does.
    """
    table = _beside(_rows(found), width)
    lines = [_title(found), "", *table, "", *_wrap(_difference(found), width)]
    for changes, side in ((found.gained, 1), (found.lost, 0)):
        lines += _changes(found, changes, side, width, most)
        rest = len(changes) - most
        hint = f" ({option})" if option else ""
        lines += [f"  … and {rest} more{hint}"] if found.is_paired and rest > 0 and most else []
    return "\n".join(lines)


def comparison_markdown(found: Sequence[Comparison]) -> str:
    """Return a Markdown table, a row for each comparison."""
    head = ["task", "A", "B", "A correct", "B correct", "B − A", "problems"]
    rows = [
        [
            _both(c.tasks),
            _sided(c, 0),
            _sided(c, 1),
            percents(c.accuracies[0]),
            percents(c.accuracies[1]),
            _points(c.difference),
            _counted(c),
        ]
        for c in found
    ]
    cells = [[_cell(cell) for cell in row] for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def comparison_csv(found: Sequence[Comparison]) -> str:
    """Return CSV with a head, a row for each comparison."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    for c in found:
        figures = [*c.accuracies, c.difference]
        numbers = [number for f in figures for number in (f.value, f.low, f.high)]
        writer.writerow(
            [
                c.tasks[0], c.models[0], c.names[0], c.tasks[1], c.models[1], c.names[1],
                c.difference.n, c.is_paired, *(f"{number:.4f}" for number in numbers),
                len(c.gained), len(c.lost), c.costs[0].labels, c.costs[1].labels,
            ]
        )  # fmt: skip
    return out.getvalue().rstrip("\n")


def comparison_json(found: Comparison) -> dict[str, object]:
    """Return one comparison as plain values."""
    value = plain(found)
    if not isinstance(value, dict):
        raise TypeError(type(value).__name__)
    return value


def _points(figure: Figure) -> str:
    """Write a difference as signed points with its interval."""
    value, low, high = (_signed(100 * x) for x in (figure.value, figure.low, figure.high))
    return f"{value} points [{low}, {high}]"


def _signed(number: float) -> str:
    text = f"{abs(number):.1f}"
    return text if float(text) == 0 else f"{'+' if number > 0 else '−'}{text}"


def _title(found: Comparison) -> str:
    same_model = found.models[0] == found.models[1]
    on = f" on {_visible(found.models[0])}" if same_model else ""
    return f"{_visible(_both(found.tasks))}{on}: {_counted(found)}"


def _counted(found: Comparison) -> str:
    if not found.is_paired:
        return f"{found.accuracies[0].n} and {found.accuracies[1].n} different problems"
    return f"{found.difference.n} problems that both answered"


def _rows(found: Comparison) -> list[tuple[str, str, str]]:
    """Return the table: what, the first side, the second."""
    rows = [("", "A", "B"), ("method", found.names[0], found.names[1])]
    if found.models[0] != found.models[1]:
        rows.append(("model", found.models[0], found.models[1]))
    if found.tasks[0] != found.tasks[1]:
        rows.append(("task", found.tasks[0], found.tasks[1]))
    a, b = found.costs
    rows += [
        ("correct", percents(found.accuracies[0]), percents(found.accuracies[1])),
        ("labels", count(a.labels), count(b.labels)),
        ("tokens to make it", _some(a.tokens), _some(b.tokens)),
        ("time to make it", _time(a.seconds), _time(b.seconds)),
        ("tokens per answer", _some(a.tokens_per_answer), _some(b.tokens_per_answer)),
        ("work per answer", flops(a.flops_per_answer), flops(b.flops_per_answer)),
    ]
    return [(what, _visible(one), _visible(other)) for what, one, other in rows]


def _some(number: float) -> str:
    return count(number) if number else MISSING


def _time(seconds: float) -> str:
    return duration(seconds) if seconds else MISSING


def _beside(rows: Sequence[tuple[str, str, str]], width: int) -> list[str]:
    """Set the rows in three columns; a cell too long for its column goes on below."""
    first = max(len(what) for what, _, _ in rows)
    room = max((width - first - 6) // 2, 12)
    lines = []
    for what, *sides in rows:
        left, right = (textwrap.wrap(s, room, break_on_hyphens=False) or [""] for s in sides)
        for i in range(max(len(left), len(right))):
            cells = [part[i] if i < len(part) else "" for part in (left, right)]
            lines.append(
                f"  {what if i == 0 else '':<{first}}  {cells[0]:<{room}}  {cells[1]}".rstrip()
            )
    return lines


def _difference(found: Comparison) -> str:
    said = f"B − A: {_points(found.difference)}"
    if not found.is_told_apart:
        return f"{said}: the data cannot tell which is better"
    better = "B" if found.difference.value > 0 else "A"
    name = found.names[1 if better == "B" else 0]
    return f"{said}: {better} ({_visible(name)}) is better"


def _changes(
    found: Comparison,
    changes: Sequence[Changed],
    side: int,
    width: int,
    most: int,
) -> list[str]:
    """Return the problems that one side alone solves, or solves more often."""
    if not found.is_paired:
        return []
    which = "right only with" if _is_plain(changes) else "right more often with"
    lines = [f"{len(changes)} {which} {'AB'[side]}" + (":" if changes and most else "")]
    for change in changes[:most]:
        said = _visible(" ".join(f"{change.problem} {change.question}".split()))
        lines.append(f"  {textwrap.shorten(said, width - 2, placeholder=' …')}")
    return lines


def _is_plain(changes: Sequence[Changed]) -> bool:
    return all({c.first, c.second} == {0.0, 1.0} for c in changes)


def _sided(found: Comparison, side: int) -> str:
    same = found.models[0] == found.models[1]
    return found.names[side] if same else f"{found.names[side]} ({found.models[side]})"


def _both(tasks: tuple[str, str]) -> str:
    return tasks[0] if tasks[0] == tasks[1] else " and ".join(tasks)


def _visible(text: str) -> str:
    """Spell hidden characters out: names and questions may be a stranger's."""
    return "".join(piece for piece, _ in pieces(text))


def _cell(text: str) -> str:
    return _visible(text).replace("\\", "\\\\").replace("|", "\\|")


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
