"""Is it depth, width or the one who selects? One recursive net, rolled out in several ways."""

import dataclasses
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from modicum.analysis.coverage_curve import coverage_curve
from modicum.analysis.filling_in import filled_in
from modicum.analysis.net_probe import net_settings, scored_trials
from modicum.analysis.recursion_curves import run_of, trained_part
from modicum.analysis.recursion_pictures import (
    by_depth,
    by_selector,
    by_solutions,
    covered,
    width_name,
)
from modicum.analysis.section import Section
from modicum.analysis.section_part import SectionPart, joined
from modicum.errors import ConfigError
from modicum.files.foreign import at, read_table
from modicum.marking.puzzle_task import MOST_SOLUTIONS
from modicum.method import Quick
from modicum.model import plugin_of
from modicum.plain import JsonValue
from modicum.probe import Material, Probe
from modicum.sampling.selectors import SELECTORS, Selector
from modicum.stats import powers_of_two
from modicum.stats.written import count
from modicum.store.provenance import weights_source
from modicum.study.plan import Subject
from modicum.task import resolve_task
from modicum.types import Setting, Trial

__all__ = ["Recursion"]

_PLUGIN = "recursive"
_NEW = "new"
_UNTOLD = (
    "How the net was trained is not shown: its folder is gone, says nothing or holds another net."
)
_CARD = "recursive.json"
"""What the folder of a net says of it; read without the net."""
NOTE = (
    "All on the same test boards; nothing was chosen by them. One sample is the first trajectory, a vote "
    "the commonest answer of several; noise goes by board, trajectory and step alone, so that an answer "
    "of less depth is a beginning of the same trajectory."
)


@dataclass(frozen=True)
class _Asked:
    """The trials of one subject, by what each is for."""

    widths: Mapping[int, Trial]
    """At the net's own depth."""
    depths: Mapping[tuple[int, int], Trial]
    """By width and depth."""
    selectors: Mapping[str, Trial]
    """At the greatest width and the net's own depth."""
    samples: Mapping[int, Trial]
    """The one that samples, by the number of its samples."""
    twins: Mapping[str, Trial]
    stills: Mapping[int, Trial]
    """One sample at each depth, on the first boards."""

    @property
    def all(self) -> tuple[Trial, ...]:
        """Every trial once."""
        parts = (self.widths, self.depths, self.selectors, self.samples, self.twins, self.stills)
        return tuple({t.id: t for part in parts for t in part.values()}.values())


