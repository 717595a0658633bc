"""From a study's folder to its verdicts: the last step that computes anything."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from modicum.analysis.ability import RULES, Ability, ability_from
from modicum.analysis.arms import beside, nudged_curve
from modicum.analysis.contamination import ADVICE, contamination_of, warning
from modicum.analysis.gap import ceiling_figure, gap_recovered, opened
from modicum.analysis.gather import Arm, Gathered, correctness, gather, stack
from modicum.analysis.known import fixed_prompt, notes_of
from modicum.analysis.least import least_data_of
from modicum.analysis.lengths import lengths_of
from modicum.analysis.material import Material
from modicum.analysis.meaning import decided
from modicum.analysis.measures import asides_of, forced_of, levels_of, measure_ids, taken
from modicum.analysis.next_command import next_command
from modicum.analysis.pairing import level_of, possible
from modicum.analysis.readable import gain_kind, unreadable
from modicum.analysis.readings import RungReading
from modicum.analysis.reference import gap_against_reference, reference_of
from modicum.analysis.remarks import doubts, next_steps
from modicum.analysis.retention import retention_of, text_before, text_change
from modicum.analysis.sample_worth import PlainCurves, plain_curves, samples_worth
from modicum.analysis.ship import Candidate, ship
from modicum.analysis.strict import FORMAT_ONLY, ceiling_strict, is_format_only
from modicum.analysis.verdict import (
    Ceiling,
    Curve,
    FrontPoint,
    RungRow,
    Ship,
    Verdict,
)
from modicum.ledger import cost
from modicum.seeds import stream
from modicum.stats import Figure, Floats, Resamples, disagree, resample
from modicum.stats.written import count, percent
from modicum.store.database import Outcome, Store
from modicum.study.checked import findings_key
from modicum.study.controls import WITH
from modicum.study.plan import Subject
from modicum.types import PROMPT, Finding

__all__ = ["judged", "verdict_of"]


def verdict_of(subject: Subject, store: Store) -> Verdict | None:
    """Return the verdict of one subject, or None while a measure is missing.

    A pure function of the stored outcomes: the bootstrap's stream is named by the subject.
    """
    found = judged(subject, store)
    return None if found is None else found.verdict


def judged(subject: Subject, store: Store) -> Material | None:
    """Return all that is read of one subject, its verdict included; None while a measure is missing."""
    found = gather(subject, store)
    if found is None:
        return None
    rng = stream(*filter(None, ("verdict", subject.model, subject.task, subject.plan.stream)))
    problems, clusters = found.evidence.samples.gold.size, found.evidence.sampled_clusters
    resamples = resample(rng, problems, clusters=clusters)
    answer = ability_from(found.evidence, resamples)
    verdict = _verdict(found, answer, resamples, store)
    verdict = decided(verdict)
    command = next_command(found, answer, verdict, store)
    verdict = dataclasses.replace(verdict, next_command=command)
    return Material(
        found, answer, resamples, verdict, lambda trial, texts: store.read(trial, texts=texts)
    )


def _verdict(found: Gathered, answer: Ability, resamples: Resamples, store: Store) -> Verdict:
    subject, evidence = found.subject, found.evidence
    rows, levels, plain = _rows(found, answer, resamples), levels_of(found), answer.sampled
    memory = contamination_of(found)
    known = (f"{warning(memory)}; {ADVICE}",) if memory is not None and memory.is_known else ()
    return Verdict(
        task=subject.task,
        model=subject.model,
        variant=subject.plan.label,
        reference=reference_of(found),
        text_loss=text_before(found),
        ability=answer.word,
        sentence=answer.sentence,
        unlocked_by=answer.unlocked_by,
        unlocked_labels=answer.labels if answer.unlocked_by else None,
        unlocked_unlabelled=answer.unlabelled if answer.unlocked_by else 0,
        candidates=answer.candidates,
        rules=RULES,
        share=None if answer.share is None else opened(answer.share),
        rungs=rows,
        least_data=least_data_of(found, answer, resamples),
        ship=_ship(found, answer, rows),
        contamination=memory,
        doubts=(*known, *doubts(found, answer, rows)),
        next=next_steps(found, answer),
        findings=_findings(subject, store, is_completed=memory is not None),
        check_costs=store.findings_costs(findings_key(subject)),
        default=levels.default,
        default_strict=levels.default_strict,
        default_style=found.default.style.name,
        floor=levels.floor,
        floor_strict=levels.floor_strict,
        floor_style=found.floor.style.name,
        forced=forced_of(found),
        majority=levels.majority,
        majority_class=level_of(evidence.modal, evidence.sampled_clusters),
        luck=plain.luck,
        near_miss=plain.near_miss,
        ceiling=_top(answer, resamples),
        ceiling_strict=ceiling_strict(found, answer, resamples),
        curve=Curve(plain.ks, plain.pass_curve, plain.luck_curve, plain.near_curve),
        test=len(found.problems),
        seeds=max((len(arm.outcomes) for arm in found.arms), default=1),
        measuring_labels=_measuring(found),
        trials=measure_ids(found),
        seconds=taken(found, "seconds"),
        tokens=taken(found, "tokens_sampled", "tokens_trained"),
        tokens_reused=taken(found, "tokens_reused"),
        asides=asides_of(found),
        failed=found.failed,
        notes=notes_of(found),
        fixed_prompt=fixed_prompt([subject]),
    )


def _measuring(found: Gathered) -> int:
    """Count the labels of measuring; a study with a budget chooses methods on the selection problems."""
    plan = found.subject.plan
    chooses = any(o.selected is not None for arm in found.arms for o in arm.outcomes)
    return plan.measuring if plan.choosing or not chooses else plan.measuring + plan.selection


def _findings(subject: Subject, store: Store, *, is_completed: bool) -> tuple[Finding, ...]:
    """What the doctor said, without what the study itself has measured since."""
    said = store.findings(findings_key(subject)) or ()
    stale = {"time", *(("completed", "contaminated") if is_completed else ())}
    return tuple(finding for finding in said if finding.code not in stale)


def _top(answer: Ability, resamples: Resamples) -> Ceiling | None:
    """Return the ceiling, corrected for guessing."""
    top = answer.ceiling
    if top is None:
        return None
    return Ceiling(ceiling_figure(top, resamples), top.k, top.source)


def _rows(found: Gathered, answer: Ability, resamples: Resamples) -> tuple[RungRow, ...]:
    """The rungs' table: the prompt first, then every arm with its controls."""
    readings = {(r.rung.method, r.rung.n_shots): r for r in answer.rungs}
    curves = plain_curves(found.evidence.samples)
    rows = [
        _row(found, arm, readings[arm.method, arm.n_shots], answer, (resamples, curves))
        for arm in found.arms
    ]
    return (_prompt_row(found, readings[PROMPT, 0], answer, (resamples, curves)), *rows)


