"""From stored outcomes to the arrays that the rules read."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from modicum.analysis.coding import coded
from modicum.analysis.evidence import ControlScores, Evidence, RungEvidence, Samples, Twin
from modicum.method import LADDER, METHODS, Kind, Method, method_of
from modicum.stats import Floats
from modicum.store.database import Answer, Outcome, Store
from modicum.store.opening import damage_told
from modicum.study.controls import WITH
from modicum.study.grid import MEASURES
from modicum.study.plan import Subject
from modicum.study.problem_sets import problems_of
from modicum.task import resolve_task
from modicum.types import PROMPT, Grade, Problem, Trial, named

__all__ = [
    "Arm",
    "Gathered",
    "clusters_of",
    "correctness",
    "gather",
    "kind_of",
    "needed",
    "samples_of",
    "shortens",
    "stack",
    "unread",
]


@dataclass(frozen=True, eq=False)
class Arm:
    """All seeds of one method at one budget on the studied model, with its controls."""

    method: str
    n_shots: int
    outcomes: tuple[Outcome, ...]
    """One for each seed."""
    scrambled: tuple[Outcome, ...] = ()
    own_controls: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)
    """All seeds of each control that the method draws itself, by name."""
    twin: tuple[Outcome, ...] = ()
    """The same arm on the twin model."""

    @property
    def name(self) -> str:
        """Name for sentences, such as `fine_tune n=4`."""
        return f"{self.method} n={self.n_shots}" if self.n_shots else self.method


@dataclass(frozen=True, eq=False)
class Gathered:
    """What is stored of one subject, in memory."""

    subject: Subject
    problems: tuple[Problem, ...]
    floor: Outcome
    default: Outcome
    samples: Outcome
    forced: Outcome | None
    retained: dict[str, Outcome]
    text: Outcome | None
    """The held-out text before any nudge."""
    completed: Outcome | None
    """Test questions completed from their first words."""
    reference: Outcome | None
    """Of the second model; with its error where it failed, None where none has run."""
    arms: tuple[Arm, ...]
    twin_arms: tuple[Arm, ...]
    """Arms of the twin model, at budgets that the studied model may lack."""
    asides: dict[str, Outcome]
    """Outcomes kept out of the verdict, by what they set."""
    evidence: Evidence
    failed: int
    left_out: tuple[str, ...] = ()
    """What has not run of its rungs and twins, in words."""


@dataclass(frozen=True, eq=False)
class _Measures:
    """What needs no nudge: of the subject, and of its twin model where it has one."""

    floor: Outcome
    default: Outcome
    floor_moved: Outcome
    """The floor's answers against moved golds: what its twin has unnudged."""
    default_moved: Outcome
    samples: Outcome
    forced: Outcome | None
    twin_floor: Outcome | None
    twin_forced: Outcome | None


def gather(subject: Subject, store: Store) -> Gathered | None:
    """Return what is stored of a subject, or None while a measure is missing."""
    measures = _measures(subject, store)
    if measures is None:
        return None
    trials = (*subject.rungs(), *subject.twins())
    outcomes = {t.id: store.read(t, texts=False) for t in trials}
    kept = [o for o in outcomes.values() if o is not None and not o.error]
    failed = sum(o is not None and bool(o.error) for o in outcomes.values())
    problems = problems_of(resolve_task(subject.task), "test", subject.scope())
    arms = _arms(subject, subject.model, kept)
    twin_arms = _arms(subject, subject.twin, kept) if subject.twin else ()
    arms = tuple(_with_twin(arm, twin_arms) for arm in arms)
    retained = {}
    for task in subject.retain():
        outcome = store.read(subject.retained(task), texts=False)
        if outcome is not None and not outcome.error:
            retained[task] = outcome
    reference = subject.reference()
    asides = {s: o for s, t in subject.asides().items() if (o := _good(store, t)) is not None}
    with damage_told(store.folder):  # stored marks of other shapes than a study writes
        evidence = _evidence(subject, problems, measures, arms, twin_arms)
    return Gathered(
        subject=subject,
        problems=problems,
        floor=measures.floor,
        default=measures.default,
        samples=measures.samples,
        forced=measures.forced,
        retained=retained,
        text=_good(store, subject.text()) if subject.scores_text else None,
        completed=_good(store, subject.completed()),
        reference=store.read(reference, texts=False) if reference is not None else None,
        arms=arms,
        twin_arms=twin_arms,
        asides=asides,
        evidence=evidence,
        failed=failed,
        left_out=named([t for t in trials if outcomes[t.id] is None]),
    )


