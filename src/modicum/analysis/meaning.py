"""What a verdict means for a decision, and what to do: one sentence each for every word of ability.

Pure functions of the verdict, so that the sentences name its own figures, labels and methods.
"""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType

from modicum.analysis.case import UNLOCKED, UNTRAINED
from modicum.analysis.printed import data_text
from modicum.analysis.verdict import RungRow, Verdict
from modicum.stats.written import count, percent

__all__ = [
    "DECISIONS",
    "decided",
    "decision_table",
    "do_of",
    "has_pick",
    "means_of",
    "ship_text",
    "shipped_name",
]

DECISIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "shown": ("It works as it is.", "Use it as it is: buy no data, train nothing."),
        "latent": (
            "The ability is there: decoding, prompting or a few examples bring it out.",
            "Do not buy data: `modicum export`.",
        ),
        "sealed": (
            "No sample is ever right, yet a few examples open it, and a model without the ability "
            "cannot learn it from as few.",
            "Label the few examples that the verdict names, tune, and export.",
        ),
        "learned": (
            "Tuning works from the labels named; whether it released or taught the ability is open.",
            "Treat it as ordinary training; `--twin` would tell the two apart.",
        ),
        "taught": (
            "Tuning taught it: the model did not have the ability before.",
            "Treat it as ordinary training: label, tune, and export.",
        ),
        "absent": (
            "Nothing tried works, up to the number of labels named.",
            "Get many more labels, or another model.",
        ),
        "undecided": (
            "Too few problems, samples or seeds to tell.",
            "Run the command printed under the verdict.",
        ),
    }
)
"""Meaning and action of each word where no study is at hand."""
_WORKS = 0.05
"""Accuracy up to which nothing is said to work."""


def decision_table() -> tuple[tuple[str, str, str], ...]:
    """Return the plain table for readers: word, what it means, what to do; without a head.

    >>> decision_table()[0]
    ('shown', 'It works as it is.', 'Use it as it is: buy no data, train nothing.')
    """
    return tuple((word, *said) for word, said in DECISIONS.items())


def means_of(verdict: Verdict) -> str:
    """Return what the word means here, with the verdict's own figures.

    Args:
        verdict: Of any word.
    """
    return _MEANS[verdict.ability](verdict)


def do_of(verdict: Verdict) -> str:
    """Return what to do about it, in a sentence that names methods and labels.

    Args:
        verdict: Of any word.
    """
    return _DO[verdict.ability](verdict)


def decided(verdict: Verdict) -> Verdict:
    """Return a verdict with what it means, what to do, and whether there is anything to ship."""
    ship = dataclasses.replace(verdict.ship, works=has_pick(verdict))
    return dataclasses.replace(verdict, ship=ship, means=means_of(verdict), do=do_of(verdict))


def has_pick(verdict: Verdict) -> bool:
    """Say whether there is something to ship: a method, or the model as it is where that suffices."""
    return verdict.ability == "shown" or _nudge(verdict) is not None


def shipped_name(verdict: Verdict) -> str:
    """Return what is shipped as a cell of a table holds it: a method, `as it is` or `nothing`."""
    if not has_pick(verdict):
        return "nothing"
    return (
        "as it is" if verdict.ability == "shown" and not _nudge(verdict) else str(verdict.ship.name)
    )


def ship_text(verdict: Verdict) -> str:
    """Say what to ship in a few words; never the name of something that does not work."""
    row = _nudge(verdict)
    if row is not None:
        return row.name
    if verdict.ability == "shown":
        return f"as it is – {percent(verdict.default.value)} correct when {_how(verdict)}"
    if verdict.ship.name is None:
        return f"nothing – {verdict.ship.why or 'no method works'}"
    best = max((r.accuracy for r in verdict.rungs), default=verdict.floor.value)
    if verdict.ability == "absent" or best <= _WORKS:
        return f"nothing – no method works (best {percent(best)})"
    plain = "asking plainly" if verdict.fixed_prompt is None else "your prompt by itself"
    return f"nothing – no method is shown to beat {plain} ({percent(verdict.floor.value)})"


def _nudge(verdict: Verdict) -> RungRow | None:
    """Return the row of the method to ship; None where that is the plain prompt, or nothing."""
    named = (row for row in verdict.rungs if row.name == verdict.ship.name)
    return next((row for row in named if not row.is_prompt), None)


def _opener(verdict: Verdict) -> RungRow | None:
    """Return the row that the word rests on."""
    fits = [r for r in verdict.rungs if r.method == verdict.unlocked_by]
    took = (verdict.unlocked_labels, verdict.unlocked_unlabelled)
    exact = [r for r in fits if (r.labels, r.unlabelled) == took]
    return next(iter(exact or fits), None)


def _with_labels(row: RungRow) -> str:
    if not (row.labels or row.unlabelled):
        return f"{row.method} with no labels"
    return f"{row.method} with {data_text(row.labels, row.unlabelled).replace(',', ' and')}"


def _asked(verdict: Verdict) -> str:
    return f"{_how(verdict)} it gets {percent(verdict.floor.value)} right"


def _how(verdict: Verdict) -> str:
    return "asked plainly" if verdict.fixed_prompt is None else "asked in your prompt"


def _rise(verdict: Verdict, row: RungRow) -> str:
    """Say how far a method gets, and from where."""
    return (
        f"{_with_labels(row)} brings it from {percent(verdict.floor.value)} to "
        f"{percent(row.accuracy)}"
    )


def _is_part(row: RungRow) -> bool:
    """Say whether a method is not shown to bring out half of it."""
    return not row.is_ceiling and row.gap_recovered is not None and row.gap_recovered.low < UNLOCKED


