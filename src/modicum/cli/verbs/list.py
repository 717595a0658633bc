"""Lists the tasks, markers, models and methods that are installed."""

import json

import click

from modicum.catalog import Catalog

__all__ = ["command"]

_KINDS = ("markers", "methods", "models", "tasks")


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(kind: str | None, *, as_json: bool) -> None:
    """Lists plug-ins by name with their first line; imports none of them.

    Example: modicum list methods
    """
    found = {
        k: {e.name: e.summary for e in Catalog(k).entries.values()}
        for k in ([kind] if kind else _KINDS)
    }
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for name, entries in found.items():
        click.echo(f"{name}:")
        width = max(map(len, entries), default=0)
        for plugin, summary in entries.items():
            click.echo(f"  {plugin:<{width}}  {summary}")