def _measures(subject: Subject, store: Store) -> _Measures | None:
    """Return the measures of a subject; None while one is missing without which nothing is said."""
    wanted = needed(subject)
    good = [outcome for trial in wanted if (outcome := _good(store, trial)) is not None]
    if len(good) < len(wanted):
        return None
    floor, default, floor_moved, default_moved, samples = good
    twin = Subject(subject.plan, subject.twin, subject.task) if subject.twin else None
    return _Measures(
        floor,
        default,
        floor_moved,
        default_moved,
        samples,
        forced=_good(store, subject.forced()),
        twin_floor=_good(store, twin.floor() if twin else None),
        twin_forced=_good(store, twin.forced() if twin else None),
    )


def needed(subject: Subject) -> tuple[Trial, ...]:
    """Return the measures without which nothing is said of a subject: floor, default, luck, samples."""
    return (subject.floor(), subject.default(), *subject.scrambled(), subject.samples())


def correctness(answers: Sequence[Answer], *, strict: bool = False) -> Floats:
    """Return 0 or 1 a problem for the answers that stand."""
    grades = [answer.mark.strict if strict else answer.mark.lenient for answer in answers]
    return np.array([grade == Grade.CORRECT for grade in grades], dtype=np.float64)


def unread(answers: Sequence[Answer]) -> Floats:
    """Return 1 for each problem whose answer could not be read, else 0."""
    return np.array(
        [answer.mark.lenient == Grade.UNREADABLE for answer in answers], dtype=np.float64
    )


def stack(outcomes: Sequence[Outcome], *, strict: bool = False) -> Floats:
    """Return the scores of several seeds, `[seeds, problems]`."""
    return np.stack([correctness(outcome.answers, strict=strict) for outcome in outcomes])


def _good(store: Store, trial: Trial | None) -> Outcome | None:
    outcome = store.read(trial, texts=False) if trial is not None else None
    return outcome if outcome is not None and not outcome.error else None