def _prompt_row(
    found: Gathered, reading: RungReading, answer: Ability, drawn: tuple[Resamples, PlainCurves]
) -> RungRow:
    floor, (resamples, curves) = found.floor, drawn
    default, clusters = found.evidence.default, found.evidence.clusters
    gaps = {
        c.name: _gap(found, answer, c.scores, resamples, base=default) for c in reading.rung.vetoes
    }
    return RungRow(
        method=PROMPT,
        n_shots=0,
        labels=0,
        score=level_of(reading.rung.scores[0], clusters),
        gain=_gain(reading, default),
        is_ceiling=reading.is_ceiling,
        strict=level_of(correctness(floor.answers, strict=True), clusters),
        seed_scores=(float(reading.rung.scores.mean()),),
        gap_recovered=_claimed(reading),
        controls={c.name: level_of(c.scores[0], clusters) for c in reading.rung.vetoes},
        control_gaps={name: gap for name, gap in gaps.items() if gap is not None},
        elicitation_flops=0.0,
        serving_flops=_serving(floor),
        costs={},
        seeds=1,
        trials=(floor.trial.id,),
        note=_prompt_note(found),
        gap_against_reference=gap_against_reference(
            found, answer, reading.rung.scores, resamples, base=default
        ),
        worth=samples_worth(reading.rung.scores, curves, resamples),
        gain_kind=gain_kind(reading),
        unreadable=unreadable(found.evidence, reading.rung),
    )


