"""The two nulls of sampling: what luck and what nearness alone would reach.

Both are expectations over the null's draw, computed in closed form, so that they add no
noise of their own.
"""

import numpy as np

from modicum.analysis.evidence import Samples
from modicum.stats import UNREADABLE, Floats, Ints, Tally, pass_curve, pass_table, tally

__all__ = [
    "luck",
    "luck_scores",
    "near_miss",
]


def luck(samples: Samples, ks: tuple[int, ...]) -> Floats:
    """Return pass@k against another problem's gold, `[problems, ks]`.

    The mean over all other problems of the same stratum, equal gold allowed. A problem alone
    in its stratum is compared with all others. Where another problem has several right answers,
    each of them counts.

    Args:
        samples: The sampled answers.
        ks: Tries, each at most the number of samples.
    """
    strata = np.unique(samples.strata, return_inverse=True)[1].astype(np.int64)
    sizes = np.bincount(strata)
    is_alone = sizes[strata] < 2
    expected = _expected_hits(samples, strata, ks)
    if is_alone.any() and samples.gold.size > 1:
        everywhere = _expected_hits(samples, np.zeros_like(strata), ks)
        expected[is_alone] = everywhere[is_alone]
    return expected


def _expected_hits(samples: Samples, strata: Ints, ks: tuple[int, ...]) -> Floats:
    """Averages pass@k over the golds of the other problems of each stratum."""
    votes = tally(samples.answers)
    others = np.maximum(np.bincount(strata)[strata] - 1, 1)
    if samples.accepted is not None:
        rows, hits = _hits_of_pairs(votes, samples.accepted, strata)
        total = _sum_by_row(pass_curve(hits, samples.n_samples, ks), rows, votes.n_rows)
        averaged: Floats = total / others[:, None].astype(np.float64)
        return averaged
    span = int(max(samples.answers.max(initial=0), samples.gold.max(initial=0))) + 1
    golds, counts = np.unique(strata * span + samples.gold, return_counts=True)
    own = samples.gold[votes.rows] == votes.codes
    weight = _look_up(strata[votes.rows] * span + votes.codes, golds, counts) - own
    curve = pass_curve(votes.counts, samples.n_samples, ks) * weight[:, None]
    total = _sum_by_row(curve, votes.rows, votes.n_rows)
    mean: Floats = total / others[:, None].astype(np.float64)
    return mean


def _hits_of_pairs(votes: Tally, accepted: Ints, strata: Ints) -> tuple[Ints, Ints]:
    """Return each problem whose answers another of its stratum takes, once a pair, and how many it takes.

    Args:
        votes: Distinct answers with their counts.
        accepted: Problem and code of each right answer, `[pairs, 2]`.
        strata: Stratum of each problem.
    """
    ordered = accepted[np.argsort(accepted[:, 1], kind="stable")]
    low = np.searchsorted(ordered[:, 1], votes.codes, side="left")
    met = np.searchsorted(ordered[:, 1], votes.codes, side="right") - low
    # Each answer once with every problem that accepts it.
    entry = np.repeat(np.arange(low.size), met)
    within = np.arange(entry.size) - np.repeat(np.cumsum(met) - met, met)
    one, other = votes.rows[entry], ordered[low[entry] + within, 0]
    kept = (one != other) & (strata[one] == strata[other])
    pairs, where = np.unique(one[kept] * votes.n_rows + other[kept], return_inverse=True)
    hits = np.bincount(where, weights=votes.counts[entry[kept]], minlength=pairs.size)
    return pairs // votes.n_rows, hits.astype(np.int64)


def near_miss(samples: Samples, ks: tuple[int, ...], *, is_mode_left_out: bool = False) -> Floats:
    """Return pass@k on half of the samples against a wrong answer of the other half.

    The wrong answer is drawn evenly from the distinct wrong answers of the other half (0 if
    there are none); the expectation over that draw is averaged over four ways to halve: first
    against second half, odd against even samples, and each the other way round.

    Args:
        samples: The sampled answers, at least two a problem.
        ks: Tries, each at most half of the number of samples.
        is_mode_left_out: Whether the most frequent wrong answer is never drawn. This stricter
            null forgets a problem's one standing error, such as copying a start value.
    """
    n = samples.n_samples
    # Correct answers are no misses, whatever their wording, so they leave the count.
    wrong = np.where(samples.correct, UNREADABLE, samples.answers)
    half = n // 2
    halves = [
        (tally(wrong[:, :half]), tally(wrong[:, half : 2 * half])),
        (tally(wrong[:, 0 : 2 * half : 2]), tally(wrong[:, 1 : 2 * half : 2])),
    ]
    ways = halves + [(second, first) for first, second in halves]
    curves = pass_table(half, ks)
    hits = [_hits_of_drawn(seen, other, curves, is_mode_left_out) for seen, other in ways]
    return np.asarray(np.mean(hits, axis=0))


def _hits_of_drawn(source: Tally, target: Tally, curves: Floats, is_mode_left_out: bool) -> Floats:
    """Averages pass@k in one half over the distinct wrong answers of the other."""
    span = int(max(source.codes.max(initial=0), target.codes.max(initial=0))) + 1
    found = _look_up(
        source.rows * span + source.codes, target.rows * span + target.codes, target.counts
    )
    rows = source.rows
    if is_mode_left_out:
        # The last entry of each row once entries are sorted by row, then count.
        order = np.lexsort((source.counts, rows))
        kept = order[:-1][rows[order[:-1]] == rows[order[1:]]]
        rows, found = rows[kept], found[kept]
    curve = curves[found]
    distinct = np.bincount(rows, minlength=source.n_rows)
    mean: Floats = _sum_by_row(curve, rows, source.n_rows) / np.maximum(distinct, 1)[:, None]
    return mean


def _look_up(keys: Ints, sorted_keys: Ints, values: Ints) -> Ints:
    """Return the value that belongs to each key, 0 where the key is not listed."""
    if sorted_keys.size == 0:
        return np.zeros(keys.shape, dtype=np.int64)
    places = np.minimum(np.searchsorted(sorted_keys, keys), sorted_keys.size - 1)
    return np.where(sorted_keys[places] == keys, values[places], 0)


def _sum_by_row(values: Floats, rows: Ints, n_rows: int) -> Floats:
    """Add up values `[entries, ks]` that belong to the same row."""
    columns = [
        np.bincount(rows, weights=values[:, i], minlength=n_rows) for i in range(values.shape[1])
    ]
    return np.stack(columns, axis=1)


def luck_scores(answers: Ints, gold: Ints, strata: Ints) -> Floats:
    """Return, for one answer a problem, how often it equals another problem's gold.

    The luck veto of a rung that gives one answer a problem: pass it as `Control("luck", ...)`.

    Args:
        answers: Answer codes `[problems]` or `[seeds, problems]`; -1 unreadable.
        gold: Gold code of each problem.
        strata: Stratum of each problem, as in `Samples`.

    Returns:
        Expected scores in [0, 1] of the same shape as `answers`.
    """
    rows = [
        luck(
            Samples(answers=row[:, None], gold=gold, correct=(row == gold)[:, None], strata=strata),
            (1,),
        )[:, 0]
        for row in np.atleast_2d(answers)
    ]
    return np.stack(rows).reshape(answers.shape)
