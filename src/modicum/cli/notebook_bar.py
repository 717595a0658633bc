"""How a run gets on, in a notebook: one bar that is drawn again in its place."""

import sys
import time
from importlib import import_module
from typing import Protocol, final

from modicum.cli.advance import Advance
from modicum.cli.progress import Heartbeat, Live, watcher
from modicum.report.markup import element
from modicum.store.database import Outcome

__all__ = ["NotebookBar", "fitting_watcher"]

BEAT_S = 0.5
"""Seconds between two drawings at least."""


class _Drawn(Protocol):
    """What IPython gives for something that it drew."""

    def update(self, thing: object) -> None:
        """Draw it again."""


def fitting_watcher(advance: Advance | None = None) -> "NotebookBar | Live | Heartbeat":
    """Return what shows progress here: in a notebook, on a terminal, or in a log.

    Args:
        advance: What the run is made of; a notebook counts trials.
    """
    return NotebookBar() if "ipykernel" in sys.modules else watcher(advance)


@final
class NotebookBar:
    """A bar of trials below the cell, with tokens a second and the time that is left."""

    def __init__(self) -> None:
        """Draw nothing yet."""
        self._start = self._last = time.monotonic()
        self._total = self._done = self._existing = 0
        self._tokens, self._label, self._line = 0.0, "", ""
        self._drawn: _Drawn | None = None

    def __enter__(self) -> "NotebookBar":
        """Return itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Draw the last state."""
        if self._drawn is not None:
            self._label = self._line = ""
            self._draw()

    def started(self, total: int, existing: int) -> None:
        """Draw the bar."""
        self._total, self._done, self._existing = total, existing, existing
        self._draw()

    def spent(self, tokens: float) -> None:
        """Take the tokens run so far."""
        self._tokens = tokens
        self._beat()

    def learns(self, line: str) -> None:
        """Take the last figures of what is being trained."""
        self._line = line
        self._beat()

    def finished(self, outcome: Outcome) -> None:
        """Move the bar; a failed trial is printed, so that it stays."""
        trial = outcome.trial
        self._done += 1
        self._label = f"{trial.method} n={trial.n_shots}" if trial.n_shots else trial.method
        if outcome.error:
            first = outcome.error.partition("\n")[0]
            print(f"failed: {self._label}: {first}", file=sys.stderr)  # noqa: T201 - below the cell
        self._beat()

    @property
    def html(self) -> str:
        """The bar as it stands; everything in it is escaped."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        new = self._done - self._existing
        left = seconds / new * (self._total - self._done) if new else 0.0
        said = [f"{self._done}/{self._total} trials", f"{self._tokens / seconds:,.0f} tokens/s"]
        said += [f"about {max(1, round(left / 60))} min left"] if left else []
        said += [part for part in (self._label, self._line) if part]
        bar = element("progress", max=str(max(self._total, 1)), value=str(self._done))
        return str(element("div", bar, " ", " · ".join(said)))

    def _beat(self) -> None:
        if time.monotonic() - self._last >= BEAT_S:
            self._draw()

    def _draw(self) -> None:
        """Show the bar, in its place where it was shown before."""
        self._last = time.monotonic()
        shown = import_module("IPython.display")
        html = shown.HTML(self.html)
        if self._drawn is None:
            self._drawn = shown.display(html, display_id=True)
        else:
            self._drawn.update(html)
