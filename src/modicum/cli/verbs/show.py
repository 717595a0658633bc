"""Shows the trials of a study, or the completions of one trial."""

import dataclasses
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click

from modicum.analysis.verdict import as_json
from modicum.cli.folder import reading
from modicum.cli.trial_text import completion_text, scores, spent, trial_text, trials_text
from modicum.errors import ConfigError, ModicumError
from modicum.plain import plain
from modicum.store.database import Outcome, Store, StoredAnswer
from modicum.study.editions import TaskVersions
from modicum.study.problem_sets import problems_of
from modicum.types import Grade, Problem, Trial

__all__ = ["command"]

LIMIT = 20
"""Completions that are printed unless said."""


@dataclass(frozen=True)
class _Wanted:
    """Which completions are shown."""

    wrong: bool
    unreadable: bool
    problem: str | None
    grep: str | None
    every: bool
    """Every sample, not only the one that stands."""

    @property
    def is_narrow(self) -> bool:
        """Whether completions are asked for at all."""
        return self.wrong or self.unreadable or self.every or bool(self.problem or self.grep)

    def takes(self, row: StoredAnswer) -> bool:
        """Say whether a completion is among those wanted."""
        grades = [Grade.INCORRECT] * self.wrong + [Grade.UNREADABLE] * self.unreadable
        return (
            (not grades or row.mark.lenient in grades)
            and self.problem in (None, row.problem)
            and (self.grep is None or self.grep.casefold() in row.text.casefold())
        )


@click.command("show")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("trial", required=False)
@click.option("--method", metavar="NAME", help="Show only trials of this method.")
@click.option("--wrong", is_flag=True, help="Show only completions marked incorrect.")
@click.option("--unreadable", is_flag=True, help="Show only completions without a readable answer.")
@click.option("--problem", metavar="ID", help="Show only completions of this problem.")
@click.option(
    "--grep", metavar="TEXT", help="Show only completions containing this text (case-insensitive)."
)
@click.option(
    "--all", "every", is_flag=True, help="Show every sample, not only the one that counts."
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help=f"Show at most N completions. [{LIMIT}; with --json all]",
)
@click.option("--whole", is_flag=True, help="Do not shorten long completions.")
@click.option(
    "--trust", is_flag=True, help="Allow the study to run code, contact servers and read keys."
)
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object a line.")
def command(folder: Path, trial: str | None, **options: object) -> None:
    """Lists the trials of a study, or shows the completions of one trial.

    TRIAL is the first digits of a trial's id, as the list shows them.

    Example: modicum show runs/organism --method cot_decoding
    """
    wants_json, whole = bool(options.pop("wants_json")), bool(options.pop("whole"))
    limit, method = options.pop("limit"), options.pop("method")
    trusted = bool(options.pop("trust"))
    rest: dict[str, Any] = options
    wanted = _Wanted(**rest)
    with reading(folder, trusted=trusted, read_only=True) as (store, _):
        trials = _chosen(store, trial, str(method) if method else None)
        if trial is None and not wanted.is_narrow:
            outcomes = [o for t in trials if (o := store.read(t, texts=False)) is not None]
            listed = iter([trials_text(outcomes, _width())])
            lines = map(_json_trial, outcomes) if wants_json else listed
        else:
            most = limit if isinstance(limit, int) else None if wants_json else LIMIT
            kept = _Shown(store, wanted, most, whole=whole)
            lines = kept.as_json(trials) if wants_json else kept.as_text(trials)
        _print(lines, is_paged=not wants_json)


def _chosen(store: Store, prefix: str | None, method: str | None) -> list[Trial]:
    """Return the trials that the arguments name, in the order they ran."""
    every = [outcome.trial for outcome in store.heads().values()]
    fits = [t for t in every if t.id.startswith(prefix or "") and method in (None, t.method)]
    if not fits:
        raise ConfigError(
            " ".join(
                ["no trial", *([prefix] if prefix else []), *([f"of {method}"] if method else [])]
            ),
            f"one of the {len(every)} trials of this study",
            "see them with `modicum show` and the folder alone",
        )
    if prefix is not None and len(fits) > 1:
        raise ConfigError(
            f"{len(fits)} trials begin with {prefix!r}",
            "the first digits of one id",
            f"give more digits: {', '.join(t.id for t in fits[:4])}",
        )
    return fits


