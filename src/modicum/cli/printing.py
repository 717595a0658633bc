"""Prints verdicts in the form that was asked for, and how to go on."""

import dataclasses
import json
import sys
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import TypeVar

import click

from modicum.analysis.verdict import SCHEMA, Verdict, as_json
from modicum.cli.help_layout import GroupedOption, in_group
from modicum.cli.terminal import link, paint_for, sign, terminal_width
from modicum.cli.verdict_tables import verdicts_csv, verdicts_markdown
from modicum.cli.verdict_text import Look, overview_text, verdict_text

__all__ = ["form_of", "look_here", "open_page", "print_verdicts", "printing_options", "report_line"]

F = TypeVar("F", bound=Callable[..., object])

FORMS = ("text", "md", "csv", "json")


def printing_options(function: F) -> F:
    """Add the options that say how verdicts are printed: --format, --json, --verbose and --open."""
    return in_group(
        "Output",
        click.option(
            "-v",
            "--verbose",
            cls=GroupedOption,
            is_flag=True,
            help="Print controls by name, costs, notes and every warning as well.",
        ),
        click.option(
            "--format",
            "form",
            cls=GroupedOption,
            type=click.Choice(FORMS),
            default="text",
            help="How to print the verdicts; md is a table to paste into a model card. [text]",
        ),
        click.option(
            "--json",
            "wants_json",
            cls=GroupedOption,
            is_flag=True,
            help="Print JSON; the same as --format json.",
        ),
        click.option(
            "--open", "opens", cls=GroupedOption, is_flag=True, help="Open the report in a browser."
        ),
    )(function)


def form_of(options: dict[str, object]) -> str:
    """Take `--format` and `--json` out of the options and return the form."""
    form, wants_json = str(options.pop("form")), bool(options.pop("wants_json"))
    return "json" if wants_json else form


def look_here(*, verbose: bool) -> Look:
    """Return how verdicts are laid out on this terminal."""
    return Look(terminal_width(), verbose, paint_for(), sign("▸", ">"))


def print_verdicts(
    verdicts: Sequence[Verdict], form: str, folder: Path, *, verbose: bool = False, own: int = 0
) -> None:
    """Print verdicts to standard output.

    Args:
        verdicts: Of one study.
        form: One of `FORMS`.
        folder: The study's folder, for the commands that go on.
        verbose: Every detail; of several verdicts each one then stands in full.
        own: How many of them, the first ones, were run just now; a single one stands in full.
    """
    if form == "json":
        click.echo(json.dumps({"schema": SCHEMA, "verdicts": as_json(verdicts)}, indent=1))
    elif form == "csv":
        click.echo(verdicts_csv(verdicts))
    elif form == "md":
        click.echo(verdicts_markdown(verdicts))
    else:
        click.echo(
            _text(verdicts, folder, verbose=verbose, own=own), color=paint_for().is_on or None
        )


def _text(verdicts: Sequence[Verdict], folder: Path, *, verbose: bool, own: int) -> str:
    look = dataclasses.replace(look_here(verbose=verbose), folder=str(folder))
    full = verdicts if verbose else verdicts[:1] if 1 in (own, len(verdicts)) else ()
    parts = [verdict_text(verdict, look) for verdict in full]
    if len(verdicts) > 1:
        first = verdicts[1 if own == 1 else 0]
        models = {verdict.model for verdict in verdicts if verdict.task == first.task}
        one = f"modicum report {folder} --task {quote(first.titled)}"
        one += f" --model {first.model}" if len(models) > 1 else ""
        line = f"One in full  {one}"
        # a command is never broken: one that does not fit stands on a line of its own
        is_short = len(line) <= look.width
        parts += [overview_text(verdicts, look), line if is_short else f"One in full\n  {one}"]
    return "\n\n".join(parts)


def open_page(path: Path) -> None:
    """Open a file in the browser; where there is none, say where it lies."""
    if not webbrowser.open(path.resolve().as_uri()):
        click.echo(f"no browser could be started; open {path}", err=True)


def report_line(path: Path) -> str:
    """Say where the report lies, as a link where the terminal takes one."""
    return f"  Report      {link(path, sys.stdout)}"
