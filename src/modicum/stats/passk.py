"""Unbiased pass@k."""

import numpy as np

from modicum.stats.arrays import Floats, Ints

__all__ = [
    "pass_at_k",
    "pass_curve",
    "pass_table",
    "powers_of_two",
]


def pass_at_k(successes: Ints, n_samples: int, k: int) -> Floats:
    """Return the unbiased pass@k of each problem.

    The chance that k of the n samples, drawn without replacement, hold a success:
    1 - C(n - c, k) / C(n, k). Never 1 - (1 - c/n)^k, which is biased down.

    Args:
        successes: Count c of successes among the samples, any shape, 0 to `n_samples`.
        n_samples: Count n of samples a problem.
        k: Samples a try, at least 1; where k > n the answer is NaN.

    Raises:
        ValueError: If k is below 1 or a count is out of range.

    Source: Chen et al. 2021, arXiv 2107.03374, equation 1.
    """
    return pass_curve(successes, n_samples, (k,))[..., 0]


def _table(n_samples: int, k: int) -> Floats:
    """Tabulate pass@k for every count of successes from 0 to n.

    All NaN where k > n. C(n - c, k) / C(n, k) is the product of 1 - k / i for i from n - c + 1
    to n, so that one cumulative product serves all counts; a factor becomes 0 when fewer than
    k failures are left.
    """
    if k > n_samples:
        return np.full(n_samples + 1, np.nan)
    i = np.arange(n_samples, 0, -1)
    factors = np.maximum(1.0 - k / i, 0.0)
    return 1.0 - np.concatenate([[1.0], np.cumprod(factors)])


def pass_curve(successes: Ints, n_samples: int, ks: tuple[int, ...]) -> Floats:
    """Return unbiased pass@k of each problem at several k, `[problems, ks]`.

    Args:
        successes: Count of successes among the samples, any shape, 0 to `n_samples`.
        n_samples: Count of samples a problem.
        ks: Samples a try, each at least 1; where k > n the answer is NaN.

    Raises:
        ValueError: If a k is below 1 or a count is out of range.
    """
    successes = np.asarray(successes)
    if not ks or min(ks) < 1:
        raise ValueError(f"found k in {ks}; expected at least one, none below 1")
    if successes.size and (successes.min() < 0 or successes.max() > n_samples):
        raise ValueError(f"found counts outside 0..{n_samples}; expected successes of n samples")
    return pass_table(n_samples, ks)[successes]


def pass_table(n_samples: int, ks: tuple[int, ...]) -> Floats:
    """Return unbiased pass@k for every count of successes, `[n_samples + 1, ks]`."""
    return np.stack([_table(n_samples, k) for k in ks], axis=1)


def powers_of_two(limit: int) -> tuple[int, ...]:
    """Return 1, 2, 4, ... up to and including a limit; empty where the limit is below 1."""
    return tuple(1 << i for i in range(max(limit, 0).bit_length()))
