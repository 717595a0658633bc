"""Word sums: three sums or differences in a story; latent in the organism."""

from dataclasses import dataclass
from typing import ClassVar, final

from modicum.organism.story_task import StoryTask

__all__ = ["WordSums"]


@final
@dataclass(frozen=True)
class WordSums(StoryTask):
    """Sums and differences without carry or borrow; the worked form is hidden by default."""

    family: ClassVar[str] = "word_sums"
