"""Does thinking longer help? One energy net at several steps and candidates, in and out of distribution."""

import dataclasses
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from modicum.analysis.filling_in import filled_in
from modicum.analysis.net_probe import net_settings, scored_trials
from modicum.analysis.recursion_pictures import by_depth, by_selector
from modicum.analysis.section import Section
from modicum.analysis.section_part import SectionPart, joined
from modicum.analysis.thinking_pictures import THINKING, by_shift, energies_part, watched_of
from modicum.errors import ConfigError
from modicum.files.foreign import at, read_table
from modicum.method import Quick
from modicum.probe import Material, Probe
from modicum.sampling.selectors import ENERGY_SELECTORS, EnergySelector
from modicum.store.provenance import weights_source
from modicum.study.plan import Subject
from modicum.task import resolve_task
from modicum.types import Setting, Trial

__all__ = ["LongerThinking"]

_PLUGIN = "energy"
_CARD = "energy.json"
"""What the folder of a net says of it; read without the net."""
NOTE = (
    "All on the same test boards of each task; nothing was chosen by them. Noise goes by board and "
    "candidate alone, so that an answer of fewer steps is a beginning of the same thinking. A step of an "
    "energy net costs about two of a network without one: its gradient."
)

Trials = Mapping[tuple[int, int], Trial]
"""By candidates and steps."""


