"""What says itself in print and in a notebook, in words that a floor above lays out."""

from abc import ABC, abstractmethod
from typing import Protocol

__all__ = ["Layout", "Shown", "lay_out"]


class Layout(Protocol):
    """Writes what is shown; the command line's own."""

    def text(self, shown: "Shown") -> str:
        """Return it as plain text for a terminal."""

    def html(self, shown: "Shown") -> str:
        """Return it as one piece of HTML that needs nothing else."""


_LAYOUTS: list[Layout] = []


def lay_out(layout: Layout) -> None:
    """Let a layout write what is shown from here on."""
    _LAYOUTS[:] = [layout]


class Shown(ABC):
    """Says itself at length where a layout is loaded, as with `import modicum`; else in a line."""

    @property
    @abstractmethod
    def brief(self) -> str:
        """It in one line."""

    def __repr__(self) -> str:
        """Return the one line in angle brackets."""
        return f"<{type(self).__name__} {self.brief}>"

    def __str__(self) -> str:
        """Return what the terminal shows."""
        return _LAYOUTS[-1].text(self) if _LAYOUTS else self.brief

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows; None leaves it to the one line."""
        return _LAYOUTS[-1].html(self) if _LAYOUTS else None
