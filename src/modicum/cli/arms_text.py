"""What rungs are worth, and their arms with other settings, as plain text in columns."""

from collections.abc import Sequence

from modicum.cli.columns import columns
from modicum.report import words
from modicum.report.untrusted import visible
from modicum.verdict import ArmRow, RungRow, Verdict

__all__ = ["arms_text", "worth_text"]


def worth_text(verdict: Verdict) -> str:
    """Gives what each rung gained beyond its controls and what it is worth in samples.

    Empty where no rung was scored; a column that says nothing is left out.
    """
    rows = [row for row in verdict.rungs if row.worth is not None]
    head = ("rung", "beyond format", "from its reward", "worth votes", "worth pass@k")
    cells = [
        (
            visible(row.name),
            words.figure(row.beyond_format),
            words.figure(row.reward_attributable),
            words.worth(row.worth.votes, row.worth.largest),
            words.worth(row.worth.samples, row.worth.largest),
        )
        for row in rows
        if row.worth is not None
    ]
    return _table(head, cells, right=())


def arms_text(verdict: Verdict) -> str:
    """Gives the rungs that were sampled, or count what they train, each above its arms.

    Empty where there is neither.
    """
    head = ("rung and arms", "labels", "trained", "damage", "greedy", "sampled", "effect")
    lines = [line for row in verdict.rungs for line in _lines(row)]
    return _table(head, lines, right=("labels", "trained", "damage"))


def _table(
    head: tuple[str, ...], lines: Sequence[tuple[str, ...]], *, right: tuple[str, ...]
) -> str:
    """Sets lines below their head, columns that say nothing left out."""
    if not lines:
        return ""
    kept = [
        i for i in range(len(head)) if any(line[i] not in ("", words.MISSING) for line in lines)
    ]
    table = [tuple(line[i] for i in kept) for line in (head, *lines)]
    to_right = [place for place, i in enumerate(kept) if head[i] in right]
    return "\n".join(columns(table, right=to_right, elastic=(0,)))


def _lines(row: RungRow) -> list[tuple[str, ...]]:
    if row.arms:
        # a reward's own name says what it is, and the figures leave names little room
        names = [arm.name.replace("with reward=", "with ", 1) for arm in row.arms]
        return [
            _line(f"  {name}" if name else row.name, arm)
            for name, arm in zip(names, row.arms, strict=True)
        ]
    if row.sampled is None and row.scalars is None:
        return []
    trained = words.MISSING if row.scalars is None else words.count(row.scalars)
    figures = (words.score(row), words.figure(row.sampled))
    return [
        (
            visible(row.name),
            words.count(row.labels),
            trained,
            words.damage(row.damage),
            *figures,
            "",
        )
    ]


def _line(name: str, arm: ArmRow) -> tuple[str, ...]:
    return (
        visible(name),
        words.count(arm.labels),
        words.MISSING if arm.scalars is None else words.count(arm.scalars),
        words.damage(arm.damage),
        words.figure(arm.score),
        words.figure(arm.sampled),
        words.effect(arm.gain if arm.sampled_gain is None else arm.sampled_gain),
    )