@final
@dataclass(frozen=True)
class LongerThinking(Probe):
    """Asks the studied net at several steps and candidates, and under each selector.

    Source: Gladstone et al. 2025 (2507.02092): thinking longer, self-verification, gains by shift.
    """

    powers: ClassVar[dict[str, str]] = {"shifted": "tasks"}
    quick: ClassVar[Quick] = Quick(
        {"steps": [1, 2], "candidates": [1, 2], "selectors": ["first", "energy"]},
        model="energy:new?task=sudoku&steps=1",
        task="sudoku",
    )

    steps: tuple[int, ...] = (1, 2, 3, 5, 8, 12, 20)
    """Steps of thinking."""
    candidates: tuple[int, ...] = (1, 8)
    """Candidates of an answer; of several the one of least energy stands."""
    selectors: tuple[EnergySelector, ...] = ENERGY_SELECTORS
    """Who chooses among as many candidates as there are at most, at the most steps."""
    shifted: tuple[str, ...] = ()
    """Other tasks with boards of the same form, such as boards with fewer givens than were learned."""
    strip: int = 1
    """Number of the test board that is drawn as it is filled in; 0 draws none."""

    def __post_init__(self) -> None:
        """Refuse what cannot be thought.

        Raises:
            ConfigError: found such.
        """
        least = min((*self.steps, *self.candidates), default=0)
        if not (self.steps and self.candidates) or least < 1 or self.strip < 0:
            raise ConfigError(
                f"steps {list(self.steps)}, candidates {list(self.candidates)}, strip {self.strip} of "
                "probe thinking",
                "steps and candidates from 1 on, and the number of a test board",
                "such as thinking?strip=3",
            )

    def trials(self, subject: Subject) -> tuple[Trial, ...]:
        """Return the same net at each number of steps and candidates on each task, and one board's stills.

        Raises:
            AccessError: the model is no energy net.
            ConfigError: a task whose boards have another form.
        """
        grids = [own for task in self._tasks(subject) for own in self._grid(subject, task).values()]
        every = (*grids, *self._selected(subject).values(), *self._stills(subject).values())
        return tuple({trial.id: trial for trial in every}.values())

    def read(self, found: Material) -> Section | None:
        """Return the pictures whose trials have run; None where none has."""
        subject, clusters = found.subject, found.gathered.evidence.clusters
        scored = {
            task: own
            for task in self._tasks(subject)
            if (own := scored_trials(found, self._grid(subject, task)))
        }
        if subject.task not in scored:
            return None
        selected = scored_trials(found, self._selected(subject))
        widest = max(self.candidates)
        parts = (
            by_depth(scored[subject.task], None, clusters, THINKING),
            by_shift(scored, clusters) if len(scored) > 1 else SectionPart(),
            by_selector(selected, widest, clusters, THINKING) if selected else SectionPart(),
            self._energies(found),
            self._filled_in(found),
        )
        return joined("Thinking longer", parts, NOTE)

    def _tasks(self, subject: Subject) -> tuple[str, ...]:
        """Return the studied task and the shifted ones.

        Raises:
            ConfigError: one whose boards have another form.
        """
        own = resolve_task(subject.task).puzzle
        for task in self.shifted:
            if resolve_task(task).puzzle != own:
                raise ConfigError(
                    f"shifted task {task!r:.200} of probe thinking",
                    f"boards of the same form as those of {subject.task!r:.80}",
                    "such as the same task with fewer givens",
                )
        return (subject.task, *self.shifted)

    def _grid(self, subject: Subject, task: str) -> Trials:
        there = dataclasses.replace(subject, task=task)
        return {
            (width, steps): self._at(there, steps, width)
            for width in sorted(set(self.candidates))
            for steps in sorted(set(self.steps))
        }

    def _selected(self, subject: Subject) -> dict[str, Trial]:
        deep, wide = max(self.steps), max(self.candidates)
        return {name: self._at(subject, deep, wide, name) for name in dict.fromkeys(self.selectors)}

    def _stills(self, subject: Subject) -> dict[int, Trial]:
        """Return trials of one candidate on the boards up to the one that is drawn."""
        stills = {}
        for steps in sorted(set(self.steps)) if self.strip else ():
            trial = self._at(subject, steps, 1)
            if self.strip < subject.plan.test:
                scope = dataclasses.replace(trial.scope, first=self.strip)
                trial = dataclasses.replace(trial, scope=scope)
            stills[steps] = trial
        return stills

    def _at(
        self, subject: Subject, steps: int, width: int, selector: EnergySelector = "energy"
    ) -> Trial:
        return self.on(subject, model=_under(subject.model, steps, width, selector)).default()

    def _energies(self, found: Material) -> SectionPart:
        """Return the energies that training watched, if the folder still holds the net that was asked."""
        name = str(_settings(found.subject.model)["name"])
        trial = self._at(found.subject, max(self.steps), max(self.candidates))
        outcome, now = found.outcome(trial), weights_source(found.subject.model)
        if outcome is None or not now or outcome.sources != {**outcome.sources, **now}:
            return SectionPart()
        try:
            trained = read_table(at(name) / _CARD).get("trained")
        except (OSError, ValueError):
            return SectionPart()
        kept = trained.get("thinking") if isinstance(trained, dict) else None
        return energies_part(watched_of(kept))

    def _filled_in(self, found: Material) -> SectionPart:
        problems = found.gathered.problems
        place, answers = min(self.strip, len(problems)) - 1, dict[int, str]()
        for steps, trial in self._stills(found.subject).items():
            outcome = found.outcome(trial, texts=True)
            if outcome is not None and place < len(outcome.answers):
                answer = outcome.answers[place]
                answers[steps] = answer.texts[answer.chosen]
        solutions = resolve_task(found.subject.task).right_answers(problems[place])
        return filled_in(
            problems[place], solutions, answers, (THINKING.depth, THINKING.trajectories[0])
        )


def _settings(reference: str) -> Mapping[str, Setting]:
    """Return the settings of a net's reference; see `net_settings`."""
    return net_settings(reference, _PLUGIN, "thinking")


def _under(reference: str, steps: int, candidates: int, selector: EnergySelector) -> str:
    """Return the reference of the same net that thinks in another way.

    >>> _under("energy:nets/six?candidates=8&stops=true", 4, 1, "energy")
    'energy:nets/six?stops=true&steps=4'
    """
    own = {**_settings(reference)}
    name = own.pop("name")
    said = {k: v for k, v in own.items() if k not in ("steps", "candidates", "selector")}
    said |= {"steps": steps, **({"candidates": candidates} if candidates > 1 else {})}
    said |= {"selector": selector} if selector != "energy" else {}
    pairs = [
        f"{key}={urllib.parse.quote(_word(value), safe=':/?=.,')}" for key, value in said.items()
    ]
    return f"{_PLUGIN}:{name}?{'&'.join(pairs)}"


def _word(value: Setting) -> str:
    """Return a setting as a reference writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