@final
@dataclass(frozen=True)
class Recursion(Probe):
    """Rolls the studied net out at several depths and widths and under each selector.

    Source: GRAM (2605.19376) for width, coverage and selection; Chen et al. 2021 (2107.03374) for the
    average over subsets.
    """

    powers: ClassVar[dict[str, str]] = {"twin": "models"}
    quick: ClassVar[Quick] = Quick(
        {"depths": [1, 2], "widths": [1, 2], "selectors": ["first", "oracle"]},
        model="recursive:new?task=sudoku&depth=1",
        task="sudoku",
    )

    depths: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Supervision steps in a row."""
    widths: tuple[int, ...] = (1, 4, 20)
    """Trajectories of an answer; one is a sample, more are a vote."""
    selectors: tuple[Selector, ...] = SELECTORS
    """Who chooses among as many trajectories as the greatest width."""
    strip: int = 1
    """Number of the test board that is drawn as it is filled in; 0 draws none."""
    twin: str = ""
    """Another recursive net beside it, such as its deterministic twin; the study's own twin where empty."""

    def __post_init__(self) -> None:
        """Refuse what cannot be rolled out.

        Raises:
            ConfigError: found such.
        """
        least = min((*self.depths, *self.widths), default=0)
        if not (self.depths and self.widths) or least < 1 or self.strip < 0:
            raise ConfigError(
                f"depths {list(self.depths)}, widths {list(self.widths)}, strip {self.strip} of probe "
                "recursion",
                "depths and widths from 1 on, and the number of a test board",
                "such as recursion?strip=3",
            )

    def trials(self, subject: Subject) -> tuple[Trial, ...]:
        """Return the same net at each depth, width and selector, its samples and one board's stills.

        Raises:
            AccessError: the model, or its twin, is no recursive net.
        """
        return self._asked(subject).all

    def _asked(self, subject: Subject) -> _Asked:
        own, widest = str(_settings(subject.model).get("depth", "")), max(self.widths)
        depth = int(own) if own.isdecimal() else 0
        samples: dict[int, Trial] = {}
        if widest > 1:
            one = self._at(subject, depth, 1)
            settings = {**one.settings, "samples": widest}
            samples = {widest: dataclasses.replace(one, settings=settings)}
        chosen = dict.fromkeys(self.selectors)
        return _Asked(
            {w: self._at(subject, depth, w) for w in sorted({1, widest})},
            {
                (w, d): self._at(subject, d, w)
                for w in sorted(set(self.widths))
                for d in sorted(set(self.depths))
            },
            {name: self._at(subject, depth, widest, name) for name in chosen},
            samples,
            {twin: self.on(subject, model=twin).default() for twin in self._twins(subject)},
            {d: self._still(subject, d) for d in _spread(max(self.depths)) if self.strip},
        )

    def _at(
        self, subject: Subject, depth: int, width: int, selector: Selector | None = None
    ) -> Trial:
        """Return the greedy trial of the net at a depth (0: as in training), width and selector."""
        chosen = selector or ("first" if width == 1 else "majority")
        return self.on(subject, model=_under(subject.model, depth, width, chosen)).default()

    def _twins(self, subject: Subject) -> tuple[str, ...]:
        """Name the twin that was asked for, else the study's own where it is a recursive net."""
        if self.twin:
            _settings(self.twin)
            return (self.twin,)
        is_one = subject.twin and plugin_of(subject.twin)[0] == _PLUGIN
        return (subject.twin,) if is_one else ()

    def _still(self, subject: Subject, depth: int) -> Trial:
        """Return the trial of one sample on the boards up to the one that is drawn."""
        trial = self._at(subject, depth, 1)
        if self.strip >= subject.plan.test:
            return trial
        return dataclasses.replace(trial, scope=dataclasses.replace(trial.scope, first=self.strip))

    def read(self, found: Material) -> Section | None:
        """Return the pictures whose trials have run; None where none has."""
        asked = self._asked(found.subject)
        parts = (
            _by_solutions(found, asked),
            _by_depth(found, asked),
            _covered(found, asked),
            _by_selector(found, asked, max(self.widths)),
            _trained(found, asked),
            self._filled_in(found, asked),
        )
        if all(part.is_empty for part in parts[:4]):
            return None
        return joined("Depth, width and who selects", parts, NOTE)

    def _filled_in(self, found: Material, asked: _Asked) -> SectionPart:
        problems = found.gathered.problems
        place = min(self.strip, len(problems)) - 1
        answers: dict[int, str] = {}
        for depth, trial in asked.stills.items():
            outcome = found.outcome(trial, texts=True)
            if outcome is not None and place < len(outcome.answers):
                answer = outcome.answers[place]
                answers[depth] = answer.texts[answer.chosen]
        solutions = _solutions(found)
        return filled_in(problems[place], solutions[place] if solutions else (), answers)


def _by_solutions(found: Material, asked: _Asked) -> SectionPart:
    wanted = {width_name(width): trial for width, trial in asked.widths.items()}
    wanted |= {f"twin {_settings(name)['name']}": trial for name, trial in asked.twins.items()}
    scored, solutions = scored_trials(found, wanted), _solutions(found)
    if not scored or not solutions:
        return SectionPart()
    sizes = np.array([len(own) for own in solutions])
    return by_solutions(scored, sizes, found.gathered.evidence.clusters)


def _by_depth(found: Material, asked: _Asked) -> SectionPart:
    scored, own = scored_trials(found, asked.depths), scored_trials(found, asked.widths)
    if not scored:
        return SectionPart()
    widest = max(asked.widths)
    vote = (width_name(widest), own[widest]) if own and widest > 1 else None
    return by_depth(scored, vote, found.gathered.evidence.clusters)


