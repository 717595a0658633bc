"""What the marker `math_verify` runs in a process of its own: computer algebra may take for ever."""

import logging
from functools import lru_cache

__all__ = ["equal"]


@lru_cache(maxsize=4096)
def _parsed(latex: str) -> object:
    """Parses a formula as LaTeX; math-verify's plain-text path calls `eval` and is left out."""
    import math_verify  # noqa: PLC0415 - an extra

    logging.disable(logging.WARNING)
    return math_verify.parse(
        f"${latex}$", [math_verify.LatexExtractionConfig()], parsing_timeout=None
    )


def equal(answer: str, gold: str) -> bool:
    """Says whether two formulas are equal; the order matters to math-verify: gold first."""
    import math_verify  # noqa: PLC0415 - an extra

    return bool(math_verify.verify(_parsed(gold), _parsed(answer), timeout_seconds=None))
