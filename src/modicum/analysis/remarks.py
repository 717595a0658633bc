"""What a verdict adds in words: doubts, and what it would try next."""

from collections.abc import Mapping, Sequence

import numpy as np

from modicum.analysis.ability import Ability
from modicum.analysis.detect import chance_of_equal, detectable_text
from modicum.analysis.gather import Gathered
from modicum.analysis.strict import FORMAT_ONLY
from modicum.analysis.verdict import RungRow, Verdict
from modicum.method import METHODS
from modicum.stats import Figure
from modicum.stats.written import count, percent
from modicum.store.database import Outcome
from modicum.store.provenance import changed_plugins, mixed_weights

__all__ = ["common_doubts", "doubts", "next_steps", "of_most_studies"]

ONE_STYLE = "one style of question only"
FEW_SEEDS = ": intervals over seeds are wide"
_ONE_OF_THREE = 2 / 3
"""Share of the seeds in which tuning fails that works in one of three."""
_RARELY = 0.02
"""Share of studies below which what would be missed is not said."""


def doubts(found: Gathered, answer: Ability, rows: Sequence[RungRow]) -> tuple[str, ...]:
    """What a careful reader should hold against the verdict."""
    said = [_size(found)]
    seeds = sum(r.rung.scores.shape[0] for r in answer.rungs if r.rung.is_tuned)
    if answer.word == "absent" and (missed := _ONE_OF_THREE**seeds) > _RARELY:
        said.append(
            f"tuning that works in one seed of three would be missed by {percent(missed)} of studies with "
            f"{seeds} tuned seeds"
        )
    said.append(ONE_STYLE)
    if answer.sampled.state == "silent":
        said.append("guessing alone scores above 20 %, so pass@k says nothing")
    if found.failed:
        said.append(f"{found.failed} trials failed; the same command tries them again")
    if found.left_out:
        said.append(f"left out so far: {', '.join(found.left_out)}; the same command runs them")
    if few := [row.seeds for row in rows if not row.is_prompt and 1 < row.seeds < 5]:
        said.append(f"{count(min(few), 'seed')}{FEW_SEEDS}")
    cut = _truncated(found.samples)
    if cut > 0.05:
        said.append(f"{percent(cut)} of the samples were cut at the length limit")
    said += [
        f"{percent(share)} of the {name} were still thinking at the length limit: unreadable, not "
        "incorrect; raise --max-new-tokens"
        for name, outcome in (("floor's answers", found.floor), ("samples", found.samples))
        if (share := _cut_thinking(outcome)) > 0
    ]
    empty = [row.name for row in rows if FORMAT_ONLY in row.note]
    if empty:
        said.append(f"{', '.join(empty)}: {FORMAT_ONLY}, a gain in strict accuracy alone")
    said += [
        f"{percent(share)} of {arm.name}'s answers were cut at the length limit or the model's context"
        for arm in found.arms
        if (share := _truncated(arm.outcomes[0])) > max(0.05, 2 * _truncated(found.floor))
    ]
    said += [
        f"{row.name}: random reward does as well within the interval, so that what the reward pays "
        "for hardly mattered"
        for row in rows
        if row.arms and row.arms[0].gain.low > 0 and _is_idle(row.reward_attributable)
    ]
    every = _every(found)
    more = (*_unmarked(every), *_renewed(every), *changed_plugins(every), *mixed_weights(every))
    return (*said, *_reference_doubts(found), *more)


def of_most_studies(doubt: str) -> bool:
    """Say whether a doubt holds for nearly every study: worth a note, too common for a warning.

    >>> of_most_studies("3 seeds: intervals over seeds are wide"), of_most_studies("2 trials failed")
    (True, False)
    """
    return doubt == ONE_STYLE or doubt.endswith(FEW_SEEDS)