def _row(
    found: Gathered,
    arm: Arm,
    reading: RungReading,
    answer: Ability,
    drawn: tuple[Resamples, PlainCurves],
) -> RungRow:
    clusters, (resamples, curves) = found.evidence.clusters, drawn
    scores, more, text = stack(arm.outcomes), beside(found, arm), text_change(found, arm)
    controls = {c.name: c.scores for c in (*reading.rung.vetoes, *reading.rung.telltales)}
    for twin in found.twin_arms:
        if twin.method == arm.method and reading.rung.is_tuned:
            controls[f"twin n={twin.n_shots}"] = stack(twin.outcomes)
    gaps = {name: _gap(found, answer, s, resamples) for name, s in controls.items()}
    strict = stack(arm.outcomes, strict=True)
    return RungRow(
        method=arm.method,
        n_shots=arm.n_shots,
        labels=reading.rung.labels,
        unlabelled=reading.rung.unlabelled,
        score=level_of(scores, clusters),
        gain=_gain(reading, found.evidence.floor),
        is_ceiling=reading.is_ceiling,
        strict=level_of(strict, clusters),
        seed_scores=tuple(float(s) for s in scores.mean(axis=1)),
        gap_recovered=_claimed(reading),
        controls={name: level_of(s, clusters) for name, s in controls.items()},
        control_gaps={name: gap for name, gap in gaps.items() if gap is not None},
        elicitation_flops=float(np.mean([cost(o.elicitation) for o in arm.outcomes])),
        serving_flops=float(np.mean([_serving(o) for o in arm.outcomes])),
        costs={name: _mean(arm.outcomes, name) for name in arm.outcomes[0].elicitation},
        seeds=len(arm.outcomes),
        trials=tuple(o.trial.id for o in arm.outcomes),
        control_trials=_control_trials(found, arm),
        note=_note(found, arm),
        gap_against_reference=gap_against_reference(found, answer, scores, resamples),
        curve=nudged_curve(found, arm) if reading.rung.is_tuned else None,
        retention=retention_of(found, arm),
        lengths=lengths_of(found, arm),
        worth=samples_worth(scores, curves, resamples),
        gain_kind=gain_kind(reading),
        unreadable=unreadable(found.evidence, reading.rung),
        beyond_format=more.beyond_format,
        reward_attributable=more.reward_attributable,
        sampled=more.sampled,
        arms=more.arms,
        learning=more.learning,
        scalars=more.scalars,
        text_loss=text.loss,
        text_perplexity_ratio=text.perplexity_ratio,
    )


def _gain(reading: RungReading, base: Floats) -> Figure:
    return possible(reading.gain, base)


def _claimed(reading: RungReading) -> Figure | None:
    """Give the share of the gap; none of the rung that is the ceiling."""
    return None if reading.is_ceiling else reading.gap


def _control_trials(found: Gathered, arm: Arm) -> dict[str, tuple[str, ...]]:
    ids = {"scrambled": tuple(o.trial.id for o in arm.scrambled)}
    own = {n: drawn for n, drawn in arm.own_controls.items() if not n.startswith(WITH)}
    ids.update({name: tuple(o.trial.id for o in drawn) for name, drawn in own.items()})
    for twin in found.twin_arms:
        if twin.method == arm.method:
            name = f"twin n={twin.n_shots}" if twin.n_shots else "twin"
            ids[name] = tuple(o.trial.id for o in twin.outcomes)
    return {name: found_ids for name, found_ids in ids.items() if found_ids}


def _gap(
    found: Gathered,
    answer: Ability,
    scores: Floats,
    resamples: Resamples,
    *,
    base: Floats | None = None,
) -> Figure | None:
    """A control's share of the studied model's gap, counted from its floor unless said."""
    if answer.ceiling is None:
        return None
    zero = found.evidence.floor if base is None else base
    return gap_recovered(scores, zero, answer.ceiling, answer.sampled.luck_1, resamples)


