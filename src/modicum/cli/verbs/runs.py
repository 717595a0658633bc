"""Lists the studies in a folder with their verdicts: nothing is run or computed."""

import json
from pathlib import Path

import click

from modicum.cli.runs_text import runs_text
from modicum.cli.terminal import paint_for, terminal_width
from modicum.errors import ConfigError
from modicum.plain import table_of
from modicum.running.homes import RUNS
from modicum.running.listing import listed

__all__ = ["command"]

SCHEMA = 1
"""Version of the JSON form."""


@click.command("runs")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--json", "wants_json", is_flag=True, help="Print JSON.")
def command(folder: Path | None, *, wants_json: bool) -> None:
    """Lists studies: verdict, accuracy as asked plainly → with the best method, labels, what is missing.

    FOLDER holds study folders, or is one. [runs]

    Example: modicum runs
    """
    root = folder or RUNS
    if not root.is_dir():
        raise ConfigError(
            f"no folder {root}", "a folder with studies", "name it, or make one with `modicum run`"
        )
    found = listed(root)
    if wants_json:
        studies = [{**table_of(study), "folder": str(study.folder)} for study in found]
        click.echo(json.dumps({"schema": SCHEMA, "studies": studies}, indent=1))
    elif not found:
        click.echo(f"no study in {root}")
    else:
        paint = paint_for()
        click.echo(runs_text(found, terminal_width(), paint), color=paint.is_on or None)
