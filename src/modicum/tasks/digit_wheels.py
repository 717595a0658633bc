"""Digit wheels: digits turned modulo ten; never seen by the organism."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.organism.story_task import StoryTask

__all__ = ["DigitWheels"]


@final
@dataclass(frozen=True)
class DigitWheels(StoryTask):
    """The absent ability: not in the training stream at all."""

    family: ClassVar[str] = "digit_wheels"
