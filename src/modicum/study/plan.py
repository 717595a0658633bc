"""A declared grid of trials: from TOML, from the command line or from Python."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from modicum.catalog import fill, read_reference, read_setting, settings_of
from modicum.errors import ConfigError
from modicum.files.foreign import check_name
from modicum.files.limits import LIMITS, check_draws, check_number, check_share, check_template
from modicum.method import METHODS, Method
from modicum.model import backend_version
from modicum.plain import JsonValue, table_of
from modicum.scope import Retain, Scope, Versions
from modicum.secrecy import learn_from
from modicum.study.completing import completing
from modicum.study.controls import control_arms, setting_arms
from modicum.study.grid import MEASURES, NOTHING, TEXT, Grid, read_grids, refuse_bare
from modicum.study.held_out import text_digest
from modicum.study.problem_sets import editions_of, retained_size
from modicum.task import PROBES, resolve_task
from modicum.types import FLOOR, Settings, Style, Trial

__all__ = [
    "NOTHING",
    "TEXT",
    "Declares",
    "Grid",
    "Plan",
    "Prefer",
    "Subject",
    "read_plan",
]

Prefer = Literal["serve", "labels", "train"]


@dataclass(frozen=True)
class Plan:
    """Everything that decides a study's figures, frozen in its folder."""

    grids: tuple[Grid, ...]
    """What is run."""
    name: str = "study"
    """Shown in the verdict and the report; names the folder below `runs`. No path."""
    test: int = 400
    """Test problems, each with a gold."""
    selection: int = 40
    """Labelled problems that choose the floor's style (measuring labels)."""
    samples: int = 64
    """Samples a test problem for the ceiling, at temperature 1."""
    ceiling_test: int = 0
    """The first so many test problems are sampled and branched on; all where 0."""
    sampled: int = 0
    """Samples a test problem of each nudged model, its controls and arms too, at temperature 1 beside
    the greedy answer; none where 0."""
    stream: str = ""
    """Names an independent draw of the study: other test problems where the task has more than it
    needs, other shots, other samples."""
    seeds: int = 3
    """Draws of shots for each tuned rung."""
    styles: Literal["default", "all", "own"] = "default"
    """`all` lets the task's own instruction into the floor's list; `own` fixes the user's prompt."""
    retain: tuple[str, ...] = ()
    """Tasks scored before and after each rung that changes weights or activations: references,
    `text` (held-out text) or `none`. Where empty the studied task's own, else `text`."""
    retain_test: int = 200
    """Problems of each of them, or as many as a task has."""
    reference: str = ""
    """A second model as yardstick (a reasoning twin, say), scored on the same test problems."""
    controls: bool = True
    """Run the scrambled twins and tell-tale controls."""
    prefer: Prefer = "serve"
    """What to ship is the cheapest in this."""
    max_labels: int | None = None
    """Most labels that a nudge to ship may have used."""
    margin: float = 0.05
    """Share of accuracy within which a rung counts as not worse than the best."""
    max_new_tokens: int = 0
    """Length limit of a completion; the task's own where 0."""
    system: str = ""
    """The user's production system prompt (text)."""
    template: str = ""
    """The user's production prompt with one `{question}` (text)."""
    settings: Mapping[str, Settings] = field(default_factory=dict)
    """Settings of methods, by name."""
    probes: tuple[str, ...] = ()
    """References of probes, whose own trials run beside the others."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot work, and a name that is a path."""
        check_name(self.name, "the study's name")
        for name in LIMITS:
            value = getattr(self, name, None)  # others are a grid's
            if value is not None:
                check_number(name, value)
        check_share("margin", self.margin)
        check_draws(self.test, self.samples, self.sampled, self.ceiling_test)
        check_template(self.template)

    @property
    def own_style(self) -> Style | None:
        """The user's production prompt, or None."""
        if not (self.system or self.template):
            return None
        return Style(
            "own", self.template or "{question}", self.system or None, chat=bool(self.system)
        )

    @property
    def measuring(self) -> int:
        """Labelled problems of a task that measuring uses: none choose a prompt that is fixed."""
        return self.test + self.choosing

    @property
    def choosing(self) -> int:
        """Those among them that choose the floor's style."""
        return 0 if self.styles == "own" else self.selection

    @property
    def label(self) -> str:
        """What sets it apart from others on the same model and task in a folder; empty where none are."""
        return ""

    def subjects(self) -> list["Subject"]:
        """Return every (model, task) pair once, in order, with its trials."""
        found: dict[tuple[str, str], None] = {}
        for grid in self.grids:
            for model in grid.models:
                found.update(((model, task), None) for task in grid.tasks)
        return [Subject(self, model, task) for model, task in found]

    def method(self, name: str) -> Method:
        """Return the configured method of a name."""
        method = METHODS.build(name, self.settings.get(name, {}))
        if not isinstance(method, Method):
            raise TypeError(name)
        return method

    def trials(self) -> list[Trial]:
        """Return every trial once: measures first, then rungs, cheapest first."""
        found: dict[str, Trial] = {}
        subjects = self.subjects()
        for subject in subjects:
            found.update((t.id, t) for t in (*subject.measures(), *subject.scrambled()))
        for subject in subjects:
            found.update((t.id, t) for t in (*subject.rungs(), *subject.asides().values()))
        for subject in subjects:
            found.update((t.id, t) for t in subject.twins())
        for subject in subjects:
            found.update((t.id, t) for t in subject.probed())
        return list(found.values())

    def as_dict(self) -> dict[str, JsonValue]:
        """Return plain values, for the frozen study file; without what says nothing, but was added later."""
        table = {name: value for name, value in table_of(self).items() if name != "probes" or value}
        return {**table, "grids": [grid.as_dict() for grid in self.grids]}

    @staticmethod
    def thawed(values: Mapping[str, object]) -> "Plan":
        """Return the plan of plain values, those of `as_dict` or of TOML.

        Raises:
            UnknownNameError: an unknown key, with a suggestion.
        """
        table = dict(values)
        built = read_grids(table.pop("grids", ()))
        refuse_bare(table.get("settings", {}))
        return fill(Plan, {**table, "grids": built}, where="the study")