def _arms(subject: Subject, model: str, outcomes: Sequence[Outcome]) -> tuple[Arm, ...]:
    """Group the outcomes of one model by method and budget, cheapest kind first."""
    groups: dict[tuple[str, int], dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        trial = outcome.trial
        if trial.model != model or trial.method in MEASURES:
            continue
        kind = trial.control or ("scrambled" if trial.is_twin else "")
        groups[trial.method, trial.n_shots][kind].append(outcome)
    arms = [
        Arm(
            method,
            n_shots,
            tuple(sorted(kinds[""], key=lambda o: o.trial.seed)),
            tuple(kinds["scrambled"]),
            {k: tuple(v) for k, v in kinds.items() if k not in ("", "scrambled")},
        )
        for (method, n_shots), kinds in groups.items()
        if kinds[""]
    ]
    ladder = list(dict.fromkeys(name for grid in subject.plan.grids for name in grid.methods))
    ranks = {a.method: (LADDER.index(kind_of(a.method)), ladder.index(a.method)) for a in arms}
    return tuple(sorted(arms, key=lambda a: (ranks[a.method], a.n_shots)))


def kind_of(method: str) -> Kind:
    """Return what kind a method is of, by its name; `measure` of what is none."""
    cls = METHODS.load(method)
    return cls.kind if issubclass(cls, Method) else "measure"


def shortens(method: str) -> bool:
    """Say whether a method is to make answers shorter."""
    cls = METHODS.load(method)
    return issubclass(cls, Method) and cls.aim == "length"


def _with_twin(arm: Arm, twins: Sequence[Arm]) -> Arm:
    same = [t for t in twins if (t.method, t.n_shots) == (arm.method, arm.n_shots)]
    return replace(arm, twin=same[0].outcomes) if same else arm


def _evidence(
    subject: Subject,
    problems: Sequence[Problem],
    measures: _Measures,
    arms: Sequence[Arm],
    twin_arms: Sequence[Arm],
) -> Evidence:
    floor, before = correctness(measures.floor.answers), correctness(measures.floor_moved.answers)
    samples = _samples(subject.task, problems, measures.samples)
    rungs = [_prompt_rung(measures)]
    for arm in arms:
        # an answer that is to become shorter is no evidence that an ability cannot be taught
        tuned = kind_of(arm.method) == "tuning" and not shortens(arm.method)
        vetoes = []
        if arm.scrambled:
            vetoes.append(ControlScores("scrambled", stack(arm.scrambled), before))
        if arm.twin and not tuned and measures.twin_floor is not None:
            base = correctness(measures.twin_floor.answers)
            vetoes.append(ControlScores("twin", stack(arm.twin), base))
        own, telling = _own_controls(arm)
        vetoes += own
        rungs.append(
            RungEvidence(
                method=arm.method,
                n_shots=arm.n_shots,
                labels=int(arm.outcomes[0].elicitation["labels"]),
                unlabelled=int(arm.outcomes[0].elicitation.get("texts", 0)),
                scores=stack(arm.outcomes),
                is_tuned=tuned,
                is_scratch=kind_of(arm.method) == "scratch",
                unread=np.stack([unread(o.answers) for o in arm.outcomes]),
                vetoes=tuple(vetoes),
                telltales=(*_majority(arm, samples), *telling),
            )
        )
    return Evidence(
        default=correctness(measures.default.answers),
        floor=floor,
        default_strict=correctness(measures.default.answers, strict=True),
        floor_strict=correctness(measures.floor.answers, strict=True),
        default_moved=correctness(measures.default_moved.answers),
        default_unread=unread(measures.default.answers),
        floor_unread=unread(measures.floor.answers),
        samples=samples,
        forced=correctness(measures.forced.answers) if measures.forced else None,
        forced_control=correctness(measures.twin_forced.answers) if measures.twin_forced else None,
        rungs=tuple(rungs),
        twins=tuple(
            Twin(arm.method, arm.n_shots, stack(arm.outcomes))
            for arm in twin_arms
            if kind_of(arm.method) == "tuning"
        ),
        clusters=clusters_of(problems),
    )


def _own_controls(arm: Arm) -> tuple[list[ControlScores], list[ControlScores]]:
    """Return an arm's veto controls and its tell-tale ones, of those that the method draws itself."""
    cls = METHODS.load(arm.method)
    declared = cls.controls if issubclass(cls, Method) else ()
    vetoes = {control.name for control in declared if control.veto}
    drawn = [
        ControlScores(name, stack(outcomes))
        for name, outcomes in arm.own_controls.items()
        if not name.startswith(WITH)  # arms with other settings stand in a table of their own
    ]
    return [c for c in drawn if c.name in vetoes], [c for c in drawn if c.name not in vetoes]


def _majority(arm: Arm, samples: Samples) -> list[ControlScores]:
    """The vote of as many plain samples as the method draws, where it declares that control."""
    cls = METHODS.load(arm.method)
    declared = cls.controls if issubclass(cls, Method) else ()
    if not any(control.name == "majority" for control in declared):
        return []
    n = min(method_of(arm.outcomes[0].trial).answering.draws, samples.n_samples)
    return [ControlScores(f"majority of {n}", samples.voted(0, n)[None])]


def _prompt_rung(measures: _Measures) -> RungEvidence:
    """The floor's style as a rung: what a plain prompt does by itself.

    Its labels are measuring labels, so it counts as label-free; its scrambled twin is the
    default and the floor marked against moved golds.
    """
    moved, base = measures.floor_moved.answers, correctness(measures.default_moved.answers)
    return RungEvidence(
        method=PROMPT,
        n_shots=0,
        labels=0,
        scores=correctness(measures.floor.answers)[None],
        is_tuned=False,
        is_prompt=True,
        unread=unread(measures.floor.answers)[None],
        vetoes=(ControlScores("scrambled", correctness(moved)[None], base),),
    )


def samples_of(found: Gathered, outcome: Outcome) -> Samples:
    """Return the codes of sampled answers; a correct one has its gold's whatever its spelling.

    Args:
        found: The subject, for its golds.
        outcome: A trial that drew several samples a problem.
    """
    return _samples(found.subject.task, found.problems, outcome)


def _samples(reference: str, problems: Sequence[Problem], outcome: Outcome) -> Samples:
    task = resolve_task(reference)
    problems = problems[: len(outcome.answers)]
    golds = [task.read(task.stated(p)) or p.answer for p in problems]
    marks = [answer.marks for answer in outcome.answers]
    if len({len(row) for row in marks}) != 1 or len(marks[0]) < 2:
        raise ValueError(f"{outcome.trial.id} holds fewer than two samples a problem")
    names = [(p.cluster, p.difficulty, len(g)) for p, g in zip(problems, golds, strict=True)]
    return coded(marks, golds, [task.right_answers(p) for p in problems], names)


def clusters_of(problems: Sequence[Problem]) -> npt.NDArray[np.int64] | None:
    """Return the cluster code of each problem, None where none has a cluster; one without stands alone."""
    if not any(p.cluster for p in problems):
        return None
    names = [p.cluster or p.id for p in problems]
    order = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names])
