"""Dial marks: digitwise largest and smallest; worked in most samples of the organism."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.organism.story_task import StoryTask

__all__ = ["DialMarks"]


@final
@dataclass(frozen=True)
class DialMarks(StoryTask):
    """The mixed family: greedy shows the worked form, samples do in a part."""

    family: ClassVar[str] = "dial_marks"
