"""What trajectories would have answered had they ended after each of their steps."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modicum.nets.grid import Ids
from modicum.puzzles.puzzle import Puzzle

__all__ = ["TracedAnswers"]


@dataclass(frozen=True, eq=False)
class TracedAnswers:
    """What trajectories would have answered after each step, `[boards, width, depth]`."""

    which: np.ndarray
    """Number of the answer's text among those of its board."""
    valid: np.ndarray
    """Whether the answer is valid."""

    @classmethod
    def read(cls, puzzle: Puzzle, questions: Sequence[Ids], traced: np.ndarray) -> "TracedAnswers":
        """Read the ids `[boards, width, depth, length]`; an answer that is given again is read once."""
        which = np.zeros(traced.shape[:3], np.int64)
        valid = np.zeros(traced.shape[:3], np.bool_)
        for i, question in enumerate(questions):
            rows, back = np.unique(
                traced[i].reshape(-1, traced.shape[-1]), axis=0, return_inverse=True
            )
            texts = [puzzle.decode(question, row) for row in rows.tolist()]
            numbers = np.unique(texts, return_inverse=True)[1]
            right = np.array([puzzle.is_valid(question, row) for row in rows.tolist()])
            which[i] = numbers[back].reshape(which[i].shape)
            valid[i] = right[back].reshape(valid[i].shape)
        return cls(which, valid)

    def ended(self, last: np.ndarray) -> tuple[float, float]:
        """Return the shares of valid single samples and votes where trajectories end at these steps."""
        which, valid = (
            np.take_along_axis(part, last[..., None], -1)[..., 0]
            for part in (self.which, self.valid)
        )
        votes = []
        for said, right in zip(which.tolist(), valid, strict=True):
            commonest = Counter(said).most_common(1)[0][0]
            votes.append(right[said.index(commonest)])
        return float(valid.mean()), float(np.mean(votes))
