"""Line moves: four letters flipped, rolled, swapped; always answered well by the organism."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.organism.story_task import StoryTask

__all__ = ["LineMoves"]


@final
@dataclass(frozen=True)
class LineMoves(StoryTask):
    """The visible family: what a nudge must not damage."""

    family: ClassVar[str] = "line_moves"
