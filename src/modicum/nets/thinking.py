"""How long a net thinks before it says what comes next."""

from dataclasses import dataclass

from modicum.errors import ConfigError

__all__ = ["Thinking", "need_no_thinking"]


@dataclass(frozen=True)
class Thinking:
    """Inner steps and candidates of each answer."""

    steps: int = 0
    """Inner steps; 0 takes as many as the net was trained with."""
    candidates: int = 1
    """Answers that are thought through, of which the net takes the one that it holds best; at least 1."""

    def __post_init__(self) -> None:
        """Refuse what no net can do.

        Raises:
            ConfigError: fewer steps than 0, or no candidate.
        """
        if self.steps < 0 or self.candidates < 1:
            raise ConfigError(
                f"thinking of {self.steps} steps, {self.candidates} candidates",
                "0 steps or more, 1 candidate or more",
                "correct the numbers",
            )


def need_no_thinking(thinking: Thinking, kind: str) -> None:
    """Refuse more than one step or candidate of a net that answers at once.

    Args:
        thinking: What is asked.
        kind: The net, for the message.

    Raises:
        ConfigError: it is more.
    """
    if thinking.steps > 1 or thinking.candidates > 1:
        raise ConfigError(
            f"{thinking.steps} inner steps, {thinking.candidates} candidates of {kind}, which has none",
            "1 step and 1 candidate",
            "leave thinking out, or ask a net that has inner steps",
        )
