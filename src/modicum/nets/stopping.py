"""When an energy net stops thinking, and what stopping costs; known without the weights."""

from dataclasses import dataclass

from modicum.errors import ConfigError

__all__ = ["Stopping"]


@dataclass(frozen=True)
class Stopping:
    """A tolerance with the figures that it was chosen by, on boards that the net did not learn from."""

    tolerance: float
    """A candidate ends as soon as a step changes no id of its answer and the one before lowered its energy
    by no more than this, at least 0."""
    steps: int
    """Steps of a candidate at most, at least 1."""
    boards: int
    valid: float
    """Share of boards that are valid where candidates end by the tolerance, in [0, 1]."""
    valid_at_full_length: float
    """The same where every candidate takes all steps."""
    evaluations: float
    """Mean evaluations of the energy of a candidate that ends by the tolerance: one a step."""

    def __post_init__(self) -> None:
        """Refuse a tolerance that is none.

        Raises:
            ConfigError: below 0, or not finite.
        """
        if not 0 <= self.tolerance < float("inf"):
            raise ConfigError(
                f"tolerance = {self.tolerance} of an energy net", "a number from 0 on", "such as 0"
            )