def _covered(found: Material, asked: _Asked) -> SectionPart:
    solutions = _solutions(found)
    outcomes = [found.outcome(trial) for trial in asked.samples.values()]
    if not solutions or None in outcomes or not outcomes:
        return SectionPart()
    answers = [answer for outcome in outcomes if outcome is not None for answer in outcome.answers]
    # of boards with more solutions than are listed no share can be said
    listed = [i for i, own in enumerate(solutions) if len(own) < MOST_SOLUTIONS]
    clusters = found.gathered.evidence.clusters
    points = coverage_curve(
        [answers[i].marks for i in listed],
        [solutions[i] for i in listed],
        None if clusters is None else clusters[listed],
    )
    part = covered(points, sum(len(solutions[i]) > 1 for i in listed))
    if part.is_empty or len(listed) == len(solutions):
        return part
    many = count(len(solutions) - len(listed), "board")
    said = f"Left out of coverage: {many} with {MOST_SOLUTIONS} solutions or more."
    return dataclasses.replace(part, sentences=(*part.sentences, said))


def _by_selector(found: Material, asked: _Asked, width: int) -> SectionPart:
    scored = scored_trials(found, asked.selectors)
    clusters = found.gathered.evidence.clusters
    return by_selector(scored, width, clusters) if scored else SectionPart()


def _trained(found: Material, asked: _Asked) -> SectionPart:
    """Return how the net was trained, as its folder says, if that still holds the net that was asked."""
    runs = []
    for reference, trial in ((found.subject.model, asked.widths[1]), *asked.twins.items()):
        name, outcome = str(_settings(reference)["name"]), found.outcome(trial)
        now = weights_source(reference)
        if outcome is None or not now or outcome.sources != {**outcome.sources, **now}:
            continue
        trained = _card(at(name)).get("trained")
        if isinstance(trained, dict):
            run = run_of(name, trained.get("recursion"))
            runs += [run] if run is not None else []
    part = trained_part(runs)
    is_new = _settings(found.subject.model)["name"] == _NEW
    return SectionPart((_UNTOLD,)) if part.is_empty and not is_new else part


def _card(folder: Path) -> dict[str, JsonValue]:
    """Return what the folder of a net says; nothing where it is gone or broken."""
    try:
        return read_table(folder / _CARD)
    except (OSError, ValueError):
        return {}


def _solutions(found: Material) -> Sequence[tuple[str, ...]]:
    """Return every right answer of each test board as it is read; nothing where one has none."""
    task = resolve_task(found.subject.task)
    all_of_them = [task.right_answers(problem) for problem in found.gathered.problems]
    return all_of_them if all(all_of_them) else ()


def _settings(reference: str) -> Mapping[str, Setting]:
    """Return the settings of a net's reference; see `net_settings`."""
    return net_settings(reference, _PLUGIN, "recursion")


def _under(reference: str, depth: int, width: int, selector: Selector) -> str:
    """Return the reference of the same net rolled out in another way; 0 is the depth of its training.

    >>> _under("recursive:nets/gram?width=8&noise=0.3", 4, 20, "majority")
    'recursive:nets/gram?noise=0.3&depth=4&width=20&selector=majority'
    """
    own = {**_settings(reference)}
    name = own.pop("name")
    kept = {key: value for key, value in own.items() if key not in ("depth", "width", "selector")}
    said: dict[str, Setting] = {**kept, **({"depth": depth} if depth else {})}
    said |= {"width": width} if width > 1 else {}
    said |= {"selector": selector} if selector != "first" else {}
    pairs = [
        f"{key}={urllib.parse.quote(str(value), safe=':/?=.,')}" for key, value in said.items()
    ]
    return f"{_PLUGIN}:{name}" + (f"?{'&'.join(pairs)}" if pairs else "")


def _spread(deepest: int) -> tuple[int, ...]:
    """Return the depths of the stills, from 1 on twice as far apart at each doubling.

    >>> _spread(4), _spread(16)
    ((1, 2, 3, 4), (1, 2, 3, 4, 6, 8, 12, 16))
    """
    doubled = powers_of_two(deepest)
    return tuple(sorted({*doubled, *(3 * one for one in doubled if 3 * one <= deepest), deepest}))
