"""Lists tasks, markers, models, methods and other plug-ins."""

import json

import click

from modicum.catalog import KINDS, Catalog
from modicum.files.entries import left_out

__all__ = ["command"]


@click.command("list")
@click.argument("kind", metavar="[KIND]", type=click.Choice(KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(kind: str | None, *, as_json: bool) -> None:
    """Lists plug-ins by name, each with a line of what it is.

    Example: modicum list methods
    """
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
        return
    for name, entries in found.items():
        click.echo(f"{name}:")
        width = max(map(len, entries), default=0)
        for plugin, summary in entries.items():
            click.echo(f"  {plugin:<{width}}  {summary}")
