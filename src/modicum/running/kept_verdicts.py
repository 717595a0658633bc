"""Verdicts kept in the store: computed once for what is stored, this plan and this code."""

import dataclasses
import json
from collections.abc import Mapping, Sequence

from modicum.analysis.judgement import judged
from modicum.analysis.material import Material
from modicum.analysis.section import Section
from modicum.analysis.short_names import with_short_names
from modicum.analysis.verdict import Verdict
from modicum.catalog import Catalog, read_reference
from modicum.plain import plain, thawed
from modicum.probe import PROBES
from modicum.reading import READINGS, Reading
from modicum.running.cache_key import store_stamp
from modicum.secrecy import clean
from modicum.store.database import Store
from modicum.study.editions import Edition, TaskVersions, earlier_subjects
from modicum.study.plan import Plan, Subject
from modicum.task import held

__all__ = ["last_kept", "recalled", "verdicts_of"]

CORE = (
    *("retention", "learning", "lengths", "features", "worth", "arms", "reference"),
    "contamination",
)
"""Readings whose sections stand first, in this order; the others follow by name."""


def recalled(plan: Plan, store: Store) -> list[Verdict]:
    """Return what `verdicts_of` gives; the second time without computing anything."""
    stamp = store_stamp(plan, store)
    kept = store.kept("verdicts", stamp)
    if kept is not None:
        return _verdicts(kept)
    found = _compared(verdicts_of(plan, store), _before(store))
    store.keep("verdicts", stamp, json.dumps(plain(found)))
    return found


def verdicts_of(plan: Plan, store: Store) -> list[Verdict]:
    """Return the verdict of every subject whose measures are stored, in the plan's order.

    Each with the sections of all readings that are installed. Behind them stand those on what the files
    of tasks held before they changed.
    """
    read = [judged(subject, store) for subject in plan.subjects()]
    found = [_with_sections(one) for one in read if one is not None]
    now = TaskVersions.of(store).now
    for edition, subject in earlier_subjects(plan, store):
        with held(edition.tasks):
            earlier = judged(subject, store)
            if earlier is not None:
                found.append(_earlier(_with_sections(earlier), edition, subject, now))
    return with_short_names(found)


def _earlier(
    verdict: Verdict, edition: Edition, subject: Subject, now: Mapping[str, str]
) -> Verdict:
    """Return a verdict as that of an earlier version of its files, from which nothing goes on."""
    doubts = (edition.doubt(subject, now), *verdict.doubts)
    variant = edition.label(subject)
    return dataclasses.replace(verdict, variant=variant, doubts=doubts, next=(), next_command=None)


def _with_sections(found: Material) -> Verdict:
    """Return the verdict with what the installed readings say of its subject."""
    names = [*(n for n in CORE if n in READINGS.entries), *sorted(set(READINGS.entries) - {*CORE})]
    said = {name: _section(READINGS, name, found) for name in names}
    for reference in found.subject.plan.probes:
        name = read_reference(reference)[0]
        # a probe that is asked twice, with settings and without, has two sections
        free = next(key for key in (name, reference, f"{reference}?") if key not in said)
        said[free] = _section(PROBES, reference, found)
    sections = {name: section for name, section in said.items() if section is not None}
    return dataclasses.replace(found.verdict, sections=sections)


def _section(catalog: Catalog, reference: str, found: Material) -> Section | None:
    """Return what a reading says; one of another package that fails says how, and breaks no verdict."""
    name, _, settings = read_reference(reference)
    try:
        reading = catalog.build(name, settings)
        if not isinstance(reading, Reading):
            raise TypeError(reference)
        return reading.read(found)
    except Exception as error:
        if name in catalog.entries and not catalog.entry(name).package:
            raise
        return Section(name, (clean(f"could not be read: {type(error).__name__}: {error}"),))


def _before(store: Store) -> list[Verdict]:
    try:
        return last_kept(store)
    except ValueError:  # of a version that knew other fields
        return []


def _compared(found: list[Verdict], before: list[Verdict]) -> list[Verdict]:
    """Say in each verdict where the rules of an earlier version said another word of the folder."""
    return [_with_earlier(one, _same(one, before)) for one in found]


def _same(now: Verdict, before: Sequence[Verdict]) -> Verdict | None:
    """Return what was said of the same outcomes; of several sizes that of the same floor."""
    alike = [one for one in before if (one.task, one.model) == (now.task, now.model)]
    if len(alike) == 1 and not now.variant:
        return alike[0]
    return next((one for one in alike if one.trials.get("floor") == now.trials.get("floor")), None)


def _with_earlier(now: Verdict, before: Verdict | None) -> Verdict:
    if before is None:
        return now
    word = before.read_before if before.rules == now.rules else before.ability
    if not word or word == now.ability:
        return now
    doubt = f"earlier rules called it {word}: same outcomes, new rules (version {now.rules})"
    return dataclasses.replace(now, read_before=word, doubts=(*now.doubts, doubt))


def last_kept(store: Store) -> list[Verdict]:
    """Return the verdicts that were last kept, whatever has changed since; none where none were.

    Raises:
        ValueError: they are of an earlier version, and cannot be read any more.
    """
    kept = store.kept("verdicts", None)
    try:
        return _verdicts(kept) if kept is not None else []
    except (AttributeError, KeyError, TypeError) as error:
        msg = f"kept verdicts of another version: {type(error).__name__} {error}"
        raise ValueError(msg) from error


def _verdicts(text: str) -> list[Verdict]:
    return thawed(list[Verdict], json.loads(text), "verdicts")
