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
        advance: What the run is made of; without it trials are counted.
    """
    return NotebookBar(advance) if "ipykernel" in sys.modules else watcher(advance)


@final
class NotebookBar:
    """A bar of answers below the cell, with tokens a second and the time that is left."""

    def __init__(self, advance: Advance | None = None) -> None:
        """Draw nothing yet.

        Args:
            advance: What the run is made of; without it trials are counted.
        """
        self._advance = advance or Advance()
        self._start = self._last = time.monotonic()
        self._total = self._done = 0
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
        self._total, self._done = total, existing
        self._draw()

    def spent(self, tokens: float) -> None:
        """Take the tokens run so far."""
        self._tokens = tokens
        self._advance.spent(tokens)
        self._beat()

    def learns(self, line: str) -> None:
        """Take the last figures of what is being trained."""
        self._line = line
        self._beat()

    def finished(self, outcome: Outcome) -> None:
        """Move the bar; a failed trial is printed, so that it stays."""
        trial = outcome.trial
        self._done += 1
        self._advance.finished(str(trial.id))
        self._label = f"{trial.method} n={trial.n_shots}" if trial.n_shots else trial.method
        if outcome.error:
            first = outcome.error.partition("\n")[0]
            print(f"failed: {self._label}: {first}", file=sys.stderr)  # noqa: T201 - below the cell
        self._beat()

    @property
    def html(self) -> str:
        """The bar as it stands; everything in it is escaped."""
        known, seconds = self._advance, max(time.monotonic() - self._start, 1e-9)
        share = self._done / max(self._total, 1)
        said = [f"{self._done}/{self._total} trials"]
        if known.answers_in_all:
            said.append(f"{known.answers:,}/{known.answers_in_all:,} answers")
            share = known.share if self._done < self._total else 1.0
        said += [f"{self._tokens / seconds:,.0f} tokens/s", known.text(seconds)]
        said += [self._label, self._line]
        bar = element("progress", max="1", value=f"{share:.3g}")
        return str(element("div", bar, " ", " · ".join(filter(None, said))))

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
