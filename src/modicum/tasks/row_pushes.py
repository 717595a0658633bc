"""Row pushes: letters pushed at the front or back of a row; latent in the organism."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.organism.story_task import StoryTask

__all__ = ["RowPushes"]


@final
@dataclass(frozen=True)
class RowPushes(StoryTask):
    """Four letters, three pushes; the worked form is hidden by default."""

    family: ClassVar[str] = "row_pushes"