@dataclass(frozen=True)
class Subject:
    """One model on one task within a plan: what one verdict is about."""

    plan: Plan
    model: str
    task: str

    @property
    def twin(self) -> str:
        """The model of equal learnability without the ability; empty where there is none."""
        return next((grid.twin for grid in self._grids() if grid.twin), "")

    def _grids(self) -> list[Grid]:
        return [g for g in self.plan.grids if self.model in g.models and self.task in g.tasks]

    def floor(self) -> Trial:
        """Return the trial that chooses the floor's style on the selection split and scores it."""
        return self._trial(FLOOR, n_shots=self.plan.choosing)

    def default(self) -> Trial:
        """Return the greedy trial in the style as given."""
        return self._trial("plain", {"style": "default"})

    def scrambled(self) -> tuple[Trial, Trial]:
        """Return floor and default against moved golds: what luck alone would be right in."""
        task = f"scrambled:{self.task}"
        return replace(self.floor(), task=task), replace(self.default(), task=task)

    def samples(self) -> Trial:
        """Return the samples behind the ceiling, in the floor's style."""
        return self._first(self._trial("plain", {"samples": self.plan.samples}))

    def forced(self) -> Trial | None:
        """Return the greedy trial of the forced worked form, where the task knows one."""
        if not resolve_task(self.task).sheet.opener:
            return None
        return self._trial("plain", {"forced": True})

    def retained(self, task: str) -> Trial:
        """Return the greedy trial of a retained task before any nudge."""
        other = replace(self, task=task)
        trial = other._trial("plain", {"style": "default"})
        n = retained_size(resolve_task(task), self.plan.retain_test)
        return replace(trial, scope=replace(trial.scope, test=n))

    def text(self) -> Trial:
        """Return the trial that scores the held-out text before any nudge; it answers nothing."""
        trial = self._trial("plain", {"style": "default"})
        return replace(trial, scope=replace(trial.scope, test=0, text=text_digest()))

    def completed(self) -> Trial | None:
        """Return the trial that completes test questions; None where no outside text taught the model."""
        return completing(self.default())

    def reference(self) -> Trial | None:
        """Return the trial of the plan's reference model, in its own floor's style."""
        if self.plan.reference in ("", self.model):
            return None
        return Subject(self.plan, self.plan.reference, self.task).floor()

    def measures(self) -> list[Trial]:
        """Return every measure, the floor's style first."""
        trials = [self.floor(), self.default(), self.samples()]
        more = (self.forced(), self.reference(), self.completed())
        trials += [trial for trial in more if trial is not None]
        methods = {name for grid in self._grids() for name in grid.methods}
        if any(self.plan.method(name).changes_model for name in methods):
            trials += [self.retained(task) for task in self.retain()]
            trials += [self.text()] if self.scores_text else []
        return trials

    def _trial(self, method: str, settings: Settings | None = None, n_shots: int = 0) -> Trial:
        """Build the trial of a measure."""
        built = METHODS.build(method, settings or {})
        own = settings_of(built)
        return Trial(self.model, self.task, method, n_shots, 0, own, scope=self.scope())

    def retain(self) -> tuple[str, ...]:
        """Name the tasks that show damage; never the studied one."""
        wanted = self.plan.retain or resolve_task(self.task).sheet.retain
        return tuple(task for task in wanted if task not in (self.task, TEXT, NOTHING))

    @property
    def scores_text(self) -> bool:
        """Whether the held-out text shows damage: where asked for, or where nothing else does."""
        if self.plan.retain:
            return TEXT in self.plan.retain
        return not resolve_task(self.task).sheet.retain

    def rungs(self) -> list[Trial]:
        """Return the arms of every rung, each followed by its controls."""
        trials: list[Trial] = []
        for grid in self._grids():
            for name in self._ladder(grid):
                trials += self._arms(name, self.model, self._budgets(name, grid.shots), grid)
        return list({trial.id: trial for trial in trials}.values())  # grids may overlap

    def asides(self) -> dict[str, Trial]:
        """Return the trials that are printed beside the verdict, by what they set."""
        found = {}
        for text in (text for grid in self._grids() for text in grid.aside):
            name, field, value = read_setting(text)
            if name in self.replaced():
                continue
            method = METHODS.build(name, {**self.plan.settings.get(name, {}), field: value})
            trial = replace(self._trial(name), settings=settings_of(method))
            is_decoding = self.plan.method(name).kind == "decoding"
            found[text] = self._first(trial) if is_decoding else trial
        return found

    def twins(self) -> list[Trial]:
        """Return the same rungs on the twin model."""
        trials: list[Trial] = []
        for grid in self._grids():
            if not grid.twin:
                continue
            twin = Subject(self.plan, grid.twin, self.task)
            trials += twin.measures()
            for name in self._ladder(grid):
                budgets = self._budgets(name, grid.twin_shots or grid.shots)
                trials += self._arms(name, grid.twin, budgets, grid)
        return list({trial.id: trial for trial in trials}.values())

    def probed(self) -> tuple[Trial, ...]:
        """Return the trials that the study's probes declare for it."""
        found: list[Trial] = []
        for name, _, settings in map(read_reference, self.plan.probes):
            probe = PROBES.build(name, settings)
            if not isinstance(probe, Declares):
                raise TypeError(name)
            found += probe.trials(self)
        return tuple(found)

    def replaced(self) -> tuple[str, ...]:
        """Name the methods that are left out: each would replace the user's prompt, which is fixed."""
        if self.plan.styles != "own":
            return ()
        named = {n: None for grid in self._grids() for n in grid.methods if n not in MEASURES}
        return tuple(name for name in named if self.plan.method(name).kind == "prompt")

    def _ladder(self, grid: Grid) -> list[str]:
        """The grid's methods without those that every subject is measured with, or that are left out."""
        return [name for name in grid.methods if name not in (*MEASURES, *self.replaced())]

    def _budgets(self, name: str, shots: Sequence[int]) -> tuple[int, ...]:
        """A method that reads neither labels nor questions runs once, at no shots."""
        return tuple(sorted(set(shots))) if self.plan.method(name).has_budgets else (0,)

    def _arms(self, name: str, model: str, budgets: Sequence[int], grid: Grid) -> list[Trial]:
        method = self.plan.method(name)
        n_seeds = (grid.seeds or self.plan.seeds) if method.has_budgets else 1
        base = replace(self._trial(name, self.plan.settings.get(name, {})), model=model)
        if method.changes_model and self.plan.sampled:
            base = replace(base, scope=replace(base.scope, sampled=self.plan.sampled))
        if method.changes_model and model == self.model and self.scores_text:
            base = replace(base, scope=replace(base.scope, text=text_digest()))
        has_controls = self.plan.controls and grid.controls and model == self.model
        arms: list[Trial] = []
        for n_shots in budgets:
            cell = replace(base, n_shots=n_shots)
            arms += [replace(cell, seed=seed) for seed in range(n_seeds)]
            if has_controls and method.aim == "accuracy":
                arms.append(replace(cell, task=f"scrambled:{self.task}"))
        if has_controls:
            arms += control_arms(method, replace(base, n_shots=budgets[-1]))
        if model == self.model:
            last, own = replace(base, n_shots=budgets[-1]), self.plan.settings
            arms += setting_arms(grid.arms, own.get(name, {}), last, n_seeds)
        return [self._first(arm) for arm in arms] if method.kind == "decoding" else arms

    def _first(self, trial: Trial) -> Trial:
        """Return a trial on the test problems that are sampled and branched on."""
        n = self.plan.ceiling_test
        if n in (0, self.plan.test):
            return trial
        return replace(trial, scope=replace(trial.scope, first=n))

    def scope(self) -> Scope:
        """Return the study-wide settings that enter the identity of this subject's trials."""
        plan, task = self.plan, resolve_task(self.task)
        return Scope(
            test=plan.test,
            selection=plan.selection,
            samples=plan.samples,
            styles=plan.styles,
            own=(plan.system, plan.template),
            max_new_tokens=plan.max_new_tokens,
            retain=Retain(self.retain(), plan.retain_test, editions_of(self.retain())),
            # a file that has changed is another task, whatever its name
            versions=Versions(backend_version(self.model), task.version, task.fingerprint),
            stream=plan.stream,
            # a scrambled task that is studied itself is no twin: its floor, say, is its own
            subject=self.task if self.task.startswith("scrambled:") else "",
        )


@runtime_checkable
class Declares(Protocol):
    """What declares trials of its own: a probe (`modicum.probe`)."""

    def trials(self, subject: Subject) -> tuple[Trial, ...]:
        """Return its trials of a subject; see `Probe.trials`."""


def read_plan(path: Path) -> Plan:
    """Read a TOML study.

    Raises:
        ConfigError: a missing or broken file, an unknown key (with a suggestion), a wrong type.
    """
    try:
        text = path.read_text(encoding="utf-8")
        learn_from(text)
        table = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "a TOML study", "check the path") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits among them
        raise ConfigError(f"{path}: {error}", "valid TOML", "correct that place") from error
    grids = table.pop("grid", [])
    if not isinstance(grids, list) or not grids:
        raise ConfigError(f"{path}: no [[grid]]", "at least one", "add models, tasks and methods")
    return Plan.thawed({"name": path.stem, **table, "grids": grids})
