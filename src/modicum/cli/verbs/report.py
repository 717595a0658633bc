"""Writes the report of a study folder again, without running anything."""

import json
from pathlib import Path

import click

from modicum.analysis.recall import recalled
from modicum.cli.folder import open_study
from modicum.cli.paper import write
from modicum.cli.verdict_text import overview_text, verdict_text
from modicum.verdict import SCHEMA, as_json

__all__ = ["command"]


@click.command("report")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "wants_json", is_flag=True, help="Print the verdicts as JSON.")
def command(folder: Path, *, wants_json: bool) -> None:
    """Reads a study folder, prints its verdicts and writes report.html there.

    Example: modicum report runs/organism
    """
    store, plan = open_study(folder)
    verdicts = recalled(plan, store)
    path = folder / "report.html"
    write(path, verdicts, plan, store)
    if wants_json:
        click.echo(json.dumps({"schema": SCHEMA, "verdicts": as_json(verdicts)}, indent=1))
        return
    if len(verdicts) > 1:
        click.echo(overview_text(verdicts))
    for verdict in verdicts:
        click.echo(verdict_text(verdict))
    click.echo(f"Report       {path}")
