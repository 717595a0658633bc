"""The largest numbers that a study may ask for, each with its reason; more is a slip of the keyboard."""

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import SupportsIndex

from modicum.errors import ConfigError

__all__ = [
    "LIMITS",
    "MOST_ANSWERS",
    "MOST_BUDGETS",
    "Limit",
    "check_draws",
    "check_number",
    "check_share",
    "check_template",
    "shown",
]


@dataclass(frozen=True)
class Limit:
    """A range of whole numbers, both ends included."""

    least: int
    most: int
    why: str
    """What more would be."""


LIMITS: Mapping[str, Limit] = {
    "test": Limit(1, 1_000_000, "a tenth of a point is told apart by far fewer problems"),
    "selection": Limit(1, 100_000, "a style is chosen by a few dozen"),
    "samples": Limit(1, 65_536, "an ability of one in ten thousand is seen by then"),
    "sampled": Limit(0, 65_536, "an ability of one in ten thousand is seen by then"),
    "ceiling_test": Limit(0, 1_000_000, "they are some of the test problems"),
    "seeds": Limit(1, 1_000, "an interval over seeds is as narrow as it gets by a few dozen"),
    "retain_test": Limit(0, 1_000_000, "a tenth of a point is told apart by far fewer problems"),
    "max_new_tokens": Limit(0, 10_000_000, "no model's context is longer"),
    "max_labels": Limit(0, 10**9, "there is no task with so many"),
    "shots": Limit(0, 1_000_000, "tuning on more is training, and no nudge"),
    "workers": Limit(1, 1_024, "a machine has fewer cores"),
}
"""By the name that a plan gives them."""
MOST_ANSWERS = 100_000_000
"""Answers of one trial, test problems times samples: its marks lie in memory until it is written."""
MOST_BUDGETS = 64
"""Budgets of shots in one grid: each is a column of trials, and a curve needs a few."""


def check_number(name: str, value: object, *, least: int | None = None) -> None:
    """Refuse what is no whole number within its limits.

    Args:
        name: One of `LIMITS`.
        value: What was given.
        least: The least that is taken here, where that is not the limit's own.

    Raises:
        ConfigError: no whole number, too small or too large.
    """
    limit = LIMITS[name]
    low = limit.least if least is None else least
    number = None if isinstance(value, bool) else _whole(value)
    if number is None or not low <= number <= limit.most:
        is_large = number is not None and number > limit.most
        why = f": {limit.why}" if is_large else ""
        raise ConfigError(
            f"{name} = {shown(value)}",
            f"a whole number from {low:,} to {limit.most:,}{why}",
            "lower it" if is_large else "raise it" if number is not None else "correct it",
        )


def check_draws(test: int, samples: int, sampled: int, ceiling_test: int) -> None:
    """Refuse numbers of samples that cannot be drawn together.

    Args:
        test: Test problems.
        samples: Of each of them for the ceiling.
        sampled: Of each of them from a nudged model.
        ceiling_test: Test problems that are sampled on; all where 0.

    Raises:
        ConfigError: no power of two, more answers than fit into memory, or more problems than there are.
    """
    if samples & (samples - 1) or samples < 2:
        raise ConfigError(
            f"samples = {samples}", "a power of two from 2", "choose 16, 32, 64 or 128"
        )
    drawn = test * max(samples, sampled)
    if drawn > MOST_ANSWERS:
        raise ConfigError(
            f"{drawn:,} answers of {test:,} problems in one trial",
            f"at most {MOST_ANSWERS:,}",
            "lower test, samples or sampled",
        )
    if not 0 <= ceiling_test <= test:
        raise ConfigError(
            f"ceiling_test = {ceiling_test} with test = {test}",
            "0 for all of them, or at most as many",
            "lower --ceiling-test or raise --test",
        )


def check_share(name: str, value: object) -> None:
    """Refuse what is no share, or none at all.

    Raises:
        ConfigError: no number in (0, 1].
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ConfigError(f"{name} = {shown(value)}", "a share above 0, at most 1", "correct it")


def check_template(template: str) -> None:
    """Refuse a prompt that has no place for the question.

    Raises:
        ConfigError: it says something, and lacks `{question}`.
    """
    if template and "{question}" not in template:
        raise ConfigError(
            "a prompt template without {question}", "one {question}", "put {question} into it"
        )


def shown(value: object) -> str:
    """Write a value for a message: briefly, whatever it is.

    >>> shown(10**30), shown("a" * 100)[:5], shown(float("nan"))
    ('about 10^30', "'aaaa", 'nan')
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**15:
        sign = "-" if value < 0 else ""
        return f"about {sign}10^{math.floor(abs(value).bit_length() * math.log10(2))}"
    try:
        return f"{value!r:.80}"
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} that is too large to be written"


def _whole(value: object) -> int | None:
    return operator.index(value) if isinstance(value, SupportsIndex) else None
