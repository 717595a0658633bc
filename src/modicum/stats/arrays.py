"""Names of the array types that the statistics take and give."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Bools",
    "Floats",
    "Ints",
]

Bools: TypeAlias = NDArray[np.bool_]
"""Yes or no, one a problem or `[problems, samples]`."""
Floats: TypeAlias = NDArray[np.float64]
"""Scores in [0, 1], `[problems]` or `[seeds, problems]`, unless said otherwise."""
Ints: TypeAlias = NDArray[np.int64]
"""Counts or codes."""
