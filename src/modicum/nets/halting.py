"""How sure a net must be to end a trajectory, and what ending it costs; known without the weights."""

from dataclasses import dataclass

from modicum.errors import ConfigError

__all__ = ["Halting"]


@dataclass(frozen=True)
class Halting:
    """A threshold with the figures that it was chosen by, on boards that the net did not learn from.

    The figures stand for the threshold among a few that suited these boards: on others expect a little less.
    """

    sure: float
    """Probability of the halt head above which a trajectory ends, in (0, 1]; 1 never ends one."""
    depth: int
    """Supervision steps of a trajectory at most, at least 1."""
    boards: int
    samples: int
    """Trajectories of each; 1 where all are the same."""
    one: float
    """Share of single samples that are valid, in [0, 1]."""
    one_at_full_depth: float
    """The same where every trajectory takes all steps."""
    vote: float
    """Share of boards on which the commonest answer is valid, in [0, 1]."""
    vote_at_full_depth: float
    """The same where every trajectory takes all steps."""
    steps: float
    """Mean supervision steps of a trajectory that ends by the threshold."""

    def __post_init__(self) -> None:
        """Refuse a threshold that is no probability.

        Raises:
            ConfigError: it is none.
        """
        if not 0 < self.sure <= 1:
            raise ConfigError(
                f"sure = {self.sure} of a net that halts",
                "a number above 0, at most 1",
                "set sure to one",
            )

    @property
    def is_ever(self) -> bool:
        """Whether any trajectory ends early."""
        return self.sure < 1
