"""Which net learns from fewer boards: accuracy by labels and by FLOPs, and where the nets' curves cross."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from modicum.analysis.gather import clusters_of, correctness, kind_of
from modicum.analysis.net_curves import NetCurve, NetTrial, compared
from modicum.analysis.printed import control_name
from modicum.analysis.recursion_pictures import width_name
from modicum.analysis.section import Section
from modicum.analysis.section_part import SectionPart, joined
from modicum.model import plugin_of
from modicum.outcome import Outcome
from modicum.reading import Material, Reading
from modicum.seeds import stream
from modicum.stats import resample
from modicum.study.controls import WITH
from modicum.study.plan import Subject
from modicum.study.problem_sets import problems_of
from modicum.task import resolve_task
from modicum.types import Trial

__all__ = ["Crossings", "net_names"]

KIND = "scratch"
"""Kind of the methods by which an untrained net learns."""
TITLE = "Accuracy by labels and by FLOPs, net beside net"
ONE_SEED = (
    "One seed: each net was trained once a number of boards; three would tell how far first weights and the "
    "draw of the boards move the curves."
)
NOTE = (
    "All nets of a task learn from the same boards, a larger number of which contains the smaller one, and "
    "answer the same test boards. A crossing is interpolated between measured numbers of boards, over "
    "their logarithm; its interval is a bootstrap over test boards. It is shown where the difference of "
    "the nets has an interval clear of 0 before and after it, on opposite sides. Intervals of a single "
    "seed are those of the test boards alone. Symmetric forms of a labelled board are no labels. FLOPs "
    "are those of the whole training; equal numbers of updates are no equal work. Time is measured as the "
    "trial ran: with other work on the machine it is longer."
)


@final
@dataclass(frozen=True)
class Crossings(Reading):
    """One section a study, with the first net; two charts and two tables a task."""

    def read(self, found: Material) -> Section | None:
        """Return the nets beside each other; None where no task has two that learned from nothing."""
        methods = {name for grid in found.subject.plan.grids for name in grid.methods}
        if not any(kind_of(name) == KIND for name in methods):
            return None
        learning = [subject for subject in found.measured if _trials(subject)]
        if not learning or learning[0] != found.subject:
            return None
        tasks = dict.fromkeys(subject.task for subject in learning)
        parts = [
            _part(found, [subject for subject in learning if subject.task == task])
            for task in tasks
        ]
        if all(part.is_empty for part in parts):
            return None
        return joined(TITLE, [*parts, _seeds(learning)], NOTE)


def _seeds(subjects: Sequence[Subject]) -> SectionPart:
    """Say so where a net was trained once alone."""
    drawn = {trial.seed for subject in subjects for trial in _trials(subject)}
    return SectionPart((ONE_SEED,)) if drawn == {0} else SectionPart()


def _trials(subject: Subject) -> list[Trial]:
    """Return the trials in which a subject's net learns from nothing, controls and variants among them."""
    return [trial for trial in subject.rungs() if kind_of(trial.method) == KIND]


def _part(found: Material, subjects: Sequence[Subject]) -> SectionPart:
    """Return the nets of one task beside each other."""
    first = subjects[0]
    problems = problems_of(resolve_task(first.task), "test", first.scope())
    names = net_names([subject.model for subject in subjects])
    curves = [
        curve
        for subject in subjects
        if (curve := _curve(found, subject, names[subject.model])) is not None
    ]
    clusters = clusters_of(problems)
    rng = stream(*filter(None, ("crossings", first.task, first.plan.stream)))
    resamples = resample(rng, len(problems), clusters=clusters)
    return compared(first.task, curves, resamples, clusters)


def _curve(found: Material, subject: Subject, name: str) -> NetCurve | None:
    """Return what is stored of one net; None where it has learned nothing yet."""
    kept: dict[tuple[int, str], list[Outcome]] = defaultdict(list)
    for trial in _trials(subject):
        outcome = found.outcome(trial)
        if outcome is not None:
            kind = trial.control or ("scrambled" if trial.is_twin else "")
            kept[trial.n_shots, kind].append(outcome)
    trained = {n: NetTrial.of(own) for (n, kind), own in sorted(kept.items()) if not kind}
    if not trained:
        return None
    controls: dict[int, dict[str, NetTrial]] = defaultdict(dict)
    variants: dict[str, NetTrial] = {}
    for (n, kind), own in kept.items():
        if kind.startswith(WITH):
            variants[kind] = NetTrial.of(own)
        elif kind:
            controls[n][control_name(kind)] = NetTrial.of(own)
    floor = found.outcome(subject.floor())
    untrained = None if floor is None else correctness(floor.answers)
    return NetCurve(name, trained, controls, variants, untrained)


def net_names(references: Sequence[str]) -> Mapping[str, str]:
    """Return a short name of each net, its reference where two would be called alike.

    >>> list(net_names(["recursive:new?preset=gram", "autoregressive:new?width=20"]).values())
    ['gram', 'autoregressive, vote of 20']
    """
    short = {reference: _short(reference) for reference in references}
    called = list(short.values())
    return {ref: name if called.count(name) == 1 else ref for ref, name in short.items()}


def _short(reference: str) -> str:
    plugin, found = plugin_of(reference)
    settings = {key: value for key, value in found.items() if key not in ("name", "task")}
    said = [str(settings.pop("preset", "") or plugin)]
    if settings.get("selector") == "majority" or plugin == "autoregressive":
        width = str(settings.pop("width", 1))
        settings.pop("selector", None)
        said += [width_name(int(width))] if width.isdecimal() and width != "1" else []
    return ", ".join([*said, *(f"{key}={value}" for key, value in settings.items())])
