"""Shows how a run gets on: live on a terminal, one line now and then otherwise."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from modicum.analysis.printed import control_name
from modicum.cli.advance import Advance
from modicum.doctor.costs import duration
from modicum.loading.telling import told
from modicum.store.database import Outcome

__all__ = ["Heartbeat", "Live", "Steps", "waiting", "watcher"]

PATIENCE_S = 2.0
"""Seconds of silence before one line says what is waited for."""
BEAT_S = 10.0
"""Seconds between two lines where there is no terminal."""


def watcher(advance: Advance | None = None) -> "Live | Heartbeat":
    """Return the watcher that fits standard error.

    Args:
        advance: What the run is made of; without it trials are counted.
    """
    return Live(advance) if sys.stderr.isatty() else Heartbeat(advance)


def _label(outcome: Outcome) -> str:
    trial = outcome.trial
    control = f" ({control_name(trial.control)})" if trial.control else ""
    shots = f" n={trial.n_shots}" if trial.n_shots else ""
    return f"{trial.method}{shots}{control} on {trial.model}, {trial.task}"


class Steps:
    """Shows a few steps: a bar on a terminal; else a line after two seconds and every ten."""

    def __init__(self, total: int, unit: str = "") -> None:
        """Prepare the bar.

        Args:
            total: Steps in all.
            unit: What is counted.
        """
        self._unit = f" {unit}" if unit else ""
        self._is_live = sys.stderr.isatty()
        self._total, self._done, self._what = total, -1, ""
        self._start = self._last = time.monotonic()
        self._first: tuple[int, float] | None = None  # done, and when, as steps began to be counted
        self._timer = threading.Timer(PATIENCE_S, self._say_once)
        self._timer.daemon = True
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn(f"{{task.completed}}/{{task.total}}{self._unit}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
            transient=True,
            disable=not self._is_live,
        )
        self._bar = self._progress.add_task("", total=total, left="")
        self._told = contextlib.ExitStack()

    def __enter__(self) -> "Steps":
        """Show the bar; without a terminal a first line comes after two seconds."""
        self._progress.start()
        if not self._is_live:
            self._timer.start()
        self._told.enter_context(told(self._note))
        return self

    def __exit__(self, *exc: object) -> None:
        """Remove the bar."""
        self._told.close()
        self._timer.cancel()
        self._progress.stop()

    @property
    def done(self) -> int:
        """Steps that are done; -1 before the first begins."""
        return self._done

    def _say_once(self) -> None:
        click.echo(f"{self._what} …", err=True)

    def _note(self, what: str) -> None:
        """Say what the step is at; without a terminal at once, for it takes long."""
        self._what = what
        self._progress.update(self._bar, description=what[:48])
        if not self._is_live:
            self._timer.cancel()
            self._say_once()

    def begin(self, what: str) -> None:
        """Say which step begins."""
        self._done, self._what = self._done + 1, what
        self._progress.update(self._bar, completed=self._done, description=what[:48])

    def at(self, done: int, what: str) -> None:
        """Say how many steps are done, never more than there are, and what is under way.

        The time left goes by the pace since the first that was said to be done.
        """
        self._done, self._what = min(done, self._total), what
        if self._first is None and done > 0:
            self._first = (self._done, time.monotonic())
        left = self._left()
        self._progress.update(self._bar, completed=self._done, description=what[:48], left=left)

    def _left(self) -> str:
        """Return the time left in words; empty where there is no pace yet."""
        if self._first is None or not self._first[0] < self._done < self._total:
            return ""
        pace = (time.monotonic() - self._first[1]) / (self._done - self._first[0])
        return f"about {duration(pace * (self._total - self._done))} left"

    def beat(self, tokens: float) -> None:
        """Take the tokens run so far in this step."""
        now = time.monotonic()
        if not self._is_live and now - self._last >= BEAT_S:
            self._last = now
            left = self._left()
            click.echo(
                f"{now - self._start:6.0f} s  {self._done}/{self._total}{self._unit}  "
                f"{tokens / 1000:,.0f}k tokens  {f'{left}  ' if left else ''}{self._what}",
                err=True,
            )


class Heartbeat:
    """Prints a line every ten seconds and one for each failed trial."""

    def __init__(self, advance: Advance | None = None) -> None:
        """Start the clock."""
        self._advance = advance or Advance()
        self._start = self._last = time.monotonic()
        self._total = self._done = 0
        self._tokens = 0.0
        self._line = self._shown = ""

    def __enter__(self) -> "Heartbeat":
        """Return itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Have nothing to close."""

    def started(self, total: int, existing: int) -> None:
        """Remember the size of the run."""
        self._total, self._done = total, existing

    def spent(self, tokens: float) -> None:
        """Take the tokens run so far."""
        self._tokens = tokens
        self._advance.spent(tokens)
        self._beat("")

    def learns(self, line: str) -> None:
        """Take what is under way, for the next line."""
        self._line = line

    def finished(self, outcome: Outcome) -> None:
        """Count a trial; says at once when it failed."""
        self._done += 1
        self._advance.finished(str(outcome.trial.id))
        if outcome.error:
            first = outcome.error.partition("\n")[0]
            click.echo(f"failed: {_label(outcome)}: {first}", err=True)
        self._beat(_label(outcome))

    def _beat(self, what: str) -> None:
        now = time.monotonic()
        if now - self._last >= BEAT_S:
            self._last = now
            known, left = self._advance, self._advance.text(now - self._start)
            answers = f"{known.answers:,}/{known.answers_in_all:,} answers  "
            click.echo(
                f"{now - self._start:6.0f} s  {self._done}/{self._total} trials  "
                f"{answers if known.answers_in_all else ''}{self._tokens / 1000:,.0f}k tokens  "
                f"{f'{left}  ' if left else ''}{what}",
                err=True,
            )
            if self._line != self._shown:
                self._shown = self._line
                click.echo(f"          {self._line}", err=True)


class _AboveLine(Progress):
    """A bar above a line that says how training gets on."""

    line = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bar, and the line where there is one."""
        yield from super().get_renderables()
        if self.line:
            yield Text(self.line, no_wrap=True, overflow="ellipsis")