def _note(found: Gathered, arm: Arm) -> str:
    """Say so where only the strict reading gained over the floor, and where few seeds disagree."""
    base = (correctness(found.floor.answers), correctness(found.floor.answers, strict=True))
    scores = (stack(arm.outcomes), stack(arm.outcomes, strict=True))
    said = [FORMAT_ONLY] * is_format_only(scores, base, found.evidence.clusters)
    seeds = scores[0].mean(axis=1)
    if disagree(seeds):
        said.append(f"{seeds.size} seeds disagree: {', '.join(map(percent, seeds.tolist()))}")
    return "; ".join(said)


def _prompt_note(found: Gathered) -> str:
    """Name the floor's style, and say so where it gained over the default in format alone."""
    floor, default = (
        (correctness(o.answers), correctness(o.answers, strict=True))
        for o in (found.floor, found.default)
    )
    is_fixed = found.subject.plan.styles == "own"
    why = "fixed by you" if is_fixed else "chosen with measuring labels"
    said = f"style {found.floor.style.name!r}, {why}"
    only = is_format_only(floor, default, found.evidence.clusters)
    return f"{said}; {FORMAT_ONLY}" if only else said


def _ship(found: Gathered, answer: Ability, rows: Sequence[RungRow]) -> Ship:
    """The pick and its front; doing nothing (the plain prompt) stands among the candidates."""
    plan = found.subject.plan
    scores = {row.name: s for row, s in zip(rows, _row_scores(found), strict=True)}
    candidates = tuple(
        Candidate(
            name=row.name,
            scores=scores[row.name],
            labels=row.labels,
            elicitation_flops=row.elicitation_flops,
            serving_flops=row.serving_flops,
            is_plain=row.is_prompt,
            is_shorter=row.lengths is not None and row.lengths.is_equal,
        )
        for row in rows
    )
    picked = ship(
        candidates,
        prefer=plan.prefer,
        max_labels=plan.max_labels,
        margin=plan.margin,
        clusters=found.evidence.clusters,
        is_shown=answer.word == "shown",
    )
    pays = {b.name: b for b in picked.break_even}
    front = tuple(
        FrontPoint(
            c.name,
            c.labels,
            c.elicitation_flops,
            c.serving_flops,
            float(c.scores.mean()),
            pays[c.name].queries if c.name in pays else None,
        )
        for c in picked.front
    )
    if picked.pick is None:
        return Ship(None, "no method within the labels allowed", plan.prefer, plan.margin, front)
    if picked.pick.is_plain:
        why = _why_plain(answer, plan.margin)
        return Ship(picked.pick.name, why, plan.prefer, plan.margin, front)
    others = [
        f"for {'fewer' if b.pays == 'below' else 'more'} than {b.queries:,.0f} answers in all, "
        f"{b.name} is cheaper"
        for b in picked.break_even
        if b.pays in ("below", "above")
    ]
    cheap = {"serve": "cheapest per answer", "labels": "fewest labels", "train": "cheapest to make"}
    within = count(100 * plan.margin, "point")
    why = f"{cheap[plan.prefer]} among methods that no other is shown to beat by more than {within}"
    return Ship(picked.pick.name, "; ".join([why, *others]), plan.prefer, plan.margin, front)


def _why_plain(answer: Ability, margin: float) -> str:
    """Say why nothing is elicited."""
    if answer.word == "shown":
        return "the plain prompt shows the ability"
    within = count(100 * margin, "point")
    return f"no method is shown to be better than asking plainly by more than {within}"


def _row_scores(found: Gathered) -> list[Floats]:
    return [correctness(found.floor.answers)[None], *(stack(a.outcomes) for a in found.arms)]


def _mean(outcomes: Sequence[Outcome], name: str) -> float:
    return float(np.mean([o.elicitation.get(name, 0.0) for o in outcomes]))


def _serving(outcome: Outcome) -> float:
    """FLOPs a query, those of reused answers with them: a nudge is no cheaper for being known."""
    return cost(outcome.serving) / max(1, len(outcome.answers))