@dataclass(frozen=True)
class _Shown:
    """Prints trials with the completions that are wanted, up to a limit over all of them."""

    store: Store
    wanted: _Wanted
    limit: int | None
    whole: bool

    def as_text(self, trials: list[Trial]) -> Iterator[str]:
        """Yield lines; a trial without any such completion is left out where several are asked."""
        left = self.limit
        for trial in trials:
            rows = list(islice(self._rows(trial), None if left is None else left + 1))
            if not rows and len(trials) > 1:
                continue
            outcome, problems = self.store.read(trial, texts=False), _problems(trial, self.store)
            if outcome is None:
                continue
            drawn = {answer.problem: len(answer.marks) for answer in outcome.answers}
            yield trial_text(outcome)
            yield ""
            for row in rows[:left]:
                one = problems.get(row.problem)
                yield from completion_text(row, one, drawn[row.problem], whole=self.whole)
            if left is not None and len(rows) > left:
                yield f"… more fit; see them with --limit above {self.limit}"
                return
            left = None if left is None else left - len(rows)
            if not rows:
                yield "no completion fits"

    def as_json(self, trials: list[Trial]) -> Iterator[str]:
        """Yield one JSON line a trial and one for each of its completions."""
        left = self.limit
        for trial in trials:
            outcome, problems = self.store.read(trial, texts=False), _problems(trial, self.store)
            if outcome is not None:
                yield _json_trial(outcome)
            for row in islice(self._rows(trial), left):
                yield _json_row(row, problems.get(row.problem))
                left = None if left is None else left - 1

    def _rows(self, trial: Trial) -> Iterator[StoredAnswer]:
        rows = self.store.rows([trial], standing=not self.wanted.every)
        return filter(self.wanted.takes, rows)


def _problems(trial: Trial, store: Store) -> Mapping[str, Problem]:
    """Return the test problems by id; says so where the task's data cannot be read any more."""
    try:
        scope = trial.scope
        scope = scope if scope.test is not None else dataclasses.replace(scope, test=0)
        return {p.id: p for p in problems_of(TaskVersions.of(store).task(trial), "test", scope)}
    except (ModicumError, OSError) as error:
        first = str(error).partition("\n")[0].removeprefix("found: ")
        click.echo(f"questions and golds cannot be read: {first}", err=True)
        return {}


def _json_trial(outcome: Outcome) -> str:
    trial = outcome.trial
    return json.dumps(
        {
            "kind": "trial",
            "trial": trial.id,
            **{k: v for k, v in trial.plain().items() if k != "scope"},
            "scores": {name: as_json(figure) for name, figure in scores(outcome).items()},
            "labels": outcome.elicitation.get("labels", 0),
            "seconds": spent(outcome, "seconds"),
            "elicitation": as_json(outcome.elicitation),
            "serving": as_json(outcome.serving),
            "style": plain(outcome.asked_in),
            "error": outcome.error,
        },
        default=str,
    )


def _json_row(row: StoredAnswer, problem: Problem | None) -> str:
    return json.dumps(
        {
            "kind": "answer",
            "trial": row.trial,
            "problem": row.problem,
            "question": problem.question if problem is not None else None,
            "gold": problem.answer if problem is not None else None,
            "sample": row.sample,
            "stands": row.stands,
            "text": row.text,
            "answer": row.mark.answer,
            "lenient": Grade(row.mark.lenient).name.lower(),
            "strict": Grade(row.mark.strict).name.lower(),
            "tokens": row.tokens,
            "stop": row.stop,
        }
    )


def _width() -> int:
    """Return the terminal's columns; what is read by a program is not shortened."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def _print(lines: Iterator[str], *, is_paged: bool) -> None:
    """Print lines as they come; through a pager where they do not fit on a person's terminal."""
    if not (is_paged and sys.stdout.isatty()):
        for line in lines:
            click.echo(line)
        return
    room, first = shutil.get_terminal_size().lines - 1, list[str]()
    for line in lines:
        first.append(line)
        if sum(one.count("\n") + 1 for one in first) > room:
            click.echo_via_pager(f"{one}\n" for one in chain(first, lines))
            return
    click.echo("\n".join(first))
