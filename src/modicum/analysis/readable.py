"""How many answers could be read before and after a nudge, and what that makes of its gain."""

from modicum.analysis.evidence import Evidence, RungEvidence
from modicum.analysis.readings import RungReading

__all__ = ["gain_kind", "unreadable"]


def gain_kind(reading: RungReading) -> str:
    """Say `format` where a gain is within what more readable answers explain, else `accuracy`."""
    return "format" if reading.is_format else "accuracy"


def unreadable(evidence: Evidence, rung: RungEvidence) -> tuple[float, float] | None:
    """Return the shares of unreadable answers before and after a rung; None where not known."""
    before = evidence.default_unread if rung.is_prompt else evidence.floor_unread
    if before is None or rung.unread is None:
        return None
    return float(before.mean()), float(rung.unread.mean())
