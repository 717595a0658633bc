"""Shows how a run gets on: live on a terminal, one line now and then otherwise."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from modicum.store.database import Outcome

__all__ = ["Heartbeat", "Live", "Steps", "waiting", "watcher"]

PATIENCE_S = 2.0
"""Seconds of silence before one line says what is waited for."""
BEAT_S = 10.0
"""Seconds between two lines where there is no terminal."""


def watcher() -> "Live | Heartbeat":
    """Return the watcher that fits standard error."""
    return Live() if sys.stderr.isatty() else Heartbeat()


def _label(outcome: Outcome) -> str:
    trial = outcome.trial
    control = f" ({trial.control})" if trial.control else ""
    shots = f" n={trial.n_shots}" if trial.n_shots else ""
    return f"{trial.method}{shots}{control} on {trial.model}, {trial.task}"


class Steps:
    """Shows a few steps: a bar on a terminal; else a line after two seconds and every ten."""

    def __init__(self, total: int) -> None:
        """Prepare the bar.

        Args:
            total: Steps in all.
        """
        self._is_live = sys.stderr.isatty()
        self._total, self._done, self._what = total, -1, ""
        self._start = self._last = time.monotonic()
        self._timer = threading.Timer(PATIENCE_S, self._say_once)
        self._timer.daemon = True
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not self._is_live,
        )
        self._bar = self._progress.add_task("", total=total)

    def __enter__(self) -> "Steps":
        """Show the bar; without a terminal a first line comes after two seconds."""
        self._progress.start()
        if not self._is_live:
            self._timer.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Remove the bar."""
        self._timer.cancel()
        self._progress.stop()

    def _say_once(self) -> None:
        click.echo(f"{self._what} …", err=True)

    def begin(self, what: str) -> None:
        """Say which step begins."""
        self._done, self._what = self._done + 1, what
        self._progress.update(self._bar, completed=self._done, description=what[:60])

    def beat(self, tokens: float) -> None:
        """Take the tokens run so far in this step."""
        now = time.monotonic()
        if not self._is_live and now - self._last >= BEAT_S:
            self._last = now
            click.echo(
                f"{now - self._start:6.0f} s  {self._done}/{self._total}  "
                f"{tokens / 1000:,.0f}k tokens  {self._what}",
                err=True,
            )


class Heartbeat:
    """Prints a line every ten seconds and one for each failed trial."""

    def __init__(self) -> None:
        """Start the clock."""
        self._start = self._last = time.monotonic()
        self._total = self._done = self._existing = 0
        self._tokens = 0.0
        self._line = self._shown = ""

    def __enter__(self) -> "Heartbeat":
        """Return itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Have nothing to close."""

    def started(self, total: int, existing: int) -> None:
        """Remember the size of the run."""
        self._total, self._done, self._existing = total, existing, existing

    def spent(self, tokens: float) -> None:
        """Take the tokens run so far."""
        self._tokens = tokens
        self._beat("")

    def learns(self, line: str) -> None:
        """Take the last figures of what is being trained, for the next line."""
        self._line = line

    def finished(self, outcome: Outcome) -> None:
        """Count a trial; says at once when it failed."""
        self._done += 1
        if outcome.error:
            first = outcome.error.partition("\n")[0]
            click.echo(f"failed: {_label(outcome)}: {first}", err=True)
        self._beat(_label(outcome))

    def _beat(self, what: str) -> None:
        now = time.monotonic()
        if now - self._last >= BEAT_S:
            self._last = now
            click.echo(
                f"{now - self._start:6.0f} s  {self._done}/{self._total} trials  "
                f"{self._tokens / 1000:,.0f}k tokens  {self._left(now)}{what}",
                err=True,
            )
            if self._line != self._shown:
                self._shown = self._line
                click.echo(f"          {self._line}", err=True)

    def _left(self, now: float) -> str:
        """The time left, from the trials done so far."""
        done = self._done - self._existing
        if not done:
            return ""
        left = (now - self._start) / done * (self._total - self._done)
        return f"about {left / 60:.0f} min left  "


class _AboveLine(Progress):
    """A bar above a line that says how training gets on."""

    line = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bar, and the line where there is one."""
        yield from super().get_renderables()
        if self.line:
            yield Text(self.line, no_wrap=True, overflow="ellipsis")


class Live:
    """A bar with trials, tokens a second and the time left, on a terminal."""

    def __init__(self) -> None:
        """Prepare the bar."""
        self._progress = _AboveLine(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} trials"),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar = self._progress.add_task("", total=None, speed="")
        self._start = time.monotonic()

    def __enter__(self) -> "Live":
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        self._progress.stop()

    def started(self, total: int, existing: int) -> None:
        """Set the size of the run."""
        self._progress.update(self._bar, total=total, completed=existing)

    def spent(self, tokens: float) -> None:
        """Shows tokens a second."""
        rate = tokens / max(time.monotonic() - self._start, 1e-9)
        self._progress.update(self._bar, speed=f"{rate:,.0f} tok/s")

    def learns(self, line: str) -> None:
        """Show the last figures of what is being trained, in a line of their own."""
        self._progress.line = line

    def finished(self, outcome: Outcome) -> None:
        """Move the bar; a failed trial stays on the screen."""
        self._progress.update(self._bar, advance=1, description=_label(outcome)[:48])
        if outcome.error:
            first = outcome.error.partition("\n")[0]
            self._progress.console.print(f"failed: {_label(outcome)}: {first}", markup=False)


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what is waited for on standard error: at once on a terminal, after two seconds else."""
    if sys.stderr.isatty():
        with Console(stderr=True).status(f"{what} …"):
            yield
        return
    timer = threading.Timer(PATIENCE_S, click.echo, (f"{what} …",), {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