def _shown_means(verdict: Verdict) -> str:
    given = percent(verdict.default.value)
    return f"The model already does this: {_how(verdict)} it gets {given} right."


def _latent_means(verdict: Verdict) -> str:
    row, asked = _opener(verdict), _asked(verdict)
    if row is not None and row.is_prompt:
        given = percent(verdict.default.value)
        return (
            f"The model can already do this: as given it gets {given} right, and a better plain "
            f"prompt brings it to {percent(row.accuracy)}."
        )
    if row is not None and _is_part(row):
        return (
            f"Part of the ability is there: {asked}, and {_with_labels(row)} brings it to "
            f"{percent(row.accuracy)}."
        )
    if row is not None:
        return (
            f"The model can already do this: {asked}, and {_with_labels(row)} brings it to "
            f"{percent(row.accuracy)}."
        )
    top = verdict.ceiling
    if top is None or top.source != "sampling":
        return f"The ability is there, though {asked}: the vote of its samples is right more often."
    return (
        f"The ability is there, though {asked}: one of {top.k} samples is right on "
        f"{percent(top.figure.value)} of the problems beyond chance. No method tried brings it out."
    )


def _sealed_means(verdict: Verdict) -> str:
    row = _opener(verdict)
    rise = _rise(verdict, row) if row is not None else "tuning brings it out"
    return (
        f"The ability is locked in: no sample shows it, yet {rise}; a model without the ability "
        "stays behind with 16 times as many labels."
    )


def _learned_means(verdict: Verdict) -> str:
    row = _opener(verdict)
    rise = _rise(verdict, row) if row is not None else "tuning works"
    return (
        f"Tuning works: {rise}. Whether it brought out what was there or taught it, this study "
        "cannot tell."
    )


def _taught_means(verdict: Verdict) -> str:
    row = _opener(verdict)
    rise = _rise(verdict, row) if row is not None else "tuning works"
    return f"The model did not have this ability and can learn it: {rise}."


def _absent_means(verdict: Verdict) -> str:
    tried = max((row.labels for row in verdict.rungs), default=0)
    best = max((row.accuracy for row in verdict.rungs), default=verdict.floor.value)
    upto = f" with up to {count(tried, 'label')}" if tried else ""
    return (
        f"Nothing tried{upto} brings this out: {_asked(verdict)}, the best method "
        f"{percent(best)}, no more than its control."
    )


def _undecided_means(verdict: Verdict) -> str:
    if verdict.sentence == UNTRAINED:
        row = _nudge(verdict)
        learned = "no number of labels tried is enough" if row is None else _rise(verdict, row)
        return f"The net had learned nothing, so that there is no ability to unlock: {learned}."
    return (
        f"This study cannot tell whether the ability is there: {_asked(verdict)}, measured on "
        f"{count(verdict.test, 'problem')}."
    )


def _export(verdict: Verdict) -> str:
    """Say what to export; the pick may be another method than the one that the word names."""
    row = _nudge(verdict)
    if row is None:
        return ""
    return f"export {row.name} ({percent(row.accuracy)} correct)"


def _latent_do(verdict: Verdict) -> str:
    row, export = _opener(verdict), _export(verdict)
    if row is None:
        return "Do not buy data yet: try more methods, since none tried so far brings it out."
    if _is_part(row) and not row.is_prompt:
        rest = "try more methods before you buy data"
        return f"Keep what works and {rest}: {export}." if export else f"{rest.capitalize()}."
    if row.is_prompt and not export:
        return f'Do not buy data; use the prompt style "{verdict.floor_style}".'
    picked = _nudge(verdict) or row
    labels = picked.labels if picked is not None else 0
    if not labels:
        return f"Do not buy data; {export}." if export else "Do not buy data."
    enough = f"Do not buy data: {count(labels, 'label')} {'is' if labels == 1 else 'are'} enough"
    return f"{enough}. {export[:1].upper()}{export[1:]}." if export else f"{enough}."


def _tuned_do(verdict: Verdict) -> str:
    row, export = _opener(verdict), _export(verdict)
    labels = (
        f"Label {count(row.labels, 'example')} and tune" if row is not None else "Label and tune"
    )
    return f"{labels}; {export}." if export else f"{labels}."


def _learned_do(verdict: Verdict) -> str:
    tuned = _tuned_do(verdict).rstrip(".")
    return (
        f"{tuned}; to tell release from teaching, add --twin with a model that lacks the ability."
    )


def _absent_do(verdict: Verdict) -> str:
    tried = max((row.labels for row in verdict.rungs), default=0)
    more = f"many more than {count(tried, 'label')}" if tried else "many more labels"
    return f"Ship none of these methods: get {more}, or another model."


def _undecided_do(verdict: Verdict) -> str:
    if verdict.sentence != UNTRAINED:
        return "Decide nothing on this yet: what would tell stands under Next."
    row = _nudge(verdict)
    if row is None:
        return "Label more, or train for longer."
    return f"Label {count(row.labels, 'example')} and train the net on them: {row.name}."


_MEANS: Mapping[str, Callable[[Verdict], str]] = MappingProxyType(
    {
        "shown": _shown_means,
        "latent": _latent_means,
        "sealed": _sealed_means,
        "learned": _learned_means,
        "taught": _taught_means,
        "absent": _absent_means,
        "undecided": _undecided_means,
    }
)
_DO: Mapping[str, Callable[[Verdict], str]] = MappingProxyType(
    {
        "shown": lambda _: "Use it as it is: buy no data and train nothing.",
        "latent": _latent_do,
        "sealed": _tuned_do,
        "learned": _learned_do,
        "taught": _tuned_do,
        "absent": _absent_do,
        "undecided": _undecided_do,
    }
)
