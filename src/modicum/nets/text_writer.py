"""The contract of what writes on: it reads ids, and says what comes next."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["TextWriter"]


class TextWriter(ABC):
    """Reads rows of ids one after another and keeps of them what the next ones need."""

    @abstractmethod
    def read(self, ids: Int[Tensor, "rows further"]) -> Float[Tensor, "rows vocabulary"]:
        """Return the logits of what follows, given all ids so far.

        Args:
            ids: First any number a row, at least one; then a single one a row.

        Raises:
            ConfigError: more ids than the net sees.
        """

    @abstractmethod
    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Go on with some rows alone, in that order."""
