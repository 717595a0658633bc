"""A study of scale as tables, the same for terminal and report, and as plain values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from modicum.analysis.scale_fits import AxisFit, ScaleFits
from modicum.analysis.scale_groups import Group
from modicum.analysis.scale_thinking import Gain, Growth, Over, growths
from modicum.analysis.section import Column, Section, SectionRow, SectionTable
from modicum.corpora.corpus import Shift
from modicum.plain import JsonValue, plain
from modicum.stats import Figure
from modicum.stats.written import MISSING, count, figure, flops, nats, share

__all__ = ["ScaleFindings", "scale_section", "scale_values"]

_REFERENCES: Mapping[Over, str] = {
    "fewest trained": "the fewest steps that were trained",
    "one step": "one step",
}


@dataclass(frozen=True)
class ScaleFindings:
    """What a study of scale found so far."""

    name: str
    corpus: str
    part: str
    """Which characters losses are of: `whole` or `asked`."""
    shifts: tuple[Shift, ...]
    cells: int
    """Trainings of the plan."""
    finished: int
    fits: ScaleFits
    gains: tuple[Gain, ...]
    rates: int = 1
    """Learning rates that were tried of each net."""


def scale_section(found: ScaleFindings) -> Section:
    """Return what is said of a study of scale."""
    tables = (
        _losses(found),
        _fits(found),
        _ratios(found),
        _equal(found),
        _equal_updates(found),
        *(_thinking(found, over) for over in _REFERENCES),
        *(_growths(found, over) for over in _REFERENCES),
    )
    said = (
        f"{found.corpus}: {found.finished} of {count(found.cells, 'training')} finished. Losses are nats a "
        f"character{_of(found.part)} on test text that nothing learned from, with 95 % intervals over "
        "windows and seeds; less is better.",
        " ".join(_shifted(shift) for shift in found.shifts),
        *_rates_said(found),
    )
    return Section(found.name, said, tables=tuple(table for table in tables if table.rows))


def _rates_said(found: ScaleFindings) -> tuple[str, ...]:
    """Say what choosing a rate did, where several were tried."""
    if found.rates < 2:
        return ()
    return (
        f"Of {found.rates} learning rates the one of least loss on selection text stands for each net and "
        "amount of text; FLOPs are those of one training, not of choosing.",
    )


def scale_values(found: ScaleFindings) -> dict[str, JsonValue]:
    """Return it for machines; ends of intervals that are not bounded become null."""
    groups = [
        {
            "net": group.net,
            "sizes": group.first.cell.sizes,
            "tokens": group.first.cell.tokens,
            "seeds": [cell.cell.seed for cell in group.cells],
            "parameters": group.first.parameters,
            "training_flops": group.first.training_flops,
            "updates": group.first.cell.steps,
            "learning_rate": group.first.cell.learning_rate,
            "seconds": sum(cell.seconds for cell in group.cells),
            "losses": losses,
        }
        for group, losses in zip(found.fits.groups, found.fits.losses, strict=True)
    ]
    said = {
        "name": found.name,
        "corpus": found.corpus,
        "part": found.part,
        "shifts": found.shifts,
        "trainings": found.cells,
        "finished": found.finished,
        "nets": groups,
        "fits": [_fit_values(fit) for fit in found.fits.fits],
        "ratios": found.fits.ratios,
        "equal_flops": found.fits.equal,
        "equal_updates": found.fits.equal_updates,
        "gains": found.gains,
        "growths": growths(found.gains),
    }
    return {name: plain(value, _figures) for name, value in said.items()}


def _fit_values(fit: AxisFit) -> dict[str, object]:
    known = ("axis", "of", "kind", "x", "losses", "exponent")
    values: dict[str, object] = {name: getattr(fit, name) for name in known}
    fitted = fit.exponent is not None
    return {
        **values,
        "offset": fit.offset if fitted else None,
        "scale": fit.scale if fitted else None,
    }


def _figures(value: object) -> object:
    if isinstance(value, Figure):
        return value.as_dict()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _of(part: str) -> str:
    return "" if part == "whole" else " that hangs on what stands further back"


def _shifted(shift: Shift) -> str:
    source = "" if shift.entropy is None else f", source {nats(shift.entropy)}"
    return f"Distance {shift.distance}: {shift.name}{source}."


def _short(group: Group) -> tuple[str, ...]:
    first = group.first
    return (
        group.net,
        f"{first.cell.learning_rate:g}",
        count(first.parameters),
        count(first.cell.tokens),
        flops(first.training_flops),
    )


def _losses(found: ScaleFindings) -> SectionTable:
    """Return losses by distance; the terminal has room for the interval of the first one alone."""
    distances = [shift.distance for shift in found.shifts]
    at = [title for d in distances for title in (f"loss at {d}", f"95 % at {d}")]
    columns = ("net", "rate", "parameters", "characters", "training", *at)
    rows = [
        SectionRow((*_short(group), *(part for d in distances for part in _parted(losses.get(d)))))
        for group, losses in zip(found.fits.groups, found.fits.losses, strict=True)
    ]
    shown = ["net", "characters", *at[:2], *(f"loss at {d}" for d in distances[1:])]
    brief = {title: Column(title) for title in shown}
    return replace(_table("losses", columns, rows), brief=brief)


def _parted(loss: Figure | None) -> tuple[str, str]:
    """Return a loss and its interval, each by itself.

    >>> _parted(Figure(1.5, 1.25, 1.75, 9))
    ('1.500', '[1.250, 1.750]')
    """
    value, _, ends = figure(loss, nats).partition(" ")
    return value, ends or MISSING


def _fits(found: ScaleFindings) -> SectionTable:
    rows = [
        SectionRow(
            (
                fit.axis,
                fit.of,
                count(len(fit.x)),
                figure(fit.exponent, nats) if fit.exponent else "not fitted",
                nats(fit.offset) if fit.exponent else MISSING,
            )
        )
        for fit in found.fits.fits
    ]
    note = (
        "loss = offset + scale × x^−exponent, by least squares between logarithms, in distribution. Not "
        "fitted: too few places (3, or 4 where the offset is fitted), or losses below the offset."
    )
    return _table("power laws", ("along", "of", "places", "exponent", "offset"), rows, note)


def _ratios(found: ScaleFindings) -> SectionTable:
    rows = [
        SectionRow((one.axis, one.first, one.second, figure(one.ratio, share)))
        for one in found.fits.ratios
    ]
    return _table("ratios of exponents", ("along", "exponent of", "over that of", "ratio"), rows)


def _equal(found: ScaleFindings) -> SectionTable:
    rows = [
        SectionRow(
            (
                flops(one.flops),
                f"{one.first} {figure(one.losses[0], nats)}",
                f"{one.second} {figure(one.losses[1], nats)}",
                figure(one.difference, nats),
            )
        )
        for one in found.fits.equal
    ]
    columns = ("training", "loss", "loss of the other", "difference")
    return _table("at equal FLOPs", columns, rows, "Between the best trainings of each kind.")


def _equal_updates(found: ScaleFindings) -> SectionTable:
    rows = [
        SectionRow(
            (
                count(one.tokens),
                f"{one.first} {figure(one.losses[0], nats)}",
                f"{one.second} {figure(one.losses[1], nats)}",
                figure(one.difference, nats),
            )
        )
        for one in found.fits.equal_updates
    ]
    columns = ("characters", "loss", "loss of the other", "difference")
    note = "Nets of equal size, as many updates, the same windows in the same order."
    return _table("at equal updates", columns, rows, note)


def _thinking(found: ScaleFindings, over: Over) -> SectionTable:
    """Return the gains over a reference of nets with the most text; findings hold those with less."""
    rows = [
        SectionRow(
            (
                one.net,
                count(one.distance),
                count(one.steps),
                count(one.candidates),
                figure(one.gain, nats),
                f"{-100 * math.expm1(-one.gain.value):.1f} %".replace("-", "−"),
            )
        )
        for one in _of_most(found.gains, over)
    ]
    columns = ("net", "distance", "steps", "candidates", "nats saved", "perplexity")
    note = (
        "Of nets with the most text. Paired over windows and seeds; above 0 is better. Perplexity: by how "
        "much it falls."
    )
    return _asked_so(f"gain from thinking over {_REFERENCES[over]}", columns, rows, note)


def _growths(found: ScaleFindings, over: Over) -> SectionTable:
    rows = [
        SectionRow(
            (
                one.net,
                f"{one.distance}",
                f"{one.steps}",
                f"{one.candidates}",
                figure(one.growth, nats),
            )
        )
        for one in _of_most(growths(found.gains), over)
    ]
    columns = ("net", "distance", "steps", "candidates", "more than at 0")
    note = (
        "Above 0: thinking saves more there than in distribution. On other windows, so not paired."
    )
    return _asked_so(f"gain by distance over {_REFERENCES[over]}", columns, rows, note)


_GainT = TypeVar("_GainT", Gain, Growth)


def _of_most(gained: Sequence[_GainT], over: Over) -> list[_GainT]:
    """Return gains over a reference, of the most text alone."""
    most = max((one.tokens for one in gained), default=0)
    return [one for one in gained if (one.over, one.tokens) == (over, most)]


def _asked_so(
    name: str, titles: Sequence[str], rows: Sequence[SectionRow], note: str
) -> SectionTable:
    """Return a table of ways to think; the terminal, too narrow for all, has short heads."""
    short = {"distance": "at", "candidates": "best of"}
    brief = {one: Column(short.get(one, one)) for one in titles if one != "perplexity"}
    return replace(_table(name, titles, rows, note), brief=brief)


def _table(
    name: str, titles: Sequence[str], rows: Sequence[SectionRow], note: str = ""
) -> SectionTable:
    return SectionTable(name, tuple(map(Column, titles)), tuple(rows), note=note)
