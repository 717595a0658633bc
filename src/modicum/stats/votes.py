"""Counting answers a problem: tallies and the majority of m samples."""

from dataclasses import dataclass

import numpy as np

from modicum.stats.arrays import Bools, Floats, Ints

__all__ = [
    "UNREADABLE",
    "Tally",
    "majority",
    "tally",
    "vote",
    "vote_of_marked",
]

UNREADABLE = -1
"""Answer code of a sample from which no answer could be read; it never votes."""


@dataclass(frozen=True)
class Tally:
    """Distinct readable answers of each problem with their counts, sorted by row and code."""

    rows: Ints
    """Row (problem) of each distinct answer."""
    codes: Ints
    """Code of each distinct answer."""
    counts: Ints
    """How many samples of that row gave it, at least 1."""
    n_rows: int
    """Count of rows, including those without any readable answer."""


def tally(answers: Ints) -> Tally:
    """Count the distinct readable answers of each row.

    Args:
        answers: Answer codes `[problems, samples]`, at least 0, or `UNREADABLE`.
    """
    ordered = np.sort(answers, axis=1)
    n_rows, width = ordered.shape
    starts = np.ones(ordered.shape, dtype=bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    places = np.flatnonzero(starts)
    counts = np.diff(np.append(places, n_rows * width))
    codes = ordered.ravel()[places]
    keep = codes != UNREADABLE
    return Tally((places // width)[keep], codes[keep], counts[keep], n_rows)


def majority(
    answers: Ints,
    gold: Ints,
    *,
    m: int,
    rng: np.random.Generator,
    n_resamples: int = 32,
) -> Floats:
    """Return the chance, for each problem, that the majority of m samples is right.

    There is no unbiased closed form, so subsets of m samples are drawn without replacement and
    averaged; with m = all samples one count suffices. Ties are broken evenly: t answers at the
    top, the gold among them, score 1/t.

    Args:
        answers: Answer codes `[problems, samples]`, `UNREADABLE` where none could be read.
        gold: Gold code of each problem.
        m: Votes, 1 to the number of samples.
        rng: Stream that draws the subsets.
        n_resamples: Subsets drawn a problem.

    Raises:
        ValueError: If m is out of range.
    """
    n_samples = answers.shape[1]
    if not 1 <= m <= n_samples:
        raise ValueError(f"found m = {m}; expected 1 to {n_samples} samples")
    if m == n_samples:
        return vote(answers, gold)
    subsets = (rng.permuted(answers, axis=1)[:, :m] for _ in range(n_resamples))
    found: Floats = np.mean([vote(subset, gold) for subset in subsets], axis=0)
    return found


def vote(answers: Ints, gold: Ints) -> Floats:
    """Return 1/t where the gold is among the t most frequent answers of a row, otherwise 0."""
    votes = tally(answers)
    top = np.zeros(votes.n_rows, dtype=np.int64)
    np.maximum.at(top, votes.rows, votes.counts)
    is_top = votes.counts == top[votes.rows]
    ties = np.bincount(votes.rows[is_top], minlength=votes.n_rows)
    is_won = is_top & (votes.codes == gold[votes.rows])
    won = np.bincount(votes.rows[is_won], minlength=votes.n_rows)
    share: Floats = won.astype(np.float64) / np.maximum(ties, 1)
    return share


def vote_of_marked(answers: Ints, correct: Bools) -> Floats:
    """Return, of the t most frequent answers of a row, the share that is right; 0 without any.

    For problems with several right answers, which vote against each other too: that two thirds of the
    samples are right makes no majority where no two of them agree.

    Args:
        answers: Answer codes `[problems, samples]`, `UNREADABLE` where none could be read.
        correct: Whether each sample is right, the same for equal answers to a problem.

    >>> vote_of_marked(np.array([[1, 2, 3, 3]]), np.array([[True, True, False, False]])).tolist()
    [0.0]
    """
    votes, right = tally(answers), tally(np.where(correct, answers, UNREADABLE))
    top = np.zeros(votes.n_rows, dtype=np.int64)
    np.maximum.at(top, votes.rows, votes.counts)
    ties = np.bincount(votes.rows[votes.counts == top[votes.rows]], minlength=votes.n_rows)
    won = np.bincount(right.rows[right.counts == top[right.rows]], minlength=votes.n_rows)
    share: Floats = won.astype(np.float64) / np.maximum(ties, 1)
    return share
