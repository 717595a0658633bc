"""Any model with a prompt that travels with it: everything else is the inner one's."""

from dataclasses import replace
from typing import final

from modicum.model import Model, ModelCard, Passed
from modicum.types import Style

__all__ = ["Carried"]


@final
class Carried(Passed):
    """A model whose weights are out of reach, with an exported prompt."""

    def __init__(self, inner: Model, name: str, style: Style) -> None:
        """Wrap a model.

        Args:
            inner: What answers.
            name: Name as the user gave it.
            style: The prompt.
        """
        super().__init__(inner)
        self._name, self.style = name, style

    @property
    def card(self) -> ModelCard:
        """The inner model's, under this name."""
        return replace(self._inner.card, name=self._name)