def common_doubts(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Return the doubts that all of several verdicts share, to be said once; none of a single one."""
    if len(verdicts) < 2:
        return ()
    first, *others = verdicts
    return tuple(said for said in first.doubts if all(said in one.doubts for one in others))


def _size(found: Gathered) -> str:
    """Say what the number of test problems, or clusters of them, can show."""
    clusters = found.evidence.clusters
    n = len(found.problems) if clusters is None else np.unique(clusters).size
    guess = chance_of_equal([problem.answer for problem in found.problems])
    return detectable_text(int(n), guess=guess, is_clustered=clusters is not None)


def _every(found: Gathered) -> list[Outcome]:
    """Every outcome behind the verdict."""
    arms = (*found.arms, *found.twin_arms)
    drawn = [o for arm in arms for o in (*arm.outcomes, *arm.scrambled, *arm.twin)]
    drawn += [o for arm in arms for group in arm.own_controls.values() for o in group]
    single = (found.floor, found.default, found.samples, found.forced, found.text, found.reference)
    more = (found.completed, *found.retained.values(), *found.asides.values())
    drawn += [o for o in (*single, *more) if o]
    return list({o.trial.id: o for o in drawn}.values())


def _unmarked(outcomes: Sequence[Outcome]) -> list[str]:
    """Say how many answers the marker failed on: they count as unreadable, and as no reward."""
    counts = [o.lost for o in outcomes if o.lost is not None]
    answers, shots = sum(lost.answers for lost in counts), sum(lost.shots for lost in counts)
    said = [f"{answers} answers in {len(counts)} trials"] * bool(answers)
    said += [f"{shots} answers to shots, which earned nothing"] * bool(shots)
    if not said:
        return []
    first = counts[0].first or "while a nudge was made"
    what = f"the marker failed on {' and on '.join(said)}"
    return [f"{what}: unreadable, not incorrect; first: {first.partition(chr(10))[0][:120]}"]


def _renewed(outcomes: Sequence[Outcome]) -> list[str]:
    """Say what was marked again from an earlier version's texts, and what that version chose."""
    again = [o.marked_again for o in outcomes if o.marked_again is not None]
    if not again:
        return []
    moved = sum(one.before != one.now for one in again)
    said = (
        f"{len(again)} trials were drawn by an earlier version and marked again, {moved} of them "
        "otherwise; what it chose by its own reading (the floor's style, branches, rewards) stands"
    )
    damage = "; effects elsewhere are as they were marked then" * any(
        one.is_damage_old for one in again
    )
    return [said + damage]


def _is_idle(attributable: Figure | None) -> bool:
    """Say whether a random reward was tried and the true one is not above it."""
    return attributable is not None and attributable.low <= 0


def _reference_doubts(found: Gathered) -> list[str]:
    """Say where the second model is missing, or was not allowed to finish."""
    wanted, outcome = found.subject.reference(), found.reference
    if wanted is None:
        return []
    if outcome is None or outcome.error:
        return [
            f"the reference {wanted.model} could not be scored; the same command tries it again"
        ]
    cut = _truncated(outcome)
    return [f"{percent(cut)} of the reference's answers were cut at the length limit"] * (
        cut > 0.05
    )


def next_steps(found: Gathered, answer: Ability) -> tuple[str, ...]:
    """What it would try next: what would decide, or the next cheaper or smaller thing."""
    if answer.needs:
        return answer.needs
    tried = {arm.method for arm in found.arms}
    for words, methods in _proposals(answer.word).items():
        if not methods & tried:
            return (words,)
    if answer.word == "absent":
        budgets = [arm.n_shots for arm in found.arms if arm.n_shots]
        return (f"{16 * max(budgets)} labels: more than {max(budgets)} may teach it",)
    if answer.word == "learned":
        return (
            "the same tuning of a model without the ability, with 16 times the labels, tells sealed "
            "from taught",
        )
    return ()


def _proposals(word: str) -> dict[str, set[str]]:
    """Return what modicum's own methods propose for an ability, with the methods of each proposal."""
    found: dict[str, set[str]] = {}
    for name, entry in METHODS.entries.items():
        said = entry.stated.get("proposals") if not entry.package else None
        if isinstance(said, Mapping) and word in said:
            found.setdefault(str(said[word]), set()).add(name)
    return found


def _cut_thinking(outcome: Outcome) -> float:
    """Share of the answers whose thinking the length limit cut off."""
    if outcome.thinking is None:
        return 0.0
    return outcome.thinking.cut / max(1, outcome.thinking.answers)


def _truncated(outcome: Outcome) -> float:
    stops = [stop for answer in outcome.answers for stop in answer.stops]
    return sum(stop == "length" for stop in stops) / max(1, len(stops))
