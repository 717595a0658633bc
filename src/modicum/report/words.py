"""Numbers and findings as words, the same in the report and on the terminal."""

import math
import re

from modicum.analysis.meaning import ship_text
from modicum.analysis.printed import level_name, printed
from modicum.analysis.short_names import short_names
from modicum.analysis.verdict import Ceiling, LeastData, Retention, RungRow, Verdict
from modicum.stats import Figure, disagree
from modicum.stats.written import (
    MISSING,
    amount,
    count,
    duration,
    effect,
    figure,
    flops,
    in_points,
    multiple,
    of_seeds,
    percent,
    percents,
    points,
    worth,
)
from modicum.types import PROMPT

__all__ = [
    "MISSING",
    "amount",
    "ceiling_source",
    "controls",
    "costs",
    "count",
    "counted_in",
    "damage",
    "damage_figure",
    "doctor",
    "duration",
    "effect",
    "figure",
    "flops",
    "gain",
    "gap",
    "headline",
    "in_points",
    "labels",
    "least_data",
    "multiple",
    "note",
    "of_seeds",
    "percent",
    "percents",
    "points",
    "ratio",
    "read_strictly",
    "retained",
    "score",
    "serving_base",
    "ship",
    "threshold",
    "trials_failed",
    "unreadable",
    "worth",
]

UNREADABLE = 0.005
"""Share of unreadable answers below which nothing is said of them."""


def threshold(value: Figure | None, largest: int) -> str:
    """Write a budget with its interval, or that it was not reached."""
    if value is None or not math.isfinite(value.value):
        return f"not reached up to {largest}"
    return figure(value, amount)


def damage(value: Figure | None) -> str:
    """Write the change on retained abilities in points of accuracy."""
    return MISSING if value is None else points(value.value)


def damage_figure(value: Figure | None) -> str:
    """Write the change on retained abilities with its interval, in points."""
    return figure(value, points)


def ratio(value: Figure | None) -> str:
    """Write a ratio with its interval, such as `×1.02 [1.01, 1.04]`."""
    return MISSING if value is None else f"×{figure(value)}"


def score(row: RungRow) -> str:
    """Write a rung's accuracy, with its interval or with the points of seeds that disagree."""
    if disagree(row.seed_scores):
        return of_seeds(row.score.value, row.seed_scores)
    return percents(row.score)


def note(row: RungRow) -> str:
    """Return what a rung's row adds in words, in printed names."""
    old = "measuring labels"
    return row.note.replace(old, printed(old))


def _kept(kept: Retention) -> str:
    if disagree(kept.seeds):
        return of_seeds(kept.damage.value, kept.seeds, points)
    return damage_figure(kept.damage)


def retained(row: RungRow) -> list[tuple[str, str]]:
    """Return what showed damage and how much: tasks in points, the worst first, then the text.

    The text's figure is its perplexity after the nudge over that before.
    """
    text = row.text_perplexity_ratio
    names = short_names(kept.task for kept in row.retention)
    said = [(names[kept.task], _kept(kept)) for kept in row.retention]
    return [*said, ("text", ratio(text))] if text else said


def headline(verdict: Verdict, *, shout: bool = False) -> str:
    """Return the ability as a full sentence; its first word in capitals where `shout`."""
    sentence = verdict.sentence.strip() or verdict.ability
    end = next((i for i, c in enumerate(sentence) if not c.isalpha()), len(sentence))
    word = sentence[:end].upper() if shout else sentence[:end].capitalize()
    return f"{word}{sentence[end:]}".rstrip(".") + "."


def gap(row: RungRow) -> str:
    """Say what share of the gap a rung recovers, or that it is the ceiling itself."""
    if row.is_ceiling or row.gap_recovered is None:
        return "is the ceiling" if row.is_ceiling else "undefined"
    if disagree(row.seed_scores):
        return f"{percent(row.gap_recovered.value)}, seeds disagree"
    return percents(row.gap_recovered)


def gain(row: RungRow) -> str:
    """Say a rung's gain over the floor; `in format` where more readable answers explain it."""
    said = in_points(row.gain)
    return f"{said}, in format" if row.gain is not None and row.gain_kind == "format" else said


def unreadable(row: RungRow) -> str:
    """Say how many answers could not be read before and after; empty where nearly all could."""
    if row.unreadable is None or max(row.unreadable) < UNREADABLE:
        return ""
    before, after = row.unreadable
    return f"unreadable {percent(before)} → {percent(after)}"


def ceiling_source(ceiling: Ceiling) -> str:
    """Say where a ceiling comes from, with its k."""
    if ceiling.source == "sampling":
        return f"at k = {ceiling.k}"
    known = {
        "forced": "from the worked form given",
        "majority": "from the majority of all samples",
        PROMPT: "which the plain prompt is itself",
    }
    return known.get(ceiling.source, f"from the best method, {ceiling.source}")


def read_strictly(verdict: Verdict) -> str:
    """Return default, floor and ceiling as the strict reading has them; empty where all agree."""
    top = verdict.ceiling
    read = [
        ("as given", verdict.default, verdict.default_strict),
        ("floor", verdict.floor, verdict.floor_strict),
        ("ceiling", top.figure if top is not None else None, verdict.ceiling_strict),
    ]
    pairs = [
        (name, lenient, strict) for name, lenient, strict in read if lenient and strict is not None
    ]
    if all(percents(lenient) == percents(strict) for _, lenient, strict in pairs):
        return ""
    return ", ".join(f"{name} {percents(strict)}" for name, _, strict in pairs)


