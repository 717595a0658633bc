"""How far a run is: in answers and tokens of its forecast, and the time that is left."""

import math
from collections.abc import Callable, Mapping

from modicum.doctor.costs import duration
from modicum.running.spending import TrialShare

__all__ = ["Advance"]

_TELLING = 0.03
"""Share of the work from which its own pace tells the time left better than the forecast."""


class Advance:
    """What has been done of a run, counted in the work of its trials, which differ a hundredfold."""

    def __init__(
        self,
        shares: Mapping[str, TrialShare] | None = None,
        seconds: float | None = None,
        most_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """Begin at nothing.

        Args:
            shares: The missing trials by id; none where nothing is known.
            seconds: The forecast, or None.
            most_s: Gives the seconds that the budget has left.
        """
        self._left = dict(shares or {})
        self._forecast, self._most = seconds, most_s
        self.answers_in_all = sum(share.answers for share in self._left.values())
        self._work = sum(share.seconds for share in self._left.values())
        self._done = 0.0
        self._answers = 0
        self._tokens = self._before = 0.0

    def finished(self, trial: str) -> None:
        """Count a trial that has ended."""
        share = self._left.pop(trial, None)
        if share is not None:
            self._done += share.seconds
            self._answers += share.answers
        self._before = self._tokens

    def spent(self, tokens: float) -> None:
        """Take the tokens run so far, prompts included."""
        self._tokens = tokens

    @property
    def share(self) -> float:
        """Share of the work that is done, in [0, 1]; what is in flight counts by its tokens."""
        if not self._work:
            return 0.0
        left = sum(share.seconds for share in self._left.values())
        return min((self._done + self._flying() * left) / self._work, 1.0)

    @property
    def answers(self) -> int:
        """Answers so far; of trials in flight those that their tokens make."""
        left = sum(share.answers for share in self._left.values())
        return self._answers + int(self._flying() * left)

    def left_s(self, elapsed: float) -> float | None:
        """Return the seconds that are left, never more than the budget has; None where unknown.

        Args:
            elapsed: Seconds since the run began.
        """
        share = self.share
        if share >= _TELLING:
            left = elapsed * (1.0 - share) / share
        elif self._forecast is not None:
            left = max(self._forecast - elapsed, 0.0)
        else:
            left = math.inf
        left = min(left, max(self._most(), 0.0))
        return left if math.isfinite(left) else None

    def text(self, elapsed: float) -> str:
        """Return the time left in words; empty where it is not known."""
        left = self.left_s(elapsed)
        return "" if left is None else f"about {duration(left)} left"

    def _flying(self) -> float:
        """Return the share of what is left that the tokens since the last trial make."""
        wanted = sum(share.tokens for share in self._left.values())
        return min((self._tokens - self._before) / wanted, 0.95) if wanted else 0.0