class Live:
    """A bar with answers, tokens and the time left, above what is waited for, on a terminal."""

    def __init__(self, advance: Advance | None = None) -> None:
        """Prepare the bar."""
        self._advance = advance or Advance()
        self._progress = _AboveLine(
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar = self._progress.add_task("", total=1.0, count="", left="")
        self._start = time.monotonic()
        self._total = self._done = 0
        self._tokens = 0.0

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
        self._total, self._done = total, existing
        self._progress.line = "starting"
        self._show()

    def spent(self, tokens: float) -> None:
        """Move the bar by the tokens run so far."""
        self._tokens = tokens
        self._advance.spent(tokens)
        self._show()

    def learns(self, line: str) -> None:
        """Show what is under way, in a line of its own."""
        self._progress.line = line

    def finished(self, outcome: Outcome) -> None:
        """Move the bar; a failed trial stays on the screen."""
        self._done += 1
        self._advance.finished(str(outcome.trial.id))
        self._show()
        if outcome.error:
            first = outcome.error.partition("\n")[0]
            self._progress.console.print(f"failed: {_label(outcome)}: {first}", markup=False)

    def _show(self) -> None:
        """Show answers and tokens where they are known, else trials."""
        known, elapsed = self._advance, time.monotonic() - self._start
        if known.answers_in_all:
            count = f"{known.answers:,}/{known.answers_in_all:,} answers"
            share = known.share
        else:
            count = f"{self._done}/{self._total} trials"
            share = self._done / max(self._total, 1)
        count = f"{count}  {self._tokens / 1000:,.0f}k tokens"
        self._progress.update(self._bar, completed=share, count=count, left=known.text(elapsed))


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what is waited for on standard error: at once on a terminal, after two seconds else."""
    if sys.stderr.isatty():
        with (
            Console(stderr=True).status(f"{what} …") as status,
            told(lambda now: status.update(f"{what}: {now} …")),
        ):
            yield
        return
    timer = threading.Timer(PATIENCE_S, click.echo, (f"{what} …",), {"err": True})
    timer.daemon = True
    timer.start()

    def note(now: str) -> None:
        timer.cancel()
        click.echo(f"{what}: {now} …", err=True)

    try:
        with told(note):
            yield
    finally:
        timer.cancel()
