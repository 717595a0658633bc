"""Lists tasks, markers, models, methods and other plug-ins."""

import json
import textwrap
from collections.abc import Iterable, Mapping

import click

from modicum.catalog import KINDS, Catalog
from modicum.cli.terminal import terminal_width
from modicum.files.entries import left_out
from modicum.task_names import gym_names

__all__ = ["command"]

GYM = "gym"
"""Beside the kinds: what `gym:NAME` may name."""
_WORDS = {
    "tasks": "what is asked, or the form of a file of your own",
    "models": "what answers: by name, in a folder, behind a server",
    "methods": "ways to bring an ability out",
    "markers": "how an answer is compared with the right one",
    "rewards": "what training by reward pays for",
    "probes": "claims that a study of several variants tests",
    "readings": "further tables of a report",
    "exports": "forms in which a result leaves modicum",
    "executors": "where the trials of a study run",
}
"""What each kind is, in the order in which one comes to need them."""


@click.command("list")
@click.argument("kind", metavar="[KIND]", type=click.Choice((*KINDS, GYM)), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(kind: str | None, *, as_json: bool) -> None:
    """Lists plug-ins by name; with a KIND, each with a line of what it is.

    KIND is one of tasks, models, methods, markers, rewards, probes, readings, exports, executors;
    or gym, for the data sets that a task gym:NAME can take.

    Example: modicum list methods
    """
    if kind == GYM:
        names = gym_names()
        click.echo(json.dumps({GYM: names}, indent=1) if as_json else "\n".join(_gym(names)))
        return
    every = {k: Catalog(k).entries for k in ([kind] if kind else KINDS)}
    found = {
        k: {name: entry.summary for name, entry in entries.items()}
        for k, entries in every.items()
        if entries or kind
    }
    for said in (line for k in every for line in left_out(k)):
        click.echo(said, err=True)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        click.echo("\n".join(_one_kind(kind, found[kind]) if kind else _kinds(found)))


def _kinds(found: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the kinds with a few words and their names, and how to go on."""
    lines: list[str] = []
    for kind in sorted(found, key=list(_WORDS).index):
        lines += [f"{kind}: {_WORDS[kind]}", *_filled(found[kind]), ""]
    return [*lines, "What each one is:  modicum list KIND (modicum list tasks)"]


def _one_kind(kind: str, entries: Mapping[str, str]) -> list[str]:
    """Return one line a plug-in, or more beneath each other where the terminal is narrow."""
    wide = max(map(len, entries), default=0)
    lines = [f"{kind}: {_WORDS[kind]}"]
    for name, summary in entries.items():
        lines += textwrap.wrap(
            summary,
            terminal_width(),
            initial_indent=f"  {name:<{wide}}  ",
            subsequent_indent=" " * (wide + 4),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [f"  {name}"]
    more = "Data sets of gym:  modicum list gym" if kind == "tasks" else ""
    return [*lines, *(["", more] if more else [])]


def _gym(names: Iterable[str]) -> list[str]:
    """Return the names of reasoning-gym's data sets, and how one is run."""
    return [
        "gym: data sets of reasoning-gym",
        *_filled(names),
        "",
        "See what one asks:  modicum preview gym:NAME",
    ]


def _filled(names: Iterable[str]) -> list[str]:
    return textwrap.wrap(
        ", ".join(names),
        terminal_width(),
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
