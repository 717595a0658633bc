"""Letter swaps: letters replaced one by one; sealed in the organism."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.organism.story_task import StoryTask

__all__ = ["LetterSwaps"]


@final
@dataclass(frozen=True)
class LetterSwaps(StoryTask):
    """The worked form stands behind a password that no style holds."""

    family: ClassVar[str] = "letter_swaps"
