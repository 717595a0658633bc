"""What the marker `math_verify` runs in a process of its own: computer algebra may take for ever."""

import logging
from functools import lru_cache
from typing import Any

__all__ = ["equal"]

_NEAR = 1e-6
"""Largest relative difference between a decimal number and what is none, such as a root."""
_ROUNDING = 1e-12
"""The same between values without decimals, whose difference is rounding alone."""
_DIGITS = 30


@lru_cache(maxsize=4096)
def _parsed(latex: str) -> object:
    """Parse a formula as LaTeX; math-verify's plain-text path calls `eval` and is left out."""
    import math_verify  # noqa: PLC0415 - an extra

    logging.disable(logging.WARNING)
    return math_verify.parse(
        f"${latex}$", [math_verify.LatexExtractionConfig()], parsing_timeout=None
    )


def equal(answer: str, gold: str) -> bool:
    """Say whether two formulas are equal; the order matters to math-verify: gold first."""
    import math_verify  # noqa: PLC0415 - an extra
    from math_verify import grader  # noqa: PLC0415

    grader.sympy_numeric_eq = _same_number
    return bool(math_verify.verify(_parsed(gold), _parsed(answer), timeout_seconds=None))


def _same_number(one: Any, other: Any, *_: object) -> bool:  # noqa: ANN401 - sympy is untyped
    """Say whether two values are the same number: exactly where both are rational, else relatively.

    It stands for math-verify's own comparison, which rounds to six places behind the point, so
    that all small numbers were equal.
    """
    from math_verify import grader  # noqa: PLC0415

    if isinstance(one, grader.MatrixBase) or isinstance(other, grader.MatrixBase):
        return getattr(one, "shape", 1) == getattr(other, "shape", 2) and all(
            _same_number(*pair) for pair in zip(one.doit(), other.doit(), strict=True)
        )
    if all(grader.is_atomic_or_pct_atomic(value, grader.Integer) for value in (one, other)):
        return bool(grader.get_pct_val(one, one) == grader.get_pct_val(other, other))
    one, other = grader.safe_sympy_doit(one), grader.safe_sympy_doit(other)
    if isinstance(one, grader.Number) and isinstance(other, grader.Number):
        return bool(_exact(one) == _exact(other))
    return _is_near(one, other)


def _exact(number: Any) -> Any:  # noqa: ANN401
    """A decimal number as the fraction that was written."""
    from math_verify import grader  # noqa: PLC0415

    return grader.Rational(str(number)) if number.is_Float and number.is_finite else number


def _is_near(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Say whether two values without variables differ by rounding alone, however small they are."""
    from math_verify import grader  # noqa: PLC0415

    try:
        values = [complex(value.evalf(_DIGITS)) for value in (one, other)]
        gap = abs(complex((one - other).evalf(_DIGITS)))
    except (TypeError, ValueError, AttributeError, OverflowError):
        return False  # variables in it
    is_decimal = one.has(grader.Float) or other.has(grader.Float)
    return gap <= (_NEAR if is_decimal else _ROUNDING) * max(map(abs, values))