def _reached(found: Figure, between: tuple[int, int] | None, share: str, unit: str) -> str:
    """Say with how many labels a share of the gap is reached: between tried numbers none was seen."""
    if found.low == found.high:
        number = amount(found.value)
        return f"at most {number} {unit}{'' if number == '1' else 's'} for {share} of the gap"
    if between is None:
        return f"{figure(found, amount)} {unit}s for {share} of the gap"
    return (
        f"between {between[0]} and {between[1]} {unit}s for {share} of the gap, about "
        f"{figure(found, amount)}"
    )


def _unit(row: LeastData) -> str:
    """Name one of what a method's budgets count."""
    return row.unit.removesuffix("s") or "label"


def labels(row: RungRow) -> str:
    """Return the labels of a method as a cell of a table holds them, with questions without any."""
    return (
        f"{count(row.labels)} + {count(row.unlabelled)} unlabelled"
        if row.unlabelled
        else count(row.labels)
    )


def counted_in(row: LeastData) -> str:
    """Say what a method's budgets count where that is not labels; empty where it is."""
    return f" ({row.unit})" if row.unit else ""


def least_data(verdict: Verdict) -> str:
    """Say the least data: what needs no labels, and for each method that needs some how many."""
    said = []
    if verdict.unlocked_by is not None and verdict.unlocked_labels == 0:
        shown = verdict.unlocked_unlabelled
        beside = f", {count(shown, 'unlabelled question')}" if shown else ""
        said.append(f"none ({verdict.unlocked_by}{beside})")
    for row in verdict.least_data:
        if row.n90 is not None and math.isfinite(row.n90.value):
            reached = _reached(row.n90, row.n90_between, "90 %", _unit(row))
            said.append(f"{row.method}: {reached}")
        elif row.n50 is not None and math.isfinite(row.n50.value):
            half = _reached(row.n50, row.n50_between, "50 %", _unit(row))
            said.append(f"{row.method}: {half}, more than {row.largest} for 90 %")
        else:
            said.append(
                f"{row.method}: more than {count(row.largest, _unit(row))}, if any number works"
            )
    if said:
        return "; ".join(said)
    if verdict.ability == "shown":
        return "none: it works as it is"
    return "– (nothing tried reached above the floor)"


def ship(verdict: Verdict) -> str:
    """Say what to ship and why, with the queries at which others pay; nothing where nothing works."""
    choice = verdict.ship
    if choice.name in (None, PROMPT):
        return ship_text(verdict)
    return f"{choice.name}: {choice.why}" if choice.why else choice.name


def costs(verdict: Verdict) -> str:
    """Return what the answer cost: labels, tokens, time, and the dearest rung's elicitation."""
    parts = [
        f"{count(verdict.measuring_labels)} labels spent on measuring",
        f"{count(verdict.tokens)} tokens sampled or trained in {duration(verdict.seconds)}",
        *([f"{count(verdict.tokens_reused)} reused"] if verdict.tokens_reused else []),
    ]
    looked = verdict.check_costs
    if looked:
        parts.append(
            f"the check: {count(looked.get('labels', 0))} labels read, "
            f"{count(looked.get('tokens_sampled', 0))} tokens"
        )
    dearest = max(verdict.rungs, key=lambda row: row.elicitation_flops, default=None)
    if dearest is not None and dearest.elicitation_flops > 0:
        spent = dearest.costs
        parts.append(
            f"most expensive method {dearest.name}: {flops(dearest.elicitation_flops)}, "
            f"{count(spent.get('updates', 0))} updates, "
            f"{count(spent.get('judge_calls', 0))} judge calls, "
            f"{duration(spent.get('seconds', 0.0))}"
        )
    return "; ".join(parts)


def doctor(verdict: Verdict) -> str:
    """Return the check's errors and warnings; infos are left to `check`, its size to the doubts."""
    said = [f for f in verdict.findings if f.level != "fact" and f.code != "detectable"]
    return "; ".join(f"{level_name(f.level)}: {f.found}" for f in said)


def serving_base(verdict: Verdict) -> float | None:
    """Return the FLOPs a query that serving multiples refer to."""
    return verdict.serving_base


def controls(verdict: Verdict, row: RungRow) -> list[str]:
    """Return the names of the controls that stand under a rung, the scrambled twin first.

    A twin whose name carries its own budget stands once a method: under the rung of the largest
    budget that is not above it.
    """
    names = dict.fromkeys([*row.controls, *row.control_gaps, *row.control_trials])
    budgets = [other.n_shots for other in verdict.rungs if other.method == row.method]

    def is_here(name: str) -> bool:
        match = re.search(r" n=(\d+)$", name)
        if match is None:
            return True
        below = [n for n in budgets if n <= int(match[1])]
        return row.n_shots == max(below, default=min(budgets))

    kept = [name for name in names if is_here(name)]
    return sorted(kept, key=lambda name: not name.startswith("scrambled"))


def trials_failed(count: int) -> str:
    """Say how many trials failed."""
    return "1 trial failed" if count == 1 else f"{count} trials failed"
